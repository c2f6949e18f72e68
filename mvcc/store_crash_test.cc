#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "kv/base/mutex.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/patience.h"
#include "mvcc/store.h"
#include "mvcc/testing/map_lease_hook.h"
#include "mvcc/testing/model_store.h"
#include "mvcc/testing/random_operations.h"
#include "mvcc/testing/store_driver.h"

namespace socle::mvcc {
namespace {

StoreOptions SmallStore(FaultEnv* env, LeaseHook* hook) {
  StoreOptions options;
  options.directory = "/s";
  options.env = env;
  options.lease_hook = hook;
  options.map_size_bytes = uint64_t{64} << 20U;
  options.wal_segment_bytes = 1 << 14;
  options.batch_interval_nanos = kNanosPerMilli / 4;
  options.compaction_batch_limit = 2;
  options.compaction_sleep_nanos = 1000;
  options.restore_threads = 2;
  options.restore_run_revisions = 5;
  return options;
}

// A store that loses power again and again, and the record of what was asked of it and answered.
// Operations are given in one order by one thread, so that what survives must be a prefix.
class Victim {
 public:
  explicit Victim(uint64_t seed) : env_(seed), operations_(seed ^ 0x5A), random_(seed + 1) {}

  // One life: opens (perhaps cut off itself), compares, writes until the power goes. Returns how
  // often it went.
  int Live() {
    int crashes = 0;
    ChooseQuotas();
    PlanCrash();
    while (!Open()) {
      if (!env_.has_crashed()) {
        ADD_FAILURE() << "refused to open";
        return crashes + 1;
      }
      ++crashes;
      env_.Restart(Loss());
      PlanCrash();
    }
    Settle();
    if (!::testing::Test::HasFailure()) {
      Write();
    }
    store_.reset();
    env_.Restart(Loss());
    return crashes + 1;
  }

 private:
  // What was written under the old ones was judged by them, whatever is asked for when it is replayed.
  void ChooseQuotas() {
    if (!random_.OneIn(3)) {
      return;
    }
    const auto limit = [this] { return static_cast<int64_t>(100 + random_.Below(2'000)); };
    quotas_.clear();
    if (!random_.OneIn(4)) {
      quotas_ = {{.prefix = "a", .limit_bytes = limit()}, {.prefix = "d", .limit_bytes = limit()}};
    }
  }

  void PlanCrash() {
    env_.CrashAfterCalls(random_.Below(random_.OneIn(3) ? 15 : (random_.OneIn(10) ? 400 : 70)));
  }

  DurabilityLoss Loss() {
    constexpr DurabilityLoss kLosses[] = {DurabilityLoss::kRandom, DurabilityLoss::kAll,
                                          DurabilityLoss::kNone, DurabilityLoss::kRandom};
    return kLosses[random_.Below(4)];
  }

  bool Open() {
    hook_ = std::make_unique<MapLeaseHook>();
    StoreOptions options = SmallStore(&env_, hook_.get());
    options.pending_bytes_max = random_.OneIn(2) ? uint64_t{1} << 20U : 70'000;
    options.batch_limit = random_.OneIn(2) ? 4 : 10'000;
    options.prefix_quotas = quotas_;
    auto store = Store::Open(options);
    if (!store.ok()) {
      last_error_ = store.status();
      if (!env_.has_crashed()) {
        ADD_FAILURE() << store.status();
      }
      return false;
    }
    store_ = *std::move(store);
    EXPECT_THAT(store_->Corruption(), IsOk());
    return true;
  }

  // Finds out how far the last life came and holds the store to it.
  void Settle() {
    // A change of the quotas is an entry of its own, after all that was there.
    quota_entries_ += quotas_ != model_.quotas() ? 1 : 0;
    const uint64_t there = store_->Stats().log_index - quota_entries_;
    // `applied_` operations were answered; of those in between each may be there or not, in order.
    ASSERT_GE(there, applied_) << "an answered operation is missing";
    ASSERT_LE(there, applied_ + sent_.size()) << "the log has what nobody sent";
    while (applied_ < there) {
      model_.Apply(sent_.front());
      sent_.pop_front();
      ++applied_;
    }
    sent_.clear();
    model_.set_quotas(quotas_);
    ASSERT_EQ(Difference(*store_, &model_, *hook_), "");
    for (const PrefixUsage& usage : store_->PrefixUsages()) {
      ASSERT_EQ(usage.used_bytes, model_.LiveBytes(usage.prefix)) << usage.prefix;
    }
    const absl::Status sound = store_->Check();
    ASSERT_TRUE(sound.ok() || env_.has_crashed()) << sound;
  }

  void Write() {
    Mutex mu;
    CondVar changed;
    std::deque<DrivenAnswer> answers;
    bool has_failed = false;
    while (!has_failed) {
      const size_t burst = 1 + random_.Below(random_.OneIn(3) ? 12 : 3);
      size_t given = 0;
      while (given < burst) {
        Operation operation = operations_.Next(model_.revision());
        if (!IsLogged(operation)) {
          continue;
        }
        sent_.push_back(Copy(operation));
        ++given;
        const Patience patience(random_.OneIn(2));
        Submit(store_.get(), std::move(operation), [&](DrivenAnswer answer) {
          MutexLock lock(&mu);
          answers.push_back(std::move(answer));
          changed.Signal();
        });
      }
      MutexLock lock(&mu);
      while (answers.size() < burst) {
        changed.Wait(&mu);
      }
      while (!answers.empty()) {
        // A domain error carries its enum; anything else is the end of writing.
        has_failed = has_failed ||
                     (!answers.front().status.ok() && !ErrorOf(answers.front().status).has_value());
        if (!has_failed) {
          ASSERT_EQ(answers.front().text, model_.Apply(sent_.front()));
          sent_.pop_front();
          ++applied_;
        }
        answers.pop_front();
      }
      if (operations_.random()->OneIn(200)) {
        break;  // A clean close, or nearly.
      }
    }
    if (has_failed) {
      ASSERT_FALSE(store_->Health().ok());
      // Reads go on, from the last sound state.
      ASSERT_EQ(store_->current_revision(), model_.revision());
      ASSERT_EQ(Difference(*store_, &model_, *hook_).find("at revision"), std::string::npos);
    }
  }

  FaultEnv env_;
  RandomOperations operations_;
  Random random_;
  ModelStore model_;            // everything that is certain
  std::deque<Operation> sent_;  // not yet certain, in order
  uint64_t applied_ = 0;        // operations in the model
  std::vector<PrefixQuota> quotas_;
  uint64_t quota_entries_ = 0;  // in the log
  std::unique_ptr<MapLeaseHook> hook_;
  std::unique_ptr<Store> store_;
  absl::Status last_error_;
};

class StoreCrash : public ::testing::TestWithParam<int> {};

TEST_P(StoreCrash, KeepsWhatWasAnsweredAndInventsNothing) {
  const uint64_t seed = TestSeed() + static_cast<uint64_t>(GetParam());
  int crashes = 0;
  for (uint64_t store = 0; crashes < 550; ++store) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " store " << store);
    Victim victim(seed * 1000 + store);
    for (int life = 0; life < 25; ++life) {
      SCOPED_TRACE(life);
      crashes += victim.Live();
      if (HasFailure()) {
        return;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, StoreCrash, ::testing::Range(0, 4));

class StoreFailure : public ::testing::Test {
 protected:
  void Open(int64_t batch_interval_nanos, int64_t batch_limit = 10'000,
            StoreObserver observer = {}) {
    StoreOptions options = SmallStore(&env_, nullptr);
    options.batch_interval_nanos = batch_interval_nanos;
    options.batch_limit = batch_limit;
    auto store = Store::Open(options, std::move(observer));
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }

  // Every write from now on answers with the same error, and reads still see `value`.
  void ExpectReadOnly(const std::string& value) {
    const absl::Status first = store_->Health();
    ASSERT_FALSE(first.ok());
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(store_->Put({.key = "k", .value = "later"}).status(), first);
      EXPECT_EQ(store_->Compact(2).status(), first);
    }
    EXPECT_EQ(store_->CommitAndRead().status(), first);
    const auto read = store_->Range({.key = "k"});
    ASSERT_THAT(read, IsOk());
    ASSERT_EQ(read->kvs.size(), 1U);
    EXPECT_EQ(read->kvs[0].value, value);
  }

  FaultEnv env_{7};
  std::unique_ptr<Store> store_;
};

TEST_F(StoreFailure, OfTheLogsSyncStopsWritingAndKeepsReading) {
  Open(3600 * kNanosPerSecond);
  ASSERT_THAT(store_->Put({.key = "k", .value = "kept"}), IsOk());
  env_.FailCall(CallKind::kSync, 1);
  absl::Status failed;
  for (int i = 0; i < 3 && failed.ok(); ++i) {  // The log may be preparing a segment just now.
    failed = store_->Put({.key = "k", .value = "kept"}).status();
  }
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(store_->Health(), failed);
  ExpectReadOnly("kept");
}

TEST_F(StoreFailure, OfThePagesSyncStopsWritingAndKeepsReading) {
  Open(3600 * kNanosPerSecond);
  ASSERT_THAT(store_->Put({.key = "k", .value = "kept"}), IsOk());
  env_.SetObserver([this, armed = true](CallKind kind, const std::string& path) mutable {
    if (armed && kind == CallKind::kWrite && path.ends_with("/db")) {
      armed = false;
      env_.FailCall(CallKind::kSync, 1);
    }
  });
  EXPECT_FALSE(store_->CommitAndRead().ok());
  ExpectReadOnly("kept");
  store_.reset();
  env_.SetObserver(nullptr);
  env_.Restart(DurabilityLoss::kAll);
  Open(kNanosPerMilli);
  const auto read = store_->Range({.key = "k"});  // The log has it.
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->kvs[0].value, "kept");
}

TEST_F(StoreFailure, OfAFullDiskStopsWritingAndLosesNothing) {
  Open(kNanosPerMilli);
  env_.SetDiskBytes(300'000);
  // More than the pages' file may have been given before the disk became so small.
  const std::string filling(8'000, 'x');
  int kept = -1;
  absl::Status failed;
  for (int i = 0; failed.ok() && i < 10'000; ++i) {
    failed = store_->Put({.key = "k", .value = std::to_string(i) + filling}).status();
    kept = failed.ok() ? i : kept;
  }
  ASSERT_EQ(failed.code(), absl::StatusCode::kResourceExhausted) << failed;
  const std::string value = std::to_string(kept) + filling;
  ExpectReadOnly(value);
  store_.reset();
  env_.Restart(DurabilityLoss::kAll);
  Open(kNanosPerMilli);
  const auto read = store_->Range({.key = "k"});
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->kvs[0].version, kept + 1);
  EXPECT_EQ(read->kvs[0].value, value);
  EXPECT_THAT(store_->Check(), IsOk());
}

// The loop may seal the next buffer before the committer gets to shortening the log.
TEST_F(StoreFailure, OfTheNextCommitFindsItsEntriesStillInTheLog) {
  const std::string big(12'000, 'x');  // Two do not fit into one segment.
  std::atomic<bool> is_open = false;   // a new store commits once while it opens
  bool is_first = true;
  StoreObserver observer;
  observer.commit = [&](int64_t) {
    if (is_open && std::exchange(is_first, false)) {
      EXPECT_THAT(store_->Put({.key = "k2", .value = big}), IsOk());  // Sealed at once.
      EXPECT_THAT(store_->Put({.key = "k3", .value = big}), IsOk());
      env_.SetObserver([this](CallKind kind, const std::string& path) {
        if (kind == CallKind::kWrite && path.ends_with("/db")) {
          env_.CrashAfterCalls(0);
        }
      });
    }
  };
  Open(3600 * kNanosPerSecond, /*batch_limit=*/1, observer);
  is_open = true;
  ASSERT_THAT(store_->Put({.key = "k1", .value = "1"}), IsOk());
  while (!env_.has_crashed()) {
    store_->CommitAndRead().status().IgnoreError();
  }
  store_.reset();
  env_.SetObserver(nullptr);
  env_.Restart(DurabilityLoss::kNone);
  Open(kNanosPerMilli);
  ASSERT_NE(store_, nullptr);
  const auto read = store_->Range({.key = "k", .range_end = "l", .count_only = true});
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->count, 3);
}

}  // namespace
}  // namespace socle::mvcc
