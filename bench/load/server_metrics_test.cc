#include "bench/load/server_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::bench {
namespace {

constexpr const char* kPage =
    "# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.\n"
    "# TYPE process_cpu_seconds_total counter\n"
    "process_cpu_seconds_total 12.5\n"
    "process_resident_memory_bytes 2.5464832e+07\n"
    "etcd_disk_wal_write_bytes_total 448\n"
    "etcd_debugging_mvcc_db_compaction_keys_total 900\n"
    "etcd_disk_backend_commit_duration_seconds_bucket{le=\"0.001\"} 1\n"
    "etcd_disk_backend_commit_duration_seconds_bucket{le=\"0.002\"} 90\n"
    "etcd_disk_backend_commit_duration_seconds_bucket{le=\"0.004\"} 200\n"
    "etcd_disk_backend_commit_duration_seconds_bucket{le=\"+Inf\"} 201\n"
    "etcd_disk_backend_commit_duration_seconds_sum 3\n"
    "etcd_disk_backend_commit_duration_seconds_count 201\n";

TEST(ServerMetrics, AreReadFromAPage) {
  const ServerMetrics metrics = ParseMetrics(kPage);
  EXPECT_EQ(metrics.cpu_seconds, 12.5);
  EXPECT_EQ(metrics.resident_bytes, 25'464'832);
  EXPECT_EQ(metrics.log_bytes, 448);
  EXPECT_EQ(metrics.compacted, 900);
  EXPECT_EQ(CountOf(metrics.commits), 201);
  EXPECT_TRUE(metrics.syncs.empty());
  const ServerMetrics newer =
      ParseMetrics(std::string(kPage) + "etcd_debugging_mvcc_compact_revision 77");
  EXPECT_EQ(newer.compacted, 77) << "the revision is what both servers tell";
}

TEST(ServerMetrics, OfSomethingElseAreUnknown) {
  for (const char* page : {"", "\n\n", "<html>", "process_cpu_seconds_total", "a{b=\"c\"", "# x"}) {
    const ServerMetrics metrics = ParseMetrics(page);
    EXPECT_EQ(metrics.cpu_seconds, -1) << page;
    EXPECT_EQ(CountOf(metrics.commits), -1) << page;
  }
}

TEST(ServerMetrics, TheP99IsOfWhatCameSinceTheSampleBefore) {
  const BucketCounts before = ParseMetrics(kPage).commits;
  BucketCounts after = before;
  EXPECT_EQ(P99Between(before, after), -1) << "nothing came";
  for (auto& [bound, count] : after) {
    count += 1;  // one within a millisecond
  }
  EXPECT_EQ(P99Between(before, after), 0.001);
  EXPECT_EQ(P99Between({}, before), 0.004);
  after.back().second += 50;  // slower than the last bound
  EXPECT_EQ(P99Between(before, after), -1);
  EXPECT_EQ(P99Between(before, {}), -1);
}

}  // namespace
}  // namespace socle::bench
