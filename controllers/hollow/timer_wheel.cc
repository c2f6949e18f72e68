#include "controllers/hollow/timer_wheel.h"

#include <bit>

#include "kv/base/check.h"
#include "kv/base/clock.h"

namespace socle::hollow {
namespace {

constexpr int kBitsPerLevel = 6;

uint64_t TickOf(int64_t nanos) {
  return nanos <= 0 ? 0 : static_cast<uint64_t>(nanos / kNanosPerMilli);
}

// Rounded up: law 1.
uint64_t DueTick(int64_t nanos) {
  return nanos <= 0 ? 0 : static_cast<uint64_t>((nanos - 1) / kNanosPerMilli) + 1;
}

}  // namespace

TimerWheel::TimerWheel(int64_t now_nanos) : now_tick_(TickOf(now_nanos)) {}

TimerWheel::Id TimerWheel::Add(uint64_t tag) {
  Id id = 0;
  if (free_.empty()) {
    id = static_cast<Id>(entries_.size());
    entries_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  entries_[id] = Entry{.tag = tag};
  return id;
}

void TimerWheel::Remove(Id id) {
  Clear(id);
  free_.push_back(id);
}

void TimerWheel::Set(Id id, int64_t due_nanos) {
  Clear(id);
  if (due_nanos == kNever) {
    return;
  }
  entries_[id].tick = std::max(DueTick(due_nanos), now_tick_);
  Link(id);
  ++set_count_;
}

void TimerWheel::Clear(Id id) {
  CHECK_LT(id, entries_.size());
  if (entries_[id].list != kNoList) {
    Unlink(id);
    --set_count_;
  }
}

// The highest group of six bits in which the tick differs from now is its level: all groups above are
// equal, so that no list ever wraps.
void TimerWheel::Link(Id id) {
  Entry& entry = entries_[id];
  const uint64_t differing = entry.tick ^ now_tick_;
  const int level = differing == 0 ? 0 : (63 - std::countl_zero(differing)) / kBitsPerLevel;
  const auto slot = static_cast<int>((entry.tick >> (kBitsPerLevel * level)) & (kSlots - 1));
  entry.list = static_cast<uint16_t>(level * kSlots + slot);
  List& list = lists_[entry.list];
  entry.previous = list.tail;
  entry.next = kNone;
  if (list.tail == kNone) {
    list.head = id;
  } else {
    entries_[list.tail].next = id;
  }
  list.tail = id;
  occupied_[static_cast<size_t>(level)] |= uint64_t{1} << slot;
}

void TimerWheel::Unlink(Id id) {
  Entry& entry = entries_[id];
  List& list = lists_[entry.list];
  (entry.previous == kNone ? list.head : entries_[entry.previous].next) = entry.next;
  (entry.next == kNone ? list.tail : entries_[entry.next].previous) = entry.previous;
  if (list.head == kNone) {
    occupied_[entry.list / kSlots] &= ~(uint64_t{1} << (entry.list % kSlots));
  }
  entry.list = kNoList;
}

// A lower level ends before the next slot of a higher one begins: its first occupied slot is the next.
TimerWheel::Next TimerWheel::FindNext() const {
  for (int level = 0; level < kLevels; ++level) {
    const uint64_t slots = occupied_[static_cast<size_t>(level)];
    if (slots == 0) {
      continue;
    }
    const int shift = kBitsPerLevel * level;
    const int slot = std::countr_zero(slots);
    const uint64_t above = shift + kBitsPerLevel >= 64
                               ? 0
                               : (now_tick_ >> (shift + kBitsPerLevel)) << (shift + kBitsPerLevel);
    return {.level = level, .slot = slot, .tick = above | (static_cast<uint64_t>(slot) << shift)};
  }
  return {};
}

int64_t TimerWheel::NextWake() const {
  const Next next = FindNext();
  if (next.level < 0) {
    return kNever;
  }
  constexpr auto kTickMax = static_cast<uint64_t>(kNever / kNanosPerMilli);
  return next.tick > kTickMax ? kNever - 1 : static_cast<int64_t>(next.tick) * kNanosPerMilli;
}

void TimerWheel::Advance(int64_t now_nanos, std::vector<uint64_t>* due) {
  const uint64_t target = std::max(TickOf(now_nanos), now_tick_);
  for (;;) {
    const Next next = FindNext();
    if (next.level < 0 || next.tick > target) {
      break;
    }
    now_tick_ = std::max(now_tick_, next.tick);
    const auto index = static_cast<size_t>(next.level * kSlots + next.slot);
    while (lists_[index].head != kNone) {
      const Id id = lists_[index].head;
      Unlink(id);
      if (entries_[id].tick <= now_tick_) {
        due->push_back(entries_[id].tag);
        --set_count_;
      } else {
        Link(id);
      }
    }
  }
  now_tick_ = target;
}

}  // namespace socle::hollow
