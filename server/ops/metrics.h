// Metrics: what /metrics shows, under etcd's names where we can fill them truthfully.
//
// Laws     1. A number is read from where it is kept when somebody asks; nothing is counted twice.
// Threads  thread-safe.
// Source   spec etcd 1.13.
#ifndef SOCLE_SERVER_OPS_METRICS_H_
#define SOCLE_SERVER_OPS_METRICS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "lease/lessor.h"
#include "mvcc/store.h"
#include "server/ops/rpc_meter.h"
#include "server/service/node.h"

namespace socle::server {

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  RpcMeter* meter() { return &meter_; }

  // Histograms of the store's work; `on_commit` is called after each commit, and each step
  // of shrinking, too.
  mvcc::StoreObserver Observer(const std::function<void()>& on_commit);

  void NoteHealthCheck(bool is_healthy) {
    (is_healthy ? health_success_ : health_failures_).fetch_add(1, std::memory_order_relaxed);
  }

  // The Prometheus text format.
  std::string Render(const Node& node, const lease::Lessor& lessor) const;

 private:
  struct Histograms;

  const std::unique_ptr<Histograms> histograms_;
  const int64_t started_wall_nanos_;
  RpcMeter meter_;
  std::atomic<uint64_t> health_success_{0};
  std::atomic<uint64_t> health_failures_{0};
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_METRICS_H_
