// WatchMessage: the few fields of a serialised etcdserverpb.WatchResponse that the load needs, read in
// place: parsing whole messages would make the generator the limit.
//
// Threads  pure functions.
// Errors   false when the bytes are no WatchResponse.
#ifndef SOCLE_BENCH_WORKLOAD_WATCH_MESSAGE_H_
#define SOCLE_BENCH_WORKLOAD_WATCH_MESSAGE_H_

#include <cstdint>
#include <string_view>

#include "kv/base/bytes.h"

namespace socle::bench {

struct WatchHead {
  bool created = false;
  bool canceled = false;
  std::string_view cancel_reason;
};

// Calls `visit(field, number, bytes)` for each field; `bytes` of a length-delimited one. False when it
// says false or the message is broken. Only the two wire types that these messages have.
template <typename Visit>
bool VisitFields(std::string_view message, const Visit& visit) {
  while (!message.empty()) {
    uint64_t tag = 0;
    uint64_t number = 0;
    std::string_view bytes;
    if (!ConsumeVarint(&message, &tag)) {
      return false;
    }
    const bool is_read = (tag & 7U) == 0   ? ConsumeVarint(&message, &number)
                         : (tag & 7U) == 2 ? ConsumeLengthPrefixed(&message, &bytes)
                                           : false;
    if (!is_read || !visit(tag >> 3U, number, bytes)) {
      return false;
    }
  }
  return true;
}

// Calls `on_value(std::string_view)` with the value of each event's pair.
template <typename OnValue>
bool ReadWatchMessage(std::string_view message, WatchHead* head, const OnValue& on_value) {
  constexpr uint64_t kCreated = 3;
  constexpr uint64_t kCanceled = 4;
  constexpr uint64_t kCancelReason = 6;
  constexpr uint64_t kEvents = 11;
  constexpr uint64_t kEventKv = 2;
  constexpr uint64_t kKvValue = 5;
  const auto on_pair_field = [&on_value](uint64_t field, uint64_t, std::string_view bytes) {
    if (field == kKvValue) {
      on_value(bytes);
    }
    return true;
  };
  const auto on_event_field = [&on_pair_field](uint64_t field, uint64_t, std::string_view bytes) {
    return field != kEventKv || VisitFields(bytes, on_pair_field);
  };
  return VisitFields(message, [&](uint64_t field, uint64_t number, std::string_view bytes) {
    switch (field) {
      case kCreated:
        head->created = number != 0;
        return true;
      case kCanceled:
        head->canceled = number != 0;
        return true;
      case kCancelReason:
        head->cancel_reason = bytes;
        return true;
      case kEvents:
        return VisitFields(bytes, on_event_field);
      default:
        return true;
    }
  });
}

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_WATCH_MESSAGE_H_
