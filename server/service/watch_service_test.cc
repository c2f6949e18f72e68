#include "server/service/watch_service.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

pb::WatchResponse ResponseOf(const std::vector<size_t>& value_bytes) {
  pb::WatchResponse response;
  response.set_watch_id(7);
  response.mutable_header()->set_revision(9);
  for (const size_t bytes : value_bytes) {
    response.add_events()->mutable_kv()->set_value(std::string(bytes, 'v'));
  }
  return response;
}

TEST(CutResponse, SplitsOnEventBoundariesAndMarksAllPartsButTheLast) {
  struct Case {
    const char* name;
    std::vector<size_t> events;
    size_t bytes_max;
    std::vector<int> parts;
  };

  const Case kCases[] = {
      {"all fit", {10, 10, 10}, 1'000, {3}},
      {"one event each", {400, 400, 400}, 500, {1, 1, 1}},
      {"pairs", {100, 100, 100, 100, 100}, 300, {2, 2, 1}},
      {"an event beyond the limit stands alone", {10, 5'000, 10}, 500, {1, 1, 1}},
      {"a single large event is not cut", {5'000}, 500, {1}},
      {"no event", {}, 500, {0}},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const std::vector<pb::WatchResponse> parts = CutResponse(ResponseOf(c.events), c.bytes_max);
    ASSERT_EQ(parts.size(), c.parts.size());
    size_t event = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      EXPECT_EQ(parts[i].events_size(), c.parts[i]);
      EXPECT_EQ(parts[i].fragment(), i + 1 != parts.size());
      EXPECT_EQ(parts[i].watch_id(), 7);
      EXPECT_EQ(parts[i].header().revision(), 9);
      EXPECT_TRUE(parts[i].events_size() <= 1 || parts[i].ByteSizeLong() < c.bytes_max);
      for (const mvccpb::Event& e : parts[i].events()) {
        EXPECT_EQ(e.kv().value().size(), c.events[event++]);
      }
    }
    EXPECT_EQ(event, c.events.size());
  }
}

}  // namespace
}  // namespace socle::server
