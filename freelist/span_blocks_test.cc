#include "freelist/span_blocks.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"

namespace socle::freelist {
namespace {

PageSpan Span(uint64_t first, uint64_t count) {
  return {PageId{first}, count};
}

TEST(SpanBlocks, FindsSpansByEitherEndAndByWhatTheyHold) {
  struct Case {
    const char* name;
    PageSpan span;
  };

  const Case cases[] = {
      {"one page", Span(70, 1)},
      {"inside a block", Span(70, 5)},
      {"last page of a block", Span(127, 1)},
      {"a whole block", Span(64, 64)},
      {"across a border", Span(127, 2)},
      {"over whole blocks", Span(100, 500)},
      {"up to a border", Span(100, 28)},
      {"from a border", Span(128, 3)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    SpanBlocks blocks;
    blocks.Insert(c.span);
    blocks.Insert(Span(1000, 2));
    blocks.CheckInvariants();
    const PageId last = c.span.first + (c.span.count - 1);
    EXPECT_EQ(blocks.StartingAt(c.span.first), c.span);
    EXPECT_EQ(blocks.EndingAt(last), c.span);
    EXPECT_EQ(blocks.Holding(c.span.first + c.span.count / 2), c.span);
    EXPECT_EQ(blocks.Holding(PageId{Raw(c.span.first) - 1}), std::nullopt);
    EXPECT_EQ(blocks.Holding(c.span.end()), std::nullopt);
    EXPECT_EQ(blocks.StartingAt(c.span.end()), std::nullopt);
    EXPECT_EQ(blocks.EndingAt(PageId{Raw(c.span.first) - 1}), std::nullopt);
    EXPECT_TRUE(blocks.IsDisjoint(Span(2, Raw(c.span.first) - 2)));
    EXPECT_FALSE(blocks.IsDisjoint(Span(2, Raw(c.span.first) - 1)));
    EXPECT_FALSE(blocks.IsDisjoint({last, 1}));
    EXPECT_TRUE(blocks.IsDisjoint({c.span.end(), 3}));
    blocks.Erase(c.span);
    EXPECT_EQ(blocks.Holding(c.span.first), std::nullopt);
    EXPECT_EQ(blocks.size(), 1U);
    blocks.CheckInvariants();
  }
}

TEST(SpanBlocks, AgreesWithAMapOfSpansOnRandomCalls) {
  constexpr uint64_t kPages = 700;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    SpanBlocks blocks;
    std::map<uint64_t, uint64_t> spans;  // first -> count
    const uint64_t longest = 1 + random.Below(200);
    const auto is_free_around = [&spans](PageSpan span) {
      return std::ranges::none_of(spans, [&span](const auto& other) {
        return other.first <= Raw(span.end()) && Raw(span.first) <= other.first + other.second;
      });
    };
    for (int step = 0; step < 400; ++step) {
      const PageSpan span = Span(2 + random.Below(kPages), 1 + random.Below(longest));
      if (is_free_around(span)) {
        blocks.Insert(span);
        spans.emplace(Raw(span.first), span.count);
      } else if (!spans.empty()) {
        auto it = spans.lower_bound(Raw(span.first));
        it = it == spans.end() ? spans.begin() : it;
        const PageSpan old = Span(it->first, it->second);
        spans.erase(it);
        if (old.count > 1 && random.OneIn(2)) {
          const PageId first = old.first + (1 + random.Below(old.count - 1));
          blocks.CutFront(old, first);
          spans.emplace(Raw(first), old.end() - first);
        } else {
          blocks.Erase(old);
        }
      }
      blocks.CheckInvariants();
    }
    std::vector<PageSpan> want;
    for (const auto& [first, count] : spans) {
      want.push_back(Span(first, count));
    }
    ASSERT_EQ(blocks.List(), want);
    for (uint64_t id = 2; id < kPages + 2 * longest; ++id) {
      const auto holder = std::ranges::find_if(want, [id](const PageSpan& span) {
        return Raw(span.first) <= id && id < Raw(span.end());
      });
      const auto expected = holder == want.end() ? std::nullopt : std::optional(*holder);
      ASSERT_EQ(blocks.Holding(PageId{id}), expected) << id;
    }
  }
}

}  // namespace
}  // namespace socle::freelist
