// Txn: transactions of several puts, and a mixture of transactions that read and that write, as etcd's
// `benchmark txn-put` and `txn-mixed`.
//
// Laws     1. The keys of one transaction differ from each other: the server refuses a key twice.
// Threads  confined to the loop that calls it.
#ifndef SOCLE_BENCH_WORKLOAD_TXN_H_
#define SOCLE_BENCH_WORKLOAD_TXN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <etcd/rpc.pb.h>

#include "bench/load/load_runner.h"
#include "bench/workload/write_shape.h"

namespace socle::bench {

class TxnPutSource final : public RequestSource {
 public:
  // Requires: CheckOps.
  TxnPutSource(const WriteShape& shape, uint64_t ops);

  static absl::Status CheckOps(const WriteShape& shape, uint64_t ops);

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;

 private:
  const WriteShape shape_;
  const uint64_t ops_;
  etcdserverpb::TxnRequest request_;
};

struct TxnMixedOptions {
  WriteShape shape;
  double rw_ratio = 1;  // reads for each write
  int64_t limit = 1;    // keys that a read may return, from a random key on; 1: that key alone
  bool is_serializable = false;

  absl::Status Validate() const;
};

class TxnMixedSource final : public RequestSource {
 public:
  explicit TxnMixedSource(const TxnMixedOptions& options);

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;

  std::vector<std::string> parts() const override { return {"read", "write"}; }

  size_t part() const override { return part_; }

 private:
  const TxnMixedOptions options_;
  size_t part_ = 0;
  etcdserverpb::TxnRequest read_;
  etcdserverpb::TxnRequest write_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_TXN_H_
