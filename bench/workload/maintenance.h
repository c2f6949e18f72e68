// Maintenance: compactions, snapshots and defragmentations as requests.
// Threads  confined to the loop that calls it.
#ifndef SOCLE_BENCH_WORKLOAD_MAINTENANCE_H_
#define SOCLE_BENCH_WORKLOAD_MAINTENANCE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <etcd/rpc.pb.h>

#include "bench/load/load_runner.h"

namespace socle::bench {

// Writes one key and compacts everything before it: so there is always something to compact.
class CompactSource final : public RequestSource {
 public:
  // `physical`: the answer comes when the pages are free, not when the compaction is scheduled.
  explicit CompactSource(bool physical);

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;
  absl::StatusOr<const google::protobuf::MessageLite*> Next(uint64_t sequence,
                                                            std::string_view response) override;

  std::vector<std::string> parts() const override { return {"put", "compaction"}; }

  size_t part() const override { return part_; }

 private:
  size_t part_ = 0;
  std::map<uint64_t, bool> is_compacting_;  // by request in flight
  etcdserverpb::PutRequest put_;
  etcdserverpb::CompactionRequest compact_;
};

class DefragmentSource final : public RequestSource {
 public:
  std::string_view path() const override;

  const google::protobuf::MessageLite& Build(uint64_t /*sequence*/) override { return request_; }

 private:
  etcdserverpb::DefragmentRequest request_;
};

// Takes the whole snapshot and throws it away; an answer that ends before its last byte is an error.
class SnapshotSource final : public RequestSource {
 public:
  Kind kind() const override { return Kind::kServerStream; }

  std::string_view path() const override;

  const google::protobuf::MessageLite& Build(uint64_t /*sequence*/) override { return request_; }

  absl::StatusOr<const google::protobuf::MessageLite*> Next(uint64_t sequence,
                                                            std::string_view response) override;

 private:
  etcdserverpb::SnapshotRequest request_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_MAINTENANCE_H_
