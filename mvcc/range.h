// Range: reads keys of a range from a ReadState.
//
// Laws     1. Count at the newest revision is O(log n); a limited range in key order costs
//             O(limit).
//          2. Limit, sort and filters combine exactly as etcd's (traps 3 and 4).
// Threads  pure; any thread that holds the state.
// Source   spec etcd 1.4.
#ifndef SOCLE_MVCC_RANGE_H_
#define SOCLE_MVCC_RANGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "mvcc/read_view.h"
#include "mvcc/request.h"

namespace socle::mvcc {

// Half-open interval of keys; `is_open`: no upper end.
struct KeyInterval {
  std::string_view begin;
  std::string_view end;
  bool is_open = false;
  bool is_single = false;  // just `begin`

  bool Contains(std::string_view key) const {
    if (is_single) {
      return key == begin;
    }
    return key >= begin && (is_open || key < end);
  }
};

// etcd's (key, range_end) convention (law 1 of request.h).
KeyInterval IntervalOf(std::string_view key, std::string_view range_end);

// Whether the result's `records` is filled instead of `kvs`.
bool AreRecordsGiven(const RangeRequest& request);

// Runs the request. The result's views point into `state.storage`; its `pin` is left to the caller,
// as is the header revision. Requires a valid request (validate.h).
absl::StatusOr<RangeResult> ReadRange(const ReadState& state, const RangeRequest& request);

// Calls `visit(const KeyEntry&, HistoryItem)` for each key of the interval that is live at
// `revision`, in key order, until it returns false.
template <typename Visit>
void VisitLive(const IndexRoot& index, const KeyInterval& interval, int64_t revision,
               const Visit& visit) {
  if (interval.is_single) {
    const KeyEntry* const entry = index.Find(interval.begin);
    const auto item = entry == nullptr ? std::nullopt : entry->At(revision);
    if (item && !item->is_tombstone()) {
      visit(*entry, *item);
    }
    return;
  }
  IndexIterator it(index);
  for (it.Seek(interval.begin); it.Valid() && interval.Contains(it.entry().key()); it.Next()) {
    const auto item = it.entry().At(revision);
    if (item && !item->is_tombstone() && !visit(it.entry(), *item)) {
      return;
    }
  }
}

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_RANGE_H_
