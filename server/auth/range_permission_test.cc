#include "server/auth/range_permission.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/seed.h"

namespace socle::server {
namespace {

using Range = std::pair<std::string, std::string>;  // key, range_end

const std::string kOpen(1, '\0');

RangeUnion UnionOf(const std::vector<Range>& ranges) {
  std::vector<KeyInterval> intervals;
  intervals.reserve(ranges.size());
  for (const auto& [key, end] : ranges) {
    intervals.push_back(KeyInterval::Of(key, end));
  }
  return RangeUnion(std::move(intervals));
}

TEST(RangePermission, CoversWhatOneRangeOrSeveralTogetherHold) {
  struct Case {
    std::vector<Range> permitted;
    Range asked;
    bool is_covered;
  };

  const std::vector<Case> kCases = {
      {{}, {"a", ""}, false},
      {{{"a", ""}}, {"a", ""}, true},
      {{{"a", ""}}, {"b", ""}, false},
      {{{"a", ""}}, {"a", "b"}, false},
      {{{"a", ""}}, {"a", std::string("a\0", 2)}, true},
      {{{"a", ""}}, {"a", kOpen}, false},  // a watch from a key on is not that key
      {{{"a", "c"}}, {"a", "c"}, true},
      {{{"a", "c"}}, {"b", ""}, true},
      {{{"a", "c"}}, {"c", ""}, false},
      {{{"a", "c"}}, {"b", "d"}, false},
      {{{"a", "c"}, {"c", "e"}}, {"b", "d"}, true},
      {{{"a", "c"}, {"d", "e"}}, {"b", "e"}, false},
      {{{"a", "z"}, {"b", "c"}}, {"d", "y"}, true},
      {{{"a", kOpen}}, {"b", kOpen}, true},
      {{{"a", kOpen}}, {"b", "c"}, true},
      {{{"b", kOpen}}, {"a", kOpen}, false},
      {{{"a", "c"}, {"b", kOpen}}, {"a", kOpen}, true},
      {{{kOpen, kOpen}}, {kOpen, kOpen}, true},
      {{{"z", "a"}}, {"z", ""}, false},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.asked.first + " .. " + c.asked.second);
    EXPECT_EQ(UnionOf(c.permitted).Covers(c.asked.first, c.asked.second), c.is_covered);
  }
}

TEST(RangePermission, GrantsOnlyRangesThatHoldTheirFirstKey) {
  EXPECT_TRUE(IsGrantableRange("a", ""));
  EXPECT_TRUE(IsGrantableRange("a", "b"));
  EXPECT_TRUE(IsGrantableRange("a", kOpen));
  EXPECT_FALSE(IsGrantableRange("", ""));
  EXPECT_FALSE(IsGrantableRange("", kOpen));
  EXPECT_FALSE(IsGrantableRange("b", "a"));
  EXPECT_FALSE(IsGrantableRange("a", "a"));
}

// Every key of up to two letters of a, b, c, in order; the model of a range is the set of those it holds.
std::vector<std::string> AllKeys() {
  std::vector<std::string> keys;
  for (const char* first : {"a", "b", "c"}) {
    keys.emplace_back(first);
    for (const char* second : {"a", "b", "c"}) {
      keys.push_back(std::string(first) + second);
    }
  }
  return keys;
}

bool Holds(const Range& range, const std::string& key) {
  const auto& [begin, end] = range;
  if (end.empty()) {
    return key == begin;
  }
  return key >= begin && (end == kOpen || key < end);
}

// An open range is never held by closed ones, however many keys of the model they hold; nor is a range
// that goes on behind its last key here (to the `d` that is no key).
bool IsCoveredInModel(const std::vector<Range>& permitted, const Range& asked) {
  std::vector<std::string> keys = AllKeys();
  keys.emplace_back("d");
  for (const std::string& key : std::vector<std::string>(keys)) {
    keys.push_back(key + '\0');  // between a key and the next of the model there are others
    keys.push_back(key + "\xff");
  }
  for (const std::string& key : keys) {
    if (!Holds(asked, key)) {
      continue;
    }
    bool is_held = false;
    for (const Range& range : permitted) {
      is_held = is_held || Holds(range, key);
    }
    if (!is_held) {
      return false;
    }
  }
  return true;
}

Range AnyRange(Random* random) {
  const std::vector<std::string> keys = AllKeys();
  const std::string begin = keys[random->Below(keys.size())];
  switch (random->Below(4)) {
    case 0:
      return {begin, ""};
    case 1:
      return {begin, kOpen};
    default: {
      const uint64_t end = random->Below(keys.size() + 1);
      return {begin, end < keys.size() ? keys[end] : "d"};
    }
  }
}

TEST(RangePermission, AgreesWithTheSetOfKeysItStandsFor) {
  Random random(TestSeed());
  for (int round = 0; round < 20'000; ++round) {
    std::vector<Range> permitted;
    for (uint64_t i = random.Below(5); i > 0; --i) {
      permitted.push_back(AnyRange(&random));
    }
    const Range asked = AnyRange(&random);
    if (!asked.second.empty() && asked.second != kOpen && asked.second <= asked.first) {
      continue;  // holds nothing: law 3, by table
    }
    const RangeUnion merged = UnionOf(permitted);
    ASSERT_EQ(merged.Covers(asked.first, asked.second), IsCoveredInModel(permitted, asked))
        << "round " << round << ": [" << asked.first << ", " << asked.second << ")";
    for (size_t i = 1; i < merged.intervals().size(); ++i) {
      ASSERT_FALSE(merged.intervals()[i - 1].is_open);
      ASSERT_LT(merged.intervals()[i - 1].end, merged.intervals()[i].begin);
    }
  }
}

}  // namespace
}  // namespace socle::server
