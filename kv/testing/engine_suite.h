// EngineSuite: what every Engine must do; a folder instantiates it for its configurations.
//
//   INSTANTIATE_TEST_SUITE_P(Bolt, EngineSuite, testing::ValuesIn(Cases()), EngineCaseName);
//
// Laws     1. Each test ends with Engine::Check.
// Source   kv/engine.h laws 1 to 4.
#ifndef SOCLE_KV_TESTING_ENGINE_SUITE_H_
#define SOCLE_KV_TESTING_ENGINE_SUITE_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/engine.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::kv {

// One engine in one configuration.
struct EngineCase {
  std::string name;
  // Opens, or creates, the store in a directory.
  std::function<absl::StatusOr<std::unique_ptr<Engine>>(const std::string& directory)> open;
};

inline std::string EngineCaseName(const testing::TestParamInfo<EngineCase>& row) {
  return row.param.name;
}

class EngineSuite : public testing::TestWithParam<EngineCase> {
 protected:
  using Entries = std::vector<std::pair<std::string, std::string>>;

  void SetUp() override { Reopen(); }

  void TearDown() override {
    if (engine_ != nullptr) {
      EXPECT_OK(engine_->Check());
    }
  }

  void Reopen() {
    engine_.reset();
    ASSERT_OK_AND_ASSIGN(engine_, GetParam().open(dir_.path()));
  }

  std::unique_ptr<ReadTxn> Read() {
    auto txn = engine_->BeginRead();
    EXPECT_OK(txn);
    return *std::move(txn);
  }

  std::unique_ptr<WriteTxn> Write() {
    auto txn = engine_->BeginWrite();
    EXPECT_OK(txn);
    return *std::move(txn);
  }

  // One commit that makes the bucket and puts the entries.
  void CommitPuts(std::string_view bucket, const Entries& entries) {
    const auto txn = Write();
    ASSERT_OK(txn->CreateBucket(bucket));
    for (const auto& [key, value] : entries) {
      ASSERT_OK(txn->Put(bucket, key, value));
    }
    ASSERT_OK(txn->Commit());
  }

  static std::optional<std::string> Get(const ReadTxn& txn, std::string_view bucket,
                                        std::string_view key) {
    const auto value = txn.Get(bucket, key);
    EXPECT_OK(value);
    return value.ok() && value->has_value() ? std::optional<std::string>(**value) : std::nullopt;
  }

  static Entries All(const ReadTxn& txn, std::string_view bucket) {
    Entries entries;
    const auto cursor = txn.NewCursor(bucket);
    EXPECT_OK(cursor);
    for ((*cursor)->SeekToFirst(); (*cursor)->Valid(); (*cursor)->Next()) {
      entries.emplace_back((*cursor)->key(), (*cursor)->value());
    }
    EXPECT_OK((*cursor)->status());
    return entries;
  }

  TempDir dir_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(EngineSuite, StartsWithoutBuckets) {
  const auto txn = Read();
  EXPECT_THAT(txn->Buckets(), IsOkAndHolds(testing::IsEmpty()));
  EXPECT_EQ(Get(*txn, "b", "k"), std::nullopt);
  EXPECT_THAT(All(*txn, "b"), testing::IsEmpty());
}

TEST_P(EngineSuite, ShowsACommitToLaterReadersOnly) {
  CommitPuts("b", {{"k", "1"}});
  const auto before = Read();
  CommitPuts("b", {{"k", "2"}, {"l", "3"}});
  const auto after = Read();
  EXPECT_EQ(Get(*before, "b", "k"), "1");
  EXPECT_THAT(All(*before, "b"), testing::ElementsAre(testing::Pair("k", "1")));
  EXPECT_EQ(Get(*after, "b", "k"), "2");
  EXPECT_EQ(Get(*after, "b", "l"), "3");
  EXPECT_LT(before->txid(), after->txid());
  EXPECT_EQ(engine_->open_reads(), 2U);
}

TEST_P(EngineSuite, HidesUncommittedChanges) {
  CommitPuts("b", {{"k", "1"}});
  const auto txn = Write();
  ASSERT_OK(txn->Put("b", "k", "2"));
  EXPECT_EQ(Get(*Read(), "b", "k"), "1");
  EXPECT_THAT(txn->Get("b", "k"), IsOkAndHolds(testing::Optional(testing::Eq("2"))));
  txn->Rollback();
}

TEST_P(EngineSuite, ForgetsWhatIsRolledBack) {
  CommitPuts("b", {{"k", "1"}});
  {
    const auto txn = Write();
    ASSERT_OK(txn->Put("b", "k", "2"));
    ASSERT_OK(txn->CreateBucket("c"));
    ASSERT_OK(txn->Delete("b", "k"));
  }
  EXPECT_EQ(Get(*Read(), "b", "k"), "1");
  EXPECT_THAT(Read()->Buckets(), IsOkAndHolds(testing::ElementsAre("b")));
}

TEST_P(EngineSuite, KeepsEverythingAcrossReopen) {
  CommitPuts("b", {{"k", "1"}, {"empty", ""}});
  CommitPuts("a", {});
  Reopen();
  const auto txn = Read();
  EXPECT_THAT(txn->Buckets(), IsOkAndHolds(testing::ElementsAre("a", "b")));
  EXPECT_EQ(Get(*txn, "b", "k"), "1");
  EXPECT_EQ(Get(*txn, "b", "empty"), "");
}

TEST_P(EngineSuite, DeletesKeysAndToleratesMissingOnes) {
  CommitPuts("b", {{"j", "0"}, {"k", "1"}});
  const auto txn = Write();
  ASSERT_OK(txn->Delete("b", "k"));
  ASSERT_OK(txn->Delete("b", "k"));
  ASSERT_OK(txn->Delete("b", "never"));
  EXPECT_THAT(txn->Get("b", "k"), IsOkAndHolds(std::nullopt));
  ASSERT_OK(txn->Commit());
  EXPECT_THAT(All(*Read(), "b"), testing::ElementsAre(testing::Pair("j", "0")));
}

TEST_P(EngineSuite, RefusesChangesInAMissingBucket) {
  const auto txn = Write();
  EXPECT_THAT(txn->Put("b", "k", "v"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(txn->Delete("b", "k"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(txn->DeleteBucket("b"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(txn->CreateBucket("b"));
  EXPECT_OK(txn->Put("b", "k", "v"));
  EXPECT_OK(txn->Commit());
}

TEST_P(EngineSuite, RefusesKeysOfImpossibleSize) {
  const auto txn = Write();
  ASSERT_OK(txn->CreateBucket("b"));
  EXPECT_THAT(txn->Put("b", "", "v"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(txn->Put("b", std::string(32769, 'k'), "v"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_OK(txn->Put("b", std::string(32768, 'k'), "v"));
  EXPECT_OK(txn->Commit());
  EXPECT_EQ(Get(*Read(), "b", std::string(32768, 'k')), "v");
}

TEST_P(EngineSuite, CreatesABucketOnceAndDropsItWhole) {
  Entries many;
  for (int i = 0; i < 2000; ++i) {
    many.emplace_back("key" + std::to_string(i), std::string(100, 'v'));
  }
  CommitPuts("b", many);
  CommitPuts("c", {{"k", "1"}});
  {
    const auto txn = Write();
    ASSERT_OK(txn->CreateBucket("b"));
    EXPECT_THAT(txn->Get("b", "key7"), IsOkAndHolds(testing::Optional(testing::_)));
    ASSERT_OK(txn->DeleteBucket("b"));
    ASSERT_OK(txn->Commit());
  }
  const auto txn = Read();
  EXPECT_THAT(txn->Buckets(), IsOkAndHolds(testing::ElementsAre("c")));
  EXPECT_EQ(Get(*txn, "b", "key7"), std::nullopt);
}

TEST_P(EngineSuite, RecreatesADroppedBucketInTheSameTransaction) {
  CommitPuts("b", {{"k", "1"}});
  const auto txn = Write();
  ASSERT_OK(txn->Put("b", "l", "2"));
  ASSERT_OK(txn->DeleteBucket("b"));
  ASSERT_OK(txn->CreateBucket("b"));
  ASSERT_OK(txn->Put("b", "m", "3"));
  ASSERT_OK(txn->Commit());
  EXPECT_THAT(All(*Read(), "b"), testing::ElementsAre(testing::Pair("m", "3")));
}

TEST_P(EngineSuite, KeepsTheCommitNumberWhenNothingChanged) {
  CommitPuts("b", {{"k", "1"}});
  const uint64_t before = Read()->txid();
  const auto txn = Write();
  ASSERT_OK(txn->Commit());
  EXPECT_EQ(Read()->txid(), before);
}

TEST_P(EngineSuite, StoresLargeValues) {
  const std::string large(1 << 20, 'x');
  CommitPuts("b", {{"a", "1"}, {"k", large}, {"z", "2"}});
  EXPECT_EQ(Get(*Read(), "b", "k"), large);
  CommitPuts("b", {{"k", large + large}});
  EXPECT_EQ(Get(*Read(), "b", "k"), large + large);
  CommitPuts("b", {{"k", "small"}});
  EXPECT_THAT(All(*Read(), "b"),
              testing::ElementsAre(testing::Pair("a", "1"), testing::Pair("k", "small"),
                                   testing::Pair("z", "2")));
}

TEST_P(EngineSuite, MovesACursorBothWays) {
  Entries entries;
  for (int i = 100; i < 1000; ++i) {
    entries.emplace_back(std::to_string(2 * i), std::string(50, 'v'));
  }
  std::sort(entries.begin(), entries.end());
  CommitPuts("b", entries);
  const auto txn = Read();
  ASSERT_OK_AND_ASSIGN(const auto cursor, txn->NewCursor("b"));
  EXPECT_FALSE(cursor->Valid());
  cursor->SeekToLast();
  for (size_t i = entries.size(); i-- > 0;) {
    ASSERT_TRUE(cursor->Valid());
    ASSERT_EQ(cursor->key(), entries[i].first);
    cursor->Prev();
  }
  EXPECT_FALSE(cursor->Valid());
  for (size_t i = 0; i < entries.size(); ++i) {
    cursor->Seek(entries[i].first);
    ASSERT_TRUE(cursor->Valid());
    ASSERT_EQ(cursor->key(), entries[i].first);
    cursor->Seek(entries[i].first + "0");
    ASSERT_EQ(cursor->Valid(), i + 1 < entries.size());
    if (cursor->Valid()) {
      ASSERT_EQ(cursor->key(), entries[i + 1].first);
      cursor->Prev();
      ASSERT_EQ(cursor->key(), entries[i].first);
    }
  }
  cursor->Seek("");
  EXPECT_EQ(cursor->key(), entries.front().first);
  cursor->Seek("z");
  EXPECT_FALSE(cursor->Valid());
  EXPECT_OK(cursor->status());
}

TEST_P(EngineSuite, ReportsSizes) {
  CommitPuts("b", {{"k", std::string(100'000, 'v')}});
  const EngineSize size = engine_->Size();
  EXPECT_GT(size.in_use_bytes, 100'000U);
  EXPECT_LE(size.in_use_bytes, size.total_bytes);
}

}  // namespace socle::kv

#endif  // SOCLE_KV_TESTING_ENGINE_SUITE_H_
