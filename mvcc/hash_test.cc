#include "mvcc/hash.h"

#include <cstdint>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "kv/base/clock.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"
#include "mvcc/errors.h"
#include "mvcc/store.h"

namespace socle::mvcc {
namespace {

class HashTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = Store::Open({.directory = dir_.path(),
                              .batch_interval_nanos = 5 * kNanosPerMilli,
                              .wal_segment_bytes = 1 << 20});
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
    // What Debian's etcd 3.4.23 was given when it answered with the numbers below.
    Put("a", "1");
    Put("a", "2");
    Put("b", "1");
    Delete("b", "");
    Put("c", "1");
  }

  void Put(const std::string& key, const std::string& value) {
    ASSERT_THAT(store_->Put({.key = key, .value = value}), IsOk());
  }

  void Delete(const std::string& key, const std::string& range_end) {
    ASSERT_THAT(store_->DeleteRange({.key = key, .range_end = range_end}), IsOk());
  }

  uint32_t HashAt(int64_t revision) {
    const auto hash = store_->HashKv(revision);
    EXPECT_THAT(hash, IsOk());
    return hash.ok() ? hash->hash : 0;
  }

  TempDir dir_;
  std::unique_ptr<Store> store_;
};

TEST_F(HashTest, EqualsEtcdsOnAHistoryThatWasNeverCompacted) {
  EXPECT_EQ(HashAt(1), 1084519789U);
  EXPECT_EQ(HashAt(2), 2587454935U);
  EXPECT_EQ(HashAt(3), 535221974U);
  EXPECT_EQ(HashAt(6), 1932411858U);
  const auto newest = store_->HashKv(0);
  ASSERT_THAT(newest, IsOk());
  EXPECT_EQ(newest->hash, 1932411858U);
  EXPECT_EQ(newest->current_revision, 6);
  EXPECT_EQ(newest->compact_revision, -1);
  EXPECT_EQ(newest->hash_revision, 6);
}

TEST_F(HashTest, EqualsEtcdsAfterCompactionsFinishedOrNot) {
  for (const bool physical : {false, true}) {
    const int64_t compacted = physical ? 6 : 4;
    ASSERT_THAT(store_->Compact(compacted, physical), IsOk());
    if (physical) {
      EXPECT_EQ(HashAt(0), 1623901177U);
      EXPECT_EQ(HashAt(6), 1623901177U);
    } else {
      EXPECT_EQ(HashAt(0), 3861387746U);
      EXPECT_EQ(HashAt(5), 1702593555U);
    }
    EXPECT_EQ(store_->HashKv(0)->compact_revision, compacted);
  }
}

TEST_F(HashTest, EqualsEtcdsWhenNothingIsAliveAnyMore) {
  ASSERT_THAT(store_->Compact(4), IsOk());
  ASSERT_THAT(store_->Compact(6), IsOk());
  Delete(std::string(1, '\0'), std::string(1, '\0'));
  EXPECT_EQ(HashAt(7), 200118920U);
  EXPECT_EQ(HashAt(0), 200118920U);
}

// etcd 3.4.23 drops the tombstone, newer ones and this store keep it (trap 23).
TEST_F(HashTest, EqualsEtcdsWithATombstoneExactlyAtTheCompactRevision) {
  Delete("c", "");
  ASSERT_THAT(store_->Compact(7, /*physical=*/true), IsOk());
  EXPECT_EQ(HashAt(0), 1483641527U);
}

TEST_F(HashTest, RefusesRevisionsThatAreCompactedOrStillToCome) {
  EXPECT_EQ(ErrorOf(store_->HashKv(7).status()), StoreError::kFutureRevision);
  ASSERT_THAT(store_->Compact(4), IsOk());
  EXPECT_EQ(ErrorOf(store_->HashKv(3).status()), StoreError::kCompacted);
  EXPECT_THAT(store_->HashKv(4), IsOk());
}

TEST_F(HashTest, SurvivesARestart) {
  ASSERT_THAT(store_->Compact(4), IsOk());
  store_.reset();
  auto store = Store::Open({.directory = dir_.path(), .wal_segment_bytes = 1 << 20});
  ASSERT_THAT(store, IsOk());
  store_ = *std::move(store);
  EXPECT_EQ(HashAt(0), 3861387746U);
  EXPECT_EQ(HashAt(5), 1702593555U);
}

TEST_F(HashTest, OfAllBucketsLeavesOutWhatDiffersBetweenEqualStores) {
  const auto before = store_->Hash();
  ASSERT_THAT(before, IsOk());
  // Moves the log index, and with it the digest, but no bucket.
  EXPECT_FALSE(store_->Compact(100).ok());
  EXPECT_EQ(*store_->Hash(), *before);
  ASSERT_THAT(store_->WriteSystem({{.bucket = "alarm", .key = "k", .value = "v"}}), IsOk());
  EXPECT_NE(*store_->Hash(), *before);
}

}  // namespace
}  // namespace socle::mvcc
