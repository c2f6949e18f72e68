#include "mvcc/patience.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/base/random.h"
#include "kv/base/thread.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/store.h"

namespace socle::mvcc {
namespace {

StoreOptions InMemory(FaultEnv* env) {
  StoreOptions options;
  options.directory = "/s";
  options.env = env;
  options.map_size_bytes = uint64_t{64} << 20U;
  options.batch_interval_nanos = 20 * kNanosPerMilli;
  return options;
}

// Whether the answer comes before Put returns; waits for it when not.
bool IsAnsweredAtOnce(Store* store, const std::string& key) {
  Mutex mu;
  CondVar changed;
  bool is_answered = false;
  store->Put({.key = key, .value = "v"}, [&](const absl::StatusOr<PutResult>& result) {
    EXPECT_OK(result);
    MutexLock lock(&mu);
    is_answered = true;
    changed.Signal();
  });
  MutexLock lock(&mu);
  const bool at_once = is_answered;
  while (!is_answered) {
    changed.Wait(&mu);
  }
  return at_once;
}

// The loop is given time to fall asleep; 1 ms is plenty, but machines differ.
bool IsEventuallyAnsweredAtOnce(Store* store) {
  for (int i = 0; i < 1'000; ++i) {
    Clock::Real()->SleepFor(kNanosPerMilli);
    if (IsAnsweredAtOnce(store, "k")) {
      return true;
    }
  }
  return false;
}

TEST(Patience, APatientThreadsWriteIsAnsweredBeforeItsCallReturns) {
  FaultEnv env(1);
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(InMemory(&env)));
  {
    const Patience patience(true);
    EXPECT_TRUE(IsEventuallyAnsweredAtOnce(store.get()));
    const Patience not_now(false);
    EXPECT_FALSE(Patience::IsPatient());
  }
  EXPECT_FALSE(Patience::IsPatient());
}

TEST(Patience, WhatIsWrittenThatWayIsCommittedToThePagesInTime) {
  FaultEnv env(1);
  std::atomic<int> commits{0};
  StoreObserver observer;
  observer.commit = [&commits](int64_t /*nanos*/) { ++commits; };
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(InMemory(&env), observer));
  const Patience patience(true);
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(IsEventuallyAnsweredAtOnce(store.get()));
    const int before = commits.load();
    for (int i = 0; i < 5'000 && commits.load() == before; ++i) {
      Clock::Real()->SleepFor(kNanosPerMilli);
    }
    EXPECT_GT(commits.load(), before) << "nobody woke the loop";
    Clock::Real()->SleepFor(30 * kNanosPerMilli);  // nothing is due any more
  }
}

TEST(Patience, WhatIsWrittenThatWayIsCommittedWhenItIsMuch) {
  FaultEnv env(1);
  std::atomic<int> commits{0};
  StoreObserver observer;
  observer.commit = [&commits](int64_t /*nanos*/) { ++commits; };
  StoreOptions options = InMemory(&env);
  options.batch_interval_nanos = 3'600 * kNanosPerSecond;
  options.batch_limit = 20;
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(options, observer));
  const Patience patience(true);
  ASSERT_TRUE(IsEventuallyAnsweredAtOnce(store.get()));
  const int before = commits.load();
  for (int i = 0; i < 5'000 && commits.load() == before; ++i) {
    IsAnsweredAtOnce(store.get(), "k");
    Clock::Real()->SleepFor(kNanosPerMilli);
  }
  EXPECT_GT(commits.load(), before);
}

TEST(Patience, IsNotAskedForWhileTheDiskIsSlow) {
  FaultEnv env(1);
  StoreOptions options = InMemory(&env);
  options.batch_interval_nanos = 3'600 * kNanosPerSecond;
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(options));
  std::atomic<bool> is_slow{true};
  env.SetObserver([&is_slow](CallKind kind, const std::string& path) {
    if (is_slow && kind == CallKind::kSync && path.find("socle-wal") != std::string::npos) {
      Clock::Real()->SleepFor(8 * kNanosPerMilli);
    }
  });
  const Patience patience(true);
  IsAnsweredAtOnce(store.get(), "k");  // nobody knew yet
  Clock::Real()->SleepFor(30 * kNanosPerMilli);
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(IsAnsweredAtOnce(store.get(), "k"));
    Clock::Real()->SleepFor(30 * kNanosPerMilli);
  }
  is_slow = false;
  EXPECT_TRUE(IsEventuallyAnsweredAtOnce(store.get()));
}

TEST(WriteQueue, IsBoundedByWhatWritesTakeInMemory) {
  FaultEnv env(1);
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(InMemory(&env)));
  std::atomic<bool> goes_on{false};
  env.SetObserver([&goes_on](CallKind kind, const std::string& path) {
    if (kind == CallKind::kSync && path.find("socle-wal") != std::string::npos) {
      goes_on.wait(false);
    }
  });
  std::atomic<int> done{0};
  std::atomic<int> refused{0};
  int sent = 0;
  for (; refused == 0 && sent < 200'000; ++sent) {
    store->Put({.key = "k", .value = "v"},
               [&](const absl::StatusOr<PutResult>& result) { ++(result.ok() ? done : refused); });
  }
  EXPECT_LT(sent, 40'000) << "64 MiB of them, at 2 to 3 KiB each";
  EXPECT_GT(sent, 5'000) << "etcd takes so many";
  EXPECT_EQ(store->Stats().pending_writes, static_cast<uint64_t>(sent - 1));
  goes_on = true;
  goes_on.notify_all();
  while (done + refused < sent) {
    Clock::Real()->SleepFor(kNanosPerMilli);
  }
  EXPECT_EQ(refused, 1);
  while (absl::IsResourceExhausted(store->Put({.key = "k", .value = "w"}).status())) {
    Clock::Real()->SleepFor(kNanosPerMilli);  // the loop forgets a batch when it looks for the next
  }
  EXPECT_EQ(store->Range({.key = "k"})->kvs[0].value, "w");
}

TEST(Patience, WritersOfBothKindsAndEverythingElseGoOnTogether) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  constexpr int kThreads = 4;
  constexpr int kPuts = 400;
  FaultEnv env(seed);
  StoreOptions options = InMemory(&env);
  options.batch_interval_nanos = kNanosPerMilli;
  std::atomic<int> at_once{0};
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(options));
    std::vector<Thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back("writer", [&, t] {
        Random random(seed + static_cast<uint64_t>(t));
        for (int i = 0; i < kPuts; ++i) {
          const Patience patience(t % 2 == 0);
          at_once += IsAnsweredAtOnce(store.get(), fmt::format("{}/{}", t, i)) ? 1 : 0;
          if (random.OneIn(50)) {
            store->Compact(store->current_revision() - 1, random.OneIn(2), [](const auto&) {});
          }
          if (random.OneIn(10)) {
            Clock::Real()->SleepFor(static_cast<int64_t>(random.Below(2 * kNanosPerMilli)));
          }
        }
      });
    }
    threads.clear();
    EXPECT_EQ(store->current_revision(), 1 + kThreads * kPuts);
    EXPECT_OK(store->Check());
  }
  EXPECT_GT(at_once.load(), 0);
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(options));
  const auto all = store->Range({.key = "0", .range_end = "9"});
  ASSERT_OK(all);
  EXPECT_EQ(all->kvs.size(), static_cast<size_t>(kThreads * kPuts));
  EXPECT_EQ(store->current_revision(), 1 + kThreads * kPuts);
}

}  // namespace
}  // namespace socle::mvcc
