#include "server/wire/client/etcd_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <semaphore>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/status_macros.h"
#include "server/wire/client/testing/etcd_server.h"

namespace socle::server {
namespace {

using etcdserverpb::WatchResponse;
using testing::HasSubstr;

class EtcdClientTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new std::string("/tmp/socle_client_test.XXXXXX");
    ASSERT_NE(::mkdtemp(dir_->data()), nullptr);
  }

  static void TearDownTestSuite() {
    std::filesystem::remove_all(*dir_);
    delete dir_;
  }

  void SetUp() override {
    const std::string dir =
        *dir_ + "/" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directory(dir);
    auto server = EtcdServer::Start(dir);
    if (absl::IsNotFound(server.status())) {
      GTEST_SKIP() << server.status();
    }
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = MustOpen({});
  }

  std::unique_ptr<EtcdClient> MustOpen(EtcdClientOptions options) {
    auto client = EtcdClient::Open(server_->endpoint(), std::move(options));
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }

  static std::string* dir_;
  std::unique_ptr<EtcdServer> server_;
  std::unique_ptr<EtcdClient> client_;
};

std::string* EtcdClientTest::dir_ = nullptr;

// Watch responses, for a test thread to wait for.
class Inbox {
 public:
  void Add(const WatchResponse& response) {
    MutexLock lock(&mu_);
    responses_.push_back(response);
    added_.SignalAll();
  }

  // An empty response after ten seconds without one.
  WatchResponse Next() {
    MutexLock lock(&mu_);
    while (responses_.empty()) {
      if (!added_.WaitFor(&mu_, std::chrono::seconds(10)) && responses_.empty()) {
        ADD_FAILURE() << "no watch response within 10 s";
        return {};
      }
    }
    WatchResponse response = responses_.front();
    responses_.pop_front();
    return response;
  }

 private:
  Mutex mu_;
  CondVar added_;
  std::deque<WatchResponse> responses_ ABSL_GUARDED_BY(mu_);
};

TEST_F(EtcdClientTest, PutsGetsDeletesAndRunsTransactions) {
  const auto put = client_->Put("a", std::string("v\0w", 3));
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->header().revision(), 2);
  const auto got = client_->Get("a");
  ASSERT_TRUE(got.ok()) << got.status();
  ASSERT_EQ(got->kvs_size(), 1);
  EXPECT_EQ(got->kvs(0).value(), std::string("v\0w", 3));

  etcdserverpb::TxnRequest txn;
  auto* compare = txn.add_compare();
  compare->set_key("a");
  compare->set_target(etcdserverpb::Compare::VERSION);
  compare->set_version(1);
  auto* op = txn.add_success()->mutable_request_delete_range();
  op->set_key("a");
  op->set_prev_kv(true);
  const auto result = client_->Txn(txn);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->succeeded());
  EXPECT_EQ(result->responses(0).response_delete_range().deleted(), 1);
  EXPECT_EQ(result->responses(0).response_delete_range().prev_kvs(0).mod_revision(), 2);

  const auto status = client_->Status();
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_THAT(status->version(), testing::StartsWith("3."));
  EXPECT_GT(status->dbsize(), 0);
  const auto members = client_->MemberList();
  ASSERT_TRUE(members.ok()) << members.status();
  EXPECT_EQ(members->members(0).name(), "default");
}

TEST_F(EtcdClientTest, CarriesTheServersCodeAndTextByteForByte) {
  const auto empty = client_->Put("", "v");
  EXPECT_EQ(empty.status(), absl::InvalidArgumentError("etcdserver: key is not provided"));
  etcdserverpb::RangeRequest future;
  future.set_key("a");
  future.set_revision(99);
  EXPECT_EQ(client_->Range(future).status(),
            absl::OutOfRangeError("etcdserver: mvcc: required revision is a future revision"));
  EXPECT_EQ(client_->LeaseRevoke(7).status(),
            absl::NotFoundError("etcdserver: requested lease not found"));
  // Trailers only, and a method that the server does not have.
  const auto unknown =
      client_->Call<etcdserverpb::PutResponse>("/no.Such/Method", etcdserverpb::PutRequest());
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(EtcdClientTest, WatchesThePastAndThePresentOnOneStream) {
  ASSERT_TRUE(client_->Put("w1", "old").ok());
  Inbox inbox;
  etcdserverpb::WatchCreateRequest create;
  create.set_key("w");
  create.set_range_end("x");
  create.set_start_revision(2);
  create.set_prev_kv(true);
  auto stream = client_->Watch(create, [&](const WatchResponse& r) { inbox.Add(r); });
  EXPECT_TRUE(inbox.Next().created());
  EXPECT_EQ(inbox.Next().events(0).kv().value(), "old");
  ASSERT_TRUE(client_->Put("w1", "new").ok());
  const WatchResponse second = inbox.Next();
  ASSERT_EQ(second.events_size(), 1);
  EXPECT_EQ(second.events(0).kv().value(), "new");
  EXPECT_EQ(second.events(0).prev_kv().value(), "old");

  etcdserverpb::WatchRequest cancel;
  cancel.mutable_cancel_request()->set_watch_id(second.watch_id());
  stream->Send(cancel);
  EXPECT_TRUE(inbox.Next().canceled());
  stream->Cancel();
  EXPECT_EQ(stream->Wait().code(), absl::StatusCode::kCancelled);
}

TEST_F(EtcdClientTest, RenewsLeases) {
  const auto lease = client_->LeaseGrant(60);
  ASSERT_TRUE(lease.ok()) << lease.status();
  ASSERT_TRUE(client_->Put("leased", "v", lease->id()).ok());
  const auto renewed = client_->LeaseKeepAliveOnce(lease->id());
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_EQ(renewed->ttl(), 60);
  const auto left = client_->LeaseTimeToLive(lease->id(), true);
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_THAT(left->keys(), testing::ElementsAre("leased"));
  EXPECT_EQ(client_->LeaseKeepAliveOnce(12345)->ttl(), 0);
}

TEST_F(EtcdClientTest, ReadsASnapshotWithItsChecksumTrailer) {
  ASSERT_TRUE(client_->Put("big", std::string(1 << 20, 'x')).ok());
  size_t bytes = 0;
  const absl::Status status =
      client_->Snapshot([&](std::string_view blob) { bytes += blob.size(); });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_GT(bytes, size_t{1} << 20U);
  EXPECT_EQ(bytes % 512, 32U);
}

TEST_F(EtcdClientTest, MovesLargeRequestsAndResponsesThroughFlowControl) {
  for (int i = 0; i < 20; ++i) {
    const auto put = client_->Put(fmt::format("large{:02}", i), std::string(1'000'000, 'x'));
    ASSERT_TRUE(put.ok()) << put.status();
  }
  etcdserverpb::RangeRequest all;
  all.set_key("large");
  all.set_range_end("largf");
  const auto got = client_->Range(all);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->kvs_size(), 20);
  EXPECT_EQ(client_->Put("k", std::string(3'000'000, 'x')).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(client_->Put("k", std::string(1'800'000, 'x')).status(),
            absl::InvalidArgumentError("etcdserver: request is too large"));
}

TEST_F(EtcdClientTest, DeadlinesEndCallsToASilentServerAndTheConnectionLivesOn) {
  EtcdClientOptions options;
  options.timeout_nanos = 100 * kNanosPerMilli;
  const auto hasty = MustOpen(options);
  ASSERT_TRUE(hasty->Put("a", "1").ok());
  server_->child()->Signal(SIGSTOP);
  const auto late = hasty->Put("a", "2");
  server_->child()->Signal(SIGCONT);
  EXPECT_EQ(late.status(), absl::DeadlineExceededError("deadline exceeded after 100 ms"));
  EXPECT_TRUE(client_->Put("a", "3").ok());
  EXPECT_TRUE(hasty->Get("a").ok());
}

TEST_F(EtcdClientTest, FailsCallsAndStreamsOnALostConnectionThenReconnects) {
  Inbox inbox;
  etcdserverpb::WatchCreateRequest create;
  create.set_key("a");
  auto stream = client_->Watch(create, [&](const WatchResponse& r) { inbox.Add(r); });
  EXPECT_TRUE(inbox.Next().created());
  server_->child()->Kill();
  EXPECT_EQ(stream->Wait().code(), absl::StatusCode::kUnavailable);
  const auto refused = client_->Put("a", "1");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(MessageOf(refused.status())), HasSubstr("Connection refused"));
  ASSERT_TRUE(server_->Restart().ok());
  const auto again = client_->Put("a", "2");
  EXPECT_TRUE(again.ok()) << again.status();
}

TEST_F(EtcdClientTest, ManyCallsShareOneConnection) {
  auto loop = *ClientLoop::Start("test-loop");
  Channel* channel = loop->AddChannel(*ResolveEndpoint(server_->endpoint()));
  constexpr int kCalls = 5'000;
  Mutex mu;
  CondVar all_done;
  int done = 0;
  int good = 0;
  loop->Post([&] {
    for (int i = 0; i < kCalls; ++i) {
      etcdserverpb::PutRequest request;
      request.set_key(fmt::format("key{}", i));
      channel->Unary(method::kPut, request, CallOptions{10 * kNanosPerSecond, {}},
                     [&](const absl::Status& status, std::string_view bytes) {
                       etcdserverpb::PutResponse response;
                       MutexLock lock(&mu);
                       good += status.ok() && response.ParseFromArray(
                                                  bytes.data(), static_cast<int>(bytes.size()))
                                   ? 1
                                   : 0;
                       if (++done == kCalls) {
                         all_done.SignalAll();
                       }
                     });
    }
  });
  MutexLock lock(&mu);
  while (done < kCalls) {
    ASSERT_TRUE(all_done.WaitFor(&mu, std::chrono::seconds(30)));
  }
  EXPECT_EQ(good, kCalls);
}

TEST(ClientLoop, EndsCallsWithCancelledWhenItIsDestroyed) {
  // Connections are made, and nobody ever answers.
  const int silent = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_GE(silent, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(silent, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(silent, 1), 0);
  ASSERT_EQ(::getsockname(silent, reinterpret_cast<sockaddr*>(&address), &size), 0);

  auto loop = *ClientLoop::Start("test-loop");
  Channel* channel =
      loop->AddChannel(*ResolveEndpoint(fmt::format("127.0.0.1:{}", ntohs(address.sin_port))));
  std::binary_semaphore started(0);
  absl::Status seen;
  loop->Post([&] {
    channel->Unary(method::kPut, "", {},
                   [&](const absl::Status& status, std::string_view) { seen = status; });
    started.release();
  });
  started.acquire();
  loop.reset();
  EXPECT_EQ(seen.code(), absl::StatusCode::kCancelled);
  ::close(silent);
}

}  // namespace
}  // namespace socle::server
