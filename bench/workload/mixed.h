// Mixed: several kinds of requests in given shares, over keys and value sizes of given distributions.
//
//   put     writes one key            range   reads one key
//   delete  deletes one key           list    reads `limit` keys from a key on
//   txn     reads a key and writes it in one transaction
// Threads  confined to the loop that calls it.
#ifndef SOCLE_BENCH_WORKLOAD_MIXED_H_
#define SOCLE_BENCH_WORKLOAD_MIXED_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <etcd/rpc.pb.h>

#include "bench/load/load_runner.h"
#include "bench/workload/key_choice.h"
#include "bench/workload/write_shape.h"

namespace socle::bench {

struct MixedOptions {
  static constexpr size_t kKinds = 5;
  static constexpr std::array<std::string_view, kKinds> kNames = {"put", "range", "delete", "list",
                                                                  "txn"};

  WriteShape shape;
  std::array<double, kKinds> shares = {20, 80, 0, 0, 0};  // in any unit
  KeySpread keys = KeySpread::kUniform;
  SizeSpread sizes = SizeSpread::kFixed;
  uint64_t val_size_max = 0;  // 0: shape.val_size
  int64_t limit = 100;
  bool is_serializable = false;

  absl::Status Validate() const;
};

// "put=20", "range=80" …; what is not named has no share. InvalidArgument names the word.
absl::StatusOr<std::array<double, MixedOptions::kKinds>> ParseShares(
    const std::vector<std::string>& words);

class MixedSource final : public RequestSource {
 public:
  explicit MixedSource(const MixedOptions& options);

  std::string_view path() const override { return path_; }

  const google::protobuf::MessageLite& Build(uint64_t sequence) override;
  std::vector<std::string> parts() const override;

  size_t part() const override { return part_; }

 private:
  void AssignPut(Random* random, uint64_t sequence, etcdserverpb::PutRequest* put);
  void AssignKey(Random* random, uint64_t sequence, std::string* key) const;

  const MixedOptions options_;
  const KeyChoice keys_;
  const ValueSizes sizes_;
  WriteShape value_shape_;
  double total_share_ = 0;
  size_t part_ = 0;
  std::string_view path_;
  etcdserverpb::PutRequest put_;
  etcdserverpb::RangeRequest range_;
  etcdserverpb::DeleteRangeRequest delete_;
  etcdserverpb::RangeRequest list_;
  etcdserverpb::TxnRequest txn_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_MIXED_H_
