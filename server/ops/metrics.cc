#include "server/ops/metrics.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "kv/base/clock.h"
#include "kv/base/durations.h"
#include "server/ops/metric_families.h"
#include "server/service/key_text.h"

namespace socle::server {
namespace {

constexpr double kSecond = 1e9;  // of nanoseconds
constexpr double kMilli = 1e6;
// From etcd's default of --warning-apply-duration on an entry is slow.
constexpr int64_t kSlowApplyNanos = 100 * kNanosPerMilli;

constexpr std::array<std::string_view, mvcc::kEntryKinds> kEntryNames = {
    "Put",         "DeleteRange",     "Txn",   "Compaction", "LeaseGrant",
    "LeaseRevoke", "LeaseCheckpoint", "System"};

using prometheus::MetricFamily;
using Labels = MetricFamilies::Labels;

void AddServer(const Node& node, const mvcc::StoreStats& stats, MetricFamilies* out) {
  const Identity& identity = node.identity();
  out->Gauge("etcd_server_has_leader", "Whether or not a leader exists.", 1);
  out->Gauge("etcd_server_is_leader", "Whether or not this member is a leader.", 1);
  out->Counter("etcd_server_leader_changes_seen_total", "The number of leader changes seen.", 1);
  out->Counter("etcd_server_proposals_committed_total", "The number of log entries committed.",
               stats.log_index);
  out->Counter("etcd_server_proposals_applied_total", "The number of log entries applied.",
               stats.log_index);
  out->Gauge("etcd_server_proposals_pending", "The number of writes that wait for their answer.",
             stats.pending_writes);
  out->Counter("etcd_server_proposals_failed_total",
               "The number of writes answered with the error that stopped the store.",
               stats.failed_writes);
  out->Gauge("etcd_server_is_learner", "Whether or not this member is a learner.", 0);
  out->Counter("etcd_server_read_indexes_failed_total", "There are none: one member, no quorum.",
               0);
  out->Counter("etcd_server_slow_read_indexes_total", "There are none: one member, no quorum.", 0);
  out->Counter("etcd_server_heartbeat_send_failures_total", "There are none: no peers.", 0);
  out->Gauge("etcd_server_snapshot_apply_in_progress_total", "There is none: no peers.", 0);
  out->Gauge("etcd_server_quota_backend_bytes", "The storage quota in bytes.",
             node.quota().bytes());
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

void AddStore(const mvcc::StoreStats& stats, MetricFamilies* out) {
  out->Gauge("etcd_mvcc_db_total_size_in_bytes", "Size of the database file in use or free.",
             stats.db_size_bytes);
  out->Gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Size of the database without free pages.",
             stats.db_in_use_bytes);
  out->Gauge("etcd_mvcc_db_open_read_transactions", "Page snapshots being read.", stats.open_reads);
  out->Counter("etcd_mvcc_put_total", "Puts seen.", stats.puts);
  out->Gauge("etcd_debugging_mvcc_total_put_size_in_bytes", "Bytes of keys and values put.",
             stats.put_bytes);
  out->Counter("etcd_mvcc_delete_total", "Deletes seen.", stats.deletes);
  out->Counter("etcd_mvcc_txn_total", "Transactions seen.", stats.txns);
  out->Counter("etcd_disk_wal_write_bytes_total", "Bytes written to the write-ahead log.",
               stats.wal_written_bytes);
  out->Gauge("etcd_debugging_mvcc_keys_total", "Live keys.", stats.keys);
  out->Gauge("etcd_debugging_mvcc_watcher_total", "Watchers.", stats.watchers);
  out->Gauge("etcd_debugging_mvcc_watch_stream_total", "Watch streams.", stats.watch_streams);
  out->Gauge("etcd_debugging_mvcc_slow_watcher_total", "Watchers that read history.",
             stats.slow_watchers);
  out->Counter("etcd_debugging_mvcc_events_total", "Events sent to watchers.",
               stats.watch_events_sent);
  out->Gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait to be sent.",
             stats.pending_events);
  out->Gauge("etcd_debugging_mvcc_current_revision", "The current revision.",
             stats.current_revision);
  out->Gauge("etcd_debugging_mvcc_compact_revision", "The last compaction's revision.",
             stats.compact_revision);
  out->Gauge("socle_pending_bytes", "Changes that are logged and not yet in the pages.",
             stats.pending_bytes);
  out->Counter("socle_commits_total", "Page-store commits.", stats.commits);
}

void AddLeases(const lease::LessorStats& stats, MetricFamilies* out) {
  out->Counter("etcd_debugging_lease_granted_total", "Leases granted.", stats.granted);
  out->Counter("etcd_debugging_lease_revoked_total", "Leases revoked.", stats.revoked);
  out->Counter("etcd_debugging_lease_renewed_total", "Leases renewed.", stats.renewed);
  out->Counter("etcd_debugging_server_lease_expired_total", "Leases expired.", stats.expired);
}

void AddServices(const Node& node, const mvcc::StoreStats& stats, MetricFamilies* out) {
  const ServiceTimes& times = *node.times();
  uint64_t ranges = stats.txn_ranges;
  for (size_t i = 0; i <= times.range.buckets(); ++i) {
    ranges += times.range.count(i) + times.failed_range.count(i);
  }
  out->Counter("etcd_mvcc_range_total", "Ranges seen.", ranges);
  constexpr std::string_view kRangeName = "etcd_server_range_duration_seconds";
  constexpr std::string_view kRangeHelp = "The latency distributions of reading a range.";
  out->Histogram(kRangeName, kRangeHelp, times.range, kSecond, {{"success", "true"}});
  out->Histogram(kRangeName, kRangeHelp, times.failed_range, kSecond, {{"success", "false"}});
  out->Histogram("etcd_mvcc_hash_duration_seconds", "The latency distributions of Hash.",
                 times.hash, kSecond);
  out->Histogram("etcd_mvcc_hash_rev_duration_seconds", "The latency distributions of HashKV.",
                 times.hash_kv, kSecond);
  out->Histogram("etcd_disk_backend_defrag_duration_seconds",
                 "The latency distributions of defragmentation.", times.defragment, kSecond);
  out->Gauge("etcd_disk_defrag_inflight", "Whether a defragmentation goes on.",
             times.defragmenting.load(std::memory_order_relaxed) > 0 ? 1 : 0);
  out->Histogram("etcd_disk_backend_snapshot_duration_seconds",
                 "The latency distributions of sending a snapshot.", times.snapshot, kSecond);
  out->Histogram("etcd_debugging_lease_ttl_total", "Seconds that leases were granted for.",
                 times.lease_ttl, 1);
  if (node.has_auth()) {
    out->Gauge("etcd_debugging_auth_revision", "The revision of users and roles.",
               node.auth().state()->revision());
  }
}

Labels LabelsOf(const RpcMethodName& name) {
  return {{"grpc_method", std::string(name.method)},
          {"grpc_service", std::string(name.service)},
          {"grpc_type", std::string(name.type)}};
}

void AddCalls(const RpcMeter& meter, MetricFamilies* out) {
  const auto each = [&](std::string_view name, std::string_view help,
                        std::atomic<uint64_t> RpcMeter::Counts::*counter) {
    for (size_t i = 0; i < kRpcMethods.size(); ++i) {
      out->Counter(name, help, (meter.counts(i).*counter).load(std::memory_order_relaxed),
                   LabelsOf(kRpcMethods[i]));
    }
  };
  each("grpc_server_started_total", "Calls started.", &RpcMeter::Counts::started);
  each("grpc_server_msg_received_total", "Messages received.", &RpcMeter::Counts::received);
  each("grpc_server_msg_sent_total", "Messages sent.", &RpcMeter::Counts::sent);
  for (size_t i = 0; i < kRpcMethods.size(); ++i) {
    for (size_t code = 0; code < RpcMeter::kCodes; ++code) {
      // Zeros too, as etcd shows them: rate() can't see the step from absent to a first failure.
      const uint64_t count = meter.counts(i).handled[code].load(std::memory_order_relaxed);
      Labels labels = LabelsOf(kRpcMethods[i]);
      labels.insert(labels.begin(),
                    {"grpc_code", std::string(RpcCodeName(static_cast<absl::StatusCode>(code)))});
      out->Counter("grpc_server_handled_total", "Calls answered.", count, std::move(labels));
    }
  }
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;
  for (size_t i = 0; i < kRpcMethods.size(); ++i) {
    received_bytes += meter.counts(i).received_bytes.load(std::memory_order_relaxed);
    sent_bytes += meter.counts(i).sent_bytes.load(std::memory_order_relaxed);
    if (const Durations* const times = meter.times(i)) {
      out->Histogram("grpc_server_handling_seconds", "How long calls took.", *times, kSecond,
                     LabelsOf(kRpcMethods[i]));
    }
  }
  out->Counter("etcd_network_client_grpc_received_bytes_total",
               "Bytes of the messages that clients sent.", received_bytes);
  out->Counter("etcd_network_client_grpc_sent_bytes_total",
               "Bytes of the messages that were sent to clients.", sent_bytes);
  out->Counter("etcd_network_server_stream_failures_total",
               "Streams whose request could not be read.", meter.unreadable_watches(),
               {{"API", "watch"}, {"Type", "receive"}});
  out->Counter("etcd_network_server_stream_failures_total",
               "Streams whose request could not be read.", meter.unreadable_keep_alives(),
               {{"API", "lease-keepalive"}, {"Type", "receive"}});
  for (const RpcMeter::ClientCalls& client : meter.ReadClients()) {
    for (const auto& [type, count] :
         {std::pair("unary", client.unary), std::pair("stream", client.streams)}) {
      if (count > 0) {
        out->Counter("etcd_server_client_requests_total", "Calls by what the client says to speak.",
                     count, {{"client_api_version", client.version}, {"type", type}});
      }
    }
  }
}

}  // namespace

struct Metrics::StoreTimes {
  Durations wal_write{kNanosPerMilli, 14};
  Durations wal_sync{kNanosPerMilli, 14};
  Durations commit{kNanosPerMilli, 14};
  Durations apply{kNanosPerMilli / 10, 20};                               // a batch
  std::array<std::unique_ptr<Durations>, 2 * mvcc::kEntryKinds> entries;  // refused, then done
  std::atomic<uint64_t> slow_applies{0};
  Durations compaction_step{kNanosPerMilli, 12};
  Durations compaction{100 * kNanosPerMilli, 14};
  std::atomic<uint64_t> compacted{0};
  std::atomic<int64_t> last_compaction_wall_nanos{0};

  StoreTimes() {
    for (auto& entry : entries) {
      entry = std::make_unique<Durations>(kNanosPerMilli / 10, 20);
    }
  }

  void Applied(mvcc::EntryKind kind, bool has_succeeded, int64_t nanos) {
    entries[static_cast<size_t>(kind) + (has_succeeded ? mvcc::kEntryKinds : 0)]->Observe(nanos);
    if (nanos > kSlowApplyNanos) {
      slow_applies.fetch_add(1, std::memory_order_relaxed);
    }
  }

  void Compacted(const mvcc::CompactionStep& step) {
    compaction_step.Observe(step.nanos);
    compacted.fetch_add(step.revisions, std::memory_order_relaxed);
    if (step.finished_after_nanos >= 0) {
      compaction.Observe(step.finished_after_nanos);
      last_compaction_wall_nanos.store(Clock::Real()->WallNanos(), std::memory_order_relaxed);
    }
  }

  void Add(MetricFamilies* out) const;
};

void Metrics::StoreTimes::Add(MetricFamilies* out) const {
  out->Histogram("etcd_disk_wal_write_duration_seconds",
                 "The latency distributions of writing a batch to the write-ahead log.", wal_write,
                 kSecond);
  out->Histogram("etcd_disk_wal_fsync_duration_seconds",
                 "The latency distributions of fsync called by the write-ahead log.", wal_sync,
                 kSecond);
  out->Histogram("etcd_disk_backend_commit_duration_seconds",
                 "The latency distributions of commit called by the backend.", commit, kSecond);
  out->Histogram("socle_apply_batch_duration_seconds",
                 "The latency distributions of applying one batch of the log.", apply, kSecond);
  for (size_t i = 0; i < entries.size(); ++i) {
    const bool has_succeeded = i >= mvcc::kEntryKinds;
    out->Histogram("etcd_server_apply_duration_seconds",
                   "The latency distributions of applying an entry of the log.", *entries[i],
                   kSecond,
                   {{"version", "v3"},
                    {"op", std::string(kEntryNames[i % mvcc::kEntryKinds])},
                    {"success", has_succeeded ? "true" : "false"}});
  }
  out->Counter("etcd_server_slow_apply_total", "Entries that took over 100 ms to apply.",
               slow_applies.load(std::memory_order_relaxed));
  out->Histogram("etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
                 "How long writes waited for a step of a compaction.", compaction_step, kMilli);
  out->Histogram(
      "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
      "How long writes waited for a step of a compaction: it goes over index and pages at once.",
      compaction_step, kMilli);
  out->Histogram("etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
                 "How long compactions took.", compaction, kMilli);
  out->Counter("etcd_debugging_mvcc_db_compaction_keys_total",
               "Revisions that compactions dropped.", compacted.load(std::memory_order_relaxed));
  out->Gauge("etcd_debugging_mvcc_db_compaction_last",
             "When the last one ended, since the Unix epoch in seconds.",
             last_compaction_wall_nanos.load(std::memory_order_relaxed) / kNanosPerSecond);
}

Metrics::Metrics()
    : store_(std::make_unique<StoreTimes>()), started_wall_nanos_(Clock::Real()->WallNanos()) {}

Metrics::~Metrics() = default;

mvcc::StoreObserver Metrics::Observer(const std::function<void()>& on_commit) {
  StoreTimes* const store = store_.get();
  return {
      .wal_write = [store](int64_t nanos) { store->wal_write.Observe(nanos); },
      .wal_sync = [store](int64_t nanos) { store->wal_sync.Observe(nanos); },
      .commit =
          [store, on_commit](int64_t nanos) {
            store->commit.Observe(nanos);
            on_commit();
          },
      .apply = [store](int64_t nanos) { store->apply.Observe(nanos); },
      .apply_entry = [store](mvcc::EntryKind kind, bool has_succeeded,
                             int64_t nanos) { store->Applied(kind, has_succeeded, nanos); },
      .compaction_step = [store](const mvcc::CompactionStep& step) { store->Compacted(step); },
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
  MetricFamilies families;
  AddServer(node, stats, &families);
  families.Counter("etcd_server_health_success", "Successful health checks.",
                   health_success_.load(std::memory_order_relaxed));
  families.Counter("etcd_server_health_failures", "Failed health checks.",
                   health_failures_.load(std::memory_order_relaxed));
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
        families.Counter("etcd_server_healthchecks_total", "Results of each check.", count,
                         std::move(with_status));
      }
    }
  }
  AddStore(stats, &families);
  AddLeases(lessor.Stats(), &families);
  AddCalls(meter_, &families);
  store_->Add(&families);
  AddServices(node, stats, &families);
  AddProcess(started_wall_nanos_, &families);
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
  const prometheus::TextSerializer serializer;
  return static_cast<const prometheus::Serializer&>(serializer).Serialize(families.Take());
}

}  // namespace socle::server
