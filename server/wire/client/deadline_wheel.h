// DeadlineWheel: when calls must have ended; O(1) to add and to remove, 10 ms coarse.
//
// Laws     1. An element is handed out at the first Expire at or after its deadline rounded up to
//             the tick, never before.
//          2. Handing out may add and remove other elements.
// Threads  thread-compatible.
#ifndef SOCLE_SERVER_WIRE_CLIENT_DEADLINE_WHEEL_H_
#define SOCLE_SERVER_WIRE_CLIENT_DEADLINE_WHEEL_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "kv/base/clock.h"
#include "server/wire/http/linked_list.h"

namespace socle::server {

struct ByDeadline;

struct DeadlineLink : ListLink<ByDeadline> {
  int64_t deadline_nanos = 0;
};

class DeadlineWheel {
 public:
  static constexpr int64_t kTickNanos = 10 * kNanosPerMilli;

  explicit DeadlineWheel(int64_t now_nanos) : last_tick_(now_nanos / kTickNanos) {}

  void Add(DeadlineLink* element, int64_t deadline_nanos) {
    Remove(element);
    element->deadline_nanos = deadline_nanos;
    const int64_t tick = std::max((deadline_nanos + kTickNanos - 1) / kTickNanos, last_tick_ + 1);
    slots_[static_cast<size_t>(tick) % kSlots].PushBack(element);
    ++count_;
  }

  // No effect on an element that has no deadline.
  void Remove(DeadlineLink* element) {
    if (element->linked()) {
      element->Unlink();
      --count_;
    }
  }

  bool empty() const { return count_ == 0; }

  // When Expire is worth calling next. Requires: not empty.
  int64_t next_tick_nanos() const { return (last_tick_ + 1) * kTickNanos; }

  template <typename OnExpired>
  void Expire(int64_t now_nanos, OnExpired on_expired) {
    const int64_t now_tick = now_nanos / kTickNanos;
    const int64_t first = std::max(last_tick_ + 1, now_tick - static_cast<int64_t>(kSlots) + 1);
    List expired;
    for (int64_t tick = first; tick <= now_tick && count_ > 0; ++tick) {
      slots_[static_cast<size_t>(tick) % kSlots].MoveIf(
          [now_nanos](const DeadlineLink* element) { return element->deadline_nanos <= now_nanos; },
          &expired);
    }
    last_tick_ = std::max(last_tick_, now_tick);
    while (!expired.empty()) {
      DeadlineLink* element = expired.front();
      Remove(element);
      on_expired(element);
    }
  }

 private:
  static constexpr size_t kSlots = 1024;
  using List = LinkedList<DeadlineLink, ByDeadline>;

  std::array<List, kSlots> slots_;
  int64_t last_tick_;
  size_t count_ = 0;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_DEADLINE_WHEEL_H_
