// Put: one key written per request, as etcd's `benchmark put`.
// Threads  confined to the loop that calls it.
#ifndef SOCLE_BENCH_WORKLOAD_PUT_H_
#define SOCLE_BENCH_WORKLOAD_PUT_H_

#include <cstdint>
#include <string_view>

#include <etcd/rpc.pb.h>

#include "bench/load/load_runner.h"
#include "bench/workload/write_shape.h"

namespace socle::bench {

// The key of request n is attached to the lease first + n * step; first 0: to none.
struct PutLeases {
  int64_t first = 0;
  int64_t step = 0;
};

class PutSource final : public RequestSource {
 public:
  explicit PutSource(const WriteShape& shape, PutLeases leases = {})
      : shape_(shape), leases_(leases) {}

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;

 private:
  const WriteShape shape_;
  const PutLeases leases_;
  etcdserverpb::PutRequest request_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_PUT_H_
