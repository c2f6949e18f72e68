#include "server/ops/metric_families.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <limits>

#include "kv/env/env.h"

namespace socle::server {
namespace {

struct Pages {
  uint64_t all = 0;
  uint64_t resident = 0;
};

// The first two numbers of /proc/self/statm. A file of /proc has no size, so byte by byte.
Pages ReadPages() {
  const auto file = Env::Posix()->Open("/proc/self/statm", OpenMode::kReadOnly);
  if (!file.ok()) {
    return {};
  }
  std::array<uint64_t, 2> numbers{};
  size_t spaces = 0;
  std::array<char, 1> byte{};
  constexpr uint64_t kBytesMax = 64;
  for (uint64_t at = 0; at < kBytesMax && spaces < 2 && (*file)->ReadAt(at, byte).ok(); ++at) {
    if (byte[0] == ' ') {
      ++spaces;
    } else if (byte[0] >= '0' && byte[0] <= '9') {
      numbers[spaces] = numbers[spaces] * 10 + static_cast<uint64_t>(byte[0] - '0');
    }
  }
  return {.all = numbers[0], .resident = numbers[1]};
}

}  // namespace

void MetricFamilies::Histogram(std::string_view name, std::string_view help,
                               const Durations& durations, double unit, Labels labels) {
  auto& histogram =
      Add(prometheus::MetricType::Histogram, name, help, std::move(labels))->histogram;
  for (size_t i = 0; i <= durations.buckets(); ++i) {
    histogram.sample_count += durations.count(i);
    histogram.bucket.push_back({.cumulative_count = histogram.sample_count,
                                .upper_bound = i < durations.buckets()
                                                   ? static_cast<double>(durations.bound(i)) / unit
                                                   : std::numeric_limits<double>::infinity()});
  }
  histogram.sample_sum = static_cast<double>(durations.sum()) / unit;
}

prometheus::ClientMetric* MetricFamilies::Add(prometheus::MetricType type, std::string_view name,
                                              std::string_view help, Labels labels) {
  if (families_.empty() || families_.back().name != name) {
    families_.push_back({std::string(name), std::string(help), type, {}});
  }
  prometheus::ClientMetric* const metric = &families_.back().metric.emplace_back();
  metric->label = std::move(labels);
  return metric;
}

void AddProcess(int64_t started_wall_nanos, MetricFamilies* out) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  out->Counter("process_cpu_seconds_total", "User and system CPU time in seconds.",
               seconds(usage.ru_utime) + seconds(usage.ru_stime));
  const Pages pages = ReadPages();
  const auto page_bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  out->Gauge("process_resident_memory_bytes", "Resident memory in bytes.",
             pages.resident * page_bytes);
  out->Gauge("process_virtual_memory_bytes", "Virtual memory in bytes.", pages.all * page_bytes);
  out->Gauge("process_start_time_seconds", "Start time since the Unix epoch in seconds.",
             static_cast<double>(started_wall_nanos) * 1e-9);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (const auto open = Env::Posix()->List("/proc/self/fd"); open.ok()) {
    out->Gauge("process_open_fds", "Open file descriptors.", open->size());
    out->Gauge("os_fd_used", "Open file descriptors.", open->size());
  }
  out->Gauge("process_max_fds", "Most open file descriptors.", limit.rlim_cur);
  out->Gauge("os_fd_limit", "Most open file descriptors.", limit.rlim_cur);
}

}  // namespace socle::server
