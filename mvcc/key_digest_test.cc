#include "mvcc/key_digest.h"

#include <memory>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/bolt/bolt_engine.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/record.h"
#include "mvcc/revision.h"
#include "mvcc/schema.h"
#include "mvcc/store.h"

namespace socle::mvcc {
namespace {

using ::testing::HasSubstr;

TEST(KeyDigest, DoesNotDependOnTheOrderAndForgetsWhatIsSubtracted) {
  KeyDigest left;
  left.Add("k1", "v1");
  left.Add("k2", "v2");
  KeyDigest right;
  right.Add("k2", "v2");
  right.Add("k3", "v3");
  right.Add("k1", "v1");
  EXPECT_NE(left, right);
  right.Subtract("k3", "v3");
  EXPECT_EQ(left, right);
  KeyDigest half;
  half.Add("k1", "v1");
  KeyDigest other_half;
  other_half.Add("k2", "v2");
  half.Add(other_half);
  EXPECT_EQ(half, left);
}

// A store whose pages are changed behind its back.
class TamperedStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Open();
    for (int i = 0; i < 50; ++i) {
      ASSERT_THAT(store_->Put({.key = "k" + std::to_string(i % 20), .value = "v"}), IsOk());
    }
    ASSERT_THAT(store_->DeleteRange({.key = "k3"}), IsOk());
    ASSERT_THAT(store_->Compact(30, /*physical=*/true), IsOk());
    ASSERT_THAT(store_->Put({.key = "last", .value = "v"}), IsOk());
  }

  void Open() {
    auto store = Store::Open({.directory = "/s",
                              .env = &env_,
                              .map_size_bytes = uint64_t{64} << 20U,
                              .wal_segment_bytes = 1 << 16});
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }

  template <typename Change>
  void Tamper(Change change) {
    store_.reset();
    auto engine = kv::OpenBolt(&env_, "/s/member/snap/db", {.map_size_bytes = uint64_t{64} << 20U});
    ASSERT_THAT(engine, IsOk());
    auto txn = (*engine)->BeginWrite();
    ASSERT_THAT(txn, IsOk());
    change(txn->get());
    ASSERT_THAT((*txn)->Commit(), IsOk());
    txn->reset();
    engine->reset();
    Open();
  }

  static std::string Record(std::string_view key, int64_t revision, std::string_view value) {
    std::string record;
    AppendRecord({.key = key,
                  .create_revision = revision,
                  .mod_revision = revision,
                  .version = 1,
                  .value = value},
                 &record);
    return record;
  }

  FaultEnv env_{3};
  std::unique_ptr<Store> store_;
};

TEST_F(TamperedStoreTest, SoundPagesPassAtRestartAndWhileServing) {
  EXPECT_THAT(store_->Check(), IsOk());
  Tamper([](kv::WriteTxn*) {});
  EXPECT_THAT(store_->Corruption(), IsOk());
  EXPECT_THAT(store_->Check(), IsOk());
}

TEST_F(TamperedStoreTest, AnAlteredRecordIsFound) {
  Tamper([](kv::WriteTxn* txn) {
    ASSERT_THAT(txn->Put("key", RevisionKey({40, 0}).view(), Record("k18", 40, "w")), IsOk());
  });
  EXPECT_THAT(store_->Corruption(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("digest")));
}

TEST_F(TamperedStoreTest, ALostRecordIsFoundEvenTheNewest) {
  Tamper([](kv::WriteTxn* txn) {
    const auto cursor = txn->Get("key", RevisionKey({53, 0}).view());
    ASSERT_TRUE(cursor.ok() && cursor->has_value());
    ASSERT_THAT(txn->Delete("key", RevisionKey({53, 0}).view()), IsOk());
  });
  EXPECT_FALSE(store_->Corruption().ok());
}

TEST_F(TamperedStoreTest, WhatAnotherServerWroteIsNoCorruption) {
  Tamper([](kv::WriteTxn* txn) {
    // etcd counts its log entries anew after it restored a snapshot; here by chance to the same
    // number.
    ASSERT_THAT(txn->Put("key", RevisionKey({54, 0}).view(), Record("etcd", 54, "w")), IsOk());
  });
  EXPECT_THAT(store_->Corruption(), IsOk());
  ASSERT_THAT(store_->Put({.key = "after", .value = "v"}), IsOk());
  ASSERT_THAT(store_->CommitAndRead(), IsOk());
  EXPECT_THAT(store_->Check(), IsOk());
}

TEST_F(TamperedStoreTest, ACorruptionStaysKnownUntilTheStoreIsWrittenAndOpenedAgain) {
  Tamper([](kv::WriteTxn* txn) {
    ASSERT_THAT(txn->Delete("key", RevisionKey({40, 0}).view()), IsOk());
  });
  EXPECT_FALSE(store_->Corruption().ok());
  EXPECT_FALSE(store_->Check().ok());
}

}  // namespace
}  // namespace socle::mvcc
