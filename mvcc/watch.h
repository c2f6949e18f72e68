// Watch: requests, events and the stream through which a consumer takes them.
//
// Laws     1. Ordered, unique, atomic, reliable: every event of a watched range from the start
//             revision on, in order, once, all events of a revision together.
//          2. Nothing is delivered for a watch before its created response.
//          3. A progress response at revision R comes after every event <= R, and never below a
//             future start.
//          4. A consumer that does not take its responses holds back only itself: its queue is
//             bounded, beyond it the watcher falls back to reading history.
//          5. A stream holds a bounded number of unanswered commands: its owner gives more only when
//             TakesCommands says so.
// Threads  WatchStream is thread-safe.
// Source   spec etcd 1.5, 7.1 traps 14 to 19.
#ifndef SOCLE_MVCC_WATCH_H_
#define SOCLE_MVCC_WATCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mvcc/event_block.h"

namespace socle::mvcc {

struct WatchRequest {
  std::string key;             // empty: as one zero byte
  std::string range_end;       // as in ranges
  int64_t start_revision = 0;  // 0: from the next revision on
  int64_t watch_id = 0;        // 0: chosen by the stream, counting from 0
  bool progress_notify = false;
  bool no_put = false;
  bool no_delete = false;
  bool prev_kv = false;
  bool fragment = false;  // carried through to WatchResponse; the transport splits by size
};

struct WatchResponse {
  int64_t revision = 0;  // of the header
  int64_t watch_id = 0;
  bool created = false;
  bool canceled = false;
  int64_t compact_revision = 0;
  std::string cancel_reason;
  bool fragment = false;  // the watch asked for splitting of large responses
  EventList events;       // shared with whoever else gets them; holds their memory
};

// The same response for several watches of a stream.
struct SharedWatchResponse {
  WatchResponse response;          // its watch_id: that of the first
  std::vector<int64_t> watch_ids;  // never empty
};

// Bounds of what waits for consumers; beyond each a watcher falls back to history.
struct WatchLimits {
  size_t stream_bytes_max = size_t{4} << 20U;  // of one stream's queue
  size_t stream_deliveries_max = 1024;
  size_t ring_bytes_max = size_t{16} << 20U;  // newest events, kept while a watcher lags
  size_t fifo_bytes_max = size_t{64} << 20U;  // changes that the hub has not yet looked at
};

class WatchStream {
 public:
  // Cancels every watch of the stream.
  virtual ~WatchStream() = default;
  // Each answers through the stream.
  virtual void Create(WatchRequest request) = 0;
  virtual void Cancel(int64_t watch_id) = 0;
  virtual void RequestProgress() = 0;
  // False while too many commands wait to be worked on or their answers to be taken; on_ready is
  // called (or an answer is taken) when it turns true again.
  virtual bool TakesCommands() const = 0;
  // Takes the next response; nullopt when there is none now: on_ready is called when there is one
  // again (now and then when there is none).
  virtual std::optional<WatchResponse> Next() = 0;
  // The same, but responses that differ in nothing but the watch come as one.
  virtual std::optional<SharedWatchResponse> NextShared() = 0;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_WATCH_H_
