#include "server/service/hot_prefixes.h"

#include <algorithm>
#include <string>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/testing/manual_clock.h"

namespace socle::server {
namespace {

TEST(HotPrefixes, CutsKeysAtTheirSlashes) {
  struct Case {
    const char* key;
    int64_t depth;
    const char* prefix;
  };

  const Case cases[] = {
      {"/registry/pods/default/x", 2, "/registry/pods/"},
      {"/registry/pods/default/x", 1, "/registry/"},
      {"/registry/pods/", 2, "/registry/pods/"},
      {"/registry/pods", 2, "/registry/"},
      {"/registry/pods", 9, "/registry/"},
      {"a/b/c", 1, "a/"},
      {"a/b/c", 2, "a/b/"},
      {"plain", 2, ""},
      {"", 2, ""},
      {"//a//b/c", 2, "//a//b/"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(PrefixOf(c.key, c.depth), c.prefix) << c.key;
  }
  EXPECT_EQ(PrefixOf(std::string(1'000, 'k') + "/x", 1).size(), HotPrefixes::kPrefixBytesMax);
}

const HotPrefixes::Row* Find(const std::vector<HotPrefixes::Row>& rows, const std::string& prefix) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.prefix == prefix; });
  return found == rows.end() ? nullptr : &*found;
}

TEST(HotPrefixes, FindsTheBusyAmongManyAndTellsTheirRates) {
  ManualClock clock;
  HotPrefixes hot({.top = 5, .depth = 1, .sample = 1, .clock = &clock});
  // 100 operations a second on three prefixes, and one each on 300 others, for ten minutes.
  for (int second = 0; second < 600; ++second) {
    for (int i = 0; i < 50; ++i) {
      hot.Add(HotPrefixes::Kind::kWrite, "writes/k", 10);
    }
    for (int i = 0; i < 30; ++i) {
      hot.Add(HotPrefixes::Kind::kRead, "reads/k", 1);
    }
    hot.Add(HotPrefixes::Kind::kEvent, "events/k", 100, 20);
    hot.Add(HotPrefixes::Kind::kRead, fmt::format("cold{}/k", second % 300), 1);
    clock.Advance(kNanosPerSecond);
  }
  const std::vector<HotPrefixes::Row> rows = hot.Top();
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[0].prefix, "writes/");
  EXPECT_NEAR(rows[0].writes, 50, 2);
  EXPECT_NEAR(rows[0].bytes, 500, 20);
  EXPECT_EQ(rows[1].prefix, "reads/");
  EXPECT_NEAR(rows[1].reads, 30, 2);
  EXPECT_EQ(rows[2].prefix, "events/");
  EXPECT_NEAR(rows[2].events, 20, 2);
  EXPECT_LT(rows[0].error, 1);
}

TEST(HotPrefixes, ForgetsWhatWasBusyLongAgoEvenOverARescaling) {
  ManualClock clock;
  HotPrefixes hot({.top = 2, .depth = 1, .sample = 1, .clock = &clock});
  for (int i = 0; i < 10'000; ++i) {
    hot.Add(HotPrefixes::Kind::kWrite, "old/k", 1);
  }
  clock.Advance(101 * HotPrefixes::kHalfLifeNanos);
  hot.Add(HotPrefixes::Kind::kWrite, "new/k", 1);
  const std::vector<HotPrefixes::Row> rows = hot.Top();
  EXPECT_EQ(rows.front().prefix, "new/");
  const HotPrefixes::Row* const old = Find(rows, "old/");
  EXPECT_TRUE(old == nullptr || old->writes < 1e-9);
}

TEST(HotPrefixes, SamplesOneInSoManyWhateverTheRhythm) {
  HotPrefixes hot({.sample = 8});
  int sampled[2] = {};
  constexpr int kAsked = 200'000;
  for (int i = 0; i < kAsked; ++i) {
    sampled[i % 2] += hot.IsSampled() ? 1 : 0;
  }
  // Of each of two that take turns, as many.
  EXPECT_NEAR(sampled[0], kAsked / 16, kAsked / 160);
  EXPECT_NEAR(sampled[1], kAsked / 16, kAsked / 160);
}

TEST(HotPrefixes, AreAPageOfJsonWhateverTheKeysAre) {
  ManualClock clock;
  HotPrefixes hot({.top = 3, .depth = 1, .sample = 1, .clock = &clock});
  hot.Add(HotPrefixes::Kind::kRead, "\xff/k", 1);
  clock.Advance(kNanosPerSecond);
  const boost::json::value page = boost::json::parse(hot.ToJson(0));
  EXPECT_EQ(page.at("prefixes").at(0).at("prefix"), "\\xff/");
  EXPECT_GT(page.at("prefixes").at(0).at("reads_per_second").as_double(), 0);
}

}  // namespace
}  // namespace socle::server
