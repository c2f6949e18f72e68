// Every load command against Debian's etcd and against socle-kv, small.
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/peer/local_server.h"
#include "bench/report/json.h"
#include "bench/testing/run_bench.h"

namespace socle::bench {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

class EveryCommand : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(dir_.data()), nullptr);
    auto peer = ParsePeer(GetParam());
    if (absl::IsNotFound(peer.status())) {
      GTEST_SKIP() << peer.status();
    }
    ASSERT_TRUE(peer.ok()) << peer.status();
    auto server = LocalServer::Start(*peer, dir_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(dir_);
  }

  CommandResult Run(std::string_view arguments) {
    return RunBench(fmt::format("{} --endpoints={}", arguments, server_->endpoint()));
  }

  std::string dir_ = "/tmp/socle_bench_every.XXXXXX";
  std::unique_ptr<LocalServer> server_;
};

TEST_P(EveryCommand, DoesWhatItSays) {
  constexpr struct {
    std::string_view arguments;
    std::string_view shows;
  } kCases[] = {
      {"put --total 1500 --key-space-size 500 --clients 20 --conns 3", "errors       0"},
      {"range --key-space-size 500 --total 500 --clients 10", "errors       0"},
      {"delete --total 500 --key-space-size 500 --sequential-keys --clients 10", "deleted      "},
      {"txn-put --txn-ops 10 --total 100 --key-space-size 500 --clients 5", "10 puts of 8-byte"},
      {"txn-mixed --rw-ratio 4 --total 300 --key-space-size 500 --clients 5", "  write  "},
      {"mixed --mix put=1,range=1,delete=1,list=1,txn=1 --key-distribution zipfian "
       "--val-size-distribution uniform --val-size-max 300 --total 500 --key-space-size 200",
       "  list  "},
      {"stm --keys 3 --keys-per-txn 2 --total 100 --clients 8", "conflicts    "},
      {"watch --watchers 20 --streams 4 --conns 2 --total 10", "0 missing, 0 repeated"},
      {"watch-latency --streams 2 --watchers-per-stream 3 --put-total 20 --put-rate 200",
       "120 in "},
      {"watch-get --watchers 50 --streams 5 --events 8 --total 200 --clients 5", "400 events"},
      {"lease-grant --total 50 --leases 50 --first-id 900 --clients 5", "errors       0"},
      {"lease-keepalive --total 100 --leases 50 --first-id 900 --clients 5", "errors       0"},
      {"lease-expire --total 60 --expire-after 2 --clients 5 --first-id 5000", "expired late by"},
      {"compact --total 2", "compaction"},
      {"snapshot --total 2", "errors       0"},
      {"defrag", "errors       0"},
      {"kube-leases --nodes 20 --period 0.2", "conflicts    0"},
      {"kube-pods --total 100 --pods 40 --watchers 3 --list-rate 50 --page 15", "  delete  "},
      {"range --duration 0.2 --rate 200 --warmup 0.1 --idle-watchers 30", "30 watchers"},
  };

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.arguments);
    const CommandResult result = Run(c.arguments);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(result.output, HasSubstr(std::string(c.shows)));
    EXPECT_THAT(result.output, testing::Not(HasSubstr("FAILED")));
  }
}

TEST_P(EveryCommand, DoesTheSameByTheStockGrpcClient) {
  if (Run("put --total 1 --client=grpc").output.find("built without gRPC") != std::string::npos) {
    GTEST_SKIP() << "socle-bench is built without gRPC";
  }
  for (const std::string_view arguments :
       {"put --total 500 --key-space-size 200 --clients 20 --conns 3 --verify",
        "range --key-space-size 200 --total 300 --clients 10",
        "delete --total 100 --key-space-size 200 --clients 10 --verify",
        "txn-put --txn-ops 10 --total 50 --key-space-size 500 --clients 5 --verify",
        "txn-mixed --rw-ratio 4 --total 200 --key-space-size 500 --clients 5 --verify",
        "mixed --mix put=1,range=1,delete=1,list=1,txn=1 --total 200 --key-space-size 200 --verify",
        "stm --keys 3 --keys-per-txn 2 --total 60 --clients 8 --verify",
        "watch --watchers 20 --streams 4 --conns 2 --total 10",
        "watch-latency --streams 2 --watchers-per-stream 3 --put-total 20 --put-rate 200",
        "lease-grant --total 50 --leases 50 --first-id 900 --clients 5",
        "lease-keepalive --total 100 --leases 50 --first-id 900 --clients 5",
        "lease-keepalive --once --total 50 --leases 50 --first-id 900 --clients 5",
        "snapshot --total 2", "kube-leases --nodes 20 --period 0.2 --verify"}) {
    SCOPED_TRACE(arguments);
    const CommandResult result = Run(fmt::format("{} --client=grpc", arguments));
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(result.output, testing::Not(HasSubstr("FAILED")));
  }
}

TEST_P(EveryCommand, VerifiesWhatItChanged) {
  for (const std::string_view arguments :
       {"mixed --mix put=1,range=1,delete=1,list=1,txn=1 --total 500 --key-space-size 100 "
        "--clients 9",
        "stm --keys 3 --keys-per-txn 2 --total 100 --clients 8",
        "kube-pods --total 100 --pods 40 --watchers 3 --listers 0",
        "delete --total 50 --key-space-size 100 --span 5"}) {
    SCOPED_TRACE(arguments);
    const CommandResult result = Run(fmt::format("{} --verify", arguments));
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(result.output, HasSubstr("verified at revision"));
    EXPECT_THAT(result.output, HasSubstr(" 0 missing, 0 wrong"));
    EXPECT_THAT(result.output, testing::Not(HasSubstr(": 0 keys")));
  }
}

TEST_P(EveryCommand, AWatchRunHasWarmUpAndAllFiles) {
  const std::string at = dir_ + "/watch";
  const CommandResult result = Run(fmt::format(
      "watch-latency --streams 2 --watchers-per-stream 3 --put-total 300 --put-rate 200 "
      "--warmup 1 --json {}.json --csv {}.csv --hdr {}.hgrm --report {}.html",
      at, at, at, at));
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("after 1.0 s of warm-up"));
  // 200 of the 300 puts were due in the warm-up, and 100 reach six watchers each.
  EXPECT_THAT(result.output, HasSubstr("600 in "));
  EXPECT_THAT(*ReadTextFile(at + ".json"), HasSubstr("\"deliveries\":600"));
  EXPECT_THAT(*ReadTextFile(at + ".hgrm"), HasSubstr("Total count    =          600]"));
  const std::string csv = *ReadTextFile(at + ".csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3) << "a head and two seconds: " << csv;
  EXPECT_THAT(*ReadTextFile(at + ".html"), HasSubstr("last of a put"));
  const CommandResult all_warm =
      Run("watch-latency --streams 1 --watchers-per-stream 1 --put-total 5 --warmup 60");
  EXPECT_EQ(all_warm.exit_code, 1) << all_warm.output;
  EXPECT_THAT(all_warm.output, HasSubstr("within the warm-up"));
}

TEST_P(EveryCommand, ReadsTheServersPageWhenThePidIsNotKnown) {
  const std::string json = dir_ + "/run.json";
  const CommandResult result =
      Run(fmt::format("put --duration 1.5 --clients 20 --key-space-size 1000 --json {}", json));
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("server CPU"));
  EXPECT_THAT(result.output, HasSubstr("MiB resident"));
  EXPECT_THAT(result.output, HasSubstr("  commits       "));
  EXPECT_THAT(*ReadTextFile(json), HasSubstr("\"commit_p99_us\":"));
  const CommandResult never = Run("put --total 5 --metrics=never");
  EXPECT_THAT(never.output, testing::Not(HasSubstr("MiB resident")));
}

TEST_P(EveryCommand, SaysThatTheDiskIsFullAndKeepsItsTable) {
  // Files may not grow beyond a block: the page does.
  const CommandResult page = RunBench(
      fmt::format("put --total 50 --endpoints={} --report {}/page.html", server_->endpoint(), dir_),
      "ulimit -f 1; ");
  EXPECT_EQ(page.exit_code, 1) << page.output;
  EXPECT_THAT(page.output, HasSubstr("throughput   "));
  EXPECT_THAT(page.output, HasSubstr("page.html"));
  EXPECT_THAT(page.output, HasSubstr("File too large"));
  const CommandResult json = Run("put --total 50 --json /dev/full");
  EXPECT_EQ(json.exit_code, 1) << json.output;
  const CommandResult table = RunBench(
      fmt::format("put --total 50 --endpoints={} 2>&1 >/dev/full )", server_->endpoint()), "( ");
  EXPECT_EQ(table.exit_code, 1);
  EXPECT_THAT(table.output, HasSubstr("standard output could not be written"));
}

TEST_P(EveryCommand, SaysThatTheRateWasNotReachedWithAnExitCodeOfItsOwn) {
  const CommandResult result = Run("put --rate 1000000 --duration 1.2 --clients 1");
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("requests/s were reached instead of 1000000"));
  EXPECT_THAT(result.output, HasSubstr("were never sent"));
  EXPECT_THAT(result.output, HasSubstr("throughput   "));
}

TEST_P(EveryCommand, WritesAllItsFiles) {
  const std::string at = dir_ + "/run";
  const CommandResult result = Run(fmt::format(
      "put --total 300 --rate 1000 --clients 10 --server-pid {} --json {}.json --csv {}.csv "
      "--hdr {}.hgrm --report {}.html",
      server_->pid(), at, at, at, at));
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("MiB resident"));
  EXPECT_THAT(*ReadTextFile(at + ".json"), HasSubstr("\"server_cpu_us_per_request\""));
  EXPECT_THAT(*ReadTextFile(at + ".csv"), HasSubstr("\n"));
  EXPECT_THAT(*ReadTextFile(at + ".hgrm"), HasSubstr("Total count    =          300]"));
  EXPECT_TRUE(ReadTextFile(at + ".html")->ends_with("</html>\n"));
}

TEST_P(EveryCommand, KeepsWhatItMeasuredWhenTheServerDies) {
  const std::string json = dir_ + "/run.json";
  const CommandResult result = RunBench(fmt::format(
      "put --duration 2 --rate 300 --clients 100 --conns 2 --timeout 0.5 --endpoints={} "
      "--json {} & sleep 1; kill -9 {}; wait $!",
      server_->endpoint(), json, server_->pid()));
  EXPECT_EQ(result.exit_code, 1) << result.output;
  EXPECT_THAT(result.output, HasSubstr("throughput   "));
  EXPECT_THAT(result.output, testing::Not(HasSubstr("throughput   0 requests")));
  EXPECT_THAT(result.output, HasSubstr("UNAVAILABLE"));
  EXPECT_THAT(*ReadTextFile(json), HasSubstr("\"UNAVAILABLE"));
}

TEST_P(EveryCommand, AWatchRunKeepsWhatItMeasuredWhenTheServerDies) {
  const std::string json = dir_ + "/run.json";
  const CommandResult result = RunBench(fmt::format(
      "watch-latency --streams 2 --watchers-per-stream 3 --put-total 3000 --put-rate 300 "
      "--endpoints={} --json {} & sleep 1; kill -9 {}; wait $!",
      server_->endpoint(), json, server_->pid()));
  EXPECT_EQ(result.exit_code, 1) << result.output;
  EXPECT_THAT(result.output, HasSubstr("STOPPED EARLY"));
  EXPECT_THAT(result.output, HasSubstr("acknowledged"));
  EXPECT_THAT(*ReadTextFile(json), HasSubstr("\"deliveries\":"));
  EXPECT_THAT(*ReadTextFile(json), testing::Not(HasSubstr("\"deliveries\":0,")));
}

INSTANTIATE_TEST_SUITE_P(Peers, EveryCommand, testing::ValuesIn(std::array{"etcd", SOCLE_PEER}),
                         [](const testing::TestParamInfo<const char*>& peer) {
                           return peer.index == 0 ? "Etcd" : "Socle";
                         });

class SocleBenchPeers : public testing::Test {
 protected:
  void SetUp() override {
    if (absl::IsNotFound(ParsePeer(SOCLE_PEER).status())) {
      GTEST_SKIP() << "socle-kv is not built";
    }
  }
};

TEST_F(SocleBenchPeers, ComparesByTurns) {
  const CommandResult result = RunBench(fmt::format(
      "compare --peer {0} --peer {0} --rounds 2 --before 'put --total 50' --restart range a "
      "--total 20",
      SOCLE_PEER));
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("round 2 of 2"));
  EXPECT_THAT(result.output, HasSubstr("better than socle by"));
}

TEST_F(SocleBenchPeers, RestartTellsWhenAServerServes) {
  for (const char* how : {"", "--kill"}) {
    const CommandResult result =
        RunBench(fmt::format("restart --peer {} --keys 200 --rounds 2 {}", SOCLE_PEER, how));
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(result.output, HasSubstr("serves after 0."));
  }
}

TEST_F(SocleBenchPeers, HeadlineStandsBesideTheMachinesLimits) {
  const CommandResult result =
      RunBench(fmt::format("headline --peer {} --total 2000 --rate 2000", SOCLE_PEER));
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("TCP round trip over 127.0.0.1"));
  EXPECT_THAT(result.output, HasSubstr("99.9 % within"));
}

TEST(SocleBench, TellsTheMachinesLimitsUnderLoad) {
  const CommandResult result =
      RunBench("limits --under-load --seconds 0.3 --dir " + testing::TempDir());
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, ContainsRegex("5,000 appends/s, from when due .*p99.9 +[1-9]"));
  EXPECT_THAT(result.output, ContainsRegex("bare exchanges, 1,000 connections +[1-9][0-9]+ /s"));
}

TEST(SocleBench, BadInputIsOneLine) {
  constexpr struct {
    std::string_view arguments;
    int exit_code;
    std::string_view text;
  } kCases[] = {
      {"mixed --mix swim=3", 2, "--mix \"swim=3\""},
      {"mixed --key-distribution odd", 2, "--key-distribution odd"},
      {"mixed --val-size 9 --val-size-max 3", 2, "--val-size-max"},
      {"txn-put --txn-ops 5 --key-space-size 4", 2, "--txn-ops"},
      {"txn-mixed --rw-ratio -1", 2, "--rw-ratio"},
      {"stm --keys 1 --keys-per-txn 2", 2, "--keys-per-txn"},
      {"put --warmup -1", 2, "--warmup"},
      {"put --duration 5 --total 5", 2, "--duration"},
      {"put --report /nonexistent/page", 1, "/nonexistent/page"},
      {"kube-leases --nodes 0", 2, "--nodes"},
      {"lease-expire --expire-after 0", 2, "--expire-after"},
      {"watch-get --endpoints 127.0.0.1:1", 1, "Connection refused"},
      {"watch --endpoints 127.0.0.1:1", 1, "Connection refused"},
      {"watch-latency --endpoints 127.0.0.1:1 --report /nonexistent/page", 1, "/nonexistent/page"},
      {"watch --watchers 0", 2, "--watchers must be 1"},
      {"watch --warmup -1", 2, "--warmup"},
      {"put --client other", 2, "--client: other not in {fast,grpc}"},
      {"put --metrics sometimes", 2, "--metrics"},
      {"put --endpoints unix:///none/socket", 1, "No such file or directory"},
      {"compare --peer zookeeper put", 2, "zookeeper"},
      {"compare --peer etcd=/nonexistent put", 1, "/nonexistent"},
      {"compare", 2, "workload"},
      {"restart --peer etcd=/bin/false --keys 5", 1, "ended at once"},
      {"limits --dir /nonexistent/dir", 1, "/nonexistent/dir"},
      {"limits --under-load --seconds 0", 2, "--seconds"},
  };

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.arguments);
    const CommandResult result = RunBench(std::string(c.arguments));
    EXPECT_EQ(result.exit_code, c.exit_code) << result.output;
    EXPECT_THAT(result.output, HasSubstr(std::string(c.text)));
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
  }
}

}  // namespace
}  // namespace socle::bench
