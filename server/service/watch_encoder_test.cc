#include "server/service/watch_encoder.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/seed.h"
#include "server/service/convert.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

pb::ResponseHeader Ids() {
  pb::ResponseHeader header;
  header.set_cluster_id(0xfeed'0000'0000'0001);
  header.set_member_id(77);
  header.set_raft_term(2);
  return header;
}

void AddEvents(const std::vector<mvcc::WatchEvent>& events, mvcc::WatchResponse* response) {
  const auto block = std::make_shared<mvcc::EventBlock>(events);
  for (uint32_t i = 0; i < events.size(); ++i) {
    response->events.Add(block, i);
  }
}

std::vector<std::string> MessagesOf(const mvcc::WatchResponse& response, size_t bytes_max,
                                    std::vector<int64_t> more_ids = {}) {
  WatchEncoder encoder(Ids(), bytes_max);
  more_ids.insert(more_ids.begin(), response.watch_id);
  encoder.Start({.response = response, .watch_ids = std::move(more_ids)});
  std::vector<std::string> messages;
  for (std::string message; encoder.AppendNext(&message); message.clear()) {
    messages.push_back(message);
  }
  return messages;
}

std::string ByProtobuf(const mvcc::WatchResponse& response) {
  pb::WatchResponse message;
  *message.mutable_header() = Ids();
  message.mutable_header()->set_revision(response.revision);
  message.set_watch_id(response.watch_id);
  message.set_created(response.created);
  message.set_canceled(response.canceled);
  message.set_compact_revision(response.compact_revision);
  message.set_cancel_reason(response.cancel_reason);
  for (const mvcc::WatchEvent& event : response.events) {
    mvccpb::Event* const out = message.add_events();
    out->set_type(event.is_delete ? mvccpb::Event::DELETE : mvccpb::Event::PUT);
    FromStore(event.kv, out->mutable_kv());
    if (event.prev_kv.has_value()) {
      FromStore(*event.prev_kv, out->mutable_prev_kv());
    }
  }
  return message.SerializeAsString();
}

int64_t AnyNumber(Random* random) {
  return random->OneIn(4) ? 0 : static_cast<int64_t>(random->Next() >> random->Below(64));
}

mvcc::KeyValueView AnyPair(const std::string& bytes, Random* random) {
  return {.key = std::string_view(bytes).substr(random->Below(bytes.size())),
          .create_revision = AnyNumber(random),
          .mod_revision = AnyNumber(random),
          .version = AnyNumber(random),
          .value = std::string_view(bytes).substr(random->Below(bytes.size() + 1)),
          .lease = mvcc::LeaseId{AnyNumber(random)}};
}

TEST(WatchEncoder, WritesTheBytesThatProtobufWouldWrite) {
  const uint64_t seed = TestSeed();
  Random random(seed);
  const std::string bytes(300, 'x');
  for (int run = 0; run < 500; ++run) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed << " run " << run);
    mvcc::WatchResponse response;
    response.revision = AnyNumber(&random);
    response.watch_id = random.OneIn(5) ? -1 : AnyNumber(&random);
    response.created = random.OneIn(3);
    response.canceled = random.OneIn(3);
    response.compact_revision = AnyNumber(&random);
    response.cancel_reason = random.OneIn(3) ? "because" : "";
    std::vector<mvcc::WatchEvent> events;
    for (uint64_t i = random.Below(4); i > 0; --i) {
      mvcc::WatchEvent& event = events.emplace_back();
      event.is_delete = random.OneIn(2);
      event.kv = AnyPair(bytes, &random);
      if (random.OneIn(2)) {
        event.prev_kv = AnyPair(bytes, &random);
      }
    }
    AddEvents(events, &response);
    const std::vector<std::string> messages = MessagesOf(response, 100);
    ASSERT_EQ(messages.size(), 1U);
    ASSERT_EQ(messages[0], ByProtobuf(response));
  }
}

TEST(WatchEncoder, SendsOnlyTheEventsOfTheListFromASharedBlock) {
  const auto block = std::make_shared<mvcc::EventBlock>(std::vector<mvcc::WatchEvent>{
      {.kv = {.key = "a", .mod_revision = 2, .value = "1"}, .prev_kv = {}, .encoded = {}},
      {.kv = {.key = "b", .mod_revision = 2, .value = "2"}, .prev_kv = {}, .encoded = {}},
      {.kv = {.key = "c", .mod_revision = 2, .value = "3"}, .prev_kv = {}, .encoded = {}}});
  mvcc::WatchResponse response;
  response.events.Add(block, 0);
  response.events.Add(block, 2);
  pb::WatchResponse message;
  ASSERT_TRUE(message.ParseFromString(MessagesOf(response, 1'000)[0]));
  ASSERT_EQ(message.events_size(), 2);
  EXPECT_EQ(message.events(0).kv().key(), "a");
  EXPECT_EQ(message.events(1).kv().key(), "c");
}

TEST(WatchEncoder, SendsWhatWatchesShareToEachOfThemFragmentsIncluded) {
  const std::string value(400, 'v');
  const std::vector<mvcc::WatchEvent> events(
      3, {.kv = {.key = "k", .value = value}, .prev_kv = {}, .encoded = {}});
  for (const bool fragment : {false, true}) {
    mvcc::WatchResponse response;
    response.watch_id = 3;
    response.fragment = fragment;
    AddEvents(events, &response);
    const std::vector<std::string> messages = MessagesOf(response, 500, {9, 0});
    std::vector<int64_t> ids;
    for (const std::string& bytes : messages) {
      pb::WatchResponse message;
      ASSERT_TRUE(message.ParseFromString(bytes));
      EXPECT_EQ(message.events_size(), fragment ? 1 : 3);
      ids.push_back(message.watch_id());
    }
    EXPECT_EQ(ids, fragment ? std::vector<int64_t>({3, 3, 3, 9, 9, 9, 0, 0, 0})
                            : std::vector<int64_t>({3, 9, 0}));
  }
}

TEST(WatchEncoder, CutsOnEventBoundariesAndMarksAllPartsButTheLast) {
  struct Case {
    const char* name;
    std::vector<size_t> events;
    size_t bytes_max;
    bool wants_fragments;
    std::vector<int> parts;
  };

  const Case kCases[] = {
      {"all fit", {10, 10, 10}, 1'000, true, {3}},
      {"one event each", {400, 400, 400}, 500, true, {1, 1, 1}},
      {"pairs", {100, 100, 100, 100, 100}, 300, true, {2, 2, 1}},
      {"an event beyond the limit stands alone", {10, 5'000, 10}, 500, true, {1, 1, 1}},
      {"a single large event is not cut", {5'000}, 500, true, {1}},
      {"no event", {}, 500, true, {0}},
      {"nobody asked for fragments", {400, 400, 400}, 500, false, {3}},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    std::vector<std::string> values;
    values.reserve(c.events.size());
    std::vector<mvcc::WatchEvent> events;
    for (const size_t bytes : c.events) {
      values.emplace_back(bytes, 'v');
      events.push_back({.kv = {.key = "k", .value = values.back()}, .prev_kv = {}, .encoded = {}});
    }
    mvcc::WatchResponse response;
    response.revision = 9;
    response.watch_id = 7;
    response.fragment = c.wants_fragments;
    AddEvents(events, &response);
    const std::vector<std::string> messages = MessagesOf(response, c.bytes_max);
    ASSERT_EQ(messages.size(), c.parts.size());
    size_t event = 0;
    for (size_t i = 0; i < messages.size(); ++i) {
      pb::WatchResponse part;
      ASSERT_TRUE(part.ParseFromString(messages[i]));
      EXPECT_EQ(part.events_size(), c.parts[i]);
      EXPECT_EQ(part.fragment(), i + 1 != messages.size());
      EXPECT_EQ(part.watch_id(), 7);
      EXPECT_EQ(part.header().revision(), 9);
      EXPECT_TRUE(!c.wants_fragments || part.events_size() <= 1 ||
                  messages[i].size() < c.bytes_max);
      for (const mvccpb::Event& e : part.events()) {
        EXPECT_EQ(e.kv().value().size(), c.events[event++]);
      }
    }
    EXPECT_EQ(event, c.events.size());
  }
}

}  // namespace
}  // namespace socle::server
