#include "bench/load/server_metrics.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>

namespace socle::bench {
namespace {

constexpr double kUnknown = -1;

double NumberOf(std::string_view text) {
  if (text.starts_with("+Inf")) {
    return std::numeric_limits<double>::infinity();
  }
  double number = kUnknown;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() ? number : kUnknown;
}

struct Sample {
  std::string_view name;
  std::string_view labels;  // without braces
  double value = kUnknown;
};

// name{labels} value
Sample SampleIn(std::string_view line) {
  Sample sample;
  const size_t name_end = line.find_first_of("{ ");
  const size_t value = line.rfind(' ');
  if (line.starts_with('#') || name_end == std::string_view::npos) {
    return sample;
  }
  sample.name = line.substr(0, name_end);
  if (line[name_end] == '{') {
    sample.labels = line.substr(name_end + 1, line.find('}') - name_end - 1);
  }
  sample.value = NumberOf(line.substr(value + 1));
  return sample;
}

void AddBucket(const Sample& sample, BucketCounts* buckets) {
  const size_t bound = sample.labels.find("le=\"");
  if (bound != std::string_view::npos) {
    buckets->emplace_back(NumberOf(sample.labels.substr(bound + 4)), sample.value);
  }
}

double CountUpTo(const BucketCounts& buckets, size_t index) {
  return index < buckets.size() ? buckets[index].second : 0;
}

}  // namespace

ServerMetrics ParseMetrics(std::string_view page) {
  ServerMetrics metrics;
  double compacted_keys = kUnknown;
  while (!page.empty()) {
    const size_t end = page.find('\n');
    const Sample sample = SampleIn(page.substr(0, end));
    page.remove_prefix(end == std::string_view::npos ? page.size() : end + 1);
    if (sample.name == "process_cpu_seconds_total") {
      metrics.cpu_seconds = sample.value;
    } else if (sample.name == "process_resident_memory_bytes") {
      metrics.resident_bytes = sample.value;
    } else if (sample.name == "etcd_disk_wal_write_bytes_total") {
      metrics.log_bytes = sample.value;
    } else if (sample.name == "etcd_debugging_mvcc_compact_revision") {
      metrics.compacted = sample.value;
    } else if (sample.name == "etcd_debugging_mvcc_db_compaction_keys_total") {
      compacted_keys = sample.value;
    } else if (sample.name == "etcd_disk_backend_commit_duration_seconds_bucket") {
      AddBucket(sample, &metrics.commits);
    } else if (sample.name == "etcd_disk_wal_fsync_duration_seconds_bucket") {
      AddBucket(sample, &metrics.syncs);
    }
  }
  if (metrics.compacted < 0) {
    metrics.compacted = compacted_keys;
  }
  return metrics;
}

double CountOf(const BucketCounts& buckets) {
  return buckets.empty() ? kUnknown : buckets.back().second;
}

double P99Between(const BucketCounts& before, const BucketCounts& after) {
  const double total = CountUpTo(after, after.size() - 1) - CountUpTo(before, after.size() - 1);
  if (after.empty() || !(total > 0)) {
    return kUnknown;
  }
  for (size_t i = 0; i < after.size(); ++i) {
    if (after[i].second - CountUpTo(before, i) >= total * 0.99) {
      return std::isfinite(after[i].first) ? after[i].first : kUnknown;
    }
  }
  return kUnknown;
}

}  // namespace socle::bench
