// What a server answers when the answer is larger than may be sent: a bound of two gigabytes, here of a few kilobytes.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/h2/testing/h2_fixture.h"
#include "server/wire/http/testing/clients.h"

namespace socle::server {
namespace {

constexpr size_t kSentBytesMaxHere = 10'000;
constexpr size_t kValueBytes = 1'000;
constexpr int kKeys = 9;

// Everything, which fits once.
pb::RangeRequest All() {
  pb::RangeRequest request;
  request.set_key("k");
  request.set_range_end("l");
  return request;
}

pb::DeleteRangeRequest DeleteAll() {
  pb::DeleteRangeRequest request;
  request.set_key("k");
  request.set_range_end("l");
  request.set_prev_kv(true);
  return request;
}

pb::TxnRequest AllTwice() {
  pb::TxnRequest txn;
  for (int i = 0; i < 2; ++i) {
    *txn.add_success()->mutable_request_range() = All();
  }
  return txn;
}

class SentBytes : public H2ServerTest {
 protected:
  SentBytes() : H2ServerTest(&EchoHead, {.sent_bytes_max = kSentBytesMaxHere}) {
    for (int i = 0; i < kKeys; ++i) {
      Put(fmt::format("k{}", i));
    }
  }

  void Put(const std::string& key) {
    CHECK_OK(store_->Put({.key = key, .value = std::string(kValueBytes, 'v')}).status());
  }

  // What the call ends with; `request` as bytes.
  std::pair<std::string, std::string> Call(std::string_view path, const std::string& request) {
    http::Http2Client client(port());
    const auto& answer = client.Await(client.Request("POST", std::string(path), Framed(request),
                                                     {{"content-type", "application/grpc"}}));
    EXPECT_EQ(answer.body, "");
    return {answer.fields.at("grpc-status"), answer.fields.at("grpc-message")};
  }
};

TEST_F(SentBytes, AreJudgedForEveryUnaryAnswer) {
  Put("k9");
  Put("kk");
  pb::TxnRequest mixed;  // by the write loop
  mixed.add_success()->mutable_request_put()->set_key("other");
  for (int i = 0; i < 2; ++i) {
    *mixed.add_success()->mutable_request_range() = All();
  }
  pb::TxnRequest nested;
  *nested.add_success()->mutable_request_txn() = mixed;
  pb::TxnRequest erase;
  *erase.add_success()->mutable_request_delete_range() = DeleteAll();
  pb::TxnRequest points;  // by the loop of the connection
  for (int i = 0; i < 11; ++i) {
    points.add_success()->mutable_request_range()->set_key("k1");
  }

  // Known only when it is made.
  pb::LeaseTimeToLiveRequest lease;
  lease.set_id(client_->LeaseGrant(60)->id());
  lease.set_keys(true);
  for (int i = 0; i < 11; ++i) {
    CHECK_OK(store_
                 ->Put({.key = fmt::format("{}{}", std::string(1'000, 't'), i),
                        .lease = mvcc::LeaseId{lease.id()}})
                 .status());
  }

  struct Case {
    const char* name;
    const char* path;
    std::string request;
  };

  const std::vector<Case> cases = {
      {"range", "/etcdserverpb.KV/Range", All().SerializeAsString()},
      {"txn of ranges", "/etcdserverpb.KV/Txn", AllTwice().SerializeAsString()},
      {"txn of keys", "/etcdserverpb.KV/Txn", points.SerializeAsString()},
      {"txn that writes", "/etcdserverpb.KV/Txn", mixed.SerializeAsString()},
      {"txn within one", "/etcdserverpb.KV/Txn", nested.SerializeAsString()},
      {"keys of a lease", "/etcdserverpb.Lease/LeaseTimeToLive", lease.SerializeAsString()},
      {"txn that deletes", "/etcdserverpb.KV/Txn", erase.SerializeAsString()},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto [code, text] = Call(c.path, c.request);
    EXPECT_EQ(code, "8");
    EXPECT_THAT(text, ::testing::MatchesRegex(
                          "trying to send message larger than max \\([0-9]+ vs. 10000\\)"));
  }
  EXPECT_EQ(client_->Get("other")->count(), 1) << "what was asked for is done";
  EXPECT_EQ(client_->Range(All())->count(), 0) << "deleted, by the last";
}

TEST_F(SentBytes, OfADeletionAreTheSameAsTheMessageHas) {
  const pb::DeleteRangeRequest request = DeleteAll();
  const auto deleted = client_->DeleteRange(request);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  const size_t fits = deleted->ByteSizeLong();
  for (int i = 0; i < kKeys; ++i) {
    Put(fmt::format("k{}", i));
  }
  Put("k9");
  Put("kk");
  const auto [code, text] = Call("/etcdserverpb.KV/DeleteRange", request.SerializeAsString());
  EXPECT_EQ(code, "8");
  // Eleven instead of nine, of a later revision.
  const size_t each = deleted->prev_kvs(0).ByteSizeLong() + 3;
  EXPECT_EQ(text,
            fmt::format("trying to send message larger than max ({} vs. 10000)", fits + 2 * each));
  EXPECT_EQ(client_->Range(All())->count(), 0);
}

TEST_F(SentBytes, EndAWatchWhoseEventsOfOneRevisionAreMore) {
  http::Http2Client client(port());
  pb::WatchRequest watch;
  watch.mutable_create_request()->set_key("k");
  watch.mutable_create_request()->set_range_end("l");
  const int32_t id =
      client.Request("POST", "/etcdserverpb.Watch/Watch", Framed(watch.SerializeAsString()),
                     {{"content-type", "application/grpc"}}, /*has_more=*/true);
  ASSERT_TRUE(client.RunUntil([&] { return !client.stream(id).body.empty(); }));
  const size_t created = client.stream(id).body.size();
  pb::TxnRequest txn;
  for (int i = 0; i < 12; ++i) {
    txn.add_success()->mutable_request_put()->set_key(fmt::format("k{}", i));
    txn.mutable_success(i)->mutable_request_put()->set_value(std::string(kValueBytes, 'w'));
  }
  ASSERT_TRUE(client_->Txn(txn).ok());
  const auto& answer = client.Await(id);
  EXPECT_EQ(answer.body.size(), created);
  EXPECT_EQ(answer.fields.at("grpc-status"), "8");
  EXPECT_TRUE(client_->Get("k0").ok());
}

}  // namespace
}  // namespace socle::server
