#include "server/service/range_answer.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/seed.h"

namespace socle::server {
namespace {

// What an answer shows, and the answer.
struct Shown {
  std::vector<std::string> records;
  etcdserverpb::RangeResponse response;
};

// `keys` entries, as records or as views of their fields. The pin holds what is shown.
RangeAnswer MakeAnswer(int keys, bool as_records, Random* random, std::shared_ptr<Shown>* shown) {
  auto made = std::make_shared<Shown>();
  RangeAnswer answer;
  answer.header.set_cluster_id(7);
  answer.header.set_revision(41);
  *made->response.mutable_header() = answer.header;
  for (int i = 0; i < keys; ++i) {
    mvccpb::KeyValue* const kv = made->response.add_kvs();
    kv->set_key(fmt::format("key{}", i));
    kv->set_create_revision(i + 1);
    kv->set_mod_revision(static_cast<int64_t>(random->Below(1'000'000)) + 1);
    kv->set_version(3);
    kv->set_value(std::string(random->Below(2'000), 'v'));
    kv->set_lease(random->Below(2) == 0 ? 0 : -5);
    made->records.push_back(kv->SerializeAsString());
  }
  for (int i = 0; i < keys; ++i) {
    const std::string& record = made->records[static_cast<size_t>(i)];
    if (as_records) {
      answer.result.records.push_back(record);
    } else {
      answer.result.kvs.push_back(*mvcc::DecodeRecord(record));
    }
  }
  answer.result.more = true;
  answer.result.count = keys + 17;
  made->response.set_more(true);
  made->response.set_count(keys + 17);
  answer.result.pin = made;
  *shown = std::move(made);
  return answer;
}

RangeBytes BytesOf(std::string prefix, RangeAnswer answer) {
  const size_t bytes = RangeResponseBytes(answer.parts());
  return RangeBytes(std::move(prefix), std::move(answer), bytes);
}

TEST(RangeBytes, AreTheMessageHoweverTheyAreTakenAndWhenTheyAreDetached) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  for (int round = 0; round < 200; ++round) {
    const auto keys = static_cast<int>(random.Below(20));
    std::shared_ptr<Shown> shown;
    RangeBytes bytes = BytesOf("12345", MakeAnswer(keys, random.Below(2) == 0, &random, &shown));
    const std::string whole = "12345" + shown->response.SerializeAsString();
    const std::weak_ptr<Shown> pinned = shown;
    shown.reset();
    InFlight room(1'000'000, 1);
    ASSERT_EQ(bytes.left(), whole.size());
    std::string taken;
    const size_t detach_at = random.Below(2 * whole.size());
    while (bytes.left() > 0) {
      const size_t piece = random.Below(4) == 0 ? bytes.left() : random.Below(700);
      bytes.Take(std::min(piece, bytes.left()), &taken);
      if (taken.size() > detach_at) {
        bytes.Detach(&room);
        EXPECT_TRUE(pinned.expired());
      }
      ASSERT_EQ(taken.size() + bytes.left(), whole.size());
    }
    ASSERT_TRUE(taken == whole) << "round " << round;
  }
}

TEST(RangeBytes, StayViewsWhileThereIsNoRoomForACopyAndGiveItBack) {
  Random random(1);
  std::shared_ptr<Shown> shown;
  auto bytes = std::make_unique<RangeBytes>(BytesOf("", MakeAnswer(50, true, &random, &shown)));
  const std::weak_ptr<Shown> pinned = shown;
  shown.reset();
  const size_t size = bytes->left();
  InFlight room(size + 10, 1);
  {
    const InFlight::Share taken = room.TryEnter(100);
    bytes->Detach(&room);
    EXPECT_FALSE(pinned.expired());
  }
  bytes->Detach(&room);
  EXPECT_TRUE(pinned.expired());
  EXPECT_EQ(room.TryEnter(100).bytes(), 0U);
  bytes.reset();
  EXPECT_EQ(room.TryEnter(100).bytes(), 100U);
}

TEST(RangeBytes, OfASlowClientGiveTheirShareBackSoThatOthersMayAnswer) {
  Random random(1);
  std::shared_ptr<Shown> shown;
  RangeAnswer answer = MakeAnswer(50, true, &random, &shown);
  InFlight room(100, 5);
  answer.share = room.TryEnter(100);
  RangeBytes bytes = BytesOf("", std::move(answer));
  bool has_started = false;
  room.Enter(60, [&](const absl::StatusOr<InFlight::Share>& share) { has_started = share.ok(); });
  EXPECT_FALSE(has_started);
  bytes.Detach(&room);
  EXPECT_TRUE(has_started);
  std::string taken;
  bytes.Take(bytes.left(), &taken);
  EXPECT_TRUE(taken == shown->response.SerializeAsString());
}

}  // namespace
}  // namespace socle::server
