#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mvcc/watch_stream.h"
#include "server/h2/testing/h2_fixture.h"
#include "server/service/watch_service.h"
#include "server/wire/http/testing/clients.h"

namespace socle::server {
namespace {

TEST_F(H2ServerTest, DeliversEveryEventToEveryWatcher) {
  constexpr int kWatchers = 20;
  constexpr int kPuts = 200;
  std::vector<std::unique_ptr<EtcdClient>> clients;
  std::vector<std::unique_ptr<Inbox>> inboxes;
  std::vector<std::unique_ptr<EtcdStream>> streams;
  pb::WatchCreateRequest create;
  create.set_key("w");
  create.set_start_revision(1);
  for (int i = 0; i < kWatchers; ++i) {
    clients.push_back(Open());
    inboxes.push_back(std::make_unique<Inbox>());
    streams.push_back(clients.back()->Watch(
        create, [inbox = inboxes.back().get()](const pb::WatchResponse& r) { inbox->Add(r); }));
  }
  for (int i = 0; i < kPuts; ++i) {
    ASSERT_TRUE(client_->Put("w", std::to_string(i)).ok());
  }
  for (const auto& inbox : inboxes) {
    EXPECT_TRUE(inbox->AwaitEvents(kPuts));
  }
}

TEST_F(H2ServerTest, AWatcherThatStopsReadingDisturbsNobody) {
  http::Http2Client silent(port(), {.stream_window_bytes = 1'000, .grants_windows = false});
  pb::WatchRequest request;
  request.mutable_create_request()->set_key("w");
  silent.Request("POST", "/etcdserverpb.Watch/Watch", Framed(request.SerializeAsString()),
                 {{"content-type", "application/grpc"}}, true);
  Inbox inbox;
  const auto stream =
      client_->Watch(request.create_request(), [&](const pb::WatchResponse& r) { inbox.Add(r); });
  ASSERT_TRUE(inbox.AwaitResponses(1));
  const std::string value(20'000, 'v');
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(client_->Put("w", value).ok());
  }
  EXPECT_TRUE(inbox.AwaitEvents(300));
}

// Puts together what was cut: the events of each whole response.
class Reassembled {
 public:
  explicit Reassembled(const std::vector<pb::WatchResponse>& parts) {
    bool goes_on = false;
    for (const pb::WatchResponse& part : parts) {
      if (part.events().empty()) {
        continue;
      }
      if (!goes_on) {
        responses_.emplace_back();
      }
      for (const mvccpb::Event& event : part.events()) {
        responses_.back().push_back(event.kv().mod_revision());
      }
      fragments_ += part.fragment() ? 1 : 0;
      goes_on = part.fragment();
    }
    EXPECT_FALSE(goes_on) << "the last part says that more is to come";
  }

  // Revisions of all events; EXPECTs that none is in two responses.
  std::vector<int64_t> Revisions() const {
    std::vector<int64_t> all;
    for (const std::vector<int64_t>& response : responses_) {
      EXPECT_TRUE(all.empty() || all.back() < response.front()) << "not Atomic";
      all.insert(all.end(), response.begin(), response.end());
    }
    return all;
  }

  int fragments() const { return fragments_; }

 private:
  std::vector<std::vector<int64_t>> responses_;
  int fragments_ = 0;
};

TEST_F(H2ServerTest, FragmentsPutTogetherAreOrderedUniqueAtomicAndReliable) {
  constexpr int kPuts = 30;
  constexpr int kTxns = 10;
  const std::string value(150'000, 'v');
  std::vector<int64_t> revisions;
  for (int i = 0; i < kPuts; ++i) {
    revisions.push_back(client_->Put("w1", value)->header().revision());
  }
  pb::WatchCreateRequest create;
  create.set_key("w");
  create.set_range_end("x");
  create.set_start_revision(1);
  create.set_prev_kv(true);
  create.set_fragment(true);
  create.add_filters(pb::WatchCreateRequest::NODELETE);
  Inbox inbox;
  const auto stream = client_->Watch(create, [&](const pb::WatchResponse& r) { inbox.Add(r); });
  for (int i = 0; i < kTxns; ++i) {
    pb::TxnRequest txn;
    for (int k = 2; k < 10; ++k) {
      pb::PutRequest* const put = txn.add_success()->mutable_request_put();
      put->set_key("w" + std::to_string(k));
      put->set_value(value);
    }
    txn.add_success()->mutable_request_delete_range()->set_key("w1");  // Filtered out.
    const auto done = client_->Txn(txn);
    ASSERT_TRUE(done.ok());
    revisions.insert(revisions.end(), 8, done->header().revision());
  }
  ASSERT_TRUE(inbox.AwaitEvents(static_cast<int>(revisions.size())));
  const Reassembled whole(inbox.Take());
  EXPECT_EQ(whole.Revisions(), revisions);
  EXPECT_GT(whole.fragments(), 2);
}

TEST_F(H2ServerTest, AClientThatDoesNotReadItsAnswersIsNotListenedTo) {
  constexpr int kWatches = 20'000;
  http::Http2Client silent(port(), {.stream_window_bytes = 1'000, .grants_windows = false});
  pb::WatchRequest request;
  request.mutable_create_request()->set_key("w");
  std::string body;
  for (int i = 0; i < kWatches; ++i) {
    body += Framed(request.SerializeAsString());
  }
  silent.Request("POST", "/etcdserverpb.Watch/Watch", body, {{"content-type", "application/grpc"}},
                 true);
  silent.RunUntil([this] { return store_->Stats().watchers > 1'000; });
  ASSERT_TRUE(client_->Put("k", "v").ok());
  // 1024 answers wait in the store, at most 64 KiB of them in the connection.
  EXPECT_GT(store_->Stats().watchers, 1'000);
  EXPECT_LT(store_->Stats().watchers, 6'000);

  // One that reads gets all of its answers.
  http::Http2Client reader(port());
  const int64_t before = store_->Stats().watchers;  // of the silent one
  const int32_t id = reader.Request("POST", "/etcdserverpb.Watch/Watch", body,
                                    {{"content-type", "application/grpc"}}, true);
  EXPECT_TRUE(reader.RunUntil([&] { return store_->Stats().watchers >= before + kWatches; }));
  EXPECT_FALSE(reader.stream(id).is_closed);
}

// Every call needs a token from now on.
void TurnAuthOn(AuthStore* auth) {
  ASSERT_TRUE(auth->AddUser("root", "r", {}).ok());
  ASSERT_TRUE(auth->GrantRole("root", "root").ok());
  ASSERT_TRUE(auth->Enable().ok());
}

TEST_F(H2ServerTest, RefusedWatchesCountAmongWhatASessionHoldsForItsClient) {
  TurnAuthOn(&*auth_);
  std::atomic<int64_t> woken = 0;
  WatchSession session(&*node_, Caller(), [&woken] { ++woken; });
  pb::WatchRequest request;
  request.mutable_create_request()->set_key("w");
  int64_t refused = 0;
  while (session.TakesRequests() && refused < 10'000) {
    ASSERT_FALSE(session.Receive(request).ok());
    ++refused;
  }
  EXPECT_EQ(refused, mvcc::StreamQueue::kCommandsMax);
  EXPECT_EQ(woken, refused);
  // Room is there again with each that is taken.
  for (int64_t i = 0; i < refused; ++i) {
    std::string bytes;
    ASSERT_TRUE(session.AppendNext(&bytes));
    pb::WatchResponse response;
    ASSERT_TRUE(response.ParseFromString(bytes));
    EXPECT_TRUE(response.created() && response.canceled());
    EXPECT_TRUE(session.TakesRequests());
  }
  std::string none;
  EXPECT_FALSE(session.AppendNext(&none));
}

TEST_F(H2ServerTest, AClientThatDoesNotReadItsRefusalsIsNotListenedTo) {
  constexpr int kWatches = 20'000;
  TurnAuthOn(&*auth_);
  pb::WatchRequest request;
  request.mutable_create_request()->set_key("w");
  std::string body;
  for (int i = 0; i < kWatches; ++i) {
    body += Framed(request.SerializeAsString());
  }
  const auto received = [this] {
    return meter_.counts(static_cast<size_t>(RpcMethod::kWatch)).received.load();
  };
  http::Http2Client silent(port(), {.stream_window_bytes = 0, .grants_windows = false});
  silent.Request("POST", "/etcdserverpb.Watch/Watch", body, {{"content-type", "application/grpc"}},
                 true);
  uint64_t before = 0;
  int still = 0;  // looks, ten milliseconds apart
  EXPECT_TRUE(silent.RunUntil([&] {
    const uint64_t now = received();
    still = now == before ? still + 1 : 0;
    before = now;
    return now > 1'000 && still > 20;
  }));
  // 1024 refusals wait in the session, at most 64 KiB of them in the connection.
  EXPECT_LT(before, 4'000);

  http::Http2Client reader(port());
  const int32_t id = reader.Request("POST", "/etcdserverpb.Watch/Watch", body,
                                    {{"content-type", "application/grpc"}}, true);
  EXPECT_TRUE(reader.RunUntil([&] { return received() >= before + kWatches; }));
  EXPECT_FALSE(reader.stream(id).is_closed);
}

}  // namespace
}  // namespace socle::server
