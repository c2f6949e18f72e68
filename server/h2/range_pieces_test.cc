#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/h2/testing/h2_fixture.h"
#include "server/service/range_encoder.h"
#include "server/service/range_stream.h"
#include "server/wire/http/testing/clients.h"

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

}  // namespace
}  // namespace socle::server
