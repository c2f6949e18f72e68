#include "controllers/runtime/timers.h"

#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/mutex.h"
#include "kv/testing/manual_clock.h"

namespace socle::runtime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class TimersTest : public testing::Test {
 protected:
  TimerId Note(int64_t after_nanos, const std::string& what) {
    return timers_->After(after_nanos, [this, what] { ran_.push_back(what); });
  }

  ManualClock clock_;
  std::unique_ptr<Timers> timers_ = Timers::Start(&clock_, false);
  std::vector<std::string> ran_;
};

TEST_F(TimersTest, RunWhatIsDueInOrderOfTime) {
  Note(30, "c");
  Note(10, "a");
  Note(20, "b");
  Note(20, "b2");
  timers_->RunDue();
  EXPECT_THAT(ran_, IsEmpty());
  EXPECT_FALSE(timers_->is_busy());
  EXPECT_EQ(timers_->NextDue(), clock_.MonotonicNanos() + 10);
  clock_.Advance(20);
  EXPECT_TRUE(timers_->is_busy());
  timers_->RunDue();
  EXPECT_THAT(ran_, ElementsAre("a", "b", "b2"));
  clock_.Advance(10);
  timers_->RunDue();
  timers_->RunDue();
  EXPECT_THAT(ran_, ElementsAre("a", "b", "b2", "c"));
  EXPECT_EQ(timers_->NextDue(), std::numeric_limits<int64_t>::max());
}

TEST_F(TimersTest, CancelledOnesDoNotRun) {
  const TimerId a = Note(10, "a");
  Note(10, "b");
  timers_->Cancel(a);
  timers_->Cancel(a);
  timers_->Cancel(TimerId::kNone);
  clock_.Advance(10);
  timers_->RunDue();
  timers_->Cancel(a);
  EXPECT_THAT(ran_, ElementsAre("b"));
}

TEST_F(TimersTest, AFunctionMayCancelAndSetOthers) {
  const TimerId b = Note(20, "b");
  timers_->After(10, [this, b] {
    timers_->Cancel(b);
    Note(0, "at once");
  });
  clock_.Advance(30);
  timers_->RunDue();
  EXPECT_THAT(ran_, IsEmpty());
  EXPECT_TRUE(timers_->is_busy());
  timers_->RunDue();
  EXPECT_THAT(ran_, ElementsAre("at once"));
  EXPECT_FALSE(timers_->is_busy());
}

TEST_F(TimersTest, OneThatSetsItselfAgainDoesNotHoldUpTheCaller) {
  int times = 0;
  std::function<void()> again = [this, &times, &again] {
    ++times;
    timers_->After(0, again);
  };
  timers_->After(0, again);
  timers_->RunDue();
  EXPECT_EQ(times, 1);
  timers_->RunDue();
  EXPECT_EQ(times, 2);
}

TEST(TimerThread, RunsWhenTheTimeHasCome) {
  const std::unique_ptr<Timers> timers = Timers::Start(Clock::Real(), true);
  Mutex mu;
  CondVar changed;
  std::vector<int> ran;
  const auto note = [&](int what) {
    return [&, what] {
      MutexLock lock(&mu);
      ran.push_back(what);
      changed.SignalAll();
    };
  };
  timers->After(20 * kNanosPerMilli, note(2));
  timers->After(1 * kNanosPerMilli, note(1));
  const TimerId never = timers->After(3'600 * kNanosPerSecond, note(3));
  {
    MutexLock lock(&mu);
    while (ran.size() < 2) {
      changed.Wait(&mu);
    }
    EXPECT_THAT(ran, ElementsAre(1, 2));
  }
  timers->Cancel(never);
}

TEST(TimerThread, CancelWaitsForTheFunctionThatRuns) {
  const std::unique_ptr<Timers> timers = Timers::Start(Clock::Real(), true);
  Mutex mu;
  CondVar changed;
  bool is_running = false;
  bool is_over = false;
  const TimerId timer = timers->After(0, [&] {
    MutexLock lock(&mu);
    is_running = true;
    changed.SignalAll();
    changed.WaitFor(&mu, std::chrono::milliseconds(20));
    is_over = true;
  });
  {
    MutexLock lock(&mu);
    while (!is_running) {
      changed.Wait(&mu);
    }
  }
  timers->Cancel(timer);
  MutexLock lock(&mu);
  EXPECT_TRUE(is_over);
}

}  // namespace
}  // namespace socle::runtime
