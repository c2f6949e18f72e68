// TimerWheel: due times of many small records, set and cleared in constant time.
//
//   level 0: 64 slots of a millisecond; level n: 64 slots of 64^n; a slot of level n spills into n-1
//
// Laws     1. A timer is never handed out before its time, and once per Set.
//          2. Timers come in the order of their due millisecond, those of one in the order of Set.
//          3. NextWake is never later than the earliest due time (rounded up to a millisecond); with no
//             timer set it is kNever. Waking earlier costs at most one spill per level.
// Threads  thread-compatible.
// Memory   32 bytes per timer, 3 KB for the wheel.
// Source   Varghese, Lauck: hashed and hierarchical timing wheels.
#ifndef SOCLE_CONTROLLERS_HOLLOW_TIMER_WHEEL_H_
#define SOCLE_CONTROLLERS_HOLLOW_TIMER_WHEEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace socle::hollow {

// A time that does not come.
inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

class TimerWheel {
 public:
  using Id = uint32_t;

  explicit TimerWheel(int64_t now_nanos);

  // A timer that is not set; `tag` is what Advance hands out.
  Id Add(uint64_t tag);
  // Clears it; the id may be given to another.
  void Remove(Id id);
  // In place of the time it had. A time that has passed is due at the next Advance; kNever clears.
  void Set(Id id, int64_t due_nanos);
  void Clear(Id id);

  bool IsSet(Id id) const { return entries_[id].list != kNoList; }

  // When Advance has something to do.
  int64_t NextWake() const;
  // Appends the tags of all that are due at `now_nanos` and clears their timers. Time never goes back.
  void Advance(int64_t now_nanos, std::vector<uint64_t>* due);

  size_t set_count() const { return set_count_; }

 private:
  static constexpr int kLevels = 11;  // 66 bits: every tick there is
  static constexpr int kSlots = 64;
  static constexpr Id kNone = UINT32_MAX;
  static constexpr uint16_t kNoList = UINT16_MAX;

  struct Entry {
    uint64_t tick = 0;
    uint64_t tag = 0;
    Id previous = kNone;
    Id next = kNone;
    uint16_t list = kNoList;  // level * kSlots + slot
  };

  struct List {
    Id head = kNone;
    Id tail = kNone;
  };

  // Where the next spill or due timer is: the list, and its first tick.
  struct Next {
    int level = -1;
    int slot = 0;
    uint64_t tick = 0;
  };

  void Link(Id id);
  void Unlink(Id id);
  Next FindNext() const;

  uint64_t now_tick_;
  std::array<List, kLevels * kSlots> lists_;
  std::array<uint64_t, kLevels> occupied_{};  // a bit per slot that is not empty
  std::vector<Entry> entries_;
  std::vector<Id> free_;
  size_t set_count_ = 0;
};

}  // namespace socle::hollow

#endif  // SOCLE_CONTROLLERS_HOLLOW_TIMER_WHEEL_H_
