#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/h2/testing/h2_fixture.h"
#include "server/service/kv_service.h"
#include "server/service/range_encoder.h"
#include "server/service/range_stream.h"
#include "server/wire/http/testing/clients.h"
#include "server/wire/http/testing/test_site.h"

namespace socle::server {
namespace {

class RangeStreamPieces : public H2ServerTest {
 protected:
  void Fill(int keys, size_t value_bytes) {
    for (int i = 0; i < keys; ++i) {
      ASSERT_TRUE(
          store_->Put({.key = fmt::format("k{:05}", i), .value = std::string(value_bytes, 'v')})
              .ok());
    }
  }

  static pb::RangeRequest All() {
    pb::RangeRequest request;
    request.set_key("k");
    request.set_range_end("l");
    return request;
  }
};

TEST_F(RangeStreamPieces, HoldNothingOfTheStoreBetweenThemAndSeeOneRevision) {
  Fill(100, 10);
  RangeStream stream(&*node_, All());
  std::string bytes;
  ASSERT_TRUE(*stream.AppendNext(&bytes));
  EXPECT_EQ(store_->Stats().open_reads, 1U);  // the published view alone
  Fill(100, 20);
  pb::RangeResponse merged;
  bool has_more = true;
  while (has_more) {
    bytes.clear();
    const auto next = stream.AppendNext(&bytes);
    ASSERT_TRUE(next.ok()) << next.status();
    has_more = *next;
    pb::RangeStreamResponse piece;
    ASSERT_TRUE(piece.ParseFromString(bytes));
    merged.MergeFrom(piece.range_response());
  }
  ASSERT_EQ(merged.kvs_size(), 90);
  EXPECT_EQ(merged.header().revision(), 101);
  for (const auto& kv : merged.kvs()) {
    EXPECT_EQ(kv.value().size(), 10U);
  }
}

TEST_F(RangeStreamPieces, EndWhenTheirRevisionIsCompacted) {
  Fill(100, 10);
  RangeStream stream(&*node_, All());
  std::string bytes;
  ASSERT_TRUE(*stream.AppendNext(&bytes));
  Fill(1, 10);
  ASSERT_TRUE(store_->Compact(102).ok());
  const auto next = stream.AppendNext(&bytes);
  ASSERT_FALSE(next.ok());
  EXPECT_EQ(next.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(next.status().message(), "etcdserver: mvcc: required revision has been compacted");
}

TEST_F(RangeStreamPieces, AreNotMadeForAClientThatDoesNotTakeThem) {
  Fill(100, 100'000);  // 10 MB
  const auto sent = [this] {
    return meter_.counts(static_cast<size_t>(RpcMethod::kRangeStream)).sent.load();
  };
  http::Http2Client reader(port(), {.grants_windows = false});
  const http::Http2Client::Fields grpc = {{"content-type", "application/grpc"}};
  reader.Request("POST", "/etcdserverpb.KV/RangeStream", Framed(All().SerializeAsString()), grpc);
  const auto* const call = &reader.stream(1);
  ASSERT_TRUE(reader.RunUntil([&] { return !call->body.empty(); }));
  // It never reads on; the others are served all the same.
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(client_->Put("other", "v").ok());
  }
  EXPECT_GE(sent(), 1U);
  EXPECT_LE(sent(), 4U);
}

class LargeRange : public RangeStreamPieces {
 protected:
  static size_t ResidentBytes() {
    std::ifstream statm("/proc/self/statm");
    size_t pages = 0;
    statm >> pages >> pages;
    return pages * 4096;
  }
};

TEST_F(LargeRange, IsWhatTheStoreShows) {
  Fill(3'000, 1'000);
  for (const bool is_keys_only : {false, true}) {
    pb::RangeRequest request = All();
    request.set_keys_only(is_keys_only);
    request.set_limit(2'500);
    const auto response = client_->Range(request);
    ASSERT_TRUE(response.ok()) << response.status();
    const auto shown = store_->Range({.key = "k", .range_end = "l", .limit = 2'500});
    ASSERT_EQ(response->kvs_size(), 2'500);
    for (int i = 0; i < response->kvs_size(); ++i) {
      const mvcc::KeyValueView& kv = shown->kvs[static_cast<size_t>(i)];
      ASSERT_EQ(response->kvs(i).key(), kv.key);
      ASSERT_EQ(response->kvs(i).value(), is_keys_only ? "" : kv.value);
      ASSERT_EQ(response->kvs(i).mod_revision(), kv.mod_revision);
    }
    EXPECT_TRUE(response->more());
    EXPECT_EQ(response->count(), 3'000);
    EXPECT_EQ(response->header().revision(), 3'001);
    EXPECT_NE(response->header().cluster_id(), 0U);
  }
}

// etcd#13458: each of a hundred lists was in memory as a whole.
TEST_F(LargeRange, OfManyClientsThatDoNotReadTakesNoMemoryAndHoldsBackNobody) {
  constexpr size_t kClients = 60;
  Fill(100, 100'000);  // 10 MB a list
  const auto lease = client_->LeaseGrant(100);
  ASSERT_TRUE(lease.ok()) << lease.status();
  // One list read once: what it takes of the pages that are mapped is there.
  ASSERT_TRUE(client_->Range(All()).ok());
  const size_t before = ResidentBytes();
  const http::Http2Client::Fields grpc = {{"content-type", "application/grpc"}};
  // No commit is due that would give the lists pages of their own.
  ASSERT_TRUE(store_->CommitAndRead().ok());
  ASSERT_TRUE(http::Eventually([this] { return store_->Stats().open_reads == 1; }));
  std::vector<std::unique_ptr<http::Http2Client>> readers;
  for (size_t i = 0; i < kClients; ++i) {
    readers.push_back(std::make_unique<http::Http2Client>(
        port(), http::Http2Client::Options{.grants_windows = false}));
    readers.back()->Request("POST", "/etcdserverpb.KV/Range", Framed(All().SerializeAsString()),
                            grpc);
    const auto* const call = &readers.back()->stream(1);
    ASSERT_TRUE(readers.back()->RunUntil([call] { return !call->body.empty(); }));
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(client_->Put("other", "v").ok());
    ASSERT_TRUE(client_->LeaseKeepAliveOnce(lease->id()).ok());
  }
  EXPECT_LT(ResidentBytes() - std::min(before, ResidentBytes()), size_t{60'000'000})
      << "a tenth of what the lists have";
  ASSERT_TRUE(store_->CommitAndRead().ok());
  // The newest one's, and the one that they share.
  EXPECT_TRUE(http::Eventually([this] { return store_->Stats().open_reads == 2; }));
  readers.clear();
  EXPECT_TRUE(http::Eventually([this] { return store_->Stats().open_reads == 1; }));
}

// Of thousands that wait behind lists, most clients may have given up.
TEST_F(LargeRange, ThatNobodyWaitsForAnyMoreIsNotRead) {
  Fill(3'000, 10);
  KvService kv(&*node_);
  for (const bool has_gone : {false, true}) {
    SCOPED_TRACE(has_gone);
    InFlight::Share full = kv.answers()->TryEnter(2 * KvService::kAnswerBytesMax);
    ASSERT_GT(full.bytes(), 0U);
    std::atomic<bool> is_unwanted{false};
    std::atomic<bool> is_answered{false};
    absl::Status status;
    RangeAnswer answer;
    answer.is_unwanted = &is_unwanted;
    const pb::RangeRequest request = All();
    kv.Range({}, request, &answer, [&](const absl::Status& answered) {
      status = answered;
      is_answered = true;
    });
    ASSERT_FALSE(is_answered) << "there is no room";
    is_unwanted = has_gone;
    full = {};
    ASSERT_TRUE(http::Eventually([&] { return is_answered.load(); }));
    EXPECT_EQ(status.code(), has_gone ? absl::StatusCode::kCancelled : absl::StatusCode::kOk);
    EXPECT_EQ(answer.result.records.size(), has_gone ? 0U : 3'000U);
  }
}

// The same number of views as a long list: 75 lists in a transaction are 75 times that.
TEST_F(LargeRange, OfATransactionWaitsForTheMemoryOfAnswersAsAListDoes) {
  Fill(150, 10);
  KvService kv(&*node_);
  for (const int lists : {1, 2}) {
    SCOPED_TRACE(lists);
    InFlight::Share full = kv.answers()->TryEnter(2 * KvService::kAnswerBytesMax);
    ASSERT_GT(full.bytes(), 0U);
    std::atomic<bool> is_answered{false};
    pb::TxnRequest request;
    for (int i = 0; i < lists; ++i) {
      *request.add_success()->mutable_request_range() = All();
    }
    pb::TxnResponse response;
    kv.Txn({}, request, &response, [&](const absl::Status& answered) {
      EXPECT_TRUE(answered.ok()) << answered;
      is_answered = true;
    });
    const bool is_short = lists == 1;  // 150 of 256 keys
    if (is_short) {
      EXPECT_TRUE(http::Eventually([&] { return is_answered.load(); }));
    } else {
      EXPECT_FALSE(is_answered) << "there is no room";
    }
    full = {};
    ASSERT_TRUE(http::Eventually([&] { return is_answered.load(); }));
    EXPECT_EQ(response.responses_size(), lists);
    EXPECT_EQ(response.responses(lists - 1).response_range().kvs_size(), 150);
    // Given back with the worker's task, which is about to go.
    EXPECT_TRUE(http::Eventually(
        [&] { return kv.answers()->TryEnter(2 * KvService::kAnswerBytesMax).bytes() > 0; }));
  }
}

}  // namespace
}  // namespace socle::server
