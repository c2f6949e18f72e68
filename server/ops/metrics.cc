#include "server/ops/metrics.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "kv/base/clock.h"
#include "kv/env/env.h"
#include "server/service/key_text.h"

namespace socle::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  void Gauge(std::string_view name, std::string_view help, double value, Labels labels = {}) {
    ClientMetric& metric = Add(MetricType::Gauge, name, help, std::move(labels));
    metric.gauge.value = value;
  }

  void Counter(std::string_view name, std::string_view help, double value, Labels labels = {}) {
    ClientMetric& metric = Add(MetricType::Counter, name, help, std::move(labels));
    metric.counter.value = value;
  }

  std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
  ClientMetric& Add(MetricType type, std::string_view name, std::string_view help, Labels labels) {
    if (families_.empty() || families_.back().name != name) {
      families_.push_back(MetricFamily{std::string(name), std::string(help), type, {}});
    }
    ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    return metric;
  }

  std::vector<MetricFamily> families_;
};

prometheus::Histogram::BucketBoundaries Buckets(double first, size_t count) {
  prometheus::Histogram::BucketBoundaries bounds;
  for (size_t i = 0; i < count; ++i, first *= 2) {
    bounds.push_back(first);
  }
  return bounds;
}

double Number(uint64_t value) {
  return static_cast<double>(value);
}

double Number(int64_t value) {
  return static_cast<double>(value);
}

void AddServer(const Node& node, const mvcc::StoreStats& stats, Families* out) {
  const Identity& identity = node.identity();
  out->Gauge("etcd_server_has_leader", "Whether or not a leader exists.", 1);
  out->Gauge("etcd_server_is_leader", "Whether or not this member is a leader.", 1);
  out->Counter("etcd_server_leader_changes_seen_total", "The number of leader changes seen.", 1);
  out->Counter("etcd_server_proposals_committed_total", "The number of log entries committed.",
               Number(stats.log_index));
  out->Counter("etcd_server_proposals_applied_total", "The number of log entries applied.",
               Number(stats.log_index));
  out->Gauge("etcd_server_quota_backend_bytes", "The storage quota in bytes.",
             Number(node.quota().bytes()));
  out->Gauge("etcd_server_version", "Which version is running.", 1,
             {{"server_version", std::string(kServerVersion)}});
  out->Gauge("etcd_server_id", "The id of this member.", 1,
             {{"server_id", fmt::format("{:x}", identity.member.id)}});
  out->Gauge("etcd_cluster_version", "Which version the cluster runs.", 1,
             {{"cluster_version", "3.6"}});
  for (const auto type : {etcdserverpb::NOSPACE, etcdserverpb::CORRUPT}) {
    out->Gauge("etcd_debugging_server_alarms", "Alarms for every member in cluster.",
               node.alarms().IsActive(type) ? 1 : 0,
               {{"alarm_type", etcdserverpb::AlarmType_Name(type)},
                {"server_id", fmt::format("{:x}", identity.member.id)}});
  }
}

void AddStore(const mvcc::StoreStats& stats, Families* out) {
  out->Gauge("etcd_mvcc_db_total_size_in_bytes", "Size of the database file in use or free.",
             Number(stats.db_size_bytes));
  out->Gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Size of the database without free pages.",
             Number(stats.db_in_use_bytes));
  out->Gauge("etcd_mvcc_db_open_read_transactions", "Page snapshots being read.",
             Number(stats.open_reads));
  out->Counter("etcd_mvcc_put_total", "Puts seen.", Number(stats.puts));
  out->Counter("etcd_mvcc_delete_total", "Deletes seen.", Number(stats.deletes));
  out->Counter("etcd_mvcc_txn_total", "Transactions seen.", Number(stats.txns));
  out->Counter("etcd_disk_wal_write_bytes_total", "Bytes written to the write-ahead log.",
               Number(stats.wal_written_bytes));
  out->Gauge("etcd_debugging_mvcc_keys_total", "Live keys.", Number(stats.keys));
  out->Gauge("etcd_debugging_mvcc_watcher_total", "Watchers.", Number(stats.watchers));
  out->Gauge("etcd_debugging_mvcc_watch_stream_total", "Watch streams.",
             Number(stats.watch_streams));
  out->Gauge("etcd_debugging_mvcc_slow_watcher_total", "Watchers that read history.",
             Number(stats.slow_watchers));
  out->Counter("etcd_debugging_mvcc_events_total", "Events sent to watchers.",
               Number(stats.watch_events_sent));
  out->Gauge("etcd_debugging_mvcc_current_revision", "The current revision.",
             Number(stats.current_revision));
  out->Gauge("etcd_debugging_mvcc_compact_revision", "The last compaction's revision.",
             Number(stats.compact_revision));
  out->Gauge("socle_pending_bytes", "Changes that are logged and not yet in the pages.",
             Number(stats.pending_bytes));
  out->Counter("socle_commits_total", "Page-store commits.", Number(stats.commits));
}

void AddLeases(const lease::LessorStats& stats, Families* out) {
  out->Counter("etcd_debugging_lease_granted_total", "Leases granted.", Number(stats.granted));
  out->Counter("etcd_debugging_lease_revoked_total", "Leases revoked.", Number(stats.revoked));
  out->Counter("etcd_debugging_lease_renewed_total", "Leases renewed.", Number(stats.renewed));
  out->Counter("etcd_debugging_server_lease_expired_total", "Leases expired.",
               Number(stats.expired));
}

Labels LabelsOf(const RpcMethodName& name) {
  return {{"grpc_method", std::string(name.method)},
          {"grpc_service", std::string(name.service)},
          {"grpc_type", std::string(name.type)}};
}

void AddCalls(const RpcMeter& meter, Families* out) {
  const auto each = [&](std::string_view name, std::string_view help,
                        std::atomic<uint64_t> RpcMeter::Counts::*counter) {
    for (size_t i = 0; i < kRpcMethods.size(); ++i) {
      out->Counter(name, help, Number((meter.counts(i).*counter).load(std::memory_order_relaxed)),
                   LabelsOf(kRpcMethods[i]));
    }
  };
  each("grpc_server_started_total", "Calls started.", &RpcMeter::Counts::started);
  each("grpc_server_msg_received_total", "Messages received.", &RpcMeter::Counts::received);
  each("grpc_server_msg_sent_total", "Messages sent.", &RpcMeter::Counts::sent);
  for (size_t i = 0; i < kRpcMethods.size(); ++i) {
    for (size_t code = 0; code < RpcMeter::kCodes; ++code) {
      const uint64_t count = meter.counts(i).handled[code].load(std::memory_order_relaxed);
      if (count == 0 && code != 0) {
        continue;
      }
      Labels labels = LabelsOf(kRpcMethods[i]);
      labels.insert(labels.begin(),
                    {"grpc_code", std::string(RpcCodeName(static_cast<absl::StatusCode>(code)))});
      out->Counter("grpc_server_handled_total", "Calls answered.", Number(count),
                   std::move(labels));
    }
  }
}

// Second number of /proc/self/statm: resident pages. A file of /proc has no size, so byte by byte.
uint64_t ResidentPages() {
  const auto file = Env::Posix()->Open("/proc/self/statm", OpenMode::kReadOnly);
  if (!file.ok()) {
    return 0;
  }
  uint64_t number = 0;
  size_t spaces = 0;
  std::array<char, 1> byte{};
  constexpr uint64_t kBytesMax = 64;
  for (uint64_t at = 0; at < kBytesMax && spaces < 2 && (*file)->ReadAt(at, byte).ok(); ++at) {
    if (byte[0] == ' ') {
      ++spaces;
    } else if (spaces == 1 && byte[0] >= '0' && byte[0] <= '9') {
      number = number * 10 + static_cast<uint64_t>(byte[0] - '0');
    }
  }
  return number;
}

void AddMachine(int64_t started_wall_nanos, Families* out) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  out->Counter("process_cpu_seconds_total", "User and system CPU time in seconds.",
               seconds(usage.ru_utime) + seconds(usage.ru_stime));
  out->Gauge("process_resident_memory_bytes", "Resident memory in bytes.",
             Number(ResidentPages() * 4'096));
  out->Gauge("process_start_time_seconds", "Start time since the Unix epoch in seconds.",
             static_cast<double>(started_wall_nanos) * 1e-9);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (const auto open = Env::Posix()->List("/proc/self/fd"); open.ok()) {
    out->Gauge("process_open_fds", "Open file descriptors.", static_cast<double>(open->size()));
    out->Gauge("os_fd_used", "Open file descriptors.", static_cast<double>(open->size()));
  }
  out->Gauge("process_max_fds", "Most open file descriptors.", Number(limit.rlim_cur));
  out->Gauge("os_fd_limit", "Most open file descriptors.", Number(limit.rlim_cur));
}

}  // namespace

struct Metrics::Histograms {
  prometheus::Registry registry;
  prometheus::Histogram& wal_sync =
      prometheus::BuildHistogram()
          .Name("etcd_disk_wal_fsync_duration_seconds")
          .Help("The latency distributions of fsync called by the write-ahead log.")
          .Register(registry)
          .Add({}, Buckets(0.001, 14));
  prometheus::Histogram& commit =
      prometheus::BuildHistogram()
          .Name("etcd_disk_backend_commit_duration_seconds")
          .Help("The latency distributions of commit called by the backend.")
          .Register(registry)
          .Add({}, Buckets(0.001, 14));
  prometheus::Histogram& apply =
      prometheus::BuildHistogram()
          .Name("socle_apply_batch_duration_seconds")
          .Help("The latency distributions of applying one batch of the log.")
          .Register(registry)
          .Add({}, Buckets(0.0001, 20));
};

Metrics::Metrics()
    : histograms_(std::make_unique<Histograms>()),
      started_wall_nanos_(Clock::Real()->WallNanos()) {}

Metrics::~Metrics() = default;

mvcc::StoreObserver Metrics::Observer(const std::function<void()>& on_commit) {
  const auto observe = [](prometheus::Histogram* histogram, int64_t nanos) {
    histogram->Observe(static_cast<double>(nanos) * 1e-9);
  };
  return {
      .wal_sync = [this, observe](int64_t nanos) { observe(&histograms_->wal_sync, nanos); },
      .commit =
          [this, observe, on_commit](int64_t nanos) {
            observe(&histograms_->commit, nanos);
            on_commit();
          },
      .apply = [this, observe](int64_t nanos) { observe(&histograms_->apply, nanos); },
      .shrink_step = [on_commit](int64_t /*nanos*/) { on_commit(); },
  };
}

void Metrics::NoteCheck(std::string_view type, std::string_view check, bool has_passed) {
  MutexLock lock(&mu_);
  CheckCounts& counts = checks_[{type, check}];
  ++(has_passed ? counts.success : counts.error);
  counts.has_passed = has_passed;
}

std::string Metrics::Render(const Node& node, const lease::Lessor& lessor) const {
  const mvcc::StoreStats stats = node.store().Stats();
  Families families;
  AddServer(node, stats, &families);
  families.Counter("etcd_server_health_success", "Successful health checks.",
                   Number(health_success_.load(std::memory_order_relaxed)));
  families.Counter("etcd_server_health_failures", "Failed health checks.",
                   Number(health_failures_.load(std::memory_order_relaxed)));
  {
    MutexLock lock(&mu_);
    const auto labels = [](const auto& check) {
      return Labels{{"name", std::string(check.second)}, {"type", std::string(check.first)}};
    };
    for (const auto& [check, counts] : checks_) {
      families.Gauge("etcd_server_healthcheck", "The last result of each check: 1 is passed.",
                     counts.has_passed ? 1 : 0, labels(check));
    }
    for (const auto& [check, counts] : checks_) {
      for (const auto& [status, count] :
           {std::pair("success", counts.success), std::pair("error", counts.error)}) {
        Labels with_status = labels(check);
        with_status.insert(with_status.begin() + 1, {"status", status});
        families.Counter("etcd_server_healthchecks_total", "Results of each check.", Number(count),
                         std::move(with_status));
      }
    }
  }
  AddStore(stats, &families);
  AddLeases(lessor.Stats(), &families);
  AddCalls(meter_, &families);
  AddMachine(started_wall_nanos_, &families);
  for (const auto& more : more_) {
    for (const MoreMetric& metric : more()) {
      Labels labels;
      for (const auto& [name, value] : metric.labels) {
        labels.push_back({name, value});
      }
      metric.is_counter
          ? families.Counter(metric.name, metric.help, metric.value, std::move(labels))
          : families.Gauge(metric.name, metric.help, metric.value, std::move(labels));
    }
  }
  std::vector<MetricFamily> all = families.Take();
  std::vector<MetricFamily> histograms = histograms_->registry.Collect();
  all.insert(all.end(), std::make_move_iterator(histograms.begin()),
             std::make_move_iterator(histograms.end()));
  const prometheus::TextSerializer serializer;
  return static_cast<const prometheus::Serializer&>(serializer).Serialize(all);
}

}  // namespace socle::server
