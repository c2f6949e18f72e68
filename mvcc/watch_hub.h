// WatchHub: takes the store's changes in order and gives them to the watchers that want them.
//
//   write loop ──Publish──►  FIFO  ◄──Create, Cancel, Progress── streams
//                             │ hub thread, one step at a time
//                             ├─► synced watchers: found by key or interval ─┐
//                             └─► ring: newest revisions, while any lags     │ EventBlock: encoded once
//                                   └─► lagging watchers: a piece of the ────┤
//                             history (pages) ─► ring or of history, together│
//                                      response queue of each stream ◄───────┘ ──Next──► consumer
//
// Laws     1. One FIFO carries changes and commands: whatever a caller saw answered before its
//             command is processed before it; progress at R is queued behind every event <= R.
//          2. A watcher is synced (next event comes from the FIFO) or lagging (next event comes
//             from history up to the last revision the FIFO has brought). It moves between the two
//             without gap or repetition.
//          3. A stream's queue is bounded in bytes; a watcher that finds it full becomes lagging. The
//             FIFO is bounded too: a batch that finds it full is left to history.
//          4. The events of a revision are encoded once, with and once without previous pairs, for
//             all watchers and streams that get them; a put that nobody watches is not encoded.
//          5. Laggards take turns. The turn of one reads a piece (at most 1000 revisions or 4 MiB)
//             from its position on, for all laggards at or beyond it: they go on together.
//          6. The ring is complete from its first revision up to the newest.
// Threads  Publish: the write loop. Streams: any thread. All matching and reading of history: the
//          hub thread.
// Source   spec etcd 1.5; etcd#16839, etcd#15220, etcd#17529 (what went wrong there).
#ifndef SOCLE_MVCC_WATCH_HUB_H_
#define SOCLE_MVCC_WATCH_HUB_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <absl/status/statusor.h>

#include "kv/base/bytes.h"
#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "mvcc/applier.h"
#include "mvcc/read_view.h"
#include "mvcc/watch.h"
#include "mvcc/watch_stream.h"
#include "mvcc/watcher.h"

namespace socle::mvcc {

// The changes of one published batch.
struct EventBatch {
  int64_t revision = 0;  // newest revision of the batch
  std::vector<ChangeEvent> events;
  std::shared_ptr<const kv::BackendSnapshot> storage;  // what the events' views point into
  bool is_incomplete = false;  // applied while nobody watched: the events are only in history
};

struct WatchStats {
  int64_t streams = 0;
  int64_t watchers = 0;
  int64_t slow_watchers = 0;
  uint64_t events_sent = 0;
  int64_t pending_events = 0;        // sent and not taken yet
  uint64_t events_encoded = 0;       // however many watchers got them
  uint64_t history_events_read = 0;  // records that were read for laggards
};

struct WatchHubOptions {
  int64_t progress_interval_nanos = 600 * kNanosPerSecond;
  WatcherIndex::Ranges ranges = WatcherIndex::Ranges::kTree;
  WatchLimits limits;
};

// A stream as the hub knows it. The hub thread's.
struct WatchedStream {
  std::shared_ptr<StreamQueue> queue;
  int64_t next_id = 0;
  absl::flat_hash_map<int64_t, std::unique_ptr<Watcher>> watchers;
  int64_t lagging = 0;
  std::vector<Watcher*> touched;  // those with events gathered
};

class WatchHub {
 public:
  // `take_view` returns the newest published view; callable from any thread.
  WatchHub(std::function<ReadViewRef()> take_view, Clock* clock, WatchHubOptions options);
  // Requires that every stream is destroyed.
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // True while there are streams: the write loop then collects events.
  bool has_streams() const { return stream_count_.load(std::memory_order_seq_cst) > 0; }

  // After the batch's view was published and before its writers are answered.
  void Publish(EventBatch batch);

  std::unique_ptr<WatchStream> NewStream(std::function<void()> on_ready);

  WatchStats Stats() const;

 private:
  friend class HubStream;

  struct CreateCommand {
    std::shared_ptr<StreamQueue> stream;
    WatchRequest request;
    // Newest revision that could be read when the command was given: the view is published before
    // the batch is, so that it may be ahead of the FIFO.
    int64_t seen_revision = 0;
  };

  struct CancelCommand {
    std::shared_ptr<StreamQueue> stream;
    int64_t watch_id = 0;
  };

  struct ProgressCommand {
    std::shared_ptr<StreamQueue> stream;
  };

  struct CloseCommand {
    std::shared_ptr<StreamQueue> stream;
  };

  // From `revision` on every batch is published: earlier ones may have been left out, nobody
  // watched.
  struct OpenCommand {
    int64_t revision = 0;
  };

  using Item = std::variant<EventBatch, CreateCommand, CancelCommand, ProgressCommand, CloseCommand,
                            OpenCommand>;

  // Changes that belong together, encoded when somebody wants them.
  struct Piece {
    int64_t revision = 0;  // of the last change
    std::vector<WatchEvent> changes;
    EventBlockRef plain;
    EventBlockRef with_previous;
  };

  void Push(Item item);
  void Wake();
  void Loop();
  void Handle(EventBatch& batch);
  void Handle(CreateCommand& command);
  void Handle(CancelCommand& command);
  void Handle(ProgressCommand& command);
  void Handle(CloseCommand& command);
  void Handle(OpenCommand& command);

  // nullopt: accepted; else why not.
  static std::optional<std::string> Check(const WatchedStream& stream, const WatchRequest& request);
  void Refuse(const CreateCommand& command, std::string reason);
  WatchedStream* StreamOf(const std::shared_ptr<StreamQueue>& queue);

  // True when the watcher wants the change.
  static bool Wants(const Watcher& watcher, int64_t revision, bool is_delete);
  void Gather(Watcher* watcher, const EventBlockRef& block, uint32_t index);
  const EventBlockRef& BlockOf(Piece* piece, bool with_previous);
  // Matches the changes of one revision and sends them to the synced watchers.
  void Deliver(std::span<const ChangeEvent> changes);
  // Watchers of full queues go back to lagging, without what they gathered.
  void LagWhereFull(int64_t next_revision);
  void SendTouched(int64_t header_revision);
  void SendTouched(WatchedStream* stream, int64_t header_revision);
  void KeepInRing(Piece piece);
  void ClearRing();

  void AddSynced(Watcher* watcher);
  void AddLagging(Watcher* watcher);
  void RemoveLagging(Watcher* watcher);
  void MakeLagging(Watcher* watcher, int64_t next_revision);
  // The FIFO goes on at `revision`; what it left out is in history.
  void SkipTo(int64_t revision);
  void Remove(Watcher* watcher);
  // Removes the watcher; the response becomes its cancellation.
  void End(Watcher* watcher, WatchResponse response);

  bool HasLaggardsWithRoom() const;
  void CatchUp();
  // Those that the next piece is for; `from`: where it begins.
  std::vector<Watcher*> TakeTurn(int64_t* from);
  int64_t GatherFromRing(const std::vector<Watcher*>& group, int64_t from);
  // Both return the last revision up to which everything was gathered.
  absl::StatusOr<int64_t> GatherFromHistory(const std::vector<Watcher*>& group, int64_t from);
  void Advance(const std::vector<Watcher*>& group, int64_t done);
  void EndUnreadable(const std::vector<Watcher*>& group, int64_t from, const absl::Status& why);
  void NotifyProgress();

  const std::function<ReadViewRef()> take_view_;
  Clock* const clock_;
  const WatchHubOptions options_;
  std::atomic<int64_t> stream_count_{0};
  std::atomic<int64_t> watcher_count_{0};
  const std::shared_ptr<std::atomic<int64_t>> pending_events_ =
      std::make_shared<std::atomic<int64_t>>(0);
  std::atomic<int64_t> lagging_count_{0};
  std::atomic<uint64_t> events_sent_{0};
  std::atomic<uint64_t> events_encoded_{0};
  std::atomic<uint64_t> history_events_read_{0};

  mutable Mutex mu_;
  CondVar changed_;
  std::vector<Item> queue_ ABSL_GUARDED_BY(mu_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of the batches
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool has_room_ ABSL_GUARDED_BY(mu_) = false;  // a stream with lagging watchers was drained

  // The hub thread's.
  int64_t revision_ = 1;  // newest revision that the FIFO has brought
  absl::flat_hash_map<StreamQueue*, std::unique_ptr<WatchedStream>> streams_;
  WatcherIndex synced_;
  std::list<Watcher*> lagging_;  // whose turn is next first
  absl::flat_hash_set<WatchedStream*> lagging_streams_;
  std::deque<Piece> ring_;  // one revision each
  size_t ring_bytes_ = 0;
  std::vector<WatchedStream*> touched_streams_;  // with watchers that gathered events
  int64_t progress_watchers_ = 0;
  int64_t next_progress_nanos_ = 0;

  Thread thread_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_WATCH_HUB_H_
