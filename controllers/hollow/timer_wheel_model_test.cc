#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/hollow/timer_wheel.h"
#include "kv/base/clock.h"
#include "kv/base/random.h"

namespace socle::hollow {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<uint64_t> Due(TimerWheel* wheel, int64_t now) {
  std::vector<uint64_t> due;
  wheel->Advance(now, &due);
  return due;
}

TEST(TimerWheel, HandsOutInTheOrderOfTimeThenOfSetting) {
  TimerWheel wheel(0);
  const TimerWheel::Id a = wheel.Add(1);
  const TimerWheel::Id b = wheel.Add(2);
  const TimerWheel::Id c = wheel.Add(3);
  wheel.Set(a, 90 * kNanosPerMilli);
  wheel.Set(b, 70 * kNanosPerMilli);
  wheel.Set(c, 90 * kNanosPerMilli);
  EXPECT_THAT(Due(&wheel, 69 * kNanosPerMilli), IsEmpty());
  EXPECT_THAT(Due(&wheel, kNanosPerSecond), ElementsAre(2, 1, 3));
  EXPECT_EQ(wheel.NextWake(), kNever);
  EXPECT_THAT(Due(&wheel, 2 * kNanosPerSecond), IsEmpty());
}

TEST(TimerWheel, IsNeverEarlyWithinAMillisecond) {
  TimerWheel wheel(0);
  const TimerWheel::Id id = wheel.Add(1);
  wheel.Set(id, 5 * kNanosPerMilli + 1);
  EXPECT_THAT(Due(&wheel, 5 * kNanosPerMilli + 1), IsEmpty());
  EXPECT_EQ(wheel.NextWake(), 6 * kNanosPerMilli);
  EXPECT_THAT(Due(&wheel, 6 * kNanosPerMilli), ElementsAre(1));
}

TEST(TimerWheel, ATimeThatHasPassedIsDueAtOnce) {
  TimerWheel wheel(10 * kNanosPerSecond);
  const TimerWheel::Id id = wheel.Add(1);
  wheel.Set(id, 3);
  EXPECT_LE(wheel.NextWake(), 10 * kNanosPerSecond);
  EXPECT_THAT(Due(&wheel, 10 * kNanosPerSecond), ElementsAre(1));
}

TEST(TimerWheel, TakesTheFarthestTimes) {
  TimerWheel wheel(0);
  wheel.Set(wheel.Add(1), kNever - 1);
  wheel.Set(wheel.Add(2), kNever);
  EXPECT_EQ(wheel.set_count(), 1U);
  EXPECT_THAT(Due(&wheel, kNever / 2), IsEmpty());
  EXPECT_GT(wheel.NextWake(), kNever / 2);
}

// The naive wheel: a sorted map of (tick, order of Set).
class Model {
 public:
  void Set(uint32_t id, int64_t due) {
    Clear(id);
    const int64_t tick = std::max((due + kNanosPerMilli - 1) / kNanosPerMilli, now_tick_);
    by_time_[{tick, ++order_}] = id;
  }

  void Clear(uint32_t id) {
    std::erase_if(by_time_, [id](const auto& entry) { return entry.second == id; });
  }

  std::vector<uint64_t> Advance(int64_t now) {
    now_tick_ = std::max(now_tick_, now / kNanosPerMilli);
    std::vector<uint64_t> due;
    while (!by_time_.empty() && by_time_.begin()->first.first <= now_tick_) {
      due.push_back(by_time_.begin()->second);
      by_time_.erase(by_time_.begin());
    }
    return due;
  }

  int64_t Earliest() const {
    return by_time_.empty() ? kNever : by_time_.begin()->first.first * kNanosPerMilli;
  }

 private:
  std::map<std::pair<int64_t, uint64_t>, uint32_t> by_time_;
  uint64_t order_ = 0;
  int64_t now_tick_ = 0;
};

void RunAgainstModel(uint64_t seed) {
  SCOPED_TRACE(seed);
  Random random(seed);
  int64_t now = static_cast<int64_t>(random.Below(uint64_t{1} << 40U));
  TimerWheel wheel(now);
  Model model;
  model.Advance(now);
  constexpr uint32_t kTimers = 40;
  for (uint32_t i = 0; i < kTimers; ++i) {
    ASSERT_EQ(wheel.Add(i), i);
  }
  for (int step = 0; step < 3000; ++step) {
    const auto id = static_cast<uint32_t>(random.Below(kTimers));
    switch (random.Below(4)) {
      case 0:
      case 1: {
        // Spans of every size, so that every level is used.
        const int64_t span = static_cast<int64_t>(random.Next() >> (14 + random.Below(50)));
        const int64_t due = now + span - static_cast<int64_t>(random.Below(3)) * kNanosPerMilli;
        wheel.Set(id, due);
        model.Set(id, due);
        break;
      }
      case 2:
        wheel.Clear(id);
        model.Clear(id);
        break;
      default: {
        const int64_t wake = wheel.NextWake();
        ASSERT_LE(wake, model.Earliest());
        // To the wake-up, or by any span.
        now = random.OneIn(2) && wake != kNever
                  ? std::max(now, wake)
                  : now + static_cast<int64_t>(random.Next() >> (18 + random.Below(46)));
        ASSERT_EQ(Due(&wheel, now), model.Advance(now));
        ASSERT_EQ(wheel.NextWake() == kNever, model.Earliest() == kNever);
        break;
      }
    }
  }
}

TEST(TimerWheelModel, DoesWhatASortedMapDoes) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    RunAgainstModel(seed);
    if (HasFatalFailure()) {
      return;
    }
  }
}

TEST(TimerWheelModel, WakesAtMostOncePerLevelForOneTimer) {
  TimerWheel wheel(0);
  const TimerWheel::Id id = wheel.Add(7);
  const int64_t due = 123'456'789 * kNanosPerMilli;
  wheel.Set(id, due);
  int wakes = 0;
  for (;;) {
    const int64_t wake = wheel.NextWake();
    ++wakes;
    if (!Due(&wheel, wake).empty()) {
      EXPECT_EQ(wake, due);
      break;
    }
  }
  EXPECT_LE(wakes, 5);
}

}  // namespace
}  // namespace socle::hollow
