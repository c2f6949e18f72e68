// HistoryScan: walks stored revisions in order, from the pages through the pending buffers.
//
// Laws     1. Every revision of [from, to] that is stored comes once, in order, whole (all its
//             changes together).
//          2. Stops between revisions only: after `revisions_max` of them or `bytes_max` bytes.
// Threads  pure; any thread that holds the state.
// Errors   DataLoss names the revision whose key or record is broken.
#ifndef SOCLE_MVCC_HISTORY_SCAN_H_
#define SOCLE_MVCC_HISTORY_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <functional>

#include <absl/status/statusor.h>

#include "mvcc/applier.h"
#include "mvcc/read_view.h"

namespace socle::mvcc {

struct HistoryBounds {
  int64_t from = 0;
  int64_t to = 0;
  int64_t revisions_max = 1000;
  size_t bytes_max = size_t{4} << 20U;
};

// Returns the last revision up to which everything was visited: `to`, or less when a maximum was
// reached.
absl::StatusOr<int64_t> ScanHistory(const ReadState& state, const HistoryBounds& bounds,
                                    const std::function<void(const ChangeEvent&)>& visit);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_HISTORY_SCAN_H_
