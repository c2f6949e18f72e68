// The generator and the checker end to end, against Debian's etcd.
#include <signal.h>
#include <stdlib.h>

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/report/json.h"
#include "bench/report/watch_report.h"
#include "bench/testing/run_bench.h"
#include "bench/workload/check.h"
#include "bench/workload/drive.h"
#include "bench/workload/lease.h"
#include "bench/workload/put.h"
#include "bench/workload/range.h"
#include "bench/workload/watch_load.h"
#include "kv/base/status_macros.h"
#include "kv/base/thread.h"
#include "server/wire/client/etcd_client.h"
#include "server/wire/client/testing/etcd_server.h"

namespace socle::bench {
namespace {

using testing::HasSubstr;

class AgainstEtcd : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(dir_.data()), nullptr);
    auto server = server::EtcdServer::Start(dir_);
    if (absl::IsNotFound(server.status())) {
      GTEST_SKIP() << server.status();
    }
    ASSERT_TRUE(server.ok()) << server.status();
    etcd_ = *std::move(server);
    drive_.endpoints = {etcd_->endpoint()};
    drive_.clients = 20;
    drive_.conns = 3;
    drive_.server_pid = etcd_->pid();
  }

  void TearDown() override {
    etcd_.reset();
    std::filesystem::remove_all(dir_);
  }

  std::string dir_ = "/tmp/socle_bench_test.XXXXXX";
  std::unique_ptr<server::EtcdServer> etcd_;
  DriveOptions drive_;
};

TEST_F(AgainstEtcd, WatchCountsEveryDeliveryOfEveryPut) {
  WatchLoadOptions load;
  load.endpoints = {etcd_->endpoint()};
  load.conns = 2;
  load.streams = 5;
  load.watchers = 50;
  load.total = 40;
  load.server_pid = etcd_->pid();
  for (const bool prefixes : {false, true}) {
    load.prefixes = prefixes;
    load.keys = prefixes ? 7 : 1;
    load.rate = prefixes ? 500 : 0;
    const auto result = RunWatchLoad(load);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(result->is_good()) << RenderWatchLoad(load, *result);
    EXPECT_EQ(result->puts, load.total);
    // Seven keys: put n reaches the watchers of key n modulo 7, eight of the first key and seven else.
    EXPECT_EQ(result->deliveries, prefixes ? 40U * 7 + 6 : 40U * 50);
    EXPECT_EQ(result->latency.count(), result->deliveries);
    EXPECT_EQ(result->last_latency.count(), load.total);
    EXPECT_GT(result->server_cpu_nanos, 0);
  }
}

TEST_F(AgainstEtcd, CheckFindsEverythingThatPutWroteAndWhatWasSpoiled) {
  WriteShape shape{.seed = 5, .total = 3'000, .val_size = 64, .key_space_size = 2'000};
  drive_.total = shape.total;
  PutSource source(shape);
  const auto run = Drive(drive_, &source);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->load.succeeded, shape.total);
  EXPECT_EQ(run->load.latency.count(), shape.total);
  EXPECT_TRUE(run->load.errors.empty());
  EXPECT_GT(run->server_cpu_nanos, 0);
  EXPECT_GT(run->client_cpu_nanos, 0);

  CheckOptions check;
  check.endpoint = etcd_->endpoint();
  check.shape = shape;
  check.issued = shape.total;
  auto clean = CheckWrites(check);
  ASSERT_TRUE(clean.ok()) << clean.status();
  EXPECT_TRUE(clean->is_good());
  EXPECT_EQ(clean->keys_right, clean->keys_expected);

  const auto client = *server::EtcdClient::Open(etcd_->endpoint());
  std::string missing;
  std::string wrong;
  std::string other_value;
  shape.AssignKey(shape.KeyIndexOf(10), &missing);
  uint64_t other = 11;
  while (shape.KeyIndexOf(other) == shape.KeyIndexOf(10)) {
    ++other;
  }
  shape.AssignKey(shape.KeyIndexOf(other), &wrong);
  shape.AssignValue(10, &other_value);
  etcdserverpb::DeleteRangeRequest erase;
  erase.set_key(missing);
  ASSERT_TRUE(client->DeleteRange(erase).ok());
  ASSERT_TRUE(client->Put(wrong, other_value).ok());
  ASSERT_TRUE(client->Put("0000000g", "a key of somebody else").ok());
  auto spoiled = CheckWrites(check);
  ASSERT_TRUE(spoiled.ok()) << spoiled.status();
  EXPECT_EQ(spoiled->keys_missing, 1U);
  EXPECT_EQ(spoiled->keys_wrong, 1U);
  EXPECT_EQ(spoiled->keys_right, clean->keys_right - 2);
  EXPECT_THAT(RenderCheck(check, *spoiled), HasSubstr("it is the one of request 10"));

  // Nobody was promised the missing key when all its writes failed.
  for (uint64_t n = 0; n < shape.total; ++n) {
    if (shape.KeyIndexOf(n) == shape.KeyIndexOf(10)) {
      check.failed.push_back(n);
    }
  }
  spoiled = CheckWrites(check);
  ASSERT_TRUE(spoiled.ok()) << spoiled.status();
  EXPECT_EQ(spoiled->keys_missing, 0U);
  EXPECT_EQ(spoiled->keys_unacknowledged, 1U);
}

TEST_F(AgainstEtcd, AnOpenLoopReportsAStallInEveryRequestItHeldUp) {
  WriteShape shape{.total = 1'500, .key_space_size = 100};
  drive_.total = shape.total;
  drive_.rate = 1'000;
  drive_.clients = 5;
  PutSource source(shape);
  absl::StatusOr<DriveResult> run;
  Thread load("load", [&] { run = Drive(drive_, &source); });
  Clock::Real()->SleepFor(500 * kNanosPerMilli);
  etcd_->child()->Signal(SIGSTOP);
  Clock::Real()->SleepFor(400 * kNanosPerMilli);
  etcd_->child()->Signal(SIGCONT);
  load.Join();
  ASSERT_TRUE(run.ok()) << run.status();
  const Histogram& latency = run->load.latency;
  const Histogram& service = run->load.service_time;
  EXPECT_EQ(latency.count(), shape.total);
  EXPECT_GE(latency.max(), 350 * kNanosPerMilli);
  // About 300 requests were due in the first 300 ms of the stall; only the five in flight saw it
  // themselves.
  const int64_t slow = 100 * kNanosPerMilli;
  EXPECT_GE(latency.count() - latency.CountUpTo(slow), 200U);
  EXPECT_LE(service.count() - service.CountUpTo(slow), 50U);
}

TEST_F(AgainstEtcd, APeerThatDiesLeavesPartialResults) {
  WriteShape shape{.total = 1'000'000, .key_space_size = 100};
  drive_.total = shape.total;
  drive_.rate = 2'000;
  drive_.clients = 5;
  drive_.server_pid = 0;
  PutSource source(shape);
  absl::StatusOr<DriveResult> run;
  Thread load("load", [&] { run = Drive(drive_, &source); });
  Clock::Real()->SleepFor(500 * kNanosPerMilli);
  etcd_->child()->Kill();
  load.Join();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->load.stop_reason, "no request succeeded for 10 s");
  EXPECT_GT(run->load.succeeded, 0U);
  EXPECT_FALSE(run->load.errors.empty());
  EXPECT_EQ(run->load.failed.size() + run->load.succeeded, run->load.issued);
}

TEST_F(AgainstEtcd, TheProgramPutsRangesAndChecks) {
  const std::string shape = "--total 500 --key-space-size 300 --val-size 100 --seed 4";
  const std::string where = fmt::format("--endpoints {}", etcd_->endpoint());
  const std::string file = dir_ + "/run.json";
  const CommandResult put =
      RunBench(fmt::format("put {} {} --clients 10 --conns 2 --json {}", where, shape, file));
  EXPECT_EQ(put.exit_code, 0) << put.output;
  EXPECT_THAT(put.output, HasSubstr("errors       0"));
  const CommandResult by_file = RunBench(fmt::format("check --from {}", file));
  EXPECT_EQ(by_file.exit_code, 0) << by_file.output;
  const CommandResult by_shape = RunBench(fmt::format("check {} {}", where, shape));
  EXPECT_EQ(by_shape.exit_code, 0) << by_shape.output;
  EXPECT_THAT(by_shape.output, HasSubstr("missing        0"));
  const CommandResult other_seed = RunBench(
      fmt::format("check {} --total 500 --key-space-size 300 --val-size 100 --seed 5", where));
  EXPECT_EQ(other_seed.exit_code, 1) << other_seed.output;
  const CommandResult range =
      RunBench(fmt::format("range 0 1 {} --total 20 --limit 10 --consistency s --rate 500", where));
  EXPECT_EQ(range.exit_code, 0) << range.output;
  EXPECT_THAT(range.output, HasSubstr("[\"0\", \"1\"), serializable, limit 10"));
}

TEST_F(AgainstEtcd, RenewalsOnStreamsAndByOneEachSayWhichLeasesAreGone) {
  const LeaseShape shape{.first_id = 7'000, .leases = 30, .ttl_seconds = 600};
  drive_.total = 30;
  LeaseGrantSource grants(shape);
  ASSERT_TRUE(Drive(drive_, &grants).ok());
  drive_.total = 200;
  for (const bool once : {false, true}) {
    LeaseKeepAliveSource renewals(shape, once);
    const absl::StatusOr<DriveResult> run = Drive(drive_, &renewals);
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_EQ(run->load.succeeded, 200U);
    EXPECT_EQ(run->load.latency.count(), 200U);
    // Numbers 30 to 39 of each forty were never granted.
    LeaseKeepAliveSource more({.first_id = 7'000, .leases = 40, .ttl_seconds = 600}, once);
    const absl::StatusOr<DriveResult> partly = Drive(drive_, &more);
    ASSERT_TRUE(partly.ok()) << partly.status();
    EXPECT_EQ(partly->load.succeeded, 150U);
    EXPECT_THAT(partly->load.errors,
                testing::ElementsAre(testing::Pair("NOT_FOUND: the lease is gone", 50U)));
  }
}

TEST(SocleBench, AnswersBadInputWithOneLineAndAnExitCode) {
  const struct {
    std::string_view arguments;
    int exit_code;
    std::string_view text;
  } kCases[] = {
      {"", 2, "subcommand is required"},
      {"put --frobnicate", 2, "--frobnicate"},
      {"put --clients many", 2, "--clients"},
      {"put --clients 0", 2, "--clients must be 1 to 1000000"},
      {"put --clients 2 --conns 3", 2, "--conns must be 1 to the number of --clients"},
      {"put --total 0", 2, "--total"},
      {"put --rate -1", 2, "--rate"},
      {"put --timeout 0", 2, "--timeout"},
      {"put --key-size 1 --key-space-size 100", 2, "--key-size 1 has room for 16 keys only"},
      {"put --endpoints nonsense:x", 2, "endpoint \"nonsense:x\""},
      {"put --endpoints 127.0.0.1:1", 1, "Connection refused"},
      {"put --json /nonexistent/file", 1, "/nonexistent/file"},
      {"range a b --consistency x", 2, "--consistency"},
      {"check --from /nonexistent", 1, "/nonexistent"},
      {"check --from /etc/hostname", 2, "not the file of a put run"},
      {"check --endpoints 127.0.0.1:1", 1, "Connection refused"},
  };

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.arguments);
    const CommandResult result = RunBench(std::string(c.arguments));
    EXPECT_EQ(result.exit_code, c.exit_code);
    EXPECT_THAT(result.output, HasSubstr(std::string(c.text)));
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
  }
}

}  // namespace
}  // namespace socle::bench
