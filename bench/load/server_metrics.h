// ServerMetrics: what a server says about itself on its metrics page (Prometheus text), as far as reports show it. The
// names are etcd's, which ours has too.
//
// Laws     1. What a page lacks is -1, and an empty histogram.
// Threads  pure functions.
#ifndef SOCLE_BENCH_LOAD_SERVER_METRICS_H_
#define SOCLE_BENCH_LOAD_SERVER_METRICS_H_

#include <string_view>
#include <utility>
#include <vector>

namespace socle::bench {

// Counts up to and including each bound, in seconds; the last bound is infinite.
using BucketCounts = std::vector<std::pair<double, double>>;

struct ServerMetrics {
  double cpu_seconds = -1;     // process_cpu_seconds_total
  double resident_bytes = -1;  // process_resident_memory_bytes
  double log_bytes = -1;       // etcd_disk_wal_write_bytes_total
  double compacted = -1;  // etcd_debugging_mvcc_compact_revision, or …_db_compaction_keys_total
  BucketCounts commits;   // etcd_disk_backend_commit_duration_seconds
  BucketCounts syncs;     // etcd_disk_wal_fsync_duration_seconds
};

ServerMetrics ParseMetrics(std::string_view page);

// How many were counted.
double CountOf(const BucketCounts& buckets);

// The bound that 99 % of those counted from `before` to `after` are within; -1 when there were none, or no bound holds
// them.
double P99Between(const BucketCounts& before, const BucketCounts& after);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_LOAD_SERVER_METRICS_H_
