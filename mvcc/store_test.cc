#include "mvcc/store.h"

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/fault_env.h"
#include "kv/testing/temp_dir.h"
#include "mvcc/errors.h"

namespace socle::mvcc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }

  void TearDown() override {
    if (store_ != nullptr) {
      EXPECT_TRUE(store_->Check().ok()) << store_->Check();
    }
  }

  void Open() {
    StoreOptions options;
    options.directory = dir_.path();
    options.wal_segment_bytes = 1 << 20;
    options.batch_interval_nanos = 5 * kNanosPerMilli;
    auto store = Store::Open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  void Reopen() {
    store_.reset();
    Open();
  }

  int64_t Put(const std::string& key, const std::string& value) {
    const auto result = store_->Put({.key = key, .value = value});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->revision : -1;
  }

  int64_t Delete(const std::string& key, const std::string& range_end = "") {
    const auto result = store_->DeleteRange({.key = key, .range_end = range_end});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->deleted : -1;
  }

  // "key=value" of everything at the revision.
  std::vector<std::string> All(int64_t revision = 0) {
    const auto result = store_->Range(
        {.key = std::string(1, '\0'), .range_end = std::string(1, '\0'), .revision = revision});
    EXPECT_TRUE(result.ok()) << result.status();
    std::vector<std::string> pairs;
    if (result.ok()) {
      for (const KeyValueView& kv : result->kvs) {
        pairs.push_back(std::string(kv.key) + "=" + std::string(kv.value));
      }
    }
    return pairs;
  }

  TempDir dir_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, StartsAtRevisionOneAndCountsEveryWrite) {
  EXPECT_EQ(store_->current_revision(), 1);
  EXPECT_EQ(store_->compact_revision(), -1);
  EXPECT_EQ(Put("a", "1"), 2);
  EXPECT_EQ(Put("a", "1"), 3);  // The same value again is a new revision.
  EXPECT_EQ(Delete("none"), 0);
  EXPECT_EQ(store_->current_revision(), 3);
}

TEST_F(StoreTest, ReadsOldRevisionsThroughDeletionAndRecreation) {
  Put("a", "1");
  Put("a", "2");
  Delete("a");
  Put("a", "3");
  EXPECT_THAT(All(2), ElementsAre("a=1"));
  EXPECT_THAT(All(3), ElementsAre("a=2"));
  EXPECT_THAT(All(4), IsEmpty());
  EXPECT_THAT(All(5), ElementsAre("a=3"));
  const auto now = store_->Range({.key = "a"});
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(now->kvs[0].create_revision, 5);
  EXPECT_EQ(now->kvs[0].version, 1);
  const auto before = store_->Range({.key = "a", .revision = 3});
  ASSERT_TRUE(before.ok());
  EXPECT_EQ(before->kvs[0].create_revision, 2);
  EXPECT_EQ(before->kvs[0].version, 2);
}

TEST_F(StoreTest, KeepsEverythingOverAReopen) {
  for (int i = 0; i < 100; ++i) {
    Put("key" + std::to_string(i % 10), std::to_string(i));
  }
  Delete("key3");
  const auto before = All();
  const auto old = All(50);
  Reopen();
  EXPECT_EQ(store_->current_revision(), 102);
  EXPECT_EQ(All(), before);
  EXPECT_EQ(All(50), old);
}

TEST_F(StoreTest, CompactionRefusesReadsBelowAndKeepsWhatLives) {
  Put("a", "1");
  Put("a", "2");
  Put("b", "1");
  Delete("b");
  Put("c", "1");
  const auto compacted = store_->Compact(5, /*physical=*/true);
  ASSERT_TRUE(compacted.ok()) << compacted.status();
  EXPECT_EQ(ErrorOf(store_->Range({.key = "a", .revision = 4}).status()), StoreError::kCompacted);
  EXPECT_THAT(All(5), ElementsAre("a=2"));
  EXPECT_THAT(All(), ElementsAre("a=2", "c=1"));
  EXPECT_EQ(ErrorOf(store_->Compact(5).status()), StoreError::kCompacted);
  EXPECT_EQ(ErrorOf(store_->Compact(7).status()), StoreError::kFutureRevision);
  Reopen();
  EXPECT_EQ(store_->compact_revision(), 5);
  EXPECT_EQ(store_->current_revision(), 6);
  EXPECT_THAT(All(5), ElementsAre("a=2"));
}

TEST_F(StoreTest, CurrentRevisionNeverFallsBelowACompactedTombstone) {
  Put("a", "1");
  Delete("a");
  Put("b", "1");
  Delete("b");
  ASSERT_TRUE(store_->Compact(5, /*physical=*/true).ok());
  Reopen();
  EXPECT_EQ(store_->current_revision(), 5);  // etcd#17780
}

TEST_F(StoreTest, TxnComparesSeeTheStateBeforeAndAllChangesShareARevision) {
  Put("a", "1");
  TxnRequest txn;
  txn.compares.push_back({.target = CompareTarget::kValue, .key = "a", .value = "1"});
  txn.success.emplace_back(PutRequest{.key = "b", .value = "2", .prev_kv = true});
  txn.success.emplace_back(RangeRequest{.key = "b"});
  txn.success.emplace_back(DeleteRangeRequest{.key = "a"});
  const auto result = store_->Txn(std::move(txn));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->succeeded);
  EXPECT_EQ(result->revision, 3);
  const auto& range = std::get<RangeResult>(result->responses[1]);
  ASSERT_EQ(range.kvs.size(), 1U);
  EXPECT_EQ(range.kvs[0].mod_revision, 3);
  EXPECT_THAT(All(), ElementsAre("b=2"));
}

TEST_F(StoreTest, ValueCompareOnAMissingKeyIsFalseEvenForNotEqual) {
  TxnRequest txn;
  txn.compares.push_back(
      {.op = CompareOp::kNotEqual, .target = CompareTarget::kValue, .key = "a", .value = "1"});
  const auto result = store_->Txn(std::move(txn));
  ASSERT_TRUE(result.ok());
  EXPECT_FALSE(result->succeeded);
}

TEST_F(StoreTest, AFailingCheckInATxnHasNoEffect) {
  TxnRequest txn;
  txn.success.emplace_back(PutRequest{.key = "a", .value = "1"});
  txn.success.emplace_back(PutRequest{.key = "b", .value = "", .ignore_value = true});
  EXPECT_EQ(ErrorOf(store_->Txn(std::move(txn)).status()), StoreError::kKeyNotFound);
  EXPECT_EQ(store_->current_revision(), 1);
  EXPECT_THAT(All(), IsEmpty());
}

TEST_F(StoreTest, PutOnAnUnknownLeaseIsRefused) {
  EXPECT_EQ(ErrorOf(store_->Put({.key = "a", .lease = LeaseId{7}}).status()),
            StoreError::kLeaseNotFound);
}

TEST_F(StoreTest, OneResultOutlivesCommitsAndCompaction) {
  Put("a", "held");
  auto held = store_->Range({.key = "a"});
  ASSERT_TRUE(held.ok());
  for (int i = 0; i < 2000; ++i) {
    Put("a", "x" + std::to_string(i));
  }
  ASSERT_TRUE(store_->Compact(1500, /*physical=*/true).ok());
  EXPECT_EQ(held->kvs[0].value, "held");
  held = absl::CancelledError();
}

TEST_F(StoreTest, ASystemBucketIsReadBackAndSurvives) {
  ASSERT_TRUE(store_->WriteSystem({{.bucket = "alarm", .key = "k", .value = "v"}}).ok());
  const auto read = store_->ReadSystem("alarm");
  ASSERT_TRUE(read.ok());
  EXPECT_THAT(*read, ElementsAre(std::pair<std::string, std::string>("k", "v")));
  EXPECT_EQ(store_->current_revision(), 1);
  Reopen();
  EXPECT_THAT(*store_->ReadSystem("alarm"),
              ElementsAre(std::pair<std::string, std::string>("k", "v")));
  for (const char* const bucket : {"nope", "key", "lease"}) {
    EXPECT_FALSE(store_->WriteSystem({{.bucket = bucket, .key = "k", .value = "v"}}).ok())
        << bucket;
  }
}

TEST(StoreMemory, WritersWaitForTheCommitterAndLoseNothing) {
  const TempDir dir;
  StoreOptions options;
  options.directory = dir.path();
  options.batch_interval_nanos = 3600 * kNanosPerSecond;  // Only memory makes it commit.
  options.pending_bytes_max = 256 << 10;
  constexpr int kPuts = 60;
  for (int round = 0; round < 2; ++round) {
    SCOPED_TRACE(round);
    const auto store = Store::Open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    for (int i = 0; round == 0 && i < kPuts; ++i) {
      const std::string value(32 << 10, static_cast<char>('a' + i % 26));
      ASSERT_TRUE((*store)->Put({.key = "key" + std::to_string(i), .value = value}).ok());
    }
    EXPECT_EQ((*store)->current_revision(), kPuts + 1);
    for (int i = 0; i < kPuts; ++i) {
      const auto found = (*store)->Range({.key = "key" + std::to_string(i)});
      ASSERT_TRUE(found.ok());
      ASSERT_EQ(found->kvs.size(), 1U);
      EXPECT_EQ(found->kvs[0].value.front(), static_cast<char>('a' + i % 26));
    }
    if (round == 0) {
      EXPECT_GT((*store)->Stats().commits, 2U);
    }
  }
}

TEST_F(StoreTest, ShrinksItsFileWhileReadsAndWritesGoOn) {
  constexpr int kKeys = 3000;
  const auto name = [](int i) { return fmt::format("key{:05}", i); };
  std::atomic<int> open{0};
  const auto put_later = [&](const std::string& key, const std::string& value) {
    ++open;
    store_->Put({.key = key, .value = value}, [&open](const absl::StatusOr<PutResult>& result) {
      EXPECT_TRUE(result.ok()) << result.status();
      --open;
    });
  };
  for (int i = 0; i < kKeys; ++i) {
    put_later(name(i), std::string(1000, 'v'));
  }
  Put(name(0), "first");
  auto held = store_->Range({.key = name(1)});
  ASSERT_TRUE(held.ok());
  Delete(name(1), name(kKeys));
  ASSERT_TRUE(store_->Compact(store_->current_revision(), true).ok());
  ASSERT_TRUE(store_->CommitAndRead().ok());
  const uint64_t full = store_->Stats().db_size_bytes;
  EXPECT_GT(full, 3'000'000U);
  EXPECT_EQ(held->kvs[0].value, std::string(1000, 'v'));
  held = absl::UnknownError("let go");

  std::optional<absl::StatusOr<uint64_t>> shrunk;
  std::atomic<bool> is_shrunk{false};
  store_->Shrink([&](absl::StatusOr<uint64_t> bytes) {
    shrunk = std::move(bytes);
    is_shrunk = true;
  });
  int writes = 0;
  while (!is_shrunk) {
    Put("busy", std::to_string(++writes));
    ASSERT_THAT(All(), testing::Contains("busy=" + std::to_string(writes)));
  }
  ASSERT_TRUE(shrunk->ok()) << shrunk->status();
  EXPECT_LT(**shrunk, full / 5);
  EXPECT_EQ(open, 0);
  EXPECT_LT(store_->Stats().db_size_bytes, full / 5);
  const auto before = All();
  EXPECT_THAT(before, ElementsAre("busy=" + std::to_string(writes), name(0) + "=first"));
  Reopen();
  EXPECT_EQ(All(), before);
}

TEST_F(StoreTest, ShrinkingThatIsStoppedAnswers) {
  store_->StopShrinking();
  EXPECT_EQ(ErrorOf(store_->Shrink().status()), StoreError::kStopped);
}

TEST(StoreIdle, WritesNothingOnceAllIsCommittedAndShrunk) {
  FaultEnv env(1);
  StoreOptions options;
  options.env = &env;
  options.directory = "/s";
  options.map_size_bytes = uint64_t{256} << 20U;
  options.wal_segment_bytes = 1 << 20;
  options.batch_interval_nanos = kNanosPerMilli;
  options.shrink_free_ratio = 0.2;
  const auto store = Store::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE((*store)->Put({.key = "key", .value = std::string(20'000, 'v')}).ok());
  }
  ASSERT_TRUE((*store)->Compact((*store)->current_revision(), true).ok());
  ASSERT_TRUE((*store)->Shrink().ok());
  // The log may still be preparing segments: it comes to rest.
  uint64_t calls = 0;
  for (int quiet = 0; quiet < 10;) {
    const uint64_t now = env.mutating_calls();
    quiet = now == calls ? quiet + 1 : 0;
    calls = now;
    Clock::Real()->SleepFor(10 * kNanosPerMilli);  // many batch intervals
  }
  EXPECT_LT((*store)->Stats().db_size_bytes, 400'000U);
  EXPECT_EQ(env.mutating_calls(), calls);
}

TEST_F(StoreTest, ADirectoryInUseIsRefused) {
  const auto second = Store::Open({.directory = dir_.path()});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition) << second.status();
}

}  // namespace
}  // namespace socle::mvcc
