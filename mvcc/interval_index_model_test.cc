#include <algorithm>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/seed.h"
#include "mvcc/interval_index.h"

namespace socle::mvcc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The index beside a list that is walked.
class CheckedIntervals {
 public:
  void Insert(std::string begin, std::string end, bool is_open) {
    const bool is_known = std::any_of(nodes_.begin(), nodes_.end(), [&](const IntervalNode& node) {
      return node.begin == begin && node.end == end && node.is_open == is_open;
    });
    IntervalNode* const found = index_.Find(begin, end, is_open);
    ASSERT_EQ(found != nullptr, is_known);
    if (is_known) {
      return;
    }
    IntervalNode& node = nodes_.emplace_back();
    node.begin = std::move(begin);
    node.end = std::move(end);
    node.is_open = is_open;
    index_.Insert(&node);
  }

  void RemoveAny(Random* random) {
    if (nodes_.empty()) {
      return;
    }
    auto at = nodes_.begin();
    std::advance(at, random->Below(nodes_.size()));
    index_.Remove(&*at);
    nodes_.erase(at);
  }

  void Compare(std::string_view key) const {
    std::vector<const IntervalNode*> expected;
    for (const IntervalNode& node : nodes_) {
      if (node.Contains(key)) {
        expected.push_back(&node);
      }
    }
    std::vector<const IntervalNode*> found;
    index_.VisitContaining(key, [&found](IntervalNode* node) { found.push_back(node); });
    EXPECT_TRUE(std::is_sorted(found.begin(), found.end(), [](const auto* a, const auto* b) {
      return a->begin < b->begin;
    })) << "not in order of their beginnings";
    std::sort(expected.begin(), expected.end());
    std::sort(found.begin(), found.end());
    ASSERT_EQ(found, expected) << "intervals that contain \"" << key << "\"";
  }

  void Check() const {
    index_.CheckInvariants();
    ASSERT_EQ(index_.size(), nodes_.size());
  }

 private:
  std::list<IntervalNode> nodes_;
  IntervalIndex index_;
};

std::string RandomKey(Random* random) {
  std::string key;
  for (uint64_t i = random->Below(4); i > 0; --i) {
    key.push_back(random->OneIn(8) ? '\xff' : static_cast<char>('a' + random->Below(4)));
  }
  return key;
}

void InsertAny(Random* random, CheckedIntervals* intervals) {
  const std::string begin = RandomKey(random);
  switch (random->Below(4)) {
    case 0:  // no end
      intervals->Insert(begin, "", true);
      return;
    case 1:  // a single key
      intervals->Insert(begin, begin + std::string(1, '\0'), false);
      return;
    case 2:  // a prefix
      if (!begin.empty() && begin.back() != '\xff') {
        std::string end = begin;
        ++end.back();
        intervals->Insert(begin, end, false);
      }
      return;
    default:
      const std::string end = RandomKey(random);
      if (begin < end) {
        intervals->Insert(begin, end, false);
      }
  }
}

TEST(IntervalIndex, FindsWhatALinearScanFinds) {
  const uint64_t seed = TestSeed();
  for (uint64_t run = 0; run < 8; ++run) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed << " run " << run);
    Random random(seed + run);
    CheckedIntervals intervals;
    const uint64_t removals = 2 + random.Below(4);  // the smaller, the smaller the index
    for (int step = 0; step < 600; ++step) {
      if (random.OneIn(removals)) {
        intervals.RemoveAny(&random);
      } else {
        InsertAny(&random, &intervals);
      }
      intervals.Check();
      intervals.Compare(RandomKey(&random));
      if (::testing::Test::HasFatalFailure()) {
        return;
      }
    }
    for (int step = 0; step < 600; ++step) {
      intervals.RemoveAny(&random);
      intervals.Check();
      intervals.Compare(RandomKey(&random));
    }
  }
}

TEST(IntervalIndex, StaysFlatWhenIntervalsComeInOrder) {
  constexpr int kIntervals = 4096;
  std::vector<IntervalNode> nodes(kIntervals);
  IntervalIndex index;
  for (int i = 0; i < kIntervals; ++i) {
    nodes[static_cast<size_t>(i)].begin = fmt::format("{:06}", i);
    nodes[static_cast<size_t>(i)].end = fmt::format("{:06}", i + 1);
    index.Insert(&nodes[static_cast<size_t>(i)]);
  }
  index.CheckInvariants();  // balance included
  int found = 0;
  index.VisitContaining("002000x", [&found](const IntervalNode* node) {
    EXPECT_EQ(node->begin, "002000");
    ++found;
  });
  EXPECT_EQ(found, 1);
  for (IntervalNode& node : nodes) {
    index.Remove(&node);
  }
  EXPECT_EQ(index.size(), 0U);
}

TEST(IntervalIndex, BeginsAreInAndEndsAreOut) {
  IntervalNode closed;
  closed.begin = "b";
  closed.end = "d";
  IntervalNode open;
  open.begin = "c";
  open.is_open = true;
  IntervalIndex index;
  index.Insert(&closed);
  index.Insert(&open);
  const auto containing = [&index](std::string_view key) {
    std::vector<const IntervalNode*> found;
    index.VisitContaining(key, [&found](IntervalNode* node) { found.push_back(node); });
    return found;
  };
  EXPECT_THAT(containing("a\xff"), IsEmpty());
  EXPECT_THAT(containing("b"), ElementsAre(&closed));
  EXPECT_THAT(containing("c"), ElementsAre(&closed, &open));
  EXPECT_THAT(containing("d"), ElementsAre(&open));
  EXPECT_THAT(containing("\xff\xff"), ElementsAre(&open));
}

}  // namespace
}  // namespace socle::mvcc
