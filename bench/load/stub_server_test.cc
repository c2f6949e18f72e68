// The generator against a server whose stalls, slowness and errors are planted: it must report them.
#include <array>
#include <atomic>
#include <memory>

#include <etcd/rpc.pb.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/report/table.h"
#include "bench/workload/drive.h"
#include "bench/workload/put.h"
#include "server/wire/client/grpc_wire.h"
#include "server/wire/http/collect_body.h"
#include "server/wire/http/server.h"

namespace socle::bench {
namespace {

namespace http = server::http;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kStall = 400 * kNanosPerMilli;

// Answers every call with an empty message. One loop: while it sleeps nobody is answered.
class StubServer final : public http::Handler {
 public:
  StubServer() {
    http::ServerOptions options;
    options.loops = 1;
    server_ = *http::Server::Start(options, this);
    endpoint_ = fmt::format("127.0.0.1:{}", *server_->Listen("127.0.0.1", 0));
  }

  ~StubServer() override { server_->Stop(0); }

  std::shared_ptr<http::Receiver> Begin(const http::Request& request,
                                        const std::shared_ptr<http::Exchange>& exchange) override {
    const bool is_put = request.path() == "/etcdserverpb.KV/Put";
    return http::CollectBody(exchange, 1 << 20, [this, is_put, exchange](const std::string&) {
      const uint64_t number = is_put ? puts_++ : UINT64_MAX;
      if (number == stall_at) {
        Clock::Real()->SleepFor(kStall);
      }
      constexpr std::array kHead = {http::Field{"content-type", "application/grpc"}};
      if (number < UINT64_MAX && fail_every > 0 && number % fail_every == 0) {
        constexpr std::array kError = {http::Field{"grpc-status", "8"},
                                       http::Field{"grpc-message", "etcdserver: no space"}};
        exchange->Respond(200, kHead, "", kError);
        return;
      }
      constexpr std::array kOk = {http::Field{"grpc-status", "0"}};
      exchange->Respond(200, kHead, std::string(server::kMessagePrefixBytes, '\0'), kOk);
    });
  }

  const std::string& endpoint() const { return endpoint_; }

  // Set before the load.
  uint64_t stall_at = UINT64_MAX - 1;
  uint64_t fail_every = 0;

 private:
  std::atomic<uint64_t> puts_{0};
  std::unique_ptr<http::Server> server_;
  std::string endpoint_;
};

DriveOptions At(const StubServer& stub) {
  DriveOptions drive;
  drive.endpoints = {stub.endpoint()};
  drive.clients = 10;
  drive.total = 800;
  return drive;
}

uint64_t SlowerThan(const Histogram& histogram, int64_t nanos) {
  return histogram.count() - histogram.CountUpTo(nanos);
}

TEST(AgainstStub, AnOpenLoopChargesAStallToEveryRequestThatItHeldUp) {
  StubServer stub;
  stub.stall_at = 200;
  DriveOptions drive = At(stub);
  drive.rate = 1'000;
  PutSource source(WriteShape{});
  const auto run = Drive(drive, &source);
  ASSERT_TRUE(run.ok()) << run.status();
  const LoadResult& load = run->load;
  EXPECT_EQ(load.succeeded, 800U);
  EXPECT_GE(load.latency.max(), kStall);
  // Of the 400 that were due in the stall, those of its first 300 ms waited for 100 ms or more.
  EXPECT_GE(SlowerThan(load.latency, 95 * kNanosPerMilli), 250U);
  // Uncorrected: only the ten that were under way saw it.
  EXPECT_LE(SlowerThan(load.service_time, 95 * kNanosPerMilli), 10U);
  EXPECT_GE(load.waited, 250U);
}

TEST(AgainstStub, AClosedLoopShowsAStallOnlyOnceForEachClient) {
  StubServer stub;
  stub.stall_at = 200;
  PutSource source(WriteShape{});
  const auto run = Drive(At(stub), &source);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_GE(run->load.latency.max(), kStall);
  EXPECT_LE(SlowerThan(run->load.latency, kStall - 100 * kNanosPerMilli), 10U);
  EXPECT_EQ(run->load.waited, 0U);
}

TEST(AgainstStub, WarmUpIsSentAndNotMeasured) {
  StubServer stub;
  stub.stall_at = 20;
  DriveOptions drive = At(stub);
  drive.rate = 1'000;
  drive.total = 1'000;
  drive.warmup_seconds = 0.7;
  PutSource source(WriteShape{});
  const auto run = Drive(drive, &source);
  ASSERT_TRUE(run.ok()) << run.status();
  const LoadResult& load = run->load;
  EXPECT_EQ(load.issued, 1'000U);
  EXPECT_EQ(load.issued_measured, 300U);
  EXPECT_EQ(load.latency.count(), 300U);
  EXPECT_LT(load.latency.max(), kStall);
  EXPECT_GE(load.elapsed_nanos, 295 * kNanosPerMilli);
  EXPECT_LT(load.elapsed_nanos, 700 * kNanosPerMilli);
  uint64_t answered = 0;
  for (const LoadSlot& slot : load.slots) {
    answered += slot.succeeded;
  }
  EXPECT_EQ(answered, 1'000U) << "the seconds of the run hold the warm-up too";
}

TEST(AgainstStub, ARunThatEndsWithinItsWarmUpSaysSo) {
  StubServer stub;
  DriveOptions drive = At(stub);
  drive.warmup_seconds = 60;
  drive.total = 50;
  PutSource source(WriteShape{});
  const auto run = Drive(drive, &source);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->load.stop_reason, HasSubstr("within the warm-up"));
  EXPECT_FALSE(IsClean(*run));
}

TEST(AgainstStub, ADurationEndsTheRunAndIsNoFailure) {
  StubServer stub;
  for (const double rate : {0.0, 500.0}) {
    DriveOptions drive = At(stub);
    drive.duration_seconds = 0.2;
    drive.rate = rate;
    PutSource source(WriteShape{});
    const auto run = Drive(drive, &source);
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_TRUE(IsClean(*run));
    EXPECT_EQ(run->load.issued, run->load.succeeded);
    if (rate > 0) {
      EXPECT_EQ(run->load.issued, 100U);
    }
  }
}

TEST(AgainstStub, ErrorsAreCountedByCodeAndText) {
  StubServer stub;
  stub.fail_every = 8;
  PutSource source(WriteShape{});
  const auto run = Drive(At(stub), &source);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->load.succeeded, 700U);
  EXPECT_THAT(run->load.errors, testing::ElementsAre(testing::Pair(
                                    "RESOURCE_EXHAUSTED: etcdserver: no space", 100U)));
  EXPECT_FALSE(IsClean(*run));
}

// A generator that can't keep up: making a message takes 3 ms.
class SlowSource final : public RequestSource {
 public:
  std::string_view path() const override { return put_.path(); }

  const google::protobuf::MessageLite& Build(uint64_t sequence) override {
    const int64_t end = Clock::Real()->MonotonicNanos() + 3 * kNanosPerMilli;
    while (Clock::Real()->MonotonicNanos() < end) {
    }
    return put_.Build(sequence);
  }

 private:
  PutSource put_{WriteShape{}};
};

TEST(AgainstStub, AGeneratorThatIsTheLimitWarns) {
  StubServer stub;
  DriveOptions drive = At(stub);
  drive.rate = 1'000;
  drive.total = 400;
  SlowSource source;
  const auto run = Drive(drive, &source);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_GE(run->load.lateness.Percentile(50), 3 * kNanosPerMilli);
  const std::vector<std::string> warnings = GeneratorWarnings(drive, *run);
  EXPECT_THAT(warnings, Contains(HasSubstr("the generator itself sent 1 %")));
  EXPECT_THAT(warnings, Contains(HasSubstr("were reached instead of 1000")));

  DriveOptions modest = At(stub);
  modest.total = 20;
  PutSource quick(WriteShape{});
  const auto calm = Drive(modest, &quick);
  ASSERT_TRUE(calm.ok()) << calm.status();
  // A closed loop of twenty calls may well be CPU-bound for its millisecond; late it can't be.
  EXPECT_EQ(calm->load.lateness.count(), 0U);
}

}  // namespace
}  // namespace socle::bench
