#include "server/ops/rpc_meter.h"

namespace socle::server {
namespace {

constexpr std::string_view kUnknownVersion = "unknown";
constexpr std::string_view kOtherVersions = "other";
constexpr size_t kVersionBytesMax = 64;

}  // namespace

void RpcMeter::TimeCalls() {
  constexpr int64_t kMilli = kNanosPerMilli;
  // Prometheus' own bounds, which etcd takes.
  static constexpr std::array<int64_t, 11> kBounds = {
      5 * kMilli,   10 * kMilli,   25 * kMilli,   50 * kMilli,   100 * kMilli,  250 * kMilli,
      500 * kMilli, 1000 * kMilli, 2500 * kMilli, 5000 * kMilli, 10000 * kMilli};
  while (times_.size() < kRpcMethods.size()) {
    times_.push_back(std::make_unique<Durations>(kBounds));
  }
}

void RpcMeter::CountClient(RpcMethod method, std::string_view version) {
  Client* const client = ClientOf(version.empty() ? kUnknownVersion : version);
  const bool is_unary = kRpcMethods[static_cast<size_t>(method)].type == "unary";
  Add(is_unary ? client->unary : client->streams);
}

RpcMeter::Client* RpcMeter::ClientOf(std::string_view version) {
  const auto find = [&](size_t from, size_t to) -> Client* {
    for (size_t i = from; i < to; ++i) {
      if (clients_[i].version == version) {
        return &clients_[i];
      }
    }
    return nullptr;
  };
  const size_t seen = client_count_.load(std::memory_order_acquire);
  if (Client* const found = find(0, seen)) {
    return found;
  }
  MutexLock lock(&mu_);
  const size_t count = client_count_.load(std::memory_order_relaxed);
  if (Client* const found = find(seen, count)) {
    return found;
  }
  if (count == kClientsMax) {
    return &clients_[kClientsMax - 1];
  }
  const bool is_other = count == kClientsMax - 1 || version.size() > kVersionBytesMax;
  if (is_other) {
    version = kOtherVersions;
    if (Client* const found = find(0, count)) {
      return found;
    }
  }
  clients_[count].version = version;
  client_count_.store(count + 1, std::memory_order_release);
  return &clients_[count];
}

std::vector<RpcMeter::ClientCalls> RpcMeter::ReadClients() const {
  std::vector<ClientCalls> calls;
  const size_t count = client_count_.load(std::memory_order_acquire);
  for (size_t i = 0; i < count; ++i) {
    calls.push_back({.version = clients_[i].version,
                     .unary = clients_[i].unary.load(std::memory_order_relaxed),
                     .streams = clients_[i].streams.load(std::memory_order_relaxed)});
  }
  return calls;
}

}  // namespace socle::server
