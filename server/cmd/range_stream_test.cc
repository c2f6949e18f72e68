#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/base/status_macros.h"
#include "kv/testing/seed.h"
#include "kv/testing/temp_dir.h"
#include "server/cmd/kv_server.h"
#include "server/wire/client/etcd_client.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

using ::testing::HasSubstr;

struct Streamed {
  absl::Status status;
  std::vector<pb::RangeResponse> pieces;
  std::vector<size_t> bytes;
  pb::RangeResponse merged;
};

// RangeStream on both transports.
class RangeStreamTest : public ::testing::TestWithParam<const char*> {
 protected:
  void Start(int64_t max_request_bytes = 1'572'864) {
    Settings settings;
    settings.data_dir = dir_.path();
    settings.transport = GetParam();
    settings.listen_client_urls = {"http://127.0.0.1:0"};
    settings.advertise_client_urls = {"http://127.0.0.1:1"};
    settings.max_request_bytes = max_request_bytes;
    settings.unsafe_no_fsync = true;
    auto server = KvServer::Start(settings);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    auto client = EtcdClient::Open(server_->client_urls().front().ToString());
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }

  ~RangeStreamTest() override { client_.reset(); }

  Streamed Stream(const pb::RangeRequest& request) {
    Streamed streamed;
    const auto stream = client_->OpenStream(method::kRangeStream, [&](std::string_view bytes) {
      pb::RangeStreamResponse response;
      ASSERT_TRUE(response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
      // Canonical: what protobuf itself would have written.
      EXPECT_EQ(response.SerializeAsString(), bytes);
      streamed.bytes.push_back(bytes.size());
      streamed.merged.MergeFrom(response.range_response());
      streamed.pieces.push_back(response.range_response());
    });
    stream->Send(request);
    stream->HalfClose();
    streamed.status = stream->Wait();
    return streamed;
  }

  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(client_->Put(key, value).ok());
  }

  TempDir dir_;
  std::unique_ptr<KvServer> server_;
  std::unique_ptr<EtcdClient> client_;
};

pb::RangeRequest All() {
  pb::RangeRequest request;
  request.set_key(std::string(1, '\0'));
  request.set_range_end(std::string(1, '\0'));
  return request;
}

TEST_P(RangeStreamTest, MergedIsWhatRangeAnswers) {
  Start(/*max_request_bytes=*/20'000);
  Random random(TestSeed());
  const auto key = [&random] { return fmt::format("k{:03}", random.Below(400)); };
  for (int i = 0; i < 900; ++i) {
    if (random.Below(8) == 0) {
      pb::DeleteRangeRequest erase;
      erase.set_key(key());
      ASSERT_TRUE(client_->DeleteRange(erase).ok());
    } else {
      Put(key(), std::string(random.Below(random.Below(10) == 0 ? 15'000 : 300), 'v'));
    }
  }
  const int64_t newest = client_->Status()->header().revision();
  ASSERT_TRUE(client_->Compact(newest / 2).ok());
  size_t in_pieces = 0;
  for (int i = 0; i < 300; ++i) {
    pb::RangeRequest request = random.Below(3) == 0 ? All() : pb::RangeRequest();
    if (request.key().empty()) {
      request.set_key(key());
      request.set_range_end(random.Below(4) == 0   ? ""
                            : random.Below(4) == 0 ? std::string(1, '\0')
                                                   : key());
    }
    request.set_limit(random.Below(2) == 0 ? 0 : static_cast<int64_t>(random.Below(300)) - 5);
    request.set_revision(
        random.Below(2) == 0
            ? 0
            : newest / 2 + static_cast<int64_t>(random.Below(static_cast<uint64_t>(newest))) - 5);
    request.set_keys_only(random.Below(4) == 0);
    request.set_count_only(random.Below(8) == 0);
    request.set_serializable(random.Below(2) == 0);
    request.set_sort_order(random.Below(2) == 0 ? pb::RangeRequest::NONE
                                                : pb::RangeRequest::ASCEND);
    SCOPED_TRACE(request.ShortDebugString());
    const auto range = client_->Range(request);
    const Streamed streamed = Stream(request);
    ASSERT_EQ(streamed.status.code(), range.status().code());
    ASSERT_EQ(MessageOf(streamed.status), MessageOf(range.status()));
    if (!range.ok()) {
      continue;
    }
    ASSERT_EQ(streamed.merged.SerializeAsString(), range->SerializeAsString());
    in_pieces += streamed.pieces.size() > 1 ? 1 : 0;
    for (size_t at = 0; at < streamed.pieces.size(); ++at) {
      const pb::RangeResponse& piece = streamed.pieces[at];
      EXPECT_EQ(piece.has_header(), at + 1 == streamed.pieces.size());
      EXPECT_TRUE(piece.kvs_size() == 1 || streamed.bytes[at] < 40'000 + 200);
    }
  }
  EXPECT_GT(in_pieces, 50U);
}

TEST_P(RangeStreamTest, BeginsWithTenKeysAndDoublesWhilePiecesAreSmall) {
  Start();
  for (int i = 0; i < 100; ++i) {
    Put(fmt::format("k{:03}", i), "v");
  }
  const Streamed streamed = Stream(All());
  ASSERT_TRUE(streamed.status.ok()) << streamed.status;
  std::vector<int> keys;
  for (const pb::RangeResponse& piece : streamed.pieces) {
    keys.push_back(piece.kvs_size());
  }
  EXPECT_THAT(keys, ::testing::ElementsAre(10, 20, 40, 30));
  pb::RangeRequest some = All();
  some.set_limit(25);
  const Streamed limited = Stream(some);
  ASSERT_EQ(limited.pieces.size(), 2U);
  EXPECT_EQ(limited.pieces[1].kvs_size(), 15);
  EXPECT_TRUE(limited.merged.more());
  EXPECT_EQ(limited.merged.count(), 100);
}

TEST_P(RangeStreamTest, CutsPiecesAtTwiceTheLargestRequestAndGoesOnSmaller) {
  Start(/*max_request_bytes=*/20'000);
  for (int i = 0; i < 10; ++i) {
    Put(fmt::format("k{}", i), std::string(15'000, 'v'));
  }
  const Streamed streamed = Stream(All());
  ASSERT_TRUE(streamed.status.ok()) << streamed.status;
  EXPECT_EQ(streamed.merged.count(), 10);
  ASSERT_EQ(streamed.pieces.size(), 5U);
  for (const pb::RangeResponse& piece : streamed.pieces) {
    EXPECT_EQ(piece.kvs_size(), 2);
  }
}

TEST_P(RangeStreamTest, OfNothingIsOneMessageWithAHeader) {
  Start();
  const Streamed streamed = Stream(All());
  ASSERT_TRUE(streamed.status.ok()) << streamed.status;
  ASSERT_EQ(streamed.pieces.size(), 1U);
  EXPECT_EQ(streamed.merged.header().revision(), 1);
  EXPECT_EQ(streamed.merged.count(), 0);
}

TEST_P(RangeStreamTest, RefusesWhatEtcdRefusesInItsOrder) {
  Start();
  Put("k", "v");
  const auto refusal = [this](const auto& change) {
    pb::RangeRequest request = All();
    change(&request);
    const Streamed streamed = Stream(request);
    EXPECT_TRUE(streamed.pieces.empty());
    return fmt::format("{} {}", static_cast<int>(streamed.status.code()),
                       MessageOf(streamed.status));
  };
  using Request = pb::RangeRequest;
  EXPECT_EQ(refusal([](Request* r) { r->clear_key(); }), "3 etcdserver: key is not provided");
  EXPECT_EQ(refusal([](Request* r) { r->set_sort_order(static_cast<Request::SortOrder>(99)); }),
            "3 etcdserver: invalid sort option");
  EXPECT_EQ(refusal([](Request* r) {
              r->set_sort_order(Request::DESCEND);
              r->set_min_mod_revision(1);
            }),
            "12 RangeStream does not support custom sort orders");
  EXPECT_EQ(refusal([](Request* r) {
              r->set_sort_order(Request::ASCEND);
              r->set_sort_target(Request::MOD);
            }),
            "12 RangeStream does not support custom sort orders");
  EXPECT_EQ(refusal([](Request* r) { r->set_max_create_revision(1); }),
            "12 RangeStream does not support revision filters");
  EXPECT_EQ(refusal([](Request* r) { r->set_revision(3); }),
            "11 etcdserver: mvcc: required revision is a future revision");
  ASSERT_TRUE(client_->Compact(2).ok());
  EXPECT_EQ(refusal([](Request* r) { r->set_revision(1); }),
            "11 etcdserver: mvcc: required revision has been compacted");
}

INSTANTIATE_TEST_SUITE_P(Transports, RangeStreamTest, ::testing::Values("grpc", "h2"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace socle::server
