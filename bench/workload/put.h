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

class PutSource final : public RequestSource {
 public:
  // With `first_lease` the key of request n is attached to the lease first_lease + n.
  explicit PutSource(const WriteShape& shape, int64_t first_lease = 0)
      : shape_(shape), first_lease_(first_lease) {}

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;

 private:
  const WriteShape shape_;
  const int64_t first_lease_;
  etcdserverpb::PutRequest request_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_PUT_H_
