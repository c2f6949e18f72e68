// Ranges in JSON, made in pieces; the writer of whole messages is the oracle.
#include "server/gateway/range_json.h"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/seed.h"
#include "server/gateway/json_text.h"
#include "server/gateway/json_writer.h"
#include "server/gateway/web_front.h"
#include "server/h2/testing/h2_fixture.h"
#include "server/service/kv_service.h"
#include "server/service/range_encoder.h"
#include "server/wire/http/testing/clients.h"
#include "server/wire/http/testing/test_site.h"

namespace socle::server::gateway {
namespace {

H2Server::Web Web() {
  const auto front =
      std::make_shared<WebFront>([](const HttpRequest&) { return HttpResponse(); }, WebOptions());
  return [front](h2::Services* services, const http::Request& request,
                 const std::shared_ptr<http::Exchange>& exchange) {
    return front->Begin(services, request, exchange);
  };
}

// As the answer was written before there were pieces.
std::string WholeJson(const RangeAnswer& answer) {
  std::string bytes;
  AppendRangeResponse(answer.parts(), &bytes);
  pb::RangeResponse response;
  EXPECT_TRUE(response.ParseFromString(bytes));
  std::string json;
  AppendJson(response, &json);
  return json;
}

// Taken in random bits; the client turns out to be slow now and then.
std::string PiecewiseJson(RangeAnswer answer, InFlight* room, bool is_slow, Random* random) {
  RangeJson source(std::move(answer), room);
  std::string json;
  while (source.bytes_left() > 0) {
    EXPECT_LE(source.bytes_left(), 2 * RangeJson::kPieceBytes + 100);
    source.Take(1 + random->Below(source.bytes_left()), &json);
    if (is_slow && random->Below(20) == 0) {
      source.OnSlow();
    }
  }
  EXPECT_FALSE(source.has_more());
  return json;
}

class RangeJsonTest : public H2ServerTest {
 protected:
  RangeJsonTest() : H2ServerTest(Web()) {}

  RangeAnswer AnswerTo(const pb::RangeRequest& request) {
    std::atomic<bool> is_answered{false};
    absl::Status status;
    RangeAnswer answer;
    kv_->Range({}, request, &answer, [&](const absl::Status& answered) {
      status = answered;
      is_answered = true;
    });
    EXPECT_TRUE(http::Eventually([&] { return is_answered.load(); }));
    EXPECT_TRUE(status.ok()) << status;
    return answer;
  }

  void SetUp() override { kv_ = std::make_unique<KvService>(&*node_); }

  void Fill(int keys, size_t value_bytes) {
    for (int i = 0; i < keys; ++i) {
      ASSERT_TRUE(
          store_->Put({.key = fmt::format("k{:05}", i), .value = std::string(value_bytes, 'v')})
              .ok());
    }
  }

  std::unique_ptr<KvService> kv_;
};

constexpr std::string_view kAllJson = R"({"key":"aw==","range_end":"bA=="})";  // k to l

pb::RangeRequest RandomRange(Random* random) {
  pb::RangeRequest request;
  request.set_key(fmt::format("k{:03}", random->Below(300)));
  request.set_range_end(fmt::format("k{:03}", 300 + random->Below(300)));
  request.set_limit(random->Below(2) == 0 ? 0 : static_cast<int64_t>(random->Below(300)));
  request.set_count_only(random->Below(8) == 0);
  request.set_keys_only(random->Below(4) == 0);
  if (random->Below(3) == 0) {
    request.set_sort_order(random->Below(2) == 0 ? pb::RangeRequest::ASCEND
                                                 : pb::RangeRequest::DESCEND);
    request.set_sort_target(static_cast<pb::RangeRequest::SortTarget>(random->Below(5)));
  }
  if (random->Below(4) == 0) {
    request.set_min_mod_revision(static_cast<int64_t>(random->Below(700)));
  }
  return request;
}

TEST_F(RangeJsonTest, IsWhatTheWriterOfWholeMessagesWritesOfRandomRanges) {
  Random random(TestSeed());
  const auto lease = client_->LeaseGrant(1'000);
  ASSERT_TRUE(lease.ok()) << lease.status();
  for (int i = 0; i < 700; ++i) {
    const size_t size = random.Below(50) == 0 ? random.Below(200'000) : random.Below(300);
    std::string value;
    for (size_t at = 0; at < size; ++at) {
      value += static_cast<char>(random.Below(256));
    }
    ASSERT_TRUE(store_
                    ->Put({.key = fmt::format("k{:03}", random.Below(600)),
                           .value = std::move(value),
                           .lease = mvcc::LeaseId{random.Below(3) == 0 ? lease->id() : 0}})
                    .ok());
  }
  for (int round = 0; round < 200; ++round) {
    const pb::RangeRequest request = RandomRange(&random);
    SCOPED_TRACE(request.ShortDebugString());
    const std::string whole = WholeJson(AnswerTo(request));
    ASSERT_EQ(PiecewiseJson(AnswerTo(request), kv_->answers(), round % 2 == 1, &random) == whole,
              true)
        << whole.substr(0, 1'000);
  }
}

TEST_F(RangeJsonTest, OfASlowClientLetsGoOfTheStore) {
  Fill(100, 100'000);
  pb::RangeRequest request;
  request.set_key("k");
  request.set_range_end("l");
  const std::string whole = WholeJson(AnswerTo(request));
  RangeJson source(AnswerTo(request), kv_->answers());
  std::string json;
  source.Take(50'000, &json);
  // Newer pages are published: what the answer shows is held by it alone.
  for (int i = 0; i < 1'000 && store_->Stats().open_reads < 2; ++i) {
    Fill(1, 10);
    ASSERT_TRUE(store_->CommitAndRead().ok());
  }
  EXPECT_EQ(store_->Stats().open_reads, 2U) << "what is published, and what the answer shows";
  source.OnSlow();
  EXPECT_EQ(store_->Stats().open_reads, 1U);
  while (source.bytes_left() > 0) {
    source.Take(source.bytes_left(), &json);
  }
  EXPECT_EQ(json, whole);
}

TEST_F(RangeJsonTest, ComesWholeOverBothProtocols) {
  Fill(200, 20'000);
  pb::RangeRequest request;
  request.set_key("k");
  request.set_range_end("l");
  const auto response = client_->Range(request);
  ASSERT_TRUE(response.ok()) << response.status();
  std::string wanted;
  AppendJson(*response, &wanted);
  http::Http2Client client(port());
  const auto& over2 = client.Await(client.Request("POST", "/v3/kv/range", std::string(kAllJson)));
  EXPECT_EQ(over2.fields.at("content-type"), "application/json");
  EXPECT_TRUE(over2.body == wanted) << over2.body.size();
  const http::RawClient elder(port());  // without chunks
  elder.Send(fmt::format("POST /v3/kv/range HTTP/1.0\r\nhost: h\r\ncontent-length: {}\r\n\r\n{}",
                         kAllJson.size(), kAllJson));
  EXPECT_TRUE(elder.ReadToEnd().ends_with("\r\n\r\n" + wanted));
  const http::RawClient newer(port());
  newer.Send(fmt::format(
      "POST /v3/kv/range HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{}",
      kAllJson.size(), kAllJson));
  const std::string chunks = newer.ReadToEnd();
  EXPECT_NE(chunks.find("transfer-encoding: chunked\r\n"), std::string::npos);
  EXPECT_TRUE(chunks.ends_with("\r\n0\r\n\r\n"));
}

size_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  size_t pages = 0;
  statm >> pages >> pages;
  return pages * 4'096;
}

// 60 lists of 30 MB, read by nobody, were 4.8 GB.
TEST_F(RangeJsonTest, OfManyClientsThatDoNotReadTakesNoMemoryAndHoldsBackNobody) {
  constexpr size_t kClients = 30;
  Fill(100, 100'000);  // 13 MB of JSON
  http::Http2Client first(port());
  ASSERT_FALSE(
      first.Await(first.Request("POST", "/v3/kv/range", std::string(kAllJson))).body.empty());
  const size_t before = ResidentBytes();
  std::vector<std::unique_ptr<http::Http2Client>> readers;
  for (size_t i = 0; i < kClients; ++i) {
    readers.push_back(std::make_unique<http::Http2Client>(
        port(), http::Http2Client::Options{.grants_windows = false}));
    readers.back()->Request("POST", "/v3/kv/range", std::string(kAllJson));
    const auto* const call = &readers.back()->stream(1);
    ASSERT_TRUE(readers.back()->RunUntil([call] { return !call->body.empty(); }));
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(client_->Put("other", "v").ok());
  }
  EXPECT_LT(ResidentBytes() - std::min(before, ResidentBytes()), size_t{40'000'000})
      << "a tenth of what the lists have";
  readers.clear();
  EXPECT_TRUE(http::Eventually([this] { return store_->Stats().open_reads == 1; }));
}

}  // namespace
}  // namespace socle::server::gateway
