// LeaseExpire: a storm of leases that end together. Each request grants a lease and attaches a key to it; a watcher
// sees the keys go, and the latency is how long after its time each of them went.
//
// Threads  LeaseExpireSource is confined to its loop, on which OnEvent must run too.
// Memory   8 bytes for each lease.
#ifndef SOCLE_BENCH_WORKLOAD_LEASE_EXPIRE_H_
#define SOCLE_BENCH_WORKLOAD_LEASE_EXPIRE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <etcd/rpc.pb.h>

#include "bench/load/histogram.h"
#include "bench/workload/lease.h"

namespace socle::bench {

inline constexpr std::string_view kExpireKeys = "socle-bench/expire/";

class LeaseExpireSource final : public RequestSource {
 public:
  // Requires: shape.expire_after_seconds > 0 and as many requests as shape.leases.
  explicit LeaseExpireSource(const LeaseShape& shape);

  std::string_view path() const override;
  const google::protobuf::MessageLite& Build(uint64_t sequence) override;
  absl::StatusOr<const google::protobuf::MessageLite*> Next(uint64_t sequence,
                                                            std::string_view response) override;

  std::vector<std::string> parts() const override { return {"grant", "put"}; }

  size_t part() const override { return part_; }

  // An event of a watch on the keys.
  void OnEvent(const mvccpb::Event& event);

  // Keys written so far.
  uint64_t attached() const { return attached_; }

  const Histogram& lateness() const { return lateness_; }

 private:
  enum : int64_t { kGranting = 0 };

  LeaseGrantSource grants_;
  const LeaseShape shape_;
  size_t part_ = 0;
  uint64_t attached_ = 0;
  std::vector<int64_t> due_nanos_;  // by request; kGranting: the grant was not answered
  etcdserverpb::PutRequest put_;
  Histogram lateness_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_LEASE_EXPIRE_H_
