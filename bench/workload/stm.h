// Stm: optimistic transactions of clients, as etcd's `benchmark stm`: read some keys, then commit with compares
// that nobody has written them since; after a conflict again with what the refusal brought along.
//
//   read keys ──► commit: if every key has the revision read, write some of them; else read all again
//                   │ succeeded: done                 ▲ conflict: counted, and once more
//                   └─────────────────────────────────┘
// Threads  confined to the loop that calls it.
// Memory   a number for each request in flight.
#ifndef SOCLE_BENCH_WORKLOAD_STM_H_
#define SOCLE_BENCH_WORKLOAD_STM_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <absl/status/status.h>
#include <etcd/rpc.pb.h>

#include "bench/load/load_runner.h"
#include "bench/workload/write_shape.h"

namespace socle::bench {

struct StmOptions {
  WriteShape shape;           // key_space_size: the keys that all transactions choose from
  uint64_t keys_per_txn = 1;  // read by each
  uint64_t write_percent = 50;
  // Whether a key that changed since it was read makes the commit fail: etcd's isolations r, s and ss, which
  // are one here because the keys are read in one transaction; `c`, read committed, compares nothing.
  bool compares = true;

  absl::Status Validate() const;
};

class StmSource final : public RequestSource {
 public:
  // Requires: a valid `options`.
  explicit StmSource(const StmOptions& options);

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;
  absl::StatusOr<const google::protobuf::MessageLite*> Next(uint64_t sequence,
                                                            std::string_view response) override;

  std::vector<std::string> parts() const override { return {"read", "commit"}; }

  size_t part() const override { return part_; }

  std::map<std::string, uint64_t> counters() const override { return {{"conflicts", conflicts_}}; }

 private:
  void AssignKey(uint64_t sequence, uint64_t index, std::string* key) const;
  const etcdserverpb::TxnRequest& BuildCommit(uint64_t sequence,
                                              const etcdserverpb::TxnResponse& read);

  const StmOptions options_;
  const uint64_t writes_;
  size_t part_ = 0;
  uint64_t conflicts_ = 0;
  std::unordered_map<uint64_t, bool> has_read_;  // by request in flight
  etcdserverpb::TxnRequest read_;
  etcdserverpb::TxnRequest commit_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_STM_H_
