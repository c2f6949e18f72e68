#include "controllers/registry/key_lanes.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/thread.h"

namespace socle::registry {
namespace {

using testing::ElementsAre;

TEST(KeyLanes, TurnsOfOneKeyFollowEachOtherAndOtherKeysDoNotWait) {
  KeyLanes lanes;
  std::vector<std::string> ran;
  lanes.Enter("a", [&] { ran.push_back("a1"); });
  lanes.Enter("a", [&] { ran.push_back("a2"); });
  lanes.Enter("a", [&] { ran.push_back("a3"); });
  lanes.Enter("b", [&] { ran.push_back("b1"); });
  EXPECT_THAT(ran, ElementsAre("a1", "b1"));
  KeyLanes::RunTurn(lanes.Leave("a"));
  EXPECT_THAT(ran, ElementsAre("a1", "b1", "a2"));
  KeyLanes::RunTurn(lanes.Leave("a"));
  EXPECT_THAT(ran, ElementsAre("a1", "b1", "a2", "a3"));
  EXPECT_EQ(lanes.Leave("a"), nullptr);
  lanes.Enter("a", [&] { ran.push_back("a4"); });
  EXPECT_EQ(ran.back(), "a4");
}

TEST(KeyLanes, TurnsThatEndAtOnceDoNotGrowTheStack) {
  KeyLanes lanes;
  int64_t ran = 0;
  const auto turn = [&] {
    ++ran;
    Turn next = lanes.Leave("a");
    if (next != nullptr) {
      KeyLanes::RunTurn(std::move(next));
    }
  };
  lanes.Enter("a", [] {});
  constexpr int64_t kTurns = 1'000'000;
  for (int64_t i = 0; i < kTurns; ++i) {
    lanes.Enter("a", turn);
  }
  KeyLanes::RunTurn(lanes.Leave("a"));
  EXPECT_EQ(ran, kTurns);
}

TEST(KeyLanes, OneTurnAtATimeFromManyThreads) {
  KeyLanes lanes;
  int64_t count = 0;  // guarded by the lane
  {
    std::vector<Thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back("turns", [&] {
        for (int i = 0; i < 2000; ++i) {
          lanes.Enter("a", [&] {
            ++count;
            Turn next = lanes.Leave("a");
            if (next != nullptr) {
              KeyLanes::RunTurn(std::move(next));
            }
          });
        }
      });
    }
  }
  EXPECT_EQ(count, 8000);
}

}  // namespace
}  // namespace socle::registry
