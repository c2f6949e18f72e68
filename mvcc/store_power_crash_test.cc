// The whole store, log and pages, with the power failing at its system calls, and again while it
// recovers.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "kv/base/mutex.h"
#include "kv/testing/crash_points.h"
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

// What was asked of the store, in order, and how much of it was answered. Outlives the machines.
class Record {
 public:
  void Send(const Operation& operation) {
    MutexLock lock(&mu_);
    sent_.push_back(Copy(operation));
  }

  void Answered() { ++answered_; }

  uint64_t answered() const { return answered_.load(); }

  // A model that was given the first `count` operations; null when fewer were sent.
  std::unique_ptr<ModelStore> ModelAfter(uint64_t count) const {
    MutexLock lock(&mu_);
    if (count > sent_.size()) {
      return nullptr;
    }
    auto model = std::make_unique<ModelStore>();
    for (uint64_t i = 0; i < count; ++i) {
      model->Apply(sent_[i]);
    }
    return model;
  }

 private:
  std::atomic<uint64_t> answered_ = 0;
  mutable Mutex mu_;
  std::vector<Operation> sent_ ABSL_GUARDED_BY(mu_);
};

StoreOptions SmallStore(FaultEnv* env, LeaseHook* hook, uint64_t seed) {
  StoreOptions options;
  options.directory = "/s";
  options.env = env;
  options.lease_hook = hook;
  options.map_size_bytes = uint64_t{64} << 20U;
  options.wal_segment_bytes = 1 << 14;
  options.batch_interval_nanos = kNanosPerMilli / 4;
  options.batch_limit = seed % 3 == 0 ? 4 : 10'000;
  options.pending_bytes_max = seed % 2 == 0 ? uint64_t{1} << 20U : 70'000;
  options.freelist_type =
      seed % 5 < 2 ? freelist::FreelistType::kArray : freelist::FreelistType::kHashmap;
  options.page_checksums = seed % 2 == 1;
  options.compaction_batch_limit = 2;
  options.compaction_sleep_nanos = 1000;
  return options;
}

// Opens a machine that lost power; `answered` operations must be there, and nothing that was not
// sent.
CrashPoints::Judge ExpectAnswered(const Record* record, uint64_t answered, uint64_t seed) {
  return [record, answered, seed](CrashPoints::Machine* machine) {
    MapLeaseHook hook;
    ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(SmallStore(machine->env(), &hook, seed)));
    const uint64_t there = store->Stats().log_index;
    ASSERT_GE(there, answered) << "an answered operation is missing";
    const auto model = record->ModelAfter(there);
    ASSERT_NE(model, nullptr) << "the log has what nobody sent";
    ASSERT_EQ(Difference(*store, model.get(), hook), "");
    ASSERT_OK(store->Check());
    // What was shown stays.
    machine->Expect(ExpectAnswered(record, there, seed));
  };
}

// Gives the store operations in bursts; each burst is answered before the next begins.
void Work(Store* store, Record* record, uint64_t seed, int bursts) {
  RandomOperations operations(seed);
  Mutex mu;
  CondVar changed;
  uint64_t waiting = 0;
  for (int burst = 0; burst < bursts && !::testing::Test::HasFailure(); ++burst) {
    for (uint64_t left = 1 + operations.random()->Below(5); left > 0;) {
      Operation operation = operations.Next(store->current_revision());
      if (!IsLogged(operation)) {
        continue;
      }
      --left;
      record->Send(operation);
      {
        MutexLock lock(&mu);
        ++waiting;
      }
      const Patience patience(seed % 2 == 0);
      Submit(store, std::move(operation), [&](const DrivenAnswer& answer) {
        // A domain error is an answer like any other.
        EXPECT_TRUE(answer.status.ok() || ErrorOf(answer.status).has_value()) << answer.status;
        record->Answered();
        MutexLock lock(&mu);
        --waiting;
        changed.Signal();
      });
    }
    MutexLock lock(&mu);
    while (waiting > 0) {
      changed.Wait(&mu);
    }
  }
}

void CrashEverywhere(uint64_t seed, CrashPoints* points, bool lies) {
  FaultEnv env(seed);
  Record record;
  env.PretendToSync(lies);
  points->Watch(&env, [&] { return ExpectAnswered(&record, record.answered(), seed); });
  MapLeaseHook hook;
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(SmallStore(&env, &hook, seed)));
  Work(store.get(), &record, seed, 25);
}

TEST(StorePowerCrash, KeepsWhatWasAnsweredWhereverThePowerFails) {
  const uint64_t seed = TestSeed();
  const uint64_t wanted = CrashPoints::Wanted(3000);
  uint64_t count = 0;
  for (uint64_t round = 0; count < wanted && !HasFailure(); ++round) {
    CrashPoints points(
        {.seed = seed + round, .random_losses = 2, .one_in = 2, .nested_one_in = 24});
    CrashEverywhere(seed + round, &points, /*lies=*/false);
    count += points.count();
    points.PrintSummary();
  }
  EXPECT_GE(count, wanted);
}

TEST(StorePowerCrash, IsCaughtWhenTheDiskLies) {
  testing::TestPartResultArray failures;
  {
    const testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &failures);
    CrashPoints points({.seed = 1, .one_in = 20, .depth = 1});
    CrashEverywhere(1, &points, /*lies=*/true);
  }
  EXPECT_GT(failures.size(), 0);
}

}  // namespace
}  // namespace socle::mvcc
