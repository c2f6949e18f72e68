// A channel's calls against a server that sets narrow limits.
#include "server/wire/client/channel.h"

#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/check.h"
#include "kv/base/mutex.h"
#include "server/wire/client/client_loop.h"
#include "server/wire/client/grpc_wire.h"
#include "server/wire/http/collect_body.h"
#include "server/wire/http/server.h"
#include "server/wire/http/testing/test_site.h"

namespace socle::server {
namespace {

using http::Eventually;

constexpr size_t kBodyBytesMax = 64 << 20;

// Gives each call its message back, at once or when Release is called.
class EchoSite final : public http::Handler {
 public:
  explicit EchoSite(const http::ServerOptions& options, bool holds = false) : holds_(holds) {
    auto server = http::Server::Start(options, this);
    CHECK_OK(server.status());
    server_ = *std::move(server);
    const absl::StatusOr<uint16_t> port = server_->Listen("127.0.0.1", 0);
    CHECK_OK(port.status());
    port_ = *port;
  }

  ~EchoSite() override { server_.reset(); }

  std::shared_ptr<http::Receiver> Begin(const http::Request& request,
                                        const std::shared_ptr<http::Exchange>& exchange) override {
    std::string seen(request.path());
    seen.append(" ").append(request.Find("grpc-timeout"));
    return http::CollectBody(exchange, kBodyBytesMax, [this, exchange, seen](std::string body) {
      MutexLock lock(&mu_);
      seen_.push_back(seen);
      waiting_.push_back({exchange, std::move(body)});
      if (!holds_) {
        AnswerAll();
      }
    });
  }

  void Release() {
    MutexLock lock(&mu_);
    AnswerAll();
  }

  size_t waiting() const {
    MutexLock lock(&mu_);
    return waiting_.size();
  }

  std::vector<std::string> seen() const {
    MutexLock lock(&mu_);
    return seen_;
  }

  http::Server* server() { return server_.get(); }

  std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  struct Asked {
    std::shared_ptr<http::Exchange> exchange;
    std::string body;
  };

  void AnswerAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const http::Field head{"content-type", "application/grpc", true};
    const http::Field trailer{"grpc-status", "0", true};
    for (Asked& asked : waiting_) {
      asked.exchange->Respond(200, {&head, 1}, std::move(asked.body), {&trailer, 1});
    }
    waiting_.clear();
  }

  const bool holds_;
  mutable Mutex mu_;
  std::vector<Asked> waiting_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> seen_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<http::Server> server_;
  uint16_t port_ = 0;
};

class ChannelTest : public ::testing::Test {
 protected:
  void Connect(const EchoSite& site) {
    absl::StatusOr<std::unique_ptr<ClientLoop>> loop = ClientLoop::Start("channel test");
    ASSERT_TRUE(loop.ok());
    loop_ = *std::move(loop);
    absl::StatusOr<Endpoint> endpoint = ResolveEndpoint(site.endpoint());
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    channel_ = loop_->AddChannel(*endpoint);
  }

  void Ask(const std::string& message, const CallOptions& options = {},
           std::string_view path = "/test.Echo/Say") {
    loop_->Post([this, message, options, path] {
      channel_->Unary(path, message, options,
                      [this, message](const absl::Status& status, std::string_view answer) {
                        MutexLock lock(&mu_);
                        outcomes_.push_back(status.ok() && answer != message
                                                ? absl::DataLossError("another's answer")
                                                : status);
                        changed_.SignalAll();
                      });
    });
  }

  // Of all calls so far, in the order in which they ended.
  std::vector<absl::Status> Await(size_t count) {
    MutexLock lock(&mu_);
    const int64_t give_up = Clock::Real()->MonotonicNanos() + 20 * kNanosPerSecond;
    while (outcomes_.size() < count && Clock::Real()->MonotonicNanos() < give_up) {
      changed_.WaitFor(&mu_, std::chrono::milliseconds(100));
    }
    return outcomes_;
  }

  void TearDown() override { loop_.reset(); }

  std::unique_ptr<ClientLoop> loop_;
  Channel* channel_ = nullptr;
  Mutex mu_;
  CondVar changed_;
  std::vector<absl::Status> outcomes_ ABSL_GUARDED_BY(mu_);
};

TEST_F(ChannelTest, CallsBeyondWhatTheServerTakesWaitTheirTurn) {
  http::ServerOptions options;
  options.limits.streams_max = 2;
  EchoSite site(options, /*holds=*/true);
  Connect(site);
  for (int i = 0; i < 7; ++i) {
    Ask("message " + std::to_string(i));
  }
  for (const size_t answered : {2U, 4U, 6U}) {
    ASSERT_TRUE(Eventually([&] { return site.waiting() == 2; }));
    site.Release();
    EXPECT_EQ(Await(answered).size(), answered);
  }
  ASSERT_TRUE(Eventually([&] { return site.waiting() == 1; }));
  site.Release();
  EXPECT_THAT(Await(7), ::testing::Each(absl::OkStatus()));
}

TEST_F(ChannelTest, LargeRequestsGoThroughNarrowWindows) {
  http::ServerOptions options;
  options.limits.stream_window_bytes = 10'000;
  options.limits.connection_window_bytes = 70'000;
  EchoSite site(options);
  Connect(site);
  for (int i = 0; i < 20; ++i) {
    Ask(std::string(static_cast<size_t>(i) * 50'000, static_cast<char>('a' + i)));
  }
  const std::vector<absl::Status> outcomes = Await(20);
  EXPECT_EQ(outcomes.size(), 20U);
  EXPECT_THAT(outcomes, ::testing::Each(absl::OkStatus()));
}

TEST_F(ChannelTest, HeadsAreToldAsTheyAreHoweverManyDifferentOnesThereAre) {
  EchoSite site({});
  Connect(site);
  std::vector<std::string> paths;
  std::vector<std::string> wanted;
  for (int i = 0; i < 40; ++i) {
    paths.push_back("/test.Echo/Way" + std::to_string(i % 25));
  }
  for (size_t i = 0; i < paths.size(); ++i) {
    const int64_t seconds = static_cast<int64_t>(100 + i % 30);
    Ask("x", {.timeout_nanos = seconds * kNanosPerSecond}, paths[i]);
    ASSERT_EQ(Await(i + 1).size(), i + 1);
    wanted.push_back(paths[i] + " " + EncodeGrpcTimeout(seconds * kNanosPerSecond));
  }
  EXPECT_THAT(Await(40), ::testing::Each(absl::OkStatus()));
  EXPECT_EQ(site.seen(), wanted);
}

TEST_F(ChannelTest, ACallThatWaitsForAStreamMayRunOutOfTime) {
  http::ServerOptions options;
  options.limits.streams_max = 1;
  EchoSite site(options, /*holds=*/true);
  Connect(site);
  Ask("first");
  ASSERT_TRUE(Eventually([&] { return site.waiting() == 1; }));
  Ask("late", {.timeout_nanos = 50 * kNanosPerMilli});
  Ask("third");
  const std::vector<absl::Status> late = Await(1);
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(late[0].code(), absl::StatusCode::kDeadlineExceeded);
  site.Release();
  ASSERT_TRUE(Eventually([&] { return site.waiting() == 1; }));
  site.Release();
  const std::vector<absl::Status> all = Await(3);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_TRUE(all[1].ok() && all[2].ok());
  EXPECT_EQ(site.seen().size(), 2U) << "the late one never went out";
}

TEST_F(ChannelTest, WhoIsToldThatTheConnectionBrokeMayActOnItsOtherStreams) {
  auto site = std::make_unique<EchoSite>(http::ServerOptions(), /*holds=*/true);
  Connect(*site);
  std::vector<std::shared_ptr<ClientStream>> streams;  // of the loop's thread
  int ended = 0;
  loop_->Post([&] {
    for (int i = 0; i < 3; ++i) {
      StreamCallbacks callbacks;
      callbacks.on_message = [](std::string_view) {};
      callbacks.on_end = [&](const absl::Status& status) {
        EXPECT_FALSE(status.ok());
        for (const auto& stream : streams) {
          stream->Send("more");
          stream->HalfClose();
          stream->Cancel();
        }
        MutexLock lock(&mu_);
        ++ended;
        changed_.SignalAll();
      };
      streams.push_back(channel_->OpenStream("/test.Echo/Say", {}, std::move(callbacks)));
      streams.back()->Send("x");
    }
  });
  Ask("to know that it is there");
  ASSERT_TRUE(Eventually([&] { return site->waiting() == 1; }));
  site.reset();
  const auto all_ended = [&] {
    MutexLock lock(&mu_);
    return ended == 3;
  };
  EXPECT_TRUE(Eventually(all_ended));
  loop_.reset();
}

TEST_F(ChannelTest, AServerThatLeavesAnswersWhatItHasAndTheRestIsUnavailable) {
  http::ServerOptions options;
  options.limits.streams_max = 2;
  auto site = std::make_unique<EchoSite>(options, /*holds=*/true);
  Connect(*site);
  for (int i = 0; i < 5; ++i) {
    Ask("message " + std::to_string(i));
  }
  ASSERT_TRUE(Eventually([&] { return site->waiting() == 2; }));
  Thread stopper("stopper", [&] { site->server()->Stop(5 * kNanosPerSecond); });
  EXPECT_EQ(Await(3).size(), 3U) << "those that waited for a stream";
  site->Release();
  const std::vector<absl::Status> outcomes = Await(5);
  stopper.Join();
  ASSERT_EQ(outcomes.size(), 5U);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(outcomes[i].code(), i < 3 ? absl::StatusCode::kUnavailable : absl::StatusCode::kOk)
        << i << ": " << outcomes[i];
  }
}

}  // namespace
}  // namespace socle::server
