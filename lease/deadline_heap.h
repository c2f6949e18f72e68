// DeadlineHeap: who is due first. An entry sits inside the object that it times.
//
// Laws     1. Moving a deadline later costs nothing: the entry stays where it is and is corrected
//             when it surfaces (etcd#10693). Renewal is the common case, and most entries never
//             surface.
//          2. A removed entry is gone at once: the heap is never longer than the number of live
//             objects.
// Threads  thread-compatible.
// Memory   16 bytes per entry; entries are not owned and must not move while they are in.
// Source   etcd#9418, etcd#10693.
#ifndef SOCLE_LEASE_DEADLINE_HEAP_H_
#define SOCLE_LEASE_DEADLINE_HEAP_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "mvcc/record.h"

namespace socle::lease {

class DeadlineHeap {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  struct Entry {
    mvcc::LeaseId id{};

    int64_t due() const { return due_; }

    bool is_queued() const { return position_ != kNowhere; }

   private:
    friend class DeadlineHeap;
    static constexpr size_t kNowhere = std::numeric_limits<size_t>::max();
    int64_t due_ = kNever;
    size_t position_ = kNowhere;
  };

  DeadlineHeap() = default;
  DeadlineHeap(const DeadlineHeap&) = delete;
  DeadlineHeap& operator=(const DeadlineHeap&) = delete;

  // Puts the entry in, or moves it. O(1) when it moves later, O(log n) otherwise.
  void Set(Entry* entry, int64_t due);
  // No effect when it is not in.
  void Remove(Entry* entry);

  // The entry that is due at `now` and first; takes it out. nullptr when none is due.
  Entry* PopDue(int64_t now);

  // Not later than the first deadline, and exact right after PopDue gave nullptr. kNever when
  // empty.
  int64_t NextDue() const { return slots_.empty() ? kNever : slots_.front().queued_at; }

  size_t size() const { return slots_.size(); }

  void CheckInvariants() const;

 private:
  struct Slot {
    int64_t queued_at;  // <= entry->due_
    Entry* entry;
  };

  void Place(size_t position, Slot slot);
  void SiftUp(size_t position);
  void SiftDown(size_t position);

  std::vector<Slot> slots_;
};

}  // namespace socle::lease

#endif  // SOCLE_LEASE_DEADLINE_HEAP_H_
