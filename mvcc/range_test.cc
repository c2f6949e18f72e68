#include "mvcc/range.h"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/store.h"

namespace socle::mvcc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kZero(1, '\0');

// a … e at revisions 2 … 6, values 5 … 1; then b again at 7.
class RangeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    StoreOptions options;
    options.directory = "/s";
    options.env = &env_;
    options.map_size_bytes = uint64_t{64} << 20U;
    options.wal_segment_bytes = 1 << 16;
    store_ = Store::Open(options).value();
    for (int i = 0; i < 5; ++i) {
      Put(std::string(1, static_cast<char>('a' + i)), std::to_string(5 - i));
    }
    Put("b", "9");
  }

  void Put(const std::string& key, const std::string& value) {
    ASSERT_THAT(store_->Put({.key = key, .value = value}), IsOk());
  }

  std::vector<std::string> Keys(RangeRequest request) {
    const auto result = store_->Range(request);
    EXPECT_THAT(result, IsOk());
    std::vector<std::string> keys;
    if (result.ok()) {
      more_ = result->more;
      count_ = result->count;
      for (const KeyValueView& kv : result->kvs) {
        keys.emplace_back(kv.key);
      }
    }
    return keys;
  }

  FaultEnv env_{1};
  std::unique_ptr<Store> store_;
  bool more_ = false;
  int64_t count_ = -1;
};

TEST_F(RangeTest, CountsWhatLimitAndFiltersLeaveOut) {  // Trap 3.
  EXPECT_THAT(Keys({.key = "a", .range_end = "e", .limit = 2}), ElementsAre("a", "b"));
  EXPECT_TRUE(more_);
  EXPECT_EQ(count_, 4);
  EXPECT_THAT(Keys({.key = "a", .range_end = kZero, .limit = 1, .min_mod_revision = 5}),
              ElementsAre("b"));
  EXPECT_TRUE(more_);
  EXPECT_EQ(count_, 5);
  EXPECT_THAT(Keys({.key = "a", .range_end = kZero, .max_create_revision = 3}),
              ElementsAre("a", "b"));
  EXPECT_FALSE(more_);
  EXPECT_EQ(count_, 5);
  EXPECT_THAT(Keys({.key = "a", .range_end = kZero, .limit = 1, .count_only = true}), IsEmpty());
  EXPECT_FALSE(more_);
  EXPECT_EQ(count_, 5);
}

TEST_F(RangeTest, CutsBeforeItSortsByATargetWithoutOrder) {  // Trap 4.
  // The first limit + 1 in key order are a=5, b=9, c=3: sorted by value c, a, b.
  EXPECT_THAT(Keys({.key = "a", .range_end = kZero, .limit = 2, .sort_target = SortTarget::kValue}),
              ElementsAre("c", "a"));
  EXPECT_TRUE(more_);
  EXPECT_THAT(Keys({.key = "a",
                    .range_end = kZero,
                    .limit = 2,
                    .sort_order = SortOrder::kAscend,
                    .sort_target = SortTarget::kValue}),
              ElementsAre("e", "d"));
}

TEST_F(RangeTest, SortsByEveryTarget) {
  const auto sorted = [this](SortOrder order, SortTarget target) {
    return Keys(
        {.key = "a", .range_end = kZero, .limit = 3, .sort_order = order, .sort_target = target});
  };
  EXPECT_THAT(sorted(SortOrder::kDescend, SortTarget::kKey), ElementsAre("e", "d", "c"));
  EXPECT_THAT(sorted(SortOrder::kDescend, SortTarget::kVersion), ElementsAre("b", "a", "c"));
  EXPECT_THAT(sorted(SortOrder::kDescend, SortTarget::kCreate), ElementsAre("e", "d", "c"));
  EXPECT_THAT(sorted(SortOrder::kDescend, SortTarget::kMod), ElementsAre("b", "e", "d"));
  EXPECT_THAT(sorted(SortOrder::kAscend, SortTarget::kMod), ElementsAre("a", "c", "d"));
  EXPECT_THAT(sorted(SortOrder::kDescend, SortTarget::kValue), ElementsAre("b", "a", "c"));
}

TEST_F(RangeTest, SortsByValueBeforeItDropsValues) {
  const auto result = store_->Range({.key = "a",
                                     .range_end = kZero,
                                     .sort_order = SortOrder::kAscend,
                                     .sort_target = SortTarget::kValue,
                                     .keys_only = true});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->kvs[0].key, "e");
  EXPECT_EQ(result->kvs[0].value, "");
}

TEST_F(RangeTest, GivesRecordsAsStoredWhereKeysComeWholeInTheirOrderAndUnfiltered) {
  const RangeRequest all = {.key = "a", .range_end = kZero, .limit = 3, .as_records = true};
  const auto records = store_->Range(all);
  ASSERT_THAT(records, IsOk());
  EXPECT_TRUE(records->kvs.empty());
  EXPECT_TRUE(records->more);
  EXPECT_EQ(records->count, 5);
  RangeRequest decoded = all;
  decoded.as_records = false;
  const auto kvs = store_->Range(decoded);
  ASSERT_THAT(kvs, IsOk());
  ASSERT_EQ(records->records.size(), kvs->kvs.size());
  for (size_t i = 0; i < kvs->kvs.size(); ++i) {
    std::string bytes;
    AppendRecord(kvs->kvs[i], &bytes);
    EXPECT_EQ(records->records[i], bytes);
  }
  // Whatever else is asked for, the answer is the same with the wish and without it.
  std::vector<RangeRequest> others(5, all);
  others[0].keys_only = true;
  others[1].sort_order = SortOrder::kDescend;
  others[2].sort_target = SortTarget::kValue;
  others[3].min_mod_revision = 2;
  others[4].count_only = true;
  for (const RangeRequest& other : others) {
    const auto wished = store_->Range(other);
    RangeRequest plain = other;
    plain.as_records = false;
    const auto given = store_->Range(plain);
    ASSERT_THAT(wished, IsOk());
    EXPECT_TRUE(wished->records.empty());
    ASSERT_EQ(wished->kvs.size(), given->kvs.size());
    for (size_t i = 0; i < given->kvs.size(); ++i) {
      EXPECT_EQ(wished->kvs[i].key, given->kvs[i].key);
    }
    EXPECT_EQ(wished->count, given->count);
  }
}

TEST_F(RangeTest, TakesRangesAsTheyAreGiven) {
  EXPECT_THAT(Keys({.key = "b"}), ElementsAre("b"));
  EXPECT_THAT(Keys({.key = "b", .range_end = "d"}), ElementsAre("b", "c"));
  EXPECT_THAT(Keys({.key = "d", .range_end = kZero}), ElementsAre("d", "e"));
  EXPECT_THAT(Keys({.key = kZero, .range_end = kZero, .limit = 1}), ElementsAre("a"));
  EXPECT_THAT(Keys({.key = "d", .range_end = "b"}), IsEmpty());
  EXPECT_EQ(count_, 0);
  EXPECT_THAT(Keys({.key = "d", .range_end = "b", .count_only = true}), IsEmpty());
  EXPECT_EQ(count_, 0);
  EXPECT_THAT(Keys({.key = "a", .range_end = kZero, .limit = -1, .revision = -1}),
              ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(Keys({.key = "a", .range_end = kZero, .limit = INT64_MAX}),
              ElementsAre("a", "b", "c", "d", "e"));
}

}  // namespace
}  // namespace socle::mvcc
