// GarbageQueue: superseded revisions in the order in which compaction may drop them.
//
// Laws     1. A revision superseded at main revision S is garbage once the store is compacted at R
//             >= S.
//          2. A tombstone at T is garbage once R > T: exactly at T it is kept (trap 23).
//          3. PopUpTo(R) gives exactly the garbage of R, in O(1) each: compaction costs what there
//             is to drop.
// Threads  confined to the write loop.
// Memory   24 bytes per superseded revision, 16 per tombstone; keys are read back from the records.
// Source   DESIGN 3 (mvcc); spec etcd 4.5 (lesson), etcd#18089.
#ifndef SOCLE_MVCC_GARBAGE_QUEUE_H_
#define SOCLE_MVCC_GARBAGE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "mvcc/key_entry.h"

namespace socle::mvcc {

class GarbageQueue {
 public:
  // The item stopped being its key's newest at main revision `superseded_at`. Ascending calls.
  void AddSuperseded(HistoryItem item, int64_t superseded_at) {
    superseded_.push_back({.item = item, .at = superseded_at});
  }

  // A tombstone was written. Ascending calls.
  void AddTombstone(HistoryItem tombstone) { tombstones_.push_back(tombstone); }

  // The next item that compaction at `main` drops; nullopt when there is none left.
  std::optional<HistoryItem> PopUpTo(int64_t main) {
    if (!superseded_.empty() && superseded_.front().at <= main) {
      const HistoryItem item = superseded_.front().item;
      superseded_.pop_front();
      return item;
    }
    if (!tombstones_.empty() && tombstones_.front().main() < main) {
      const HistoryItem item = tombstones_.front();
      tombstones_.pop_front();
      return item;
    }
    return std::nullopt;
  }

  size_t size() const { return superseded_.size() + tombstones_.size(); }

 private:
  struct Superseded {
    HistoryItem item;
    int64_t at;
  };

  std::deque<Superseded> superseded_;
  std::deque<HistoryItem> tombstones_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_GARBAGE_QUEUE_H_
