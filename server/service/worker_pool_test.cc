#include "server/service/worker_pool.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/mutex.h"

namespace socle::server {
namespace {

// Tasks that wait here hold their threads.
class Gate {
 public:
  void Pass() {
    MutexLock lock(&mu_);
    ++inside_;
    changed_.SignalAll();
    while (!is_open_) {
      changed_.Wait(&mu_);
    }
  }

  void Open() {
    MutexLock lock(&mu_);
    is_open_ = true;
    changed_.SignalAll();
  }

  void AwaitInside(int count) {
    MutexLock lock(&mu_);
    while (inside_ < count) {
      changed_.Wait(&mu_);
    }
  }

  int inside() {
    MutexLock lock(&mu_);
    return inside_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  int inside_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_open_ ABSL_GUARDED_BY(mu_) = false;
};

bool Submit(WorkerPool* pool, WorkerPool::Task task, WorkerPool::Weight weight) {
  return pool->Submit(task, weight);
}

TEST(WorkerPool, ShortTasksAreDoneWhileAnyNumberOfLongOnesWaits) {
  Gate gate;
  WorkerPool pool({.threads = 2});
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Submit(
        &pool, [&gate] { gate.Pass(); }, WorkerPool::Weight::kLong));
  }
  gate.AwaitInside(1);
  Gate done;
  for (int i = 1; i <= 1'000; ++i) {  // each is awaited: one thread stays free for them
    ASSERT_TRUE(Submit(
        &pool,
        [&done] {
          done.Open();
          done.Pass();
        },
        WorkerPool::Weight::kShort));
    done.AwaitInside(i);
  }
  EXPECT_EQ(gate.inside(), 1);
  gate.Open();
  gate.AwaitInside(100);
}

TEST(WorkerPool, LongTasksHaveTheirTurnWhileShortOnesKeepComing) {
  Gate first;
  Mutex mu;
  std::vector<char> order;
  {
    WorkerPool pool({.threads = 1});
    const auto note = [&](char what) {
      return [&mu, &order, what] {
        MutexLock lock(&mu);
        order.push_back(what);
      };
    };
    ASSERT_TRUE(Submit(
        &pool, [&first] { first.Pass(); }, WorkerPool::Weight::kShort));
    first.AwaitInside(1);
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(Submit(&pool, note('s'), WorkerPool::Weight::kShort));
    }
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(Submit(&pool, note('L'), WorkerPool::Weight::kLong));
    }
    first.Open();
  }
  MutexLock lock(&mu);
  ASSERT_EQ(order.size(), 23U);
  const std::string text(order.begin(), order.end());
  EXPECT_EQ(std::count(text.begin(), text.begin() + 12, 'L'), 3) << text;
  EXPECT_EQ(std::count(text.begin(), text.begin() + 12, 's'), 9) << text;
}

TEST(WorkerPool, RefusesBeyondTheBoundOfEachKindAndRunsWhatItAccepted) {
  Gate gate;
  int ran = 0;
  {
    WorkerPool pool({.threads = 1, .queue_max = 3});
    ASSERT_TRUE(Submit(
        &pool, [&gate] { gate.Pass(); }, WorkerPool::Weight::kShort));
    gate.AwaitInside(1);
    for (const auto weight : {WorkerPool::Weight::kLong, WorkerPool::Weight::kShort}) {
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(Submit(
            &pool, [&ran] { ++ran; }, weight));
      }
      WorkerPool::Task refused = [&ran] { ++ran; };
      EXPECT_FALSE(pool.Submit(refused, weight));
      EXPECT_TRUE(refused != nullptr);
    }
    gate.Open();
  }
  EXPECT_EQ(ran, 6);
}

}  // namespace
}  // namespace socle::server
