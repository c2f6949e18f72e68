// What a Prometheus finds: etcd's names, so that its dashboards and alerts work, and numbers that mean what they say.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/status_macros.h"
#include "kv/testing/temp_dir.h"
#include "server/cmd/kv_server.h"
#include "server/wire/client/etcd_client.h"
#include "server/wire/client/http_get.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

// Spec etcd 1.13.
constexpr std::string_view kNames[] = {
    "etcd_server_has_leader",
    "etcd_server_is_leader",
    "etcd_server_leader_changes_seen_total",
    "etcd_server_proposals_committed_total",
    "etcd_server_proposals_applied_total",
    "etcd_server_proposals_pending",
    "etcd_server_proposals_failed_total",
    "etcd_server_slow_apply_total",
    "etcd_server_slow_read_indexes_total",
    "etcd_server_quota_backend_bytes",
    "etcd_server_version",
    "etcd_server_id",
    "etcd_server_health_success",
    "etcd_server_health_failures",
    "etcd_server_client_requests_total",
    "etcd_server_apply_duration_seconds",
    "etcd_server_range_duration_seconds",
    "etcd_cluster_version",
    "etcd_disk_wal_fsync_duration_seconds",
    "etcd_disk_wal_write_bytes_total",
    "etcd_disk_wal_write_duration_seconds",
    "etcd_disk_backend_commit_duration_seconds",
    "etcd_disk_backend_defrag_duration_seconds",
    "etcd_disk_backend_snapshot_duration_seconds",
    "etcd_disk_defrag_inflight",
    "etcd_mvcc_db_total_size_in_bytes",
    "etcd_mvcc_db_total_size_in_use_in_bytes",
    "etcd_mvcc_db_open_read_transactions",
    "etcd_mvcc_put_total",
    "etcd_mvcc_delete_total",
    "etcd_mvcc_range_total",
    "etcd_mvcc_txn_total",
    "etcd_mvcc_hash_duration_seconds",
    "etcd_mvcc_hash_rev_duration_seconds",
    "etcd_network_client_grpc_received_bytes_total",
    "etcd_network_client_grpc_sent_bytes_total",
    "etcd_network_server_stream_failures_total",
    "etcd_debugging_mvcc_keys_total",
    "etcd_debugging_mvcc_watcher_total",
    "etcd_debugging_mvcc_watch_stream_total",
    "etcd_debugging_mvcc_slow_watcher_total",
    "etcd_debugging_mvcc_pending_events_total",
    "etcd_debugging_mvcc_events_total",
    "etcd_debugging_mvcc_current_revision",
    "etcd_debugging_mvcc_compact_revision",
    "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
    "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
    "etcd_debugging_mvcc_db_compaction_keys_total",
    "etcd_debugging_mvcc_db_compaction_last",
    "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
    "etcd_debugging_mvcc_total_put_size_in_bytes",
    "etcd_debugging_lease_granted_total",
    "etcd_debugging_lease_revoked_total",
    "etcd_debugging_lease_renewed_total",
    "etcd_debugging_lease_ttl_total",
    "etcd_debugging_server_lease_expired_total",
    "etcd_debugging_server_alarms",
    "etcd_debugging_auth_revision",
    "grpc_server_started_total",
    "grpc_server_handled_total",
    "grpc_server_msg_received_total",
    "grpc_server_msg_sent_total",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
    "os_fd_used",
    "os_fd_limit",
};

class MetricsTest : public ::testing::TestWithParam<std::string> {
 protected:
  MetricsTest() {
    settings_.data_dir = dir_.path() + "/data";
    settings_.listen_client_urls = {"http://127.0.0.1:0"};
    settings_.advertise_client_urls = {"http://127.0.0.1:1"};
    settings_.transport = GetParam();
    settings_.bcrypt_cost = 4;
  }

  void Start() {
    auto server = KvServer::Start(settings_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    auto client = EtcdClient::Open(url());
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }

  std::string url() const { return server_->client_urls().front().ToString(); }

  void Fetch() {
    const auto page = HttpGet(*ResolveEndpoint(url()), "/metrics", 10 * kNanosPerSecond);
    ASSERT_TRUE(page.ok()) << page.status();
    lines_ = absl::StrSplit(*page, '\n');
  }

  // Of a name with its labels; -1 when it is not there.
  double Value(std::string_view series) const {
    for (const std::string& line : lines_) {
      double value = 0;
      if (line.size() > series.size() && line.starts_with(series) && line[series.size()] == ' ' &&
          absl::SimpleAtod(line.substr(series.size() + 1), &value)) {
        return value;
      }
    }
    return -1;
  }

  bool HasFamily(std::string_view name) const {
    const std::string start = fmt::format("# TYPE {} ", name);
    return std::any_of(lines_.begin(), lines_.end(),
                       [&start](const std::string& line) { return line.starts_with(start); });
  }

  template <typename Response, typename Request>
  void Call(std::string_view method, const Request& request) {
    const auto response = client_->Call<Response>(method, request);
    EXPECT_TRUE(response.ok()) << method << ": " << response.status();
  }

  TempDir dir_;
  Settings settings_;
  std::unique_ptr<KvServer> server_;
  std::unique_ptr<EtcdClient> client_;
  std::vector<std::string> lines_;
};

INSTANTIATE_TEST_SUITE_P(Transports, MetricsTest, ::testing::Values("h2", "grpc"),
                         [](const auto& param) { return param.param; });

// The stock server refuses such a field by itself.
class H2MetricsTest : public MetricsTest {};

INSTANTIATE_TEST_SUITE_P(Transports, H2MetricsTest, ::testing::Values("h2"));

TEST_P(MetricsTest, HaveTheNamesThatEtcdsDashboardsAndAlertsAskFor) {
  Start();
  ASSERT_TRUE(client_->Put("k", "v").ok());
  Fetch();
  for (const std::string_view name : kNames) {
    EXPECT_TRUE(HasFamily(name)) << name;
  }
  EXPECT_FALSE(HasFamily("grpc_server_handling_seconds")) << "only where it is asked for";
}

TEST_P(MetricsTest, CountWhatWasDone) {
  Start();
  Fetch();
  const double puts = Value("etcd_mvcc_put_total");
  const double received = Value("etcd_network_client_grpc_received_bytes_total");
  const double sent = Value("etcd_network_client_grpc_sent_bytes_total");
  const std::string value(1000, 'v');
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(client_->Put("key", value).ok());
  }
  pb::RangeRequest range;
  range.set_key("key");
  Call<pb::RangeResponse>("/etcdserverpb.KV/Range", range);
  pb::TxnRequest txn;
  *txn.add_success()->mutable_request_range() = range;
  txn.add_success()->mutable_request_put()->set_key("other");
  Call<pb::TxnResponse>("/etcdserverpb.KV/Txn", txn);
  pb::LeaseGrantRequest grant;
  grant.set_ttl(50);
  Call<pb::LeaseGrantResponse>("/etcdserverpb.Lease/LeaseGrant", grant);
  pb::CompactionRequest compaction;
  compaction.set_revision(8);
  compaction.set_physical(true);
  Call<pb::CompactionResponse>("/etcdserverpb.KV/Compact", compaction);
  Call<pb::HashKVResponse>("/etcdserverpb.Maintenance/HashKV", pb::HashKVRequest());
  Call<pb::DefragmentResponse>("/etcdserverpb.Maintenance/Defragment", pb::DefragmentRequest());
  pb::PutRequest refused;
  refused.set_key("key");
  refused.set_lease(12345);
  EXPECT_FALSE(client_->Call<pb::PutResponse>("/etcdserverpb.KV/Put", refused).ok());
  Fetch();
  EXPECT_EQ(Value("etcd_mvcc_put_total"), puts + 11);
  EXPECT_GE(Value("etcd_debugging_mvcc_total_put_size_in_bytes"), 10'035);
  EXPECT_EQ(Value("etcd_mvcc_range_total"), 2) << "that of the transaction, too";
  EXPECT_EQ(Value("etcd_server_range_duration_seconds_count{success=\"true\"}"), 1);
  const auto applied = [this](std::string_view op, bool has_succeeded) {
    return Value(fmt::format(
        "etcd_server_apply_duration_seconds_count{{version=\"v3\",op=\"{}\",success=\"{}\"}}", op,
        has_succeeded));
  };
  EXPECT_EQ(applied("Put", true), 10);
  EXPECT_EQ(applied("Put", false), 1);
  EXPECT_EQ(applied("Txn", true), 1);
  EXPECT_EQ(applied("LeaseGrant", true), 1);
  EXPECT_EQ(applied("Compaction", true), 1);
  EXPECT_EQ(Value("etcd_debugging_mvcc_db_compaction_keys_total"), 6);
  EXPECT_EQ(Value("etcd_debugging_mvcc_db_compaction_total_duration_milliseconds_count"), 1);
  EXPECT_GT(Value("etcd_debugging_mvcc_db_compaction_last"), 1e9);
  EXPECT_EQ(Value("etcd_debugging_lease_ttl_total_bucket{le=\"32\"}"), 0);
  EXPECT_EQ(Value("etcd_debugging_lease_ttl_total_bucket{le=\"64\"}"), 1);
  EXPECT_EQ(Value("etcd_mvcc_hash_rev_duration_seconds_count"), 1);
  EXPECT_EQ(Value("etcd_disk_backend_defrag_duration_seconds_count"), 1);
  EXPECT_EQ(Value("etcd_disk_defrag_inflight"), 0);
  EXPECT_EQ(Value("etcd_server_proposals_pending"), 0);
  EXPECT_GE(Value("etcd_disk_wal_fsync_duration_seconds_count"), 13);
  EXPECT_EQ(Value("etcd_disk_wal_fsync_duration_seconds_count"),
            Value("etcd_disk_wal_write_duration_seconds_count"));
  EXPECT_GE(Value("etcd_network_client_grpc_received_bytes_total") - received, 10'030);
  EXPECT_GE(Value("etcd_network_client_grpc_sent_bytes_total") - sent, 2'000);
  EXPECT_EQ(
      Value("grpc_server_handled_total{grpc_code=\"NotFound\",grpc_method=\"Put\",grpc_service="
            "\"etcdserverpb.KV\",grpc_type=\"unary\"}"),
      1);
}

// rate() can't see the step of a series from absent to its first value: an alert would miss the first failures.
TEST_P(MetricsTest, ShowEveryOutcomeBeforeItHappens) {
  Start();
  Fetch();
  for (const std::string_view code : {"Unknown", "DeadlineExceeded", "Unavailable", "DataLoss"}) {
    EXPECT_EQ(Value(fmt::format("grpc_server_handled_total{{grpc_code=\"{}\",grpc_method=\"Range\","
                                "grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"}}",
                                code)),
              0)
        << code;
  }
}

TEST_P(MetricsTest, CountTheBytesOfAnswersThatAreSentInPieces) {
  Start();
  constexpr int kValueBytes = 1'000'000;
  ASSERT_TRUE(client_->Put("large", std::string(kValueBytes, 'v')).ok());
  Fetch();
  const double sent = Value("etcd_network_client_grpc_sent_bytes_total");
  ASSERT_TRUE(client_->Get("large").ok());
  Fetch();
  EXPECT_GE(Value("etcd_network_client_grpc_sent_bytes_total") - sent, kValueBytes);
}

TEST_P(MetricsTest, ShowHowLongCallsTookWhenAskedTo) {
  settings_.metrics = "extensive";
  Start();
  ASSERT_TRUE(client_->Put("k", "v").ok());
  Fetch();
  EXPECT_EQ(Value("grpc_server_handling_seconds_count{grpc_method=\"Put\",grpc_service="
                  "\"etcdserverpb.KV\",grpc_type=\"unary\"}"),
            1);
  EXPECT_EQ(Value("grpc_server_handling_seconds_bucket{grpc_method=\"Put\",grpc_service="
                  "\"etcdserverpb.KV\",grpc_type=\"unary\",le=\"10\"}"),
            1);
}

TEST_P(MetricsTest, TellClientsApartByWhatTheySayToSpeak) {
  Start();
  for (const std::string version : {"3.5", "3.5", "3.6"}) {
    const auto client = EtcdClient::Open(url(), {.metadata = {{"client-api-version", version}}});
    ASSERT_TRUE(client.ok());
    ASSERT_TRUE((*client)->Put("k", "v").ok());
  }
  // More of them than a client may make series of.
  for (int i = 0; i < 20; ++i) {
    const auto client = EtcdClient::Open(
        url(), {.metadata = {{"client-api-version", fmt::format("made-up-{}", i)}}});
    ASSERT_TRUE((*client)->Put("k", "v").ok());
  }
  Fetch();
  const auto calls = [this](std::string_view version) {
    return Value(fmt::format(
        "etcd_server_client_requests_total{{client_api_version=\"{}\",type=\"unary\"}}", version));
  };
  EXPECT_EQ(calls("3.5"), 2);
  EXPECT_EQ(calls("3.6"), 1);
  EXPECT_EQ(calls("made-up-0"), 1);
  EXPECT_EQ(calls("made-up-19"), -1);
  EXPECT_EQ(calls("other"), 7);
}

TEST_P(H2MetricsTest, AVersionOfTheApiThatIsNoTextIsRefused) {
  Start();
  const auto client = EtcdClient::Open(url(), {.metadata = {{"client-api-version", "\xff\xfe"}}});
  ASSERT_TRUE(client.ok());
  const absl::Status status = (*client)->Put("k", "v").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "etcdserver: invalid client api version");
}

}  // namespace
}  // namespace socle::server
