#include "server/config/flags.h"

#include <limits.h>
#include <unistd.h>

#include <array>
#include <set>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/status_macros.h"
#include "server/config/flag_table.h"
#include "server/config/url.h"

namespace socle::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<ParsedFlags> Parse(std::vector<std::string> arguments,
                                  const Environment& environment = {}) {
  return ParseFlags(arguments, environment);
}

TEST(Flags, HaveEtcdsDefaults) {
  const auto flags = Parse({});
  ASSERT_TRUE(flags.ok());
  const Settings& s = flags->settings;
  EXPECT_EQ(s.name, "default");
  EXPECT_EQ(s.data_dir, "default.etcd");
  EXPECT_THAT(s.listen_client_urls, ElementsAre("http://localhost:2379"));
  EXPECT_THAT(s.advertise_client_urls, ElementsAre("http://localhost:2379"));
  EXPECT_EQ(s.backend_batch_limit, 10'000);
  EXPECT_EQ(s.backend_batch_interval_nanos, 100 * kNanosPerMilli);
  EXPECT_EQ(s.max_request_bytes, 1'572'864);
  EXPECT_EQ(s.max_txn_ops, 128);
  EXPECT_THAT(flags->warnings, IsEmpty());
}

TEST(Flags, EveryDefaultOfTheTableIsTheDefaultOfTheSettings) {
  for (const FlagRow& row : FlagTable()) {
    if (row.use != FlagUse::kUsed || row.default_text.empty()) {
      continue;
    }
    SCOPED_TRACE(std::string(row.name));
    Settings settings;
    ASSERT_TRUE(row.set(row.default_text, &settings).ok());
    const Settings fresh;
    EXPECT_EQ(settings.name, fresh.name);
    EXPECT_EQ(settings.listen_client_urls, fresh.listen_client_urls);
    EXPECT_EQ(settings.initial_advertise_peer_urls, fresh.initial_advertise_peer_urls);
    EXPECT_EQ(settings.initial_cluster_token, fresh.initial_cluster_token);
    EXPECT_EQ(settings.quota_backend_bytes, fresh.quota_backend_bytes);
    EXPECT_EQ(settings.backend_batch_limit, fresh.backend_batch_limit);
    EXPECT_EQ(settings.backend_batch_interval_nanos, fresh.backend_batch_interval_nanos);
    EXPECT_EQ(settings.backend_freelist_type, fresh.backend_freelist_type);
    EXPECT_EQ(settings.auto_shrink_free_ratio, fresh.auto_shrink_free_ratio);
    EXPECT_EQ(settings.backend, fresh.backend);
    EXPECT_EQ(settings.slow_request_threshold_nanos, fresh.slow_request_threshold_nanos);
    EXPECT_EQ(settings.warning_unary_request_nanos, fresh.warning_unary_request_nanos);
    EXPECT_EQ(settings.audit_level, fresh.audit_level);
    EXPECT_EQ(settings.audit_failure, fresh.audit_failure);
    EXPECT_EQ(settings.hot_prefixes, fresh.hot_prefixes);
    EXPECT_EQ(settings.hot_prefix_depth, fresh.hot_prefix_depth);
    EXPECT_EQ(settings.max_request_bytes, fresh.max_request_bytes);
    EXPECT_EQ(settings.max_txn_ops, fresh.max_txn_ops);
    EXPECT_EQ(settings.max_concurrent_streams, fresh.max_concurrent_streams);
    EXPECT_EQ(settings.keepalive_min_time_nanos, fresh.keepalive_min_time_nanos);
    EXPECT_EQ(settings.keepalive_interval_nanos, fresh.keepalive_interval_nanos);
    EXPECT_EQ(settings.keepalive_timeout_nanos, fresh.keepalive_timeout_nanos);
    EXPECT_EQ(settings.watch_progress_notify_interval_nanos,
              fresh.watch_progress_notify_interval_nanos);
    EXPECT_EQ(settings.compaction_batch_limit, fresh.compaction_batch_limit);
    EXPECT_EQ(settings.compaction_sleep_nanos, fresh.compaction_sleep_nanos);
    EXPECT_EQ(settings.auto_compaction_mode, fresh.auto_compaction_mode);
    EXPECT_EQ(settings.auto_compaction_retention, fresh.auto_compaction_retention);
    EXPECT_EQ(settings.self_signed_cert_validity_years, fresh.self_signed_cert_validity_years);
    EXPECT_EQ(settings.tls_min_version, fresh.tls_min_version);
    EXPECT_EQ(settings.log_level, fresh.log_level);
    EXPECT_EQ(settings.log_format, fresh.log_format);
    EXPECT_EQ(settings.log_outputs, fresh.log_outputs);
  }
}

TEST(Flags, AreSpelledAsGoAllows) {
  const std::vector<std::vector<std::string>> kSpellings = {
      {"--name=n1"}, {"--name", "n1"}, {"-name=n1"}, {"-name", "n1"}, {"--name=x", "--name=n1"}};
  for (const auto& spelling : kSpellings) {
    SCOPED_TRACE(spelling.front());
    const auto flags = Parse(spelling);
    ASSERT_TRUE(flags.ok()) << flags.status();
    EXPECT_EQ(flags->settings.name, "n1");
    EXPECT_EQ(flags->settings.data_dir, "n1.etcd");
  }
}

TEST(Flags, BoolsTakeNoSecondArgument) {
  EXPECT_TRUE(Parse({"--unsafe-no-fsync"})->settings.unsafe_no_fsync);
  EXPECT_TRUE(Parse({"--page-checksums"})->settings.page_checksums);
  EXPECT_FALSE(Parse({"--unsafe-no-fsync=false"})->settings.unsafe_no_fsync);
  const auto flags = Parse({"--unsafe-no-fsync", "--name", "x"});
  ASSERT_TRUE(flags.ok());
  EXPECT_EQ(flags->settings.name, "x");
}

TEST(Flags, BeatTheEnvironment) {
  const Environment environment = {{"ETCD_NAME", "from-env"}, {"ETCD_MAX_TXN_OPS", "7"}};
  const auto flags = Parse({"--name=from-flag"}, environment);
  ASSERT_TRUE(flags.ok());
  EXPECT_EQ(flags->settings.name, "from-flag");
  EXPECT_EQ(flags->settings.max_txn_ops, 7);
  EXPECT_THAT(flags->warnings, ElementsAre("ETCD_NAME is ignored: --name is given"));
}

TEST(Flags, OfTheEnvironmentMayBeOldSpellingsAndTheVersionOfAnImageIsNone) {
  const auto flags = Parse({}, {{"ETCD_EXPERIMENTAL_COMPACTION_BATCH_LIMIT", "50"},
                                {"ETCD_VERSION", "3.5.9"},
                                {"ETCD_name", "no"}});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->settings.compaction_batch_limit, 50);
  EXPECT_EQ(flags->settings.name, "default");
  EXPECT_THAT(flags->warnings,
              ElementsAre("ETCD_EXPERIMENTAL_COMPACTION_BATCH_LIMIT is an old spelling of "
                          "ETCD_COMPACTION_BATCH_LIMIT",
                          "the environment variable ETCD_VERSION is not read",
                          "the environment variable ETCD_name is not known"));
}

TEST(Flags, UnknownEnvironmentVariablesOnlyWarn) {
  const auto flags = Parse({}, {{"ETCD_SERVICE_HOST", "10.0.0.1"}});
  ASSERT_TRUE(flags.ok());
  EXPECT_THAT(flags->warnings, ElementsAre(HasSubstr("ETCD_SERVICE_HOST")));
}

TEST(Flags, RefuseBadInputWithOneLineThatNamesTheFlag) {
  struct Case {
    std::vector<std::string> arguments;
    const char* message;
  };

  const Case kCases[] = {
      {{"--no-such-flag"}, "unknown flag --no-such-flag"},
      {{"--no-such-flag=1"}, "unknown flag --no-such-flag"},
      {{"put"}, "'put' is not a flag"},
      {{"--"}, "'--' is not a flag"},
      {{"--name"}, "--name needs a value"},
      {{"--name="}, "--name: must not be empty"},
      {{"--max-txn-ops=many"}, "--max-txn-ops: 'many' is not an integer"},
      {{"--max-txn-ops=0"}, "--max-txn-ops: 0 is not between"},
      {{"--max-request-bytes=99999999999999999999"}, "is not an integer"},
      {{"--backend-batch-interval=5"}, "--backend-batch-interval: '5' is not a duration"},
      {{"--unsafe-no-fsync=maybe"}, "--unsafe-no-fsync: 'maybe' is neither true nor false"},
      {{"--backend-bbolt-freelist-type=tree"}, "is not one of map, array"},
      {{"--auto-shrink-free-ratio=1"}, "'1' is not a number from 0 to below 1"},
      {{"--auto-shrink-free-ratio=nan"}, "'nan' is not a number from 0 to below 1"},
      {{"--backend=sqlite"}, "--backend: 'sqlite' is not one of bolt, lmdb, rocksdb"},
      {{"--listen-client-urls=localhost:2379"}, "is not a URL"},
      {{"--listen-client-urls=ftp://127.0.0.1:2379"}, "unknown scheme"},
      {{"--listen-client-urls=unix://"}, "has no path of a socket"},
      {{"--listen-client-urls=http://example.com:2379"}, "must be an IP address or localhost"},
      {{"--listen-client-urls=http://127.0.0.1:99999"}, "port"},
      {{"--listen-client-urls=http://127.0.0.1"}, "no port"},
      {{"--listen-client-urls="}, "needs at least one URL"},
      {{"--tls-min-version=TLS1.1"}, "--tls-min-version: 'TLS1.1' is not one of TLS1.2, TLS1.3"},
      {{"--auth-token="}, "--auth-token: must not be empty"},
      {{"--bcrypt-cost=3"}, "--bcrypt-cost: 3 is not between 4 and 31"},
      {{"--log-outputs=systemd/journal"}, "use stderr, which systemd collects"},
      {{"--log-outputs="}, "--log-outputs: needs at least one output"},
      {{"--enable-log-rotation"}, "--enable-log-rotation: log files are not rotated here"},
      {{"--heartbeat-interval=fast"}, "--heartbeat-interval: 'fast' is not an integer"},
      {{"--raft-read-timeout=5"}, "--raft-read-timeout: '5' is not a duration"},
      {{"--feature-gates=Flying=true"}, "--feature-gates: unrecognized feature gate: Flying"},
      {{"--feature-gates=LeaseCheckpoint"}, "a gate is switched by name=true or name=false"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.arguments.front());
    const auto flags = Parse(c.arguments);
    ASSERT_FALSE(flags.ok());
    EXPECT_EQ(flags.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(MessageOf(flags.status())), HasSubstr(c.message));
    EXPECT_EQ(MessageOf(flags.status()).find('\n'), std::string_view::npos);
  }
}

TEST(Flags, OfTlsAndListeningGoTogetherOrAreRefused) {
  const std::string https = "--listen-client-urls=https://127.0.0.1:1";

  struct Case {
    std::vector<std::string> arguments;
    const char* refusal = "";
    const char* warning = "";
  };

  const Case kCases[] = {
      {{https, "--cert-file=c", "--key-file=k"}},
      {{https, "--auto-tls"}},
      {{https, "--auto-tls", "--self-signed-cert-validity=3"}},
      {{"--listen-client-urls=unixs:///run/s", "--auto-tls"}},
      {{"--listen-client-urls=unix:///run/s"}},
      {{"--listen-client-urls=unix://localhost:2379"}},
      {{https, "--cert-file=c", "--key-file=k", "--trusted-ca-file=a"}},
      {{https, "--cert-file=c", "--key-file=k", "--trusted-ca-file=a", "--client-crl-file=l"}},
      {{https, "--cert-file=c", "--key-file=k", "--trusted-ca-file=a",
        "--client-cert-allowed-hostname=a,b"}},
      {{https, "--auto-tls", "--tls-min-version=TLS1.2", "--tls-max-version=TLS1.2",
        "--cipher-suites=A,B"}},
      {{https, "--auto-tls", "--listen-metrics-urls=http://127.0.0.1:2"}},
      {{https, "--auto-tls", "--listen-client-http-urls=https://127.0.0.1:2"}},
      {{"--listen-metrics-urls=", "--listen-client-http-urls="}},
      {{"--listen-client-urls=http://127.0.0.1:0,http://127.0.0.1:0"}},

      {{https}, "--listen-client-urls: 'https://127.0.0.1:1': a URL with TLS needs --cert-file"},
      {{"--listen-client-urls=unixs://s"}, "a URL with TLS needs"},
      {{"--listen-metrics-urls=https://127.0.0.1:2"}, "--listen-metrics-urls: 'https"},
      {{"--listen-client-http-urls=https://127.0.0.1:2"}, "--listen-client-http-urls: 'https"},
      {{https, "--cert-file=c"}, "--key-file is missing"},
      {{https, "--key-file=k"}, "--cert-file is missing"},
      {{https, "--auto-tls", "--client-cert-auth"}, "--auto-tls can't ask clients"},
      {{https, "--auto-tls", "--trusted-ca-file=a"}, "--auto-tls can't ask clients"},
      {{https, "--auto-tls", "--self-signed-cert-validity=0"}, "must be at least 1 year"},
      {{https, "--auto-tls", "--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"}, "is above"},
      {{https, "--auto-tls", "--tls-min-version=TLS1.3", "--cipher-suites=A"},
       "leaves only TLS 1.3"},
      {{https, "--auto-tls", "--client-cert-allowed-hostname=a"}, "would let nobody in"},
      {{https, "--auto-tls", "--experimental-transport=grpc"}, "grpc serves no TLS"},
      {{"--listen-client-http-urls=http://localhost:2379"}, "cannot bind both"},
      {{"--auto-tls", "--listen-client-urls=http://127.0.0.1:1,https://127.0.0.1:1"},
       "'http://127.0.0.1:1' and 'https://127.0.0.1:1' are at one address"},
      {{"--listen-metrics-urls=http://localhost:2379"}, "are at one address"},

      {{"--cert-file=c", "--key-file=k"}, "", "the certificate is not used"},
      {{https, "--cert-file=c", "--key-file=k", "--auto-tls"}, "", "--auto-tls has no effect"},
      {{"--client-cert-auth"}, "", "are not asked for certificates"},
      {{https, "--cert-file=c", "--key-file=k", "--client-cert-auth"}, "", "any authority"},
      {{https, "--auto-tls", "--client-crl-file=l"}, "", "--client-crl-file has no effect"},
      {{"--client-cert-file=c"}, "", "--client-cert-file has no effect"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(testing::PrintToString(c.arguments));
    const auto flags = Parse(c.arguments);
    const bool is_refused = std::string_view(c.refusal).size() > 0;
    ASSERT_EQ(flags.ok(), !is_refused) << flags.status();
    if (is_refused) {
      EXPECT_THAT(std::string(MessageOf(flags.status())), HasSubstr(c.refusal));
    } else if (std::string_view(c.warning).empty()) {
      EXPECT_THAT(flags->warnings, IsEmpty());
    } else {
      EXPECT_THAT(flags->warnings, ElementsAre(HasSubstr(c.warning)));
    }
  }
}

TEST(Flags, RefuseToBeOneOfSeveralMembers) {
  struct Case {
    std::string_view flag;
    std::string_view error;  // empty: taken
  };

  constexpr Case kCases[] = {
      {"--initial-cluster=a=http://1:1,b=http://2:1,c=http://3:1", "3 members (a, b, c): socle-kv"},
      {"--initial-cluster=a=http://1:1,a=http://2:1", ""},
      {"--initial-cluster=", ""},
      {"--initial-cluster-state=existing", ""},
      {"--initial-cluster-state=bogus", "'bogus' is neither new nor existing"},
      {"--proxy=on", "--proxy"},
      {"--proxy=off", ""},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.flag);
    const auto flags = Parse({std::string(c.flag)});
    EXPECT_EQ(flags.ok(), c.error.empty()) << flags.status();
    EXPECT_THAT(std::string(MessageOf(flags.status())), HasSubstr(std::string(c.error)));
  }
}

TEST(Flags, WarnAboutWhatHasNoEffectAndAboutOldSpellings) {
  const auto flags =
      Parse({"--initial-cluster=default=http://localhost:2380", "--snapshot-count=5",
             "--strict-reconfig-check=true", "--experimental-compaction-batch-limit=50"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(flags->warnings, ElementsAre(HasSubstr("--initial-cluster has no effect"),
                                           HasSubstr("--snapshot-count has no effect"),
                                           HasSubstr("old spelling of --compaction-batch-limit")));
  EXPECT_EQ(flags->settings.compaction_batch_limit, 50);
}

TEST(Flags, AcceptMissingFeaturesAtTheirDefaults) {
  const auto flags = Parse({"--client-cert-auth=false", "--auth-token=simple", "--cors=*",
                            "--corrupt-check-time=0", "--enable-grpc-gateway=true"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(flags->warnings, IsEmpty());
}

TEST(Flags, TakeOriginsAndHosts) {
  const auto flags = Parse({"--cors=http://a.com:80,https://b.com", "--host-whitelist=a.com,b.com",
                            "--enable-grpc-gateway=false"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(flags->settings.cors, ElementsAre("http://a.com:80", "https://b.com"));
  EXPECT_THAT(flags->settings.host_whitelist, ElementsAre("a.com", "b.com"));
  EXPECT_FALSE(flags->settings.enable_grpc_gateway);
  EXPECT_THAT(Parse({"--cors=a.com"}).status().ToString(), HasSubstr("'a.com' is no origin"));
}

TEST(FlagTable, NamesAreUniqueAndEveryRowExplainsItself) {
  std::set<std::string_view> names;
  for (const FlagRow& row : FlagTable()) {
    SCOPED_TRACE(std::string(row.name));
    EXPECT_TRUE(names.insert(row.name).second);
    if (!row.second_spelling.empty()) {
      EXPECT_TRUE(names.insert(row.second_spelling).second);
    }
    EXPECT_FALSE(row.help.empty());
    EXPECT_TRUE(row.set != nullptr || row.use != FlagUse::kUsed);
    EXPECT_THAT(HelpText(), HasSubstr("--" + std::string(row.name)));
  }
  EXPECT_EQ(EnvironmentNameOf(*FindFlag("listen-client-urls")), "ETCD_LISTEN_CLIENT_URLS");
}

TEST(FlagTable, HasEveryFlagOfTheEtcdServers) {
  // etcd --help of 3.4, 3.5, 3.6 and 3.7, and the groups of spec etcd 1.12; a word is a flag.
  constexpr std::string_view kOfTheSpec = R"(
    name data-dir wal-dir listen-client-urls listen-peer-urls listen-client-http-urls listen-metrics-urls
    advertise-client-urls initial-advertise-peer-urls initial-cluster initial-cluster-state
    initial-cluster-token strict-reconfig-check pre-vote socket-reuse-port socket-reuse-address
    max-concurrent-streams grpc-keepalive-min-time grpc-keepalive-interval grpc-keepalive-timeout
    enable-grpc-gateway quota-backend-bytes backend-batch-interval backend-batch-limit
    backend-bbolt-freelist-type snapshot-count max-snapshots max-wals memory-mlock unsafe-no-fsync
    bootstrap-defrag-threshold-megabytes snapshot-catchup-entries max-request-bytes max-txn-ops
    auto-compaction-mode auto-compaction-retention compaction-batch-limit compaction-sleep-interval
    heartbeat-interval election-timeout initial-election-tick-advance watch-progress-notify-interval
    warning-apply-duration warning-unary-request-duration corrupt-check-time compact-hash-check-time
    max-learners downgrade-check-time cert-file key-file client-cert-file client-key-file
    client-cert-auth client-crl-file client-cert-allowed-hostname trusted-ca-file auto-tls
    peer-cert-file peer-key-file peer-client-cert-file peer-client-key-file peer-client-cert-auth
    peer-crl-file peer-cert-allowed-hostname peer-cert-allowed-cn peer-trusted-ca-file peer-auto-tls
    peer-skip-client-san-verification self-signed-cert-validity cipher-suites tls-min-version
    tls-max-version cors host-whitelist auth-token auth-token-ttl bcrypt-cost metrics enable-pprof
    log-level log-format log-outputs enable-log-rotation log-rotation-config-json logger
    enable-distributed-tracing distributed-tracing-address distributed-tracing-service-name
    distributed-tracing-instance-id distributed-tracing-sampling-rate feature-gates config-file
    version help force-new-cluster discovery-srv discovery-srv-name discovery-fallback v2-deprecation
    raft-read-timeout raft-write-timeout disable-log-sampling discovery-endpoints discovery-token
    discovery-dial-timeout discovery-request-timeout discovery-keepalive-time
    discovery-keepalive-timeout discovery-insecure-transport discovery-insecure-skip-tls-verify
    discovery-cert discovery-key discovery-cacert discovery-user discovery-password
    discovery discovery-proxy enable-v2 proxy proxy-failure-wait proxy-refresh-interval
    proxy-dial-timeout proxy-write-timeout proxy-read-timeout debug log-package-levels
    experimental-enable-v2v3 experimental-backend-bbolt-freelist-type
    experimental-compact-hash-check-enabled experimental-compact-hash-check-time
    experimental-compaction-batch-limit experimental-compaction-sleep-interval
    experimental-initial-corrupt-check experimental-corrupt-check-time
    experimental-enable-lease-checkpoint experimental-enable-lease-checkpoint-persist
    experimental-peer-skip-client-san-verification experimental-watch-progress-notify-interval
    experimental-warning-apply-duration experimental-warning-unary-request-duration
    experimental-txn-mode-write-with-shared-buffer experimental-bootstrap-defrag-threshold-megabytes
    experimental-max-learners experimental-memory-mlock experimental-downgrade-check-time
    experimental-wait-cluster-ready-timeout experimental-snapshot-catchup-entries
    experimental-set-member-localaddr experimental-stop-grpc-service-on-defrag
    experimental-enable-distributed-tracing experimental-distributed-tracing-address
    experimental-distributed-tracing-service-name experimental-distributed-tracing-instance-id
    experimental-distributed-tracing-sampling-rate)";
  std::set<std::string> listed;
  std::istringstream words{std::string(kOfTheSpec)};
  for (std::string word; words >> word;) {
    SCOPED_TRACE(word);
    EXPECT_TRUE(listed.insert(word).second) << "listed twice";
    const FlagRow* const row = FindFlag(word);
    ASSERT_NE(row, nullptr);
    EXPECT_FALSE(row->is_extension);
  }
  // The table has nothing else but what it says etcd does not have, and new spellings of old flags.
  for (const FlagRow& row : FlagTable()) {
    SCOPED_TRACE(std::string(row.name));
    EXPECT_TRUE(row.is_extension || listed.contains(std::string(row.name)) ||
                listed.contains(std::string(row.second_spelling)));
    const std::string line = fmt::format("\n  --{}", row.name);
    EXPECT_EQ(row.is_extension, ExtensionsText().find(line + "\n") != std::string::npos ||
                                    ExtensionsText().find(line + " ") != std::string::npos);
  }
}

TEST(Flags, PrefixQuotasAreAListOfPrefixesAndBytes) {
  const auto flags = Parse({"--prefix-quota=/a/=10,/b=c/=0,=7"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(flags->settings.prefix_quotas,
              ElementsAre(PrefixLimit{"/a/", 10}, PrefixLimit{"/b=c/", 0}, PrefixLimit{"", 7}));
  for (const char* bad : {"/a/", "/a/=", "/a/=-1", "/a/=10x", "/a/=1,/a/=2"}) {
    EXPECT_FALSE(Parse({fmt::format("--prefix-quota={}", bad)}).ok()) << bad;
  }
}

TEST(Flags, OfTheExtensionsThatObserveCallsNeedTheTransportThatTellsOfThem) {
  for (const char* flag : {"--audit-log=stdout", "--hot-prefixes=5", "--slow-request-threshold=1s",
                           "--warning-unary-request-duration=1s"}) {
    SCOPED_TRACE(flag);
    EXPECT_TRUE(Parse({flag}).ok());
    const auto refused = Parse({flag, "--experimental-transport=grpc"});
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(std::string(MessageOf(refused.status())), HasSubstr("experimental-transport=h2"));
  }
  EXPECT_FALSE(Parse({"--audit-level=some"}).ok());
  EXPECT_FALSE(Parse({"--audit-failure=panic"}).ok());
  EXPECT_FALSE(Parse({"--hot-prefix-depth=0"}).ok());
  EXPECT_EQ(Parse({"--slow-request-threshold=250ms"})->settings.slow_request_threshold_nanos,
            250 * kNanosPerMilli);
}

TEST(Flags, OfAnExtensionThatIsOffSayThatTheyHaveNoEffect) {
  struct Case {
    const char* detail;
    const char* main;
  };

  for (const Case& one : {Case{"--backup-interval=2s", "--backup-dir=b"},
                          Case{"--backup-snapshot-interval=1h", "--backup-dir=b"},
                          Case{"--backup-retention=1h", "--backup-dir=b"},
                          Case{"--audit-level=auth", "--audit-log=stdout"},
                          Case{"--audit-failure=refuse", "--audit-log=stdout"},
                          Case{"--hot-prefix-depth=3", "--hot-prefixes=5"}}) {
    SCOPED_TRACE(one.detail);
    EXPECT_THAT(Parse({one.detail})->warnings, ElementsAre(HasSubstr("has no effect without --")));
    EXPECT_THAT(Parse({one.detail, one.main})->warnings, IsEmpty());
  }
}

TEST(Flags, ABackupAndAStoreDoNotLieInOneAnother) {
  for (const char* backup : {"d", "d/", "./e/../d", "d/backup", "."}) {
    SCOPED_TRACE(backup);
    const auto refused = Parse({"--data-dir=d", fmt::format("--backup-dir={}", backup)});
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(std::string(MessageOf(refused.status())), HasSubstr("--backup-dir"));
  }
  for (const char* backup : {"db", "e", "/d", "../d"}) {
    SCOPED_TRACE(backup);
    EXPECT_TRUE(Parse({"--data-dir=d", fmt::format("--backup-dir={}", backup)}).ok());
  }
}

TEST(Flags, KeepTheAuditLogOutOfTheStoresDirectories) {
  struct Case {
    const char* file;
    const char* folder;  // nullptr: it may be
  };

  constexpr Case kCases[] = {
      {"d/member/snap/db", "d/member"},
      {"./d/member/audit.log", "d/member"},
      {"e/../d//member/socle-wal/0", "d/member"},
      {"d/member", "d/member"},
      {"d/fixtures/client/cert.pem", "d/fixtures"},
      {"w/0.wal", "lies in w,"},
      {"stdout", nullptr},
      {"d/audit.log", nullptr},
      {"d/members.log", nullptr},
      {"audit.log", nullptr},
      {"/d/member/audit.log", nullptr},
      {"../d/member/audit.log", nullptr},
      {"d/member/../audit.log", nullptr},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.file);
    const auto flags =
        Parse({"--data-dir=d", "--wal-dir=w", fmt::format("--audit-log={}", c.file)});
    EXPECT_EQ(flags.ok(), c.folder == nullptr);
    if (c.folder != nullptr) {
      const std::string text(MessageOf(flags.status()));
      EXPECT_THAT(text, HasSubstr("--audit-log"));
      EXPECT_THAT(text, HasSubstr(c.folder));
    }
  }
  EXPECT_FALSE(Parse({"--audit-log=default.etcd/member/a"}).ok()) << "the store's, if nobody says";
}

TEST(Flags, TakeARelativePathAndAnAbsoluteOneForTheSame) {
  std::array<char, PATH_MAX> here{};
  ASSERT_NE(::getcwd(here.data(), here.size()), nullptr);
  for (const char* flag : {"--audit-log={}/d/member/audit.log", "--backup-dir={}/d/backup"}) {
    SCOPED_TRACE(flag);
    EXPECT_FALSE(Parse({"--data-dir=d", fmt::format(fmt::runtime(flag), here.data())}).ok());
    EXPECT_FALSE(
        Parse({fmt::format("--data-dir={}/d", here.data()), fmt::format(fmt::runtime(flag), ".")})
            .ok());
  }
}

TEST(Flags, SayWhatIsLargerThanEtcdAdvises) {
  const auto flags = Parse({"--max-request-bytes=10485761", "--quota-backend-bytes=8589934593"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(flags->warnings, ElementsAre(HasSubstr("--max-request-bytes=10485761 is more than"),
                                           HasSubstr("--quota-backend-bytes=8589934593 is more")));
  EXPECT_THAT(Parse({"--max-request-bytes=10485760", "--quota-backend-bytes=8589934592"})->warnings,
              IsEmpty());
}

TEST(FlagTable, ReadsDurationsAsGoWritesThem) {
  struct Case {
    const char* text;
    std::optional<int64_t> nanos;
  };

  const Case kCases[] = {
      {"100ms", 100'000'000},
      {"1m", 60'000'000'000},
      {"1h30m", 5'400'000'000'000},
      {"1.5s", 1'500'000'000},
      {"0", 0},
      {"0s", 0},
      {"-1s", -1'000'000'000},
      {"10us", 10'000},
      {"10\u00b5s", 10'000},
      {"5", std::nullopt},
      {"", std::nullopt},
      {"ms", std::nullopt},
      {"1d", std::nullopt},
      {"1 s", std::nullopt},
      {"1s2", std::nullopt},
      {"1..5s", std::nullopt},
      {"99999999h", std::nullopt},
      {"-", std::nullopt},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text);
    const auto nanos = ParseDurationNanos(c.text);
    ASSERT_EQ(nanos.ok(), c.nanos.has_value());
    if (nanos.ok()) {
      EXPECT_EQ(*nanos, *c.nanos);
    }
  }
}

TEST(Url, ReadsIpv6InBrackets) {
  const auto url = ParseUrl("http://[::1]:2379/");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->port, 2379);
  EXPECT_EQ(url->ToString(), "http://[::1]:2379");
  EXPECT_FALSE(ParseUrl("http://::1:2379").ok());
  EXPECT_FALSE(ParseUrl("http://user@host:1").ok());
  EXPECT_FALSE(ParseUrl("http://host:1/path").ok());
}

TEST(Url, OfAUnixSocketIsItsPath) {
  for (const char* text : {"unix:///run/s.sock", "unixs://relative/s", "unix://localhost:2379"}) {
    const auto url = ParseUrl(text);
    ASSERT_TRUE(url.ok()) << url.status();
    EXPECT_TRUE(url->is_unix());
    EXPECT_EQ(url->is_secure(), url->scheme == "unixs");
    EXPECT_EQ(url->ToString(), text);
  }
  EXPECT_EQ(ParseUrl("unix:///run/s.sock")->path, "/run/s.sock");
  EXPECT_EQ(ParseUrl("unix://localhost:2379")->path, "localhost:2379");
}

}  // namespace
}  // namespace socle::server
