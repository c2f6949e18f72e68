// Settings: what the flags of socle-kv decide, as typed values with etcd's defaults.
// Threads  values.
// Source   spec etcd 1.12.
#ifndef SOCLE_SERVER_CONFIG_SETTINGS_H_
#define SOCLE_SERVER_CONFIG_SETTINGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kv/base/clock.h"

namespace socle::server {

struct PrefixLimit {
  std::string prefix;
  int64_t bytes = 0;

  friend bool operator==(const PrefixLimit&, const PrefixLimit&) = default;
};

struct Settings {
  std::string name = "default";
  std::string data_dir;  // empty: <name>.etcd
  std::string wal_dir;

  std::vector<std::string> listen_client_urls = {"http://localhost:2379"};
  std::vector<std::string> advertise_client_urls;    // empty: the listen URLs
  std::vector<std::string> listen_client_http_urls;  // empty: HTTP is on the client URLs
  std::vector<std::string> listen_metrics_urls;
  std::vector<std::string> initial_advertise_peer_urls = {"http://localhost:2380"};
  std::string initial_cluster_token = "etcd-cluster";

  int64_t quota_backend_bytes = 0;
  bool quota_recover = false;
  std::vector<PrefixLimit> prefix_quotas;
  bool key_ttl = false;
  int64_t backend_batch_limit = 10'000;
  int64_t backend_batch_interval_nanos = 100 * kNanosPerMilli;
  std::string backend_freelist_type = "map";
  double auto_shrink_free_ratio = 0;
  std::string backend;  // empty: what the data directory holds, bolt in a new one
  bool page_checksums = false;
  int64_t corrupt_check_nanos = 0;  // 0: at the start only
  bool unsafe_no_fsync = false;

  std::string backup_dir;  // empty: no backup
  int64_t backup_interval_nanos = kNanosPerSecond;
  int64_t backup_snapshot_interval_nanos = 24 * 3'600 * kNanosPerSecond;
  int64_t backup_retention_nanos = 0;  // 0: everything is kept

  bool client_cert_auth = false;
  bool auto_tls = false;
  std::string cert_file;
  std::string key_file;
  std::string trusted_ca_file;
  std::string client_crl_file;
  std::vector<std::string> client_cert_allowed_hostnames;
  int64_t self_signed_cert_validity_years = 1;
  std::vector<std::string> cipher_suites;
  std::string tls_min_version = "TLS1.2";
  std::string tls_max_version;  // empty: the highest there is

  int64_t max_request_bytes = 1'572'864;
  int64_t max_txn_ops = 128;
  int64_t max_concurrent_streams = 4'294'967'295;
  int64_t keepalive_min_time_nanos = 5 * kNanosPerSecond;
  int64_t keepalive_interval_nanos = 7'200 * kNanosPerSecond;
  int64_t keepalive_timeout_nanos = 20 * kNanosPerSecond;
  int64_t watch_progress_notify_interval_nanos = 600 * kNanosPerSecond;

  std::string auto_compaction_mode = "periodic";
  std::string auto_compaction_retention = "0";
  int64_t compaction_batch_limit = 1'000;
  int64_t compaction_sleep_nanos = 10 * kNanosPerMilli;

  std::string auth_token = "simple";
  int64_t auth_token_ttl_seconds = 300;
  int64_t bcrypt_cost = 10;

  bool enable_grpc_gateway = true;
  std::vector<std::string> cors = {"*"};            // origins
  std::vector<std::string> host_whitelist = {"*"};  // names

  std::string transport = "h2";
  std::string metrics = "basic";

  int64_t slow_request_threshold_nanos = 0;  // 0: off
  int64_t warning_unary_request_nanos = 0;   // 0: off
  std::string audit_log;                     // empty: off
  std::string audit_level = "writes";
  std::string audit_failure = "log";
  int64_t hot_prefixes = 0;  // 0: off
  int64_t hot_prefix_depth = 2;

  std::string log_level = "info";
  std::string log_format = "json";
  std::vector<std::string> log_outputs = {"default"};

  std::string config_file;

  bool show_help = false;
  bool show_extensions = false;
  bool show_version = false;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_CONFIG_SETTINGS_H_
