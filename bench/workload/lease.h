// Leases: grants with ids in a row, renewals of them, and grants that all end at one moment.
// Threads  confined to the loop that calls it.
#ifndef SOCLE_BENCH_WORKLOAD_LEASE_H_
#define SOCLE_BENCH_WORKLOAD_LEASE_H_

#include <cstdint>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <etcd/rpc.pb.h>

#include "bench/load/load_runner.h"

namespace socle::bench {

struct LeaseShape {
  int64_t first_id = 1;  // request n grants or renews the lease first_id + n modulo `leases`
  uint64_t leases = 10'000;
  int64_t ttl_seconds = 60;
  // Instead of ttl_seconds: what is left until this many seconds after the first request, so that all leases
  // end within one second. 0: not so.
  int64_t expire_after_seconds = 0;

  absl::Status Validate() const;

  int64_t IdOf(uint64_t sequence) const {
    return first_id + static_cast<int64_t>(sequence % leases);
  }
};

class LeaseGrantSource final : public RequestSource {
 public:
  explicit LeaseGrantSource(const LeaseShape& shape) : shape_(shape) {}

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;

 private:
  const LeaseShape shape_;
  int64_t end_nanos_ = 0;  // of all leases; 0: the first request has not come
  etcdserverpb::LeaseGrantRequest request_;
};

// Each client renews on one stream, as client libraries do, or opens one for each renewal (`once`),
// as etcd's own benchmark does.
class LeaseKeepAliveSource final : public RequestSource {
 public:
  LeaseKeepAliveSource(const LeaseShape& shape, bool once) : shape_(shape), once_(once) {}

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;

  Kind kind() const override { return once_ ? Kind::kUnary : Kind::kKeptStream; }

  // A lease that is gone is renewed for 0 seconds.
  absl::StatusOr<const google::protobuf::MessageLite*> Next(uint64_t sequence,
                                                            std::string_view response) override;

 private:
  const LeaseShape shape_;
  const bool once_;
  etcdserverpb::LeaseKeepAliveRequest request_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_LEASE_H_
