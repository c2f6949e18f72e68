#include "lease/deadline_heap.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"

namespace socle::lease {
namespace {

TEST(DeadlineHeap, PopsOnlyWhatIsDueAndTheFirstFirst) {
  DeadlineHeap heap;
  std::array<DeadlineHeap::Entry, 3> entries;
  heap.Set(&entries[0], 30);
  heap.Set(&entries[1], 10);
  heap.Set(&entries[2], 20);
  EXPECT_EQ(heap.NextDue(), 10);
  EXPECT_EQ(heap.PopDue(9), nullptr);
  EXPECT_EQ(heap.PopDue(20), &entries[1]);
  EXPECT_EQ(heap.PopDue(20), &entries[2]);
  EXPECT_EQ(heap.PopDue(20), nullptr);
  EXPECT_EQ(heap.NextDue(), 30);
  EXPECT_EQ(heap.size(), 1U);
}

TEST(DeadlineHeap, ADeadlineThatMovedLaterIsCorrectedWhenItSurfaces) {
  DeadlineHeap heap;
  std::array<DeadlineHeap::Entry, 2> entries;
  heap.Set(&entries[0], 10);
  heap.Set(&entries[1], 20);
  heap.Set(&entries[0], 50);
  EXPECT_EQ(heap.NextDue(), 10);  // not yet corrected
  EXPECT_EQ(heap.PopDue(15), nullptr);
  EXPECT_EQ(heap.NextDue(), 20);
  EXPECT_EQ(heap.PopDue(50), &entries[1]);
  EXPECT_EQ(heap.PopDue(50), &entries[0]);
}

TEST(DeadlineHeap, AgreesWithASortedListOnRandomCalls) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    DeadlineHeap heap;
    std::array<DeadlineHeap::Entry, 40> entries;
    std::array<int64_t, 40> due;
    due.fill(DeadlineHeap::kNever);
    int64_t now = 0;
    for (int step = 0; step < 2000; ++step) {
      const size_t at = random.Below(entries.size());
      switch (random.Below(4)) {
        case 0:
        case 1:
          due[at] = now + static_cast<int64_t>(random.Below(100));
          heap.Set(&entries[at], due[at]);
          break;
        case 2:
          due[at] = DeadlineHeap::kNever;
          heap.Remove(&entries[at]);
          break;
        default: {
          now += static_cast<int64_t>(random.Below(20));
          const int64_t first = *std::ranges::min_element(due);
          ASSERT_LE(heap.NextDue(), first);
          const DeadlineHeap::Entry* const popped = heap.PopDue(now);
          ASSERT_EQ(popped != nullptr, first <= now);
          if (popped == nullptr) {
            ASSERT_EQ(heap.NextDue(), first);
          } else {
            int64_t& there = due[static_cast<size_t>(popped - entries.data())];
            ASSERT_EQ(there, first);
            there = DeadlineHeap::kNever;
          }
        }
      }
      heap.CheckInvariants();
      ASSERT_EQ(heap.size(), static_cast<size_t>(std::ranges::count_if(
                                 due, [](int64_t d) { return d != DeadlineHeap::kNever; })));
    }
  }
}

}  // namespace
}  // namespace socle::lease
