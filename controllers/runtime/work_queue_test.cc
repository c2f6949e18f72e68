#include "controllers/runtime/work_queue.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/mutex.h"
#include "kv/base/random.h"
#include "kv/base/thread.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/seed.h"

namespace socle::runtime {
namespace {

class WorkQueueTest : public testing::Test {
 protected:
  void Pass(int64_t nanos) {
    clock_.Advance(nanos);
    timers_->RunDue();
  }

  ManualClock clock_;
  std::unique_ptr<Timers> timers_ = Timers::Start(&clock_, false);
  std::unique_ptr<WorkQueue> queue_ =
      WorkQueue::Make(timers_.get(), {.backoff_min_nanos = 10, .backoff_max_nanos = 100});
};

TEST_F(WorkQueueTest, HandsOutAKeyOnceHoweverOftenItWasAdded) {
  queue_->Add("a");
  queue_->Add("b");
  queue_->Add("a");
  EXPECT_EQ(queue_->waiting(), 2U);
  EXPECT_EQ(queue_->Take(), "a");
  EXPECT_EQ(queue_->Take(), "b");
  EXPECT_EQ(queue_->waiting(), 0U);
}

TEST_F(WorkQueueTest, AKeyThatRunsComesAgainOnlyWhenItIsDone) {
  queue_->Add("a");
  EXPECT_EQ(queue_->Take(), "a");
  queue_->Add("a");
  queue_->Add("a");
  EXPECT_EQ(queue_->waiting(), 0U);
  EXPECT_FALSE(queue_->is_idle());
  queue_->Done("a");
  EXPECT_EQ(queue_->waiting(), 1U);
  EXPECT_EQ(queue_->Take(), "a");
  queue_->Done("a");
  EXPECT_TRUE(queue_->is_idle());
}

TEST_F(WorkQueueTest, TheEarlierOfTwoDelaysCounts) {
  queue_->AddAfter("a", 50);
  queue_->AddAfter("a", 20);
  queue_->AddAfter("a", 30);
  queue_->AddAfter("b", 10);
  EXPECT_TRUE(queue_->is_idle());
  Pass(19);
  EXPECT_EQ(queue_->waiting(), 1U);
  Pass(1);
  EXPECT_EQ(queue_->waiting(), 2U);
  queue_->Take();
  queue_->Take();
  queue_->Done("a");
  queue_->Done("b");
  Pass(100);
  EXPECT_EQ(queue_->waiting(), 0U);
}

TEST_F(WorkQueueTest, FailuresWaitLongerEachTimeUntilTheyAreForgotten) {
  for (const int64_t delay : {10, 20, 40, 80, 100, 100}) {
    queue_->AddRateLimited("a");
    Pass(delay - 1);
    EXPECT_EQ(queue_->waiting(), 0U) << delay;
    Pass(1);
    ASSERT_EQ(queue_->waiting(), 1U) << delay;
    queue_->Take();
    queue_->Done("a");
  }
  queue_->Forget("a");
  queue_->AddRateLimited("a");
  Pass(10);
  EXPECT_EQ(queue_->waiting(), 1U);
}

TEST_F(WorkQueueTest, CloseEndsWhoWaitsAndTakesNothingMore) {
  Thread worker("worker", [this] { EXPECT_EQ(queue_->Take(), std::nullopt); });
  queue_->AddAfter("a", 10);
  queue_->Close();
  worker.Join();
  queue_->Add("b");
  Pass(10);
  EXPECT_EQ(queue_->waiting(), 0U);
}

TEST_F(WorkQueueTest, GoesWithTimersArmed) {
  queue_->AddAfter("a", 10);
  queue_->AddAfter("b", 5);
  queue_.reset();
  Pass(100);
}

TEST(WorkQueueModel, NoKeyRunsTwiceAtOnceAndNoneIsLost) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  const std::unique_ptr<Timers> timers = Timers::Start(Clock::Real(), true);
  const std::unique_ptr<WorkQueue> queue = WorkQueue::Make(timers.get());
  Mutex mu;
  CondVar changed;
  std::map<std::string, int> wanted;  // additions that no later run has seen yet
  std::map<std::string, int> running;
  std::vector<Thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back("worker", [&] {
      while (const std::optional<std::string> key = queue->Take()) {
        {
          MutexLock lock(&mu);
          EXPECT_EQ(running[*key]++, 0) << *key;
          wanted[*key] = 0;
        }
        {
          MutexLock lock(&mu);
          --running[*key];
          changed.SignalAll();
        }
        queue->Done(*key);
      }
    });
  }
  Random random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = fmt::format("k{}", random.Below(5));
    {
      MutexLock lock(&mu);
      ++wanted[key];
    }
    if (random.OneIn(10)) {
      queue->AddAfter(key, static_cast<int64_t>(random.Below(100'000)));
    } else {
      queue->Add(key);
    }
  }
  {
    MutexLock lock(&mu);
    const auto all_seen = [&] {
      return std::all_of(wanted.begin(), wanted.end(),
                         [](const auto& one) { return one.second == 0; });
    };
    while (!all_seen()) {
      changed.Wait(&mu);
    }
  }
  queue->Close();
}

}  // namespace
}  // namespace socle::runtime
