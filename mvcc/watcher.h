// Watcher: one watch of a stream, and the index of watchers by what they watch.
//
// Laws     1. A put that matches no watcher costs one hash lookup and one descent of the interval
//             index, whatever the number of watchers.
//          2. Adding and removing cost O(1) for a single key, O(log n) for a range.
// Threads  confined to the hub thread.
// Memory   watchers belong to their stream's state; an index only points to them, and a watcher is
//          in one index at a time.
#ifndef SOCLE_MVCC_WATCHER_H_
#define SOCLE_MVCC_WATCHER_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kv/base/bytes.h"
#include "mvcc/event_block.h"
#include "mvcc/interval_index.h"

namespace socle::mvcc {

struct WatchedStream;  // watch_hub.h

// The watchers of one interval.
struct WatchedInterval : IntervalNode {
  std::vector<struct Watcher*> watchers;
  size_t slot = 0;  // in WatcherIndex::intervals_
};

struct Watcher {
  WatchedStream* stream = nullptr;
  int64_t id = 0;
  std::string key;
  std::string range_end;
  int64_t next_revision = 0;  // first revision not yet delivered or passed
  int64_t last_event_nanos = 0;
  bool progress_notify = false;
  bool no_put = false;
  bool no_delete = false;
  bool prev_kv = false;
  bool fragment = false;
  bool is_synced = false;

  EventList gathered;  // of the revision or the piece of history at hand

  // Of whoever it is listed by.
  size_t slot = 0;                      // WatcherIndex: its place among the watchers of its key
  WatchedInterval* interval = nullptr;  // WatcherIndex
  std::list<Watcher*>::iterator lagging_at;
};

class WatcherIndex {
 public:
  // kLinear walks all ranges: the behaviour before the interval index, for measuring against it.
  enum class Ranges { kTree, kLinear };

  explicit WatcherIndex(Ranges ranges = Ranges::kTree) : ranges_(ranges) {}

  WatcherIndex(const WatcherIndex&) = delete;
  WatcherIndex& operator=(const WatcherIndex&) = delete;

  void Add(Watcher* watcher);
  // Requires that it was added.
  void Remove(Watcher* watcher);

  // Calls `visit(Watcher*)` for each that watches the key.
  template <typename Visit>
  void VisitMatching(std::string_view key, const Visit& visit) const {
    if (const auto at = by_key_.find(key); at != by_key_.end()) {
      for (Watcher* const watcher : at->second) {
        visit(watcher);
      }
    }
    const auto visit_all = [&visit](IntervalNode* node) {
      for (Watcher* const watcher : static_cast<WatchedInterval*>(node)->watchers) {
        visit(watcher);
      }
    };
    if (ranges_ == Ranges::kTree) {
      by_interval_.VisitContaining(key, visit_all);
      return;
    }
    for (const auto& interval : intervals_) {
      if (interval->Contains(key)) {
        visit_all(interval.get());
      }
    }
  }

 private:
  void RemoveRange(Watcher* watcher);

  const Ranges ranges_;
  StringMap<std::vector<Watcher*>> by_key_;
  IntervalIndex by_interval_;
  std::vector<std::unique_ptr<WatchedInterval>> intervals_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_WATCHER_H_
