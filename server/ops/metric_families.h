// MetricFamilies: gathers what /metrics shows.
//
// Laws     1. Metrics of one name are added one after the other.
// Threads  thread-compatible.
#ifndef SOCLE_SERVER_OPS_METRIC_FAMILIES_H_
#define SOCLE_SERVER_OPS_METRIC_FAMILIES_H_

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

#include "kv/base/durations.h"

namespace socle::server {

class MetricFamilies {
 public:
  using Labels = std::vector<prometheus::ClientMetric::Label>;

  template <typename Value>
  void Gauge(std::string_view name, std::string_view help, Value value, Labels labels = {}) {
    Add(prometheus::MetricType::Gauge, name, help, std::move(labels))->gauge.value =
        static_cast<double>(value);
  }

  template <typename Value>
  void Counter(std::string_view name, std::string_view help, Value value, Labels labels = {}) {
    Add(prometheus::MetricType::Counter, name, help, std::move(labels))->counter.value =
        static_cast<double>(value);
  }

  // `unit`: what of the durations' own unit makes one of the metric's.
  void Histogram(std::string_view name, std::string_view help, const Durations& durations,
                 double unit, Labels labels = {});

  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

 private:
  prometheus::ClientMetric* Add(prometheus::MetricType type, std::string_view name,
                                std::string_view help, Labels labels);

  std::vector<prometheus::MetricFamily> families_;
};

// The process as Prometheus' own clients describe theirs, and etcd's os_fd_*.
void AddProcess(int64_t started_wall_nanos, MetricFamilies* out);

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_METRIC_FAMILIES_H_
