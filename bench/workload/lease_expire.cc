#include "bench/workload/lease_expire.h"

#include <charconv>

#include <fmt/format.h>

#include "bench/workload/answer.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {

LeaseExpireSource::LeaseExpireSource(const LeaseShape& shape)
    : grants_(shape), shape_(shape), due_nanos_(shape.leases, kGranting) {}

std::string_view LeaseExpireSource::path() const {
  return part_ == 0 ? server::method::kLeaseGrant : server::method::kPut;
}

const google::protobuf::MessageLite& LeaseExpireSource::Build(uint64_t sequence) {
  part_ = 0;
  return grants_.Build(sequence);
}

absl::StatusOr<const google::protobuf::MessageLite*> LeaseExpireSource::Next(
    uint64_t sequence, std::string_view response) {
  int64_t& due = due_nanos_[sequence % shape_.leases];
  if (due != kGranting) {
    ++attached_;
    return nullptr;
  }
  etcdserverpb::LeaseGrantResponse answer;
  RETURN_IF_ERROR(ParseAnswer(response, &answer));
  due = Clock::Real()->MonotonicNanos() + answer.ttl() * kNanosPerSecond;
  part_ = 1;
  put_.set_key(fmt::format("{}{:016x}", kExpireKeys, sequence % shape_.leases));
  put_.set_lease(answer.id());
  return &put_;
}

void LeaseExpireSource::OnEvent(const mvccpb::Event& event) {
  uint64_t index = 0;
  const std::string& key = event.kv().key();
  if (event.type() != mvccpb::Event::DELETE || key.size() <= kExpireKeys.size()) {
    return;
  }
  const auto [end, error] =
      std::from_chars(key.data() + kExpireKeys.size(), key.data() + key.size(), index, 16);
  if (error == std::errc() && end == key.data() + key.size() && index < due_nanos_.size()) {
    lateness_.Record(Clock::Real()->MonotonicNanos() - due_nanos_[index]);
  }
}

}  // namespace socle::bench
