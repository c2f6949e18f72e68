// tidy: long because it is one table, one row per flag.
#include "server/config/flag_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include "server/config/flag_setters.h"

namespace socle::server {
namespace {

constexpr std::string_view kFreelists[] = {"map", "array"};
constexpr std::string_view kBackends[] = {"bolt", "lmdb", "rocksdb"};
constexpr std::string_view kLogLevels[] = {"debug",  "info",  "warn", "error",
                                           "dpanic", "panic", "fatal"};
constexpr std::string_view kLogFormats[] = {"json", "console", "text"};
constexpr std::string_view kCompactionModes[] = {"periodic", "revision"};
constexpr std::string_view kTlsVersions[] = {"TLS1.2", "TLS1.3"};
constexpr std::string_view kAuditLevels[] = {"auth", "writes", "all"};
constexpr std::string_view kAuditFailures[] = {"log", "refuse"};
constexpr std::string_view kMetrics[] = {"basic", "extensive"};
constexpr std::string_view kTransports[] = {"grpc", "h2"};

using S = Settings;

constexpr int64_t kMaxInt = std::numeric_limits<int64_t>::max();
constexpr int64_t kMinInt = std::numeric_limits<int64_t>::min();

constexpr std::string_view kMember = "Member";
constexpr std::string_view kListen = "Listening";
constexpr std::string_view kTls = "TLS";
constexpr std::string_view kStorage = "Storage";
constexpr std::string_view kLimits = "Limits";
constexpr std::string_view kCompaction = "Compaction";
constexpr std::string_view kAuth = "Authentication";
constexpr std::string_view kLogging = "Logging";
constexpr std::string_view kOther = "Other";
constexpr std::string_view kAccepted = "Accepted for compatibility, without effect";
constexpr std::string_view kNotYet = "Not supported yet: refused unless left at the default";

constexpr std::string_view kNoPeers = "there are no peers: socle-kv is a single member";
constexpr std::string_view kNoRaft = "there is no raft log to replicate";
constexpr std::string_view kNoDialing =
    "the server never calls itself, so it needs no client certificate";
constexpr std::string_view kNoV2 = "the v2 API does not exist any more";
constexpr std::string_view kNoProxy = "the v2 proxy does not exist any more";
constexpr std::string_view kNoRotation =
    "log files are not rotated here: use logrotate, with copytruncate";
constexpr std::string_view kEtcdLogRotation =
    R"({"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false})";
constexpr std::string_view kNoTracing = "distributed tracing is not supported";

constexpr FlagRow Used(std::string_view group, std::string_view name, std::string_view default_text,
                       std::string_view help, Setter setter,
                       std::string_view second_spelling = {}) {
  return {.name = name,
          .second_spelling = second_spelling,
          .group = group,
          .default_text = default_text,
          .help = help,
          .kind = setter.kind,
          .choices = setter.choices,
          .set = setter.set};
}

constexpr FlagRow Used(std::string_view group, std::string_view name, std::string_view default_text,
                       std::string_view help, absl::Status (*set)(std::string_view, Settings*),
                       std::string_view second_spelling = {}) {
  return Used(group, name, default_text, help, Text(set), second_spelling);
}

constexpr FlagRow UsedBool(std::string_view group, std::string_view name, std::string_view help,
                           absl::Status (*set)(std::string_view, Settings*),
                           std::string_view default_text = "false") {
  return {.name = name,
          .group = group,
          .default_text = default_text,
          .help = help,
          .kind = FlagKind::kBool,
          .set = set};
}

// A flag that etcd does not have.
constexpr FlagRow Extension(FlagRow row) {
  row.is_extension = true;
  return row;
}

// Of a flag that sets nothing: what its default looks like.
constexpr FlagKind KindOf(std::string_view default_text) {
  if (default_text == "true" || default_text == "false") {
    return FlagKind::kBool;
  }
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (default_text.empty() || !is_digit(default_text.front())) {
    return FlagKind::kText;
  }
  for (const char c : default_text) {
    if (!is_digit(c)) {
      return FlagKind::kDuration;
    }
  }
  return FlagKind::kInteger;
}

// NAME=URL,… with every URL of a name under that name: one name is a server by itself.
absl::Status JudgeInitialCluster(std::string_view text, Settings* /*settings*/) {
  const std::vector<std::string> entries =
      absl::StrSplit(std::string(text), ',', absl::SkipEmpty());
  std::vector<std::string> names;
  for (const std::string& entry : entries) {
    const std::string name = entry.substr(0, entry.find('='));
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  }
  if (names.size() <= 1) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(fmt::format(
      "{} members ({}): socle-kv is a server by itself, and each of them would go its own way with "
      "writes of its own; name this one alone, or leave the flag out",
      names.size(), absl::StrJoin(names, ", ")));
}

absl::Status JudgeClusterState(std::string_view text, Settings* /*settings*/) {
  return text.empty() || text == "new" || text == "existing"
             ? absl::OkStatus()
             : absl::InvalidArgumentError(fmt::format("'{}' is neither new nor existing", text));
}

constexpr FlagRow NoEffect(std::string_view name, std::string_view default_text,
                           std::string_view why, std::string_view second_spelling = {}) {
  return {.name = name,
          .second_spelling = second_spelling,
          .group = kAccepted,
          .default_text = default_text,
          .help = why,
          .use = FlagUse::kNoEffect,
          .kind = KindOf(default_text)};
}

// In the configuration file a list, as etcd has it.
constexpr FlagRow List(FlagRow row) {
  row.kind = FlagKind::kList;
  return row;
}

constexpr FlagRow Judged(FlagRow row, absl::Status (*judge)(std::string_view, Settings*)) {
  row.set = judge;
  return row;
}

constexpr FlagRow Missing(std::string_view name, std::string_view default_text,
                          std::string_view why, std::string_view second_spelling = {}) {
  return {.name = name,
          .second_spelling = second_spelling,
          .group = kNotYet,
          .default_text = default_text,
          .help = why,
          .use = FlagUse::kMissing,
          .kind = KindOf(default_text)};
}

constexpr std::array kRows = {
    Used(kMember, "name", "default", "Human-readable name of this member.",
         &SetNonEmptyText<&S::name>),
    Used(kMember, "data-dir", "", "Directory of the data; <name>.etcd when not given.",
         &SetText<&S::data_dir>),
    Used(kMember, "wal-dir", "",
         "Directory of the write-ahead log; in the data directory when "
         "not given.",
         &SetText<&S::wal_dir>),
    Used(kMember, "initial-advertise-peer-urls", "http://localhost:2380",
         "Peer URLs; only the member id is derived from them.",
         &SetUrls<&S::initial_advertise_peer_urls>),
    Used(kMember, "initial-cluster-token", "etcd-cluster",
         "Token; only the member id is derived from it.", &SetText<&S::initial_cluster_token>),

    Used(kListen, "listen-client-urls", "http://localhost:2379",
         "Where clients are served, gRPC and HTTP on one port: http, https, unix or unixs URLs.",
         &SetUrls<&S::listen_client_urls>),
    Used(kListen, "listen-client-http-urls", "",
         "Where HTTP is served to clients; then --listen-client-urls are for gRPC only.",
         &SetMoreUrls<&S::listen_client_http_urls>),
    Used(kListen, "advertise-client-urls", "",
         "What clients are told in the member list; the listen URLs when not given.",
         &SetUrls<&S::advertise_client_urls>),
    Used(kListen, "metrics", "basic",
         "What /metrics shows: extensive adds how long calls took (grpc_server_handling_seconds).",
         kChoice<&S::metrics, kMetrics>),
    Used(kListen, "listen-metrics-urls", "", "More places for /metrics and the health checks.",
         &SetMoreUrls<&S::listen_metrics_urls>),
    UsedBool(kListen, "enable-grpc-gateway", "The JSON gateway under /v3/.",
             &SetBool<&S::enable_grpc_gateway>, "true"),
    Used(kListen, "cors", "*", "Origins whose web pages may ask, or * for all.", &SetOrigins),
    Used(kListen, "host-whitelist", "*",
         "Host names under which HTTP without TLS is answered, or * for all.",
         &SetList<&S::host_whitelist>),
    Extension(Used(
        kListen, "experimental-transport", "h2",
        "What serves the client URLs: h2 (Socle's own server) or grpc (the stock gRPC server).",
        kChoice<&S::transport, kTransports>)),
    Used(kListen, "max-concurrent-streams", "4294967295", "Streams per client connection.",
         kInteger<&S::max_concurrent_streams, 1, 4'294'967'295>),
    Used(kListen, "grpc-keepalive-min-time", "5s",
         "A client that pings more often is disconnected.",
         kDuration<&S::keepalive_min_time_nanos, 0>),
    Used(kListen, "grpc-keepalive-interval", "2h",
         "How often an idle client is pinged; 0 switches it off.",
         kDuration<&S::keepalive_interval_nanos, 0>),
    Used(kListen, "grpc-keepalive-timeout", "20s",
         "How long the answer to a ping is waited for; 0 switches it off.",
         kDuration<&S::keepalive_timeout_nanos, 0>),

    Used(kTls, "cert-file", "", "Certificate of the server and those above it (PEM).",
         &SetText<&S::cert_file>),
    Used(kTls, "key-file", "", "Private key of --cert-file (PEM).", &SetText<&S::key_file>),
    UsedBool(kTls, "client-cert-auth",
             "Clients must show a certificate; its common name is the user of a call without a "
             "token.",
             &SetBool<&S::client_cert_auth>),
    Used(kTls, "trusted-ca-file", "",
         "Authorities that sign clients' certificates (PEM); clients must show one.",
         &SetText<&S::trusted_ca_file>),
    Used(kTls, "client-crl-file", "", "Certificates that are revoked: a list in PEM or DER.",
         &SetText<&S::client_crl_file>),
    List(
        Used(kTls, "client-cert-allowed-hostname", "",
             "Host names or addresses, with commas: clients' certificates must be made out to one.",
             &SetList<&S::client_cert_allowed_hostnames>)),
    UsedBool(kTls, "auto-tls",
             "Makes a self-signed certificate in the data directory when --cert-file is not given.",
             &SetBool<&S::auto_tls>),
    Used(kTls, "self-signed-cert-validity", "1", "Years that a certificate of --auto-tls is valid.",
         kInteger<&S::self_signed_cert_validity_years, 0, 100>),
    List(Used(kTls, "cipher-suites", "",
              "Cipher suites by IANA's names, with commas; OpenSSL's choice when not given.",
              &SetList<&S::cipher_suites>)),
    Used(kTls, "tls-min-version", "TLS1.2", "TLS1.2 or TLS1.3.",
         kChoice<&S::tls_min_version, kTlsVersions>),
    Used(kTls, "tls-max-version", "", "TLS1.2 or TLS1.3; the highest when not given.",
         kChoiceOrNothing<&S::tls_max_version, kTlsVersions>),

    Used(kStorage, "quota-backend-bytes", "0",
         "Size of the database that raises the NOSPACE alarm; 0 is 2 GiB, negative is no limit.",
         kInteger<&S::quota_backend_bytes, kMinInt, kMaxInt>),
    Extension(
        UsedBool(kStorage, "quota-recover",
                 "The quota counts live bytes instead of the file's, keeps a sixteenth free for "
                 "deletes, compactions and small writes, and takes NOSPACE back by itself.",
                 &SetBool<&S::quota_recover>)),
    Used(kStorage, "backend-batch-limit", "10000", "Most changes before the pages are committed.",
         kInteger<&S::backend_batch_limit, 0, kMaxInt>),
    Used(kStorage, "backend-batch-interval", "100ms", "Most time before the pages are committed.",
         kDuration<&S::backend_batch_interval_nanos, 0>),
    Extension(UsedBool(
        kStorage, "key-ttl",
        "A put whose lease is -N, and no lease that exists, makes its key live N seconds, 2 at "
        "least.",
        &SetBool<&S::key_ttl>)),
    Extension(List(Used(kStorage, "prefix-quota", "",
                        "PREFIX=BYTES, with commas: a put that would take the live keys and values "
                        "of a prefix over its bytes is refused. Given again, the last one counts.",
                        &SetPrefixQuotas))),
    Extension(Used(
        kStorage, "backend", "",
        "Storage engine: bolt, lmdb or rocksdb. Without it, the one that the data directory holds, "
        "and bolt in a new directory. A directory of another engine is refused: convert it with "
        "'soclectl db convert'. Snapshots are bbolt files whatever the engine.",
        kChoice<&S::backend, kBackends>)),
    Used(kStorage, "backend-bbolt-freelist-type", "map",
         "Structure of the free page list: map or array.",
         kChoice<&S::backend_freelist_type, kFreelists>,
         "experimental-backend-bbolt-freelist-type"),
    Extension(Used(
        kStorage, "auto-shrink-free-ratio", "0",
        "Part of the file that may be free before it is shrunk while running; 0: only Defragment "
        "shrinks.",
        &SetRatio<&S::auto_shrink_free_ratio>)),
    Used(kStorage, "corrupt-check-time", "0s",
         "How often a running server holds its pages against the sum of what was written; every "
         "start does. What differs raises the CORRUPT alarm.",
         kDuration<&S::corrupt_check_nanos, 0>, "experimental-corrupt-check-time"),
    Extension(UsedBool(
        kStorage, "page-checksums",
        "Keep checksums of the database's pages beside it, and verify pages when they are read.",
        &SetBool<&S::page_checksums>)),
    UsedBool(kStorage, "unsafe-no-fsync",
             "Never sync files: a crash of the machine loses acknowledged writes.",
             &SetBool<&S::unsafe_no_fsync>),
    Extension(Used(kStorage, "backup-dir", "",
                   "Directory that a continuous backup is kept in, from which 'soclectl backup "
                   "restore' brings back any moment; not in the data directory. None when empty.",
                   &SetText<&S::backup_dir>)),
    Extension(Used(kStorage, "backup-interval", "1s",
                   "How old a write may get before it is in the backup.",
                   kDuration<&S::backup_interval_nanos, 10 * kNanosPerMilli>)),
    Extension(Used(kStorage, "backup-snapshot-interval", "24h",
                   "How often the backup gets a whole snapshot, which a restore begins from.",
                   kDuration<&S::backup_snapshot_interval_nanos, kNanosPerSecond>)),
    Extension(
        Used(kStorage, "backup-retention", "0",
             "How far back the backup reaches at least, older files are removed; 0 keeps all.",
             kDuration<&S::backup_retention_nanos, 0>)),

    Used(kLimits, "max-request-bytes", "1572864", "Largest request accepted.",
         kInteger<&S::max_request_bytes, 1, 2'000'000'000>),
    Used(kLimits, "max-txn-ops", "128", "Most operations in a transaction.",
         kInteger<&S::max_txn_ops, 1, 1'000'000>),
    Used(kLimits, "watch-progress-notify-interval", "10m",
         "How often idle watches that asked for it are told the revision.",
         kDuration<&S::watch_progress_notify_interval_nanos, 100 * kNanosPerMilli>,
         "experimental-watch-progress-notify-interval"),

    Used(kCompaction, "auto-compaction-mode", "periodic",
         "periodic: keep a span of time; revision: keep a number of revisions.",
         kChoice<&S::auto_compaction_mode, kCompactionModes>),
    Used(kCompaction, "auto-compaction-retention", "0",
         "How much is kept: a duration or hours, or revisions; 0 switches it off.",
         &SetText<&S::auto_compaction_retention>),
    Used(kCompaction, "compaction-batch-limit", "1000",
         "Revisions removed before a compaction may pause.",
         kInteger<&S::compaction_batch_limit, 1, kMaxInt>, "experimental-compaction-batch-limit"),
    Used(kCompaction, "compaction-sleep-interval", "10ms",
         "Longest pause of a compaction, for those who write; nobody does: none.",
         kDuration<&S::compaction_sleep_nanos, 0>, "experimental-compaction-sleep-interval"),

    Used(kAuth, "auth-token", "simple",
         "simple, or jwt,sign-method=RS256,priv-key=FILE,pub-key=FILE,ttl=5m (any of HS, RS, PS, "
         "ES with "
         "256, 384, 512, and EdDSA).",
         &SetNonEmptyText<&S::auth_token>),
    Used(kAuth, "auth-token-ttl", "300", "Seconds after which an unused simple token dies.",
         kInteger<&S::auth_token_ttl_seconds, 1, 1'000'000'000>),
    Used(kAuth, "bcrypt-cost", "10", "Cost of a password's hash: one more takes twice as long.",
         kInteger<&S::bcrypt_cost, 4, 31>),

    Used(kLogging, "log-level", "info", "debug, info, warn or error.",
         kChoice<&S::log_level, kLogLevels>),
    Used(kLogging, "log-format", "json", "json, or text (console means the same).",
         kChoice<&S::log_format, kLogFormats>),
    List(Used(kLogging, "log-outputs", "default",
              "stdout, stderr, default (stderr) or file paths, with commas.", &SetLogOutputs)),

    Used(kLogging, "warning-unary-request-duration", "0s",
         "Log unary calls that took longer, in etcd's words; 0: none (etcd's default is 300ms).",
         kDuration<&S::warning_unary_request_nanos, 0>,
         "experimental-warning-unary-request-duration"),
    Extension(Used(kLogging, "slow-request-threshold", "0s",
                   "Log unary calls that took longer, with the phases they went through; 0: none.",
                   kDuration<&S::slow_request_threshold_nanos, 0>)),
    Extension(Used(kLogging, "audit-log", "",
                   "File, or stdout, to which a line of JSON is written for each call of "
                   "--audit-level: who, what, revision, outcome; never values.",
                   &SetText<&S::audit_log>)),
    Extension(Used(kLogging, "audit-level", "writes",
                   "Calls in --audit-log. auth: logins, changes of users and roles, refusals; "
                   "writes: and every change; all: and reads.",
                   kChoice<&S::audit_level, kAuditLevels>)),
    Extension(Used(kLogging, "audit-failure", "log",
                   "When the audit log can't be written: log goes on and says so in the server's "
                   "log, refuse answers Unavailable.",
                   kChoice<&S::audit_failure, kAuditFailures>)),
    Extension(Used(kLogging, "hot-prefixes", "0",
                   "How many of the busiest key prefixes to show at /debug/hot-prefixes and in "
                   "'soclectl top'; 0: none.",
                   kInteger<&S::hot_prefixes, 0, 1'000>)),
    Extension(Used(kLogging, "hot-prefix-depth", "2",
                   "Parts between slashes that make a prefix of --hot-prefixes.",
                   kInteger<&S::hot_prefix_depth, 1, 16>)),

    Used(kOther, "config-file", "",
         "Settings in YAML, etcd's keys; other flags and the environment are ignored then.",
         &SetText<&S::config_file>),
    UsedBool(kOther, "version", "Print the version and exit.", &SetBool<&S::show_version>),
    UsedBool(kOther, "help", "Print this and exit.", &SetBool<&S::show_help>),
    Extension(UsedBool(kOther, "help-extensions",
                       "Print the flags that etcd does not have and exit.",
                       &SetBool<&S::show_extensions>)),

    NoEffect("listen-peer-urls", "http://localhost:2380", kNoPeers),
    Judged(NoEffect("initial-cluster", "", kNoPeers), &JudgeInitialCluster),
    Judged(NoEffect("initial-cluster-state", "new", kNoPeers), &JudgeClusterState),
    NoEffect("initial-election-tick-advance", "true", kNoRaft),
    NoEffect("strict-reconfig-check", "true", kNoPeers),
    NoEffect("pre-vote", "true", kNoRaft),
    NoEffect("heartbeat-interval", "100", kNoRaft),
    NoEffect("election-timeout", "1000", kNoRaft),
    NoEffect("snapshot-count", "10000", kNoRaft),
    NoEffect("snapshot-catchup-entries", "5000", kNoRaft, "experimental-snapshot-catchup-entries"),
    NoEffect("max-snapshots", "5", kNoRaft),
    NoEffect("max-wals", "5", "the write-ahead log is recycled"),
    NoEffect("max-learners", "1", kNoPeers, "experimental-max-learners"),
    NoEffect("discovery", "", kNoPeers),
    NoEffect("discovery-fallback", "proxy", kNoPeers),
    NoEffect("discovery-proxy", "", kNoPeers),
    NoEffect("discovery-srv", "", kNoPeers),
    NoEffect("discovery-srv-name", "", kNoPeers),
    List(NoEffect("discovery-endpoints", "", kNoPeers)),
    NoEffect("discovery-token", "", kNoPeers),
    NoEffect("discovery-dial-timeout", "2s", kNoPeers),
    NoEffect("discovery-request-timeout", "5s", kNoPeers),
    NoEffect("discovery-keepalive-time", "2s", kNoPeers),
    NoEffect("discovery-keepalive-timeout", "6s", kNoPeers),
    NoEffect("discovery-insecure-transport", "true", kNoPeers),
    NoEffect("discovery-insecure-skip-tls-verify", "false", kNoPeers),
    NoEffect("discovery-cert", "", kNoPeers),
    NoEffect("discovery-key", "", kNoPeers),
    NoEffect("discovery-cacert", "", kNoPeers),
    NoEffect("discovery-user", "", kNoPeers),
    NoEffect("discovery-password", "", kNoPeers),
    NoEffect("wait-cluster-ready-timeout", "5s", kNoPeers,
             "experimental-wait-cluster-ready-timeout"),
    NoEffect("raft-read-timeout", "5s", kNoRaft),
    NoEffect("raft-write-timeout", "5s", kNoRaft),
    NoEffect("enable-v2", "false", kNoV2),
    NoEffect("experimental-enable-v2v3", "", kNoV2),
    Missing("proxy", "off", kNoProxy),
    NoEffect("proxy-failure-wait", "5000", kNoProxy),
    NoEffect("proxy-refresh-interval", "30000", kNoProxy),
    NoEffect("proxy-dial-timeout", "1000", kNoProxy),
    NoEffect("proxy-write-timeout", "5000", kNoProxy),
    NoEffect("proxy-read-timeout", "0", kNoProxy),
    NoEffect("logger", "zap", "there is one logger"),
    NoEffect("log-package-levels", "", "use --log-level"),
    NoEffect("disable-log-sampling", "false", "no line is ever left out"),
    NoEffect("log-rotation-config-json", kEtcdLogRotation, kNoRotation),
    NoEffect("debug", "false", "use --log-level=debug"),
    NoEffect("enable-pprof", "false", "there is no Go profiler; use perf"),
    NoEffect("memory-mlock", "false", "pages are not locked in memory",
             "experimental-memory-mlock"),
    NoEffect("bootstrap-defrag-threshold-megabytes", "0", "pages are reused in place",
             "experimental-bootstrap-defrag-threshold-megabytes"),
    NoEffect("warning-apply-duration", "100ms", "see --slow-request-threshold",
             "experimental-warning-apply-duration"),
    NoEffect("compact-hash-check-enabled", "false", kNoPeers,
             "experimental-compact-hash-check-enabled"),
    NoEffect("compact-hash-check-time", "1m0s", kNoPeers, "experimental-compact-hash-check-time"),
    NoEffect("initial-corrupt-check", "false", "files are verified when they are opened",
             "experimental-initial-corrupt-check"),
    NoEffect("downgrade-check-time", "5s", kNoPeers, "experimental-downgrade-check-time"),
    NoEffect("txn-mode-write-with-shared-buffer", "true", "reads never copy the buffer",
             "experimental-txn-mode-write-with-shared-buffer"),
    NoEffect("enable-lease-checkpoint", "false", "deadlines are always kept over a restart",
             "experimental-enable-lease-checkpoint"),
    NoEffect("enable-lease-checkpoint-persist", "false", "deadlines are always kept over a restart",
             "experimental-enable-lease-checkpoint-persist"),
    NoEffect("stop-grpc-service-on-defrag", "false", "Defragment does not block",
             "experimental-stop-grpc-service-on-defrag"),
    NoEffect("socket-reuse-port", "false", "the port is not shared"),
    NoEffect("socket-reuse-address", "false", "it is always on"),
    Judged(NoEffect("feature-gates", "", "what etcd's gates switch is always or never there"),
           &JudgeFeatureGates),
    NoEffect("set-member-localaddr", "false", kNoPeers, "experimental-set-member-localaddr"),
    NoEffect("v2-deprecation", "write-only", kNoV2),
    NoEffect("client-cert-file", "", kNoDialing),
    NoEffect("client-key-file", "", kNoDialing),
    NoEffect("peer-cert-file", "", kNoPeers),
    NoEffect("peer-key-file", "", kNoPeers),
    NoEffect("peer-client-cert-file", "", kNoPeers),
    NoEffect("peer-client-key-file", "", kNoPeers),
    NoEffect("peer-client-cert-auth", "false", kNoPeers),
    NoEffect("peer-trusted-ca-file", "", kNoPeers),
    NoEffect("peer-auto-tls", "false", kNoPeers),
    NoEffect("peer-crl-file", "", kNoPeers),
    List(NoEffect("peer-cert-allowed-cn", "", kNoPeers)),
    List(NoEffect("peer-cert-allowed-hostname", "", kNoPeers)),
    NoEffect("peer-skip-client-san-verification", "false", kNoPeers,
             "experimental-peer-skip-client-san-verification"),

    Missing("force-new-cluster", "false", "directories of real clusters are not opened yet"),
    Missing("enable-log-rotation", "false", kNoRotation),
    Missing("enable-distributed-tracing", "false", kNoTracing,
            "experimental-enable-distributed-tracing"),
    Missing("distributed-tracing-address", "localhost:4317", kNoTracing,
            "experimental-distributed-tracing-address"),
    Missing("distributed-tracing-service-name", "etcd", kNoTracing,
            "experimental-distributed-tracing-service-name"),
    Missing("distributed-tracing-instance-id", "", kNoTracing,
            "experimental-distributed-tracing-instance-id"),
    Missing("distributed-tracing-sampling-rate", "0", kNoTracing,
            "experimental-distributed-tracing-sampling-rate"),
};

struct Unit {
  std::string_view name;
  double nanos;
};

constexpr std::array kUnits = {
    Unit{"ns", 1},   Unit{"us", 1e3}, Unit{"\u00b5s", 1e3}, Unit{"\u03bcs", 1e3},
    Unit{"ms", 1e6}, Unit{"s", 1e9},  Unit{"m", 60e9},      Unit{"h", 3600e9},
};

}  // namespace

std::span<const FlagRow> FlagTable() {
  return kRows;
}

const FlagRow* FindFlag(std::string_view name) {
  for (const FlagRow& row : kRows) {
    if (row.name == name || (!row.second_spelling.empty() && row.second_spelling == name)) {
      return &row;
    }
  }
  return nullptr;
}

std::string EnvironmentNameOf(const FlagRow& row) {
  std::string name = "ETCD_";
  for (const char c : row.name) {
    name.push_back(c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c));
  }
  return name;
}

absl::StatusOr<int64_t> ParseDurationNanos(std::string_view text) {
  const auto bad = [text] {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not a duration such as 100ms, 5s or 1h30m", text));
  };
  std::string_view rest = text;
  const bool is_negative = rest.starts_with('-');
  if (is_negative || rest.starts_with('+')) {
    rest.remove_prefix(1);
  }
  if (rest == "0") {
    return 0;
  }
  if (rest.empty()) {
    return bad();
  }
  double total = 0;
  while (!rest.empty()) {
    const size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
    double number = 0;
    const auto parsed = std::from_chars(rest.data(), rest.data() + digits, number);
    if (digits == 0 || parsed.ec != std::errc() || parsed.ptr != rest.data() + digits) {
      return bad();
    }
    rest.remove_prefix(digits);
    const std::string_view unit_name =
        rest.substr(0, std::min(rest.find_first_of("0123456789."), rest.size()));
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits) {
      unit = candidate.name == unit_name ? &candidate : unit;
    }
    if (unit == nullptr) {
      return bad();
    }
    total += number * unit->nanos;
    rest.remove_prefix(unit_name.size());
  }
  if (total > 9.2e18) {
    return absl::InvalidArgumentError(fmt::format("'{}' is too long a duration", text));
  }
  const auto nanos = static_cast<int64_t>(std::llround(total));
  return is_negative ? -nanos : nanos;
}

absl::StatusOr<bool> ParseBool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) {
      return true;
    }
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) {
      return false;
    }
  }
  return absl::InvalidArgumentError(fmt::format("'{}' is neither true nor false", text));
}

}  // namespace socle::server
