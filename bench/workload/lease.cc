#include "bench/workload/lease.h"

#include <algorithm>

#include "bench/workload/answer.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {

absl::Status LeaseShape::Validate() const {
  if (first_id <= 0 || leases == 0) {
    return absl::InvalidArgumentError("--first-id and --leases must be positive");
  }
  if (ttl_seconds <= 0 && expire_after_seconds <= 0) {
    return absl::InvalidArgumentError("--ttl must be positive");
  }
  return absl::OkStatus();
}

std::string_view LeaseGrantSource::path() const {
  return server::method::kLeaseGrant;
}

const google::protobuf::MessageLite& LeaseGrantSource::Build(uint64_t sequence) {
  int64_t ttl = shape_.ttl_seconds;
  if (shape_.expire_after_seconds > 0) {
    const int64_t now = Clock::Real()->MonotonicNanos();
    if (end_nanos_ == 0) {
      end_nanos_ = now + shape_.expire_after_seconds * kNanosPerSecond;
    }
    ttl = std::max<int64_t>(1, (end_nanos_ - now + kNanosPerSecond / 2) / kNanosPerSecond);
  }
  request_.set_id(shape_.IdOf(sequence));
  request_.set_ttl(ttl);
  return request_;
}

std::string_view LeaseKeepAliveSource::path() const {
  return server::method::kLeaseKeepAlive;
}

const google::protobuf::MessageLite& LeaseKeepAliveSource::Build(uint64_t sequence) {
  request_.set_id(shape_.IdOf(sequence));
  return request_;
}

absl::StatusOr<const google::protobuf::MessageLite*> LeaseKeepAliveSource::Next(
    uint64_t /*sequence*/, std::string_view response) {
  etcdserverpb::LeaseKeepAliveResponse answer;
  RETURN_IF_ERROR(ParseAnswer(response, &answer));
  if (answer.ttl() <= 0) {
    return absl::NotFoundError("the lease is gone");
  }
  return nullptr;
}

}  // namespace socle::bench
