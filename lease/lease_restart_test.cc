// Leases on a real store: restarts, crashes, storms.
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/base/thread.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/status_matchers.h"
#include "lease/expirer.h"
#include "lease/lease_store.h"
#include "lease/lessor.h"
#include "mvcc/store.h"

namespace socle::lease {
namespace {

class LeaseRestartTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }

  void TearDown() override { Close(/*is_clean=*/false); }

  void Open() {
    lessor_ = std::make_unique<Lessor>(LessorOptions{.clock = &clock_, .random_seed = 1});
    auto store = mvcc::Store::Open({.directory = "/s",
                                    .env = &env_,
                                    .lease_hook = lessor_.get(),
                                    .batch_interval_nanos = kNanosPerMilli,
                                    .map_size_bytes = uint64_t{64} << 20U,
                                    .wal_segment_bytes = 1 << 20});
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
    lessor_->StartDeadlines();
    log_.emplace(store_.get());
    expirer_ = std::make_unique<Expirer>(lessor_.get(), &*log_, &clock_);
  }

  void Close(bool is_clean) {
    if (is_clean) {
      expirer_->NoteAllDeadlines();
    }
    expirer_.reset();
    lessor_->Close();
    store_.reset();
    lessor_.reset();
  }

  void Restart(bool is_clean, int64_t down_seconds) {
    Close(is_clean);
    Advance(down_seconds);
    Open();
  }

  void Advance(int64_t seconds) { clock_.Advance(seconds * kNanosPerSecond); }

  void Grant(int64_t id, int64_t ttl) { ASSERT_THAT(store_->LeaseGrant(LeaseId{id}, ttl), IsOk()); }

  int64_t Remaining(int64_t id) {
    const auto status = lessor_->TimeToLive(LeaseId{id}, false);
    return status ? status->remaining_seconds : -1;
  }

  // Steps the expirer and waits until what it proposed is applied.
  void Step() {
    expirer_->Step();
    ASSERT_THAT(store_->Put({.key = "behind", .value = ""}), IsOk());
  }

  FaultEnv env_{5};
  ManualClock clock_;
  std::unique_ptr<Lessor> lessor_;
  std::unique_ptr<mvcc::Store> store_;
  std::optional<StoreLeaseLog> log_;
  std::unique_ptr<Expirer> expirer_;
};

TEST_F(LeaseRestartTest, AfterACleanStopEveryLeaseGoesOnToItsDeadline) {
  Grant(1, 100);
  Advance(10);
  Grant(2, 1000);
  Advance(10);
  Restart(/*is_clean=*/true, 30);
  EXPECT_EQ(Remaining(1), 50);
  EXPECT_EQ(Remaining(2), 960);
  Restart(/*is_clean=*/true, 5);
  EXPECT_EQ(Remaining(1), 45);
  EXPECT_EQ(Remaining(2), 955);
}

TEST_F(LeaseRestartTest, AKeyWithATtlOfItsOwnGoesAtItsTimeOverRestartsAndNotBefore) {
  const auto put = [this](std::string key, int64_t ttl) {
    const LeaseStore leases(lessor_.get(), &*log_);
    const auto lease = leases.ForKey(ttl);
    ASSERT_THAT(lease, IsOk());
    ASSERT_THAT(store_->Put({.key = std::move(key),
                             .value = "v",
                             .lease = lease->id,
                             .ttl_seconds = lease->ttl_seconds}),
                IsOk());
  };
  const auto is_there = [this](std::string key) {
    return store_->Range({.key = std::move(key)})->count == 1;
  };
  put("goes", 100);
  put("refreshed", 100);
  put("kept", 100);
  put("short", 1);  // the least there is takes its place
  ASSERT_THAT(store_->Put({.key = "kept", .value = "w"}), IsOk());
  EXPECT_EQ(lessor_->Stats().leases, 3U);  // the one of "kept" went with its attachment
  Restart(/*is_clean=*/true, 0);
  EXPECT_EQ(lessor_->Stats().leases, 3U);
  Advance(kTtlMinSeconds - 1);
  Step();
  EXPECT_TRUE(is_there("short"));
  Advance(49);
  Step();
  EXPECT_FALSE(is_there("short"));
  put("refreshed", 100);
  Restart(/*is_clean=*/true, 20);
  Advance(40);
  Step();
  EXPECT_FALSE(is_there("goes"));
  EXPECT_TRUE(is_there("refreshed"));
  EXPECT_TRUE(is_there("kept"));
  Advance(45);
  Step();
  EXPECT_FALSE(is_there("refreshed"));
  EXPECT_TRUE(is_there("kept"));
  EXPECT_EQ(lessor_->Stats().leases, 0U);
}

TEST_F(LeaseRestartTest, ATransactionMayHangAnotherKeyOnTheLeaseThatItsFirstPutLetsGo) {
  ASSERT_THAT(store_->Put({.key = "a", .value = "v", .lease = LeaseId{7}, .ttl_seconds = 100}),
              IsOk());
  mvcc::TxnRequest txn;
  txn.success.emplace_back(mvcc::PutRequest{.key = "a", .value = "w"});
  txn.success.emplace_back(mvcc::PutRequest{.key = "b", .value = "w", .lease = LeaseId{7}});
  ASSERT_THAT(store_->Txn(std::move(txn)), IsOk());
  ASSERT_EQ(lessor_->KeysOf(LeaseId{7}), std::vector<std::string>{"b"});
  Restart(/*is_clean=*/true, 0);  // it is still a lease of keys, and goes with "b"
  ASSERT_THAT(store_->DeleteRange({.key = "b"}), IsOk());
  EXPECT_EQ(lessor_->Stats().leases, 0U);
}

TEST_F(LeaseRestartTest, AfterAKillALeaseLosesNothingAndGainsAtMostHalfItsTtl) {
  Grant(1, 100);
  Grant(2, 100);
  Advance(49);
  Step();
  Restart(/*is_clean=*/false, 0);
  EXPECT_EQ(Remaining(1), 100);  // 51 were left; nothing was written
  Advance(50);
  Step();
  Advance(20);
  Restart(/*is_clean=*/false, 5);
  EXPECT_EQ(Remaining(1), 25);
}

// A server that knows nothing of the notes may have renewed leases: each gets its full TTL.
TEST_F(LeaseRestartTest, NotesEndWhenAnotherServerHasWrittenThePages) {
  Grant(1, 100);
  Advance(60);
  Close(/*is_clean=*/true);
  {
    const auto engine = kv::OpenBolt(&env_, "/s/member/snap/db", {.map_size_bytes = 64 << 20});
    ASSERT_THAT(engine, IsOk());
    const auto txn = (*engine)->BeginWrite();
    ASSERT_THAT(txn, IsOk());
    const auto index = (*txn)->Get("meta", "consistent_index");
    ASSERT_TRUE(index.ok() && index->has_value());
    std::string next(**index);
    ++next.back();
    ASSERT_THAT((*txn)->Put("meta", "consistent_index", next), IsOk());
    ASSERT_THAT((*txn)->Commit(), IsOk());
  }
  Open();
  EXPECT_EQ(Remaining(1), 100);
}

TEST_F(LeaseRestartTest, ARenewalThatWasAnsweredSurvivesAKill) {
  Grant(1, 100);
  Advance(60);
  Step();  // noted
  LeaseStore leases(lessor_.get(), &*log_);
  std::atomic<int64_t> answer{-1};  // the write loop writes it, the test waits for it
  leases.KeepAlive(
      LeaseId{1}, [&answer](const absl::StatusOr<int64_t>& ttl) { answer = ttl.ok() ? *ttl : -2; });
  ASSERT_THAT(store_->Put({.key = "behind", .value = ""}), IsOk());
  ASSERT_EQ(answer, 100);
  Advance(30);
  Restart(/*is_clean=*/false, 20);
  EXPECT_GE(Remaining(1), 50);
}

TEST_F(LeaseRestartTest, NothingIsWrittenForLeasesThatAreRenewedInTime) {
  for (int64_t id = 1; id <= 100; ++id) {
    Grant(id, 30);
  }
  const uint64_t before = store_->Stats().log_index;
  for (int i = 0; i < 30; ++i) {
    Advance(10);
    for (int64_t id = 1; id <= 100; ++id) {
      Lessor::RenewalDone done = [](const absl::StatusOr<int64_t>&) {};
      ASSERT_EQ(lessor_->Renew(LeaseId{id}, &done)->kind, Lessor::RenewalKind::kRenewed);
    }
    expirer_->Step();
  }
  EXPECT_EQ(store_->Stats().log_index, before);
}

TEST_F(LeaseRestartTest, AStormLeavesWritersAloneAndTakesEachLeaseInARevisionOfItsOwn) {
  constexpr int64_t kLeases = 2'000;
  for (int64_t id = 1; id <= kLeases; ++id) {
    store_->LeaseGrant(LeaseId{id}, 5, [](const absl::StatusOr<mvcc::LeaseGrantResult>&) {});
    store_->Put(
        mvcc::PutRequest{.key = fmt::format("leased/{}", id), .value = "v", .lease = LeaseId{id}},
        [](const absl::StatusOr<mvcc::PutResult>&) {});
  }
  ASSERT_THAT(store_->Put({.key = "behind", .value = ""}), IsOk());
  const int64_t before = store_->current_revision();
  expirer_->Start();
  Advance(5);
  int64_t puts = 0;
  while (lessor_->Stats().leases > 0) {
    ASSERT_THAT(store_->Put({.key = "writer", .value = "v"}), IsOk());
    ++puts;
  }
  ASSERT_THAT(store_->Put({.key = "behind", .value = ""}), IsOk());
  // How many of them pass between two steps of the storm is the scheduler's; that a step is bounded
  // is expirer_test's.
  EXPECT_GE(puts, 1);
  EXPECT_EQ(store_->current_revision(), before + kLeases + puts + 1);
  const auto left = store_->Range({.key = "leased/", .range_end = "leased0"});
  ASSERT_THAT(left, IsOk());
  EXPECT_EQ(left->count, 0);
}

TEST_F(LeaseRestartTest, ALeaseOfManyKeysGoesInOneRevision) {
  Grant(1, 100);
  for (int i = 0; i < 3'000; ++i) {
    store_->Put(
        mvcc::PutRequest{.key = fmt::format("k/{:05}", i), .value = "v", .lease = LeaseId{1}},
        [](const absl::StatusOr<mvcc::PutResult>&) {});
  }
  const int64_t before = store_->Put({.key = "behind", .value = ""})->revision;
  EXPECT_EQ(store_->LeaseRevoke(LeaseId{1})->revision, before + 1);
  EXPECT_EQ(store_->Range({.key = "k/", .range_end = "k0"})->count, 0);
  EXPECT_EQ(store_->Range({.key = "k/", .range_end = "k0", .revision = before})->count, 3'000);
  ASSERT_THAT(store_->Put({.key = "k/00001", .value = "again"}), IsOk());
  lessor_->CheckInvariants();
}

}  // namespace
}  // namespace socle::lease
