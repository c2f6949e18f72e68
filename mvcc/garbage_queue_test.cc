#include "mvcc/garbage_queue.h"

#include <gtest/gtest.h>

namespace socle::mvcc {
namespace {

HistoryItem Put(int64_t main) {
  return HistoryItem({main, 0}, false);
}

HistoryItem Tombstone(int64_t main) {
  return HistoryItem({main, 0}, true);
}

TEST(GarbageQueue, GivesWhatWasSupersededUpToTheRevision) {
  GarbageQueue queue;
  queue.AddSuperseded(Put(2), 3);
  queue.AddSuperseded(Put(3), 5);
  EXPECT_FALSE(queue.PopUpTo(2).has_value());
  EXPECT_EQ(queue.PopUpTo(4)->main(), 2);
  EXPECT_FALSE(queue.PopUpTo(4).has_value());
  EXPECT_EQ(queue.PopUpTo(5)->main(), 3);
  EXPECT_EQ(queue.size(), 0U);
}

TEST(GarbageQueue, KeepsATombstoneAtExactlyTheRevision) {
  GarbageQueue queue;
  queue.AddSuperseded(Put(2), 4);
  queue.AddTombstone(Tombstone(4));
  EXPECT_EQ(queue.PopUpTo(4)->main(), 2);
  EXPECT_FALSE(queue.PopUpTo(4).has_value());  // Trap 23.
  EXPECT_TRUE(queue.PopUpTo(5)->is_tombstone());
}

TEST(GarbageQueue, GivesPutsBeforeTheTombstonesThatEndedThem) {
  GarbageQueue queue;
  queue.AddSuperseded(Put(2), 3);
  queue.AddTombstone(Tombstone(3));
  queue.AddSuperseded(Put(4), 5);
  EXPECT_EQ(queue.PopUpTo(9)->main(), 2);
  EXPECT_EQ(queue.PopUpTo(9)->main(), 4);
  EXPECT_EQ(queue.PopUpTo(9)->main(), 3);
  EXPECT_FALSE(queue.PopUpTo(9).has_value());
}

}  // namespace
}  // namespace socle::mvcc
