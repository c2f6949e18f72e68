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
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/btree_map.h>

#include "kv/base/mutex.h"
#include "lease/lessor.h"
#include "mvcc/store.h"
#include "server/ops/rpc_meter.h"
#include "server/service/node.h"

namespace socle::server {

// One that an extension adds.
struct MoreMetric {
  std::string name;
  std::string help;
  bool is_counter = false;
  double value = 0;
  std::vector<std::pair<std::string, std::string>> labels = {};
};

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

  // One check of /livez or /readyz: `type` is the page, both live for ever.
  void NoteCheck(std::string_view type, std::string_view check, bool has_passed);

  // Asked whenever metrics are shown; metrics of one name follow each other. To be called before serving.
  void AddMore(std::function<std::vector<MoreMetric>()> more) { more_.push_back(std::move(more)); }

  // The Prometheus text format.
  std::string Render(const Node& node, const lease::Lessor& lessor) const;

 private:
  struct StoreTimes;

  struct CheckCounts {
    uint64_t success = 0;
    uint64_t error = 0;
    bool has_passed = false;  // the last time
  };

  const std::unique_ptr<StoreTimes> store_;
  const int64_t started_wall_nanos_;
  RpcMeter meter_;
  std::vector<std::function<std::vector<MoreMetric>()>> more_;
  std::atomic<uint64_t> health_success_{0};
  std::atomic<uint64_t> health_failures_{0};
  mutable Mutex mu_;
  absl::btree_map<std::pair<std::string_view, std::string_view>, CheckCounts> checks_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_METRICS_H_
