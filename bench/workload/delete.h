// Delete: one key deleted per request, a key that `put` with the same shape wrote; or an interval.
// Threads  confined to the loop that calls it.
#ifndef SOCLE_BENCH_WORKLOAD_DELETE_H_
#define SOCLE_BENCH_WORKLOAD_DELETE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <etcd/rpc.pb.h>

#include "bench/load/load_runner.h"
#include "bench/workload/write_shape.h"

namespace socle::bench {

class DeleteSource final : public RequestSource {
 public:
  // Each request deletes `span` keys in a row.
  DeleteSource(const WriteShape& shape, uint64_t span) : shape_(shape), span_(span) {}

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;
  absl::StatusOr<const google::protobuf::MessageLite*> Next(uint64_t sequence,
                                                            std::string_view response) override;

  // How many keys were there.
  std::map<std::string, uint64_t> counters() const override { return {{"deleted", deleted_}}; }

 private:
  const WriteShape shape_;
  const uint64_t span_;
  uint64_t deleted_ = 0;
  etcdserverpb::DeleteRangeRequest request_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_DELETE_H_
