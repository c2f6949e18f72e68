#include "mvcc/prefix_quota.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/errors.h"
#include "mvcc/store.h"
#include "mvcc/testing/map_lease_hook.h"

namespace socle::mvcc {
namespace {

using ::testing::HasSubstr;

class PrefixQuotaTest : public ::testing::Test {
 protected:
  PrefixQuotaTest() : env_(1) {}

  void Open(std::vector<PrefixQuota> quotas) {
    store_.reset();
    hook_ = std::make_unique<MapLeaseHook>();
    auto store = Store::Open({.directory = "/s",
                              .env = &env_,
                              .lease_hook = hook_.get(),
                              .map_size_bytes = uint64_t{64} << 20U,
                              .wal_segment_bytes = 1 << 16,
                              .prefix_quotas = std::move(quotas)});
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }

  absl::Status Put(const std::string& key, size_t value_bytes, LeaseId lease = kNoLease) {
    return store_
        ->Put(PutRequest{.key = key, .value = std::string(value_bytes, 'v'), .lease = lease})
        .status();
  }

  int64_t Used(size_t index = 0) const { return store_->PrefixUsages().at(index).used_bytes; }

  static bool IsRefused(const absl::Status& status) {
    return ErrorOf(status) == StoreError::kPrefixQuota;
  }

  FaultEnv env_;
  std::unique_ptr<MapLeaseHook> hook_;
  std::unique_ptr<Store> store_;
};

TEST_F(PrefixQuotaTest, ALimitIsReachedAndNotPassedAndTheRefusalSaysWhatIsFull) {
  Open({{.prefix = "a/", .limit_bytes = 20}});
  EXPECT_THAT(Put("a/1", 7), IsOk());
  EXPECT_THAT(Put("a/2", 7), IsOk());
  const absl::Status refused = Put("a/3", 0);
  EXPECT_TRUE(IsRefused(refused));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("\"a/\" take 20 of 20 bytes"));
  EXPECT_THAT(Put("b/1", 1'000), IsOk());
  EXPECT_EQ(store_->current_revision(), 4);  // the refused one took none
  EXPECT_EQ(store_->PrefixUsages().at(0).refused, 1);
  EXPECT_EQ(store_->PrefixUsages().at(0).keys, 2);
}

TEST_F(PrefixQuotaTest, AFullPrefixTakesWhatAddsNothingAndDeletes) {
  Open({{.prefix = "a/", .limit_bytes = 10}});
  ASSERT_THAT(Put("a/1", 7), IsOk());
  EXPECT_THAT(Put("a/1", 7), IsOk());
  EXPECT_THAT(Put("a/1", 5), IsOk());
  EXPECT_TRUE(IsRefused(Put("a/1", 8)));
  EXPECT_THAT(store_->DeleteRange(DeleteRangeRequest{.key = "a/1"}), IsOk());
  EXPECT_EQ(Used(), 0);
  EXPECT_THAT(Put("a/2", 7), IsOk());
}

TEST_F(PrefixQuotaTest, ATransactionIsJudgedAsAWholeByTheBranchItTakes) {
  Open({{.prefix = "a/", .limit_bytes = 20}});
  TxnRequest both;
  both.success.emplace_back(PutRequest{.key = "a/1", .value = "12345678"});
  both.success.emplace_back(PutRequest{.key = "a/2", .value = "12345678"});
  EXPECT_TRUE(IsRefused(store_->Txn(std::move(both)).status()));
  EXPECT_EQ(Used(), 0);
  TxnRequest other_branch;
  other_branch.compares.push_back({.key = "a/1", .number = 7});
  other_branch.success.emplace_back(PutRequest{.key = "a/1", .value = std::string(50, 'v')});
  EXPECT_THAT(store_->Txn(std::move(other_branch)), IsOk());
  ASSERT_THAT(Put("a/1", 17), IsOk());
  TxnRequest move;  // what is deleted makes no room
  move.success.emplace_back(DeleteRangeRequest{.key = "a/1"});
  move.success.emplace_back(PutRequest{.key = "a/2", .value = std::string(17, 'v')});
  EXPECT_TRUE(IsRefused(store_->Txn(std::move(move)).status()));
}

TEST_F(PrefixQuotaTest, PrefixesMayLieWithinOthersAndExpiryGivesRoomBack) {
  Open({{.prefix = "", .limit_bytes = 100}, {.prefix = "a/", .limit_bytes = 20}});
  ASSERT_THAT(store_->LeaseGrant(LeaseId{7}, 10), IsOk());
  ASSERT_THAT(Put("a/1", 17, LeaseId{7}), IsOk());
  ASSERT_THAT(Put("b/1", 17), IsOk());
  EXPECT_EQ(Used(0), 40);
  EXPECT_EQ(Used(1), 20);
  EXPECT_TRUE(IsRefused(Put("b/2", 58)));
  ASSERT_THAT(store_->LeaseRevoke(LeaseId{7}), IsOk());
  EXPECT_EQ(Used(0), 20);
  EXPECT_EQ(Used(1), 0);
}

TEST_F(PrefixQuotaTest, WhatIsThereIsCountedWhenAQuotaIsNewAndAfterEachStart) {
  Open({});
  ASSERT_THAT(Put("a/1", 7), IsOk());
  ASSERT_THAT(Put("a/1", 9), IsOk());
  ASSERT_THAT(Put("a/2", 7), IsOk());
  ASSERT_THAT(store_->DeleteRange(DeleteRangeRequest{.key = "a/2"}), IsOk());
  EXPECT_TRUE(store_->PrefixUsages().empty());
  Open({{.prefix = "a/", .limit_bytes = 5}});  // less than there is
  EXPECT_EQ(Used(), 12);
  EXPECT_TRUE(IsRefused(Put("a/2", 0)));
  EXPECT_THAT(Put("a/1", 0), IsOk());
  Open({{.prefix = "a/", .limit_bytes = 5}});
  EXPECT_EQ(Used(), 3);
  Open({});
  EXPECT_THAT(Put("a/2", 1'000), IsOk());
}

TEST_F(PrefixQuotaTest, ARefusalIsRepeatedByAReplayWhateverTheFlagsSayThen) {
  Open({{.prefix = "a/", .limit_bytes = 10}});
  ASSERT_THAT(Put("a/1", 7), IsOk());
  ASSERT_TRUE(IsRefused(Put("a/2", 7)));
  ASSERT_THAT(Put("b/1", 7), IsOk());
  store_.reset();
  env_.CrashAfterCalls(0);
  env_.Restart(DurabilityLoss::kAll);
  Open({{.prefix = "a/", .limit_bytes = 1'000}});
  EXPECT_EQ(store_->current_revision(), 3);
  EXPECT_EQ(Used(), 10);
  EXPECT_EQ(store_->Range({.key = "a/2"})->count, 0);
  EXPECT_THAT(Put("a/2", 7), IsOk());
}

TEST(PrefixQuotas, AreStoredAlikeWhateverTheirOrderAndRefuseOtherBytes) {
  const std::vector<PrefixQuota> quotas = {{.prefix = "b", .limit_bytes = 1},
                                           {.prefix = std::string("a\0", 2), .limit_bytes = 2}};
  const std::string bytes = EncodeQuotas(quotas);
  EXPECT_EQ(bytes, EncodeQuotas({quotas[1], quotas[0]}));
  EXPECT_EQ(DecodeQuotas(bytes)->at(1), quotas[0]);
  EXPECT_EQ(EncodeQuotas({}), "");
  EXPECT_FALSE(DecodeQuotas(bytes.substr(1)).ok());
  EXPECT_FALSE(DecodeQuotas("\x01").ok());
}

TEST(PrefixQuotas, ThePrefixOfHighestBytesHasNoEnd) {
  std::string end;
  EXPECT_TRUE(IntervalOfPrefix("\xff\xff", &end).is_open);
  EXPECT_TRUE(IntervalOfPrefix("", &end).Contains("x"));
  const KeyInterval interval = IntervalOfPrefix("a\xff", &end);
  EXPECT_TRUE(interval.Contains("a\xff\xff"));
  EXPECT_FALSE(interval.Contains("b"));
}

}  // namespace
}  // namespace socle::mvcc
