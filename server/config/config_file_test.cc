#include "server/config/config_file.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/base/status_macros.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"
#include "server/config/flags.h"
#include "server/config/yaml_tree.h"

namespace socle::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<ParsedFlags> ParseWith(const std::string& file,
                                      std::vector<std::string> arguments = {"--config-file=/f"},
                                      const Environment& environment = {}) {
  FaultEnv env(1);
  env.SetContents("/f", file);
  return ParseFlags(arguments, environment, &env);
}

TEST(ConfigFile, SetsWhatEtcdsKeysSay) {
  const auto flags = ParseWith(R"(
# as etcd's sample has it
name: n1
data-dir: '/var/lib/n1'
wal-dir:
listen-client-urls: https://127.0.0.1:2379,https://127.0.0.1:3379
advertise-client-urls: ""
quota-backend-bytes: 1073741824
backend-batch-interval: 200000000
max-txn-ops: &ops 256
unsafe-no-fsync: yes
enable-grpc-gateway: false
auto-compaction-mode: revision
auto-compaction-retention: 1000
log-outputs: [stderr, "/var/log/kv"]
cipher-suites:
  - A
  - B
client-transport-security:
  cert-file: c.pem
  key-file: k.pem
  client-cert-auth: true
  trusted-ca-file: ca.pem
  allowed-hostname: [a, b]
  client-crl-file: crl.pem
peer-transport-security:
  cert-file:
discovery-config:
socket-options: {}
page-checksums: true
compaction-batch-limit: *ops
)");
  ASSERT_TRUE(flags.ok()) << flags.status();
  const Settings& s = flags->settings;
  EXPECT_EQ(s.name, "n1");
  EXPECT_EQ(s.data_dir, "/var/lib/n1");
  EXPECT_EQ(s.wal_dir, "");
  EXPECT_THAT(s.listen_client_urls,
              ElementsAre("https://127.0.0.1:2379", "https://127.0.0.1:3379"));
  EXPECT_EQ(s.advertise_client_urls, s.listen_client_urls);
  EXPECT_EQ(s.quota_backend_bytes, 1'073'741'824);
  EXPECT_EQ(s.backend_batch_interval_nanos, 200 * kNanosPerMilli);
  EXPECT_EQ(s.max_txn_ops, 256);
  EXPECT_EQ(s.compaction_batch_limit, 256);
  EXPECT_TRUE(s.unsafe_no_fsync);
  EXPECT_FALSE(s.enable_grpc_gateway);
  EXPECT_EQ(s.auto_compaction_mode, "revision");
  EXPECT_EQ(s.auto_compaction_retention, "1000");
  EXPECT_TRUE(s.page_checksums);
  EXPECT_THAT(s.log_outputs, ElementsAre("stderr", "/var/log/kv"));
  EXPECT_THAT(s.cipher_suites, ElementsAre("A", "B"));
  EXPECT_EQ(s.cert_file, "c.pem");
  EXPECT_EQ(s.key_file, "k.pem");
  EXPECT_TRUE(s.client_cert_auth);
  EXPECT_EQ(s.trusted_ca_file, "ca.pem");
  EXPECT_THAT(s.client_cert_allowed_hostnames, ElementsAre("a", "b"));
  EXPECT_EQ(s.client_crl_file, "crl.pem");
  EXPECT_THAT(flags->warnings, IsEmpty());
}

TEST(ConfigFile, ThatSaysNothingLeavesEveryDefault) {
  for (const char* text : {"", "# nothing", "---\n", "{}", "name:\n", "cors: ''\n"}) {
    SCOPED_TRACE(text);
    const auto flags = ParseWith(text);
    ASSERT_TRUE(flags.ok()) << flags.status();
    EXPECT_EQ(flags->settings.name, "default");
    EXPECT_EQ(flags->settings.data_dir, "default.etcd");
    EXPECT_THAT(flags->settings.cors, ElementsAre("*"));
    EXPECT_THAT(flags->warnings, IsEmpty());
  }
}

TEST(ConfigFile, AloneDecidesAndSaysWhatItShadows) {
  const auto flags = ParseWith("max-txn-ops: 5", {"--name=n", "--config-file", "/f"},
                               {{"ETCD_DATA_DIR", "d"}, {"ETCD_UNKNOWN", "1"}, {"ETCD_NAME", ""}});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->settings.name, "default");
  EXPECT_EQ(flags->settings.data_dir, "default.etcd");
  EXPECT_EQ(flags->settings.max_txn_ops, 5);
  EXPECT_THAT(flags->warnings, ElementsAre("the configuration file alone decides: --name, "
                                           "ETCD_DATA_DIR ignored"));
}

TEST(ConfigFile, MayBeNamedByTheEnvironmentAndTheFlagBeatsIt) {
  const auto by_environment = ParseWith("name: n", {}, {{"ETCD_CONFIG_FILE", "/f"}});
  ASSERT_TRUE(by_environment.ok()) << by_environment.status();
  EXPECT_EQ(by_environment->settings.name, "n");
  const auto by_both = ParseWith("name: n", {"--config-file=/f"}, {{"ETCD_CONFIG_FILE", "/none"}});
  ASSERT_TRUE(by_both.ok()) << by_both.status();
  EXPECT_EQ(by_both->settings.name, "n");
}

TEST(ConfigFile, DoesNotHideABadFlagOrAQuestion) {
  EXPECT_THAT(ParseWith("name: n", {"--config-file=/f", "--no-such"}).status().ToString(),
              HasSubstr("unknown flag --no-such"));
  EXPECT_THAT(ParseWith("name: n", {"--config-file=/f", "--max-txn-ops=x"}).status().ToString(),
              HasSubstr("is not an integer"));
  EXPECT_TRUE(ParseWith("a bad file", {"--config-file=/f", "--help"})->settings.show_help);
  EXPECT_TRUE(ParseWith("a bad file", {"--config-file=/f", "--version"})->settings.show_version);
}

TEST(ConfigFile, WarnsAsFlagsDo) {
  const auto flags = ParseWith(
      "initial-cluster: a=http://a:1,a=http://b:1\ninitial-cluster-state: ''\npre-vote: true\n"
      "experimental-compaction-batch-limit: 50\npeer-transport-security:\n  auto-tls: true\n"
      "discovery-config:\n  endpoints: [a]\n  token: t\nproxy-failure-wait: 5000\n");
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->settings.compaction_batch_limit, 50);
  EXPECT_THAT(flags->warnings,
              ElementsAre(HasSubstr("initial-cluster has no effect: there are no peers"),
                          HasSubstr("experimental-compaction-batch-limit is an old spelling of"),
                          HasSubstr("peer-transport-security.auto-tls has no effect"),
                          HasSubstr("discovery-config has no effect")));
}

TEST(ConfigFile, RefusesWithTheKeyItsPlaceAndTheCure) {
  const struct Case {
    const char* text;
    const char* refusal;
  } kCases[] = {
      {"nmae: x", "--config-file /f: line 1, column 1: unknown key nmae"},
      {"name: a\nname: b", "line 2, column 1: name is given twice"},
      {"name: a\n\nmax-txn-ops: many", "line 3, column 14: max-txn-ops: must be a whole number"},
      {"max-txn-ops: '5'", "without quotes"},
      {"max-txn-ops: 0", "line 1, column 14: max-txn-ops: 0 is not between"},
      {"backend-batch-interval: 100ms", "durations are nanoseconds here: write 100000000"},
      {"backend-batch-interval: soon", "must be a whole number of nanoseconds"},
      {"raft-read-timeout: 5s", "durations are nanoseconds here: write 5000000000"},
      {"unsafe-no-fsync: 'true'", "must be true or false, without quotes"},
      {"unsafe-no-fsync: 1", "must be true or false"},
      {"log-outputs: stderr", "log-outputs: must be a list, such as [a, b]"},
      {"log-outputs: ['a,b']", "each part of the list must be a text without commas"},
      {"log-outputs: [[a]]", "each part of the list must be a text without commas"},
      {"listen-client-urls: ['http://127.0.0.1:1']", "must be one text: with commas"},
      {"name: {a: b}", "name: has no settings below it"},
      {"cert-file: c", "cert-file belongs below client-transport-security, as cert-file"},
      {"peer-auto-tls: true", "peer-auto-tls belongs below peer-transport-security, as auto-tls"},
      {"socket-reuse-port: true", "belongs below socket-options, as reuse-port"},
      {"client-transport-security: {cert: c}", "unknown key client-transport-security.cert"},
      {"client-transport-security: {auto-tls: true, auto-tls: true}",
       "client-transport-security.auto-tls is given twice"},
      {"client-transport-security: {allowed-cn: [a]}", "not judged by the common name"},
      {"client-transport-security: c", "must have settings below it"},
      {"config-file: x", "config-file is for the command line only"},
      {"version: true", "version is for the command line only"},
      {"force-new-cluster: true", "force-new-cluster: directories of real clusters"},
      {"auto-compaction-mode: daily", "auto-compaction-mode: 'daily' is not one of"},
      {"a", "line 1, column 1: must be settings"},
      {"- a", "must be settings, each as 'key: value'"},
      {"name: [b", "line 1, column"},
      {"name: a\n\tb: c", "line 2, column 1"},
      {"name: *x", "line 1, column 7"},
      {"log-outputs: &x [a]\ncipher-suites: *x", "line 2, column 16: an alias can only stand for"},
      {"? [a]\n: b", "the name of a setting must be a text"},
      {"~: b", "the name of a setting must be a text"},
      {"name: !mine b", "unknown tag !mine"},
      {"a: &x b\n<<: *x", "merge keys"},
      {"name: a\n---\nname: b", "several YAML documents"},
      {"listen-client-urls: https://127.0.0.1:1", "a URL with TLS needs"},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text);
    const auto flags = ParseWith(c.text);
    ASSERT_FALSE(flags.ok());
    EXPECT_THAT(std::string(MessageOf(flags.status())), HasSubstr(c.refusal));
    EXPECT_EQ(MessageOf(flags.status()).find('\n'), std::string_view::npos);
  }
  EXPECT_THAT(ParseWith("", {"--config-file=/none"}).status().ToString(),
              HasSubstr("--config-file /none"));
  EXPECT_THAT(ParseWith(std::string(kYamlBytesMax + 1, '#')).status().ToString(),
              HasSubstr("at most"));
}

TEST(YamlTree, IsBoundedWhateverComesIn) {
  EXPECT_THAT(ReadYaml(std::string(100'000, '[')).status().ToString(), HasSubstr("too deep"));
  std::string nested;
  for (size_t depth = 0; depth < kYamlDepthMax + 1; ++depth) {
    nested += std::string(depth, ' ') + "a:\n";
  }
  EXPECT_THAT(ReadYaml(nested + std::string(40, ' ') + "b: c").status().ToString(),
              HasSubstr("nested deeper than 16"));

  Random random(TestSeed());
  constexpr std::string_view kPieces[] = {"name", ": ", "\n", "  ", "- ",  "[",  "]",    "{", "}",
                                          ",",    "&x", "*x", "'",  "\"",  "|",  ">",    "#", "?",
                                          "!!s",  "1",  "~",  "<<", "---", "\t", "\xFF", "%", "@"};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint64_t i = 0, count = random.Below(40); i < count; ++i) {
      text += kPieces[random.Below(std::size(kPieces))];
    }
    ReadConfig(text).IgnoreError();
  }
}

}  // namespace
}  // namespace socle::server
