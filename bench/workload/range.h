// Range: reads of one key or of an interval, as etcd's `benchmark range`; or of the random keys of
// a put run.
// Threads  confined to the loop that calls it.
#ifndef SOCLE_BENCH_WORKLOAD_RANGE_H_
#define SOCLE_BENCH_WORKLOAD_RANGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <etcd/rpc.pb.h>

#include "bench/load/load_runner.h"
#include "bench/workload/write_shape.h"

namespace socle::bench {

struct RangeOptions {
  std::string key;  // empty: a key of `keys` per request
  std::string range_end;
  WriteShape keys;
  bool is_serializable = false;  // --consistency s
  int64_t limit = 0;
  bool keys_only = false;
  bool count_only = false;
};

class RangeSource final : public RequestSource {
 public:
  explicit RangeSource(const RangeOptions& options);

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;

 private:
  const RangeOptions options_;
  etcdserverpb::RangeRequest request_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_RANGE_H_
