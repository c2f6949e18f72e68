// The half of WatchHub that makes responses: of new changes for synced watchers, of the ring and of history
// for laggards.
#include <algorithm>
#include <tuple>
#include <utility>

#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "mvcc/history_scan.h"
#include "mvcc/watch_hub.h"

namespace socle::mvcc {
namespace {

// Revisions of a piece; as etcd's.
constexpr int64_t kRevisionsMax = 1000;
// Watchers times revisions of a piece: bounds how long a turn of many laggards holds up the FIFO.
constexpr int64_t kOffersMax = 1'000'000;
constexpr size_t kPieceBytesMax = size_t{4} << 20U;

WatchEvent EventOf(const ChangeEvent& change) {
  return {.is_delete = change.is_delete, .kv = change.kv, .prev_kv = std::nullopt, .encoded = {}};
}

// Fills in what the keys were before, as far as it is not compacted. The views point into `view`.
void FillPrevious(const ReadState& state, std::vector<WatchEvent>* events) {
  for (WatchEvent& event : *events) {
    const int64_t before = event.kv.mod_revision - 1;
    const bool is_creation = !event.is_delete && event.kv.create_revision == event.kv.mod_revision;
    if (is_creation || before < state.compact_revision) {
      continue;
    }
    const KeyEntry* const entry = state.index.Find(event.kv.key);
    const auto item = entry == nullptr ? std::nullopt : entry->At(before);
    if (!item || item->is_tombstone()) {
      continue;
    }
    const absl::StatusOr<KeyValueView> previous = state.Record(item->revision());
    if (previous.ok()) {
      event.prev_kv = *previous;
    }
  }
}

}  // namespace

bool WatchHub::Wants(const Watcher& watcher, int64_t revision, bool is_delete) {
  return revision >= watcher.next_revision && !(is_delete ? watcher.no_delete : watcher.no_put);
}

void WatchHub::Gather(Watcher* watcher, const EventBlockRef& block, uint32_t index) {
  if (watcher->gathered.empty()) {
    WatchedStream* const stream = watcher->stream;
    if (stream->touched.empty()) {
      touched_streams_.push_back(stream);
    }
    stream->touched.push_back(watcher);
  }
  watcher->gathered.Add(block, index);
}

const EventBlockRef& WatchHub::BlockOf(Piece* piece, bool with_previous) {
  EventBlockRef& block = with_previous ? piece->with_previous : piece->plain;
  if (block == nullptr) {
    events_encoded_.fetch_add(piece->changes.size(), std::memory_order_relaxed);
    std::vector<WatchEvent> changes = piece->changes;
    if (with_previous) {
      const OneReader reader(take_view_());
      FillPrevious(reader.state(), &changes);
      block = std::make_shared<EventBlock>(std::move(changes));
    } else {
      block = std::make_shared<EventBlock>(std::move(changes));
    }
  }
  return block;
}

void WatchHub::Deliver(std::span<const ChangeEvent> changes) {
  Piece piece;
  piece.revision = changes.front().revision;
  const auto fill = [&piece, changes] {  // When somebody wants it.
    for (size_t i = piece.changes.size(); i < changes.size(); ++i) {
      piece.changes.push_back(EventOf(changes[i]));
    }
  };
  for (uint32_t i = 0; i < changes.size(); ++i) {
    synced_.VisitMatching(changes[i].kv.key, [&](Watcher* watcher) {
      if (Wants(*watcher, piece.revision, changes[i].is_delete)) {
        fill();
        Gather(watcher, BlockOf(&piece, watcher->prev_kv), i);
      }
    });
  }
  revision_ = piece.revision;
  LagWhereFull(revision_);
  SendTouched(revision_);
  if (!lagging_.empty()) {
    fill();
    KeepInRing(std::move(piece));
  }
}

void WatchHub::SendTouched(int64_t header_revision) {
  for (WatchedStream* const stream : touched_streams_) {
    SendTouched(stream, header_revision);
    stream->touched.clear();
  }
  touched_streams_.clear();
}

void WatchHub::LagWhereFull(int64_t next_revision) {
  for (WatchedStream* const stream : touched_streams_) {
    if (stream->queue->HasRoom()) {
      continue;
    }
    PROBE("watch: a full queue makes its watchers lag");
    for (Watcher* const watcher : stream->touched) {
      watcher->gathered = {};
      MakeLagging(watcher, next_revision);
    }
    stream->touched.clear();
  }
}

void WatchHub::SendTouched(WatchedStream* stream, int64_t header_revision) {
  struct Shared {
    WatchResponse response;
    std::vector<int64_t> ids;
  };

  // Watchers that get the same get it in one delivery.
  using Key = std::tuple<const EventBlock*, uint32_t, uint32_t, bool>;
  absl::flat_hash_map<Key, Shared> deliveries;
  Shared* last = nullptr;
  Key last_key;
  const int64_t now = progress_watchers_ == 0 ? 0 : clock_->MonotonicNanos();
  for (Watcher* const watcher : stream->touched) {
    watcher->last_event_nanos = now;
    if (watcher->is_synced) {
      watcher->next_revision = header_revision + 1;
    }
    events_sent_.fetch_add(watcher->gathered.size(), std::memory_order_relaxed);
    WatchResponse response;
    response.revision = header_revision;
    response.watch_id = watcher->id;
    response.fragment = watcher->fragment;
    response.events = std::exchange(watcher->gathered, {});
    if (response.events.runs().size() > 1) {
      stream->queue->Push(std::move(response));
      continue;
    }
    const EventList::Run& run = response.events.runs()[0];
    const Key key(run.block.get(), run.first, run.count, response.fragment);
    if (last == nullptr || key != last_key) {
      last = &deliveries[key];
      last_key = key;
    }
    if (last->ids.empty()) {
      last->response = std::move(response);
    }
    last->ids.push_back(watcher->id);
  }
  for (auto& [key, shared] : deliveries) {
    stream->queue->PushShared(std::move(shared.response), std::move(shared.ids));
  }
}

void WatchHub::KeepInRing(Piece piece) {
  // What is kept holds its own memory: the changes now point into the block.
  piece.changes = BlockOf(&piece, false)->events();
  ring_bytes_ += piece.plain->memory_bytes();
  ring_.push_back(std::move(piece));
  while (ring_bytes_ > options_.limits.ring_bytes_max && !ring_.empty()) {
    PROBE("watch: the ring let go of a revision");
    ring_bytes_ -= ring_.front().plain->memory_bytes();
    ring_.pop_front();
  }
}

void WatchHub::ClearRing() {
  ring_.clear();
  ring_bytes_ = 0;
}

bool WatchHub::HasLaggardsWithRoom() const {
  return std::any_of(lagging_streams_.begin(), lagging_streams_.end(),
                     [](const WatchedStream* stream) { return stream->queue->HasRoom(); });
}

std::vector<Watcher*> WatchHub::TakeTurn(int64_t* from) {
  const int64_t compact_revision = take_view_()->state().compact_revision;
  std::vector<Watcher*> group;
  for (auto at = lagging_.begin(); at != lagging_.end();) {
    Watcher* const watcher = *at++;
    if (!watcher->stream->queue->HasRoom()) {
      continue;
    }
    if (watcher->next_revision < compact_revision) {
      WatchResponse response;  // Without header revision and reason, as etcd's (trap 15).
      response.compact_revision = compact_revision;
      End(watcher, std::move(response));
      continue;
    }
    if (group.empty()) {
      *from = watcher->next_revision;
    }
    if (watcher->next_revision >= *from) {
      group.push_back(watcher);
    }
  }
  return group;
}

void WatchHub::CatchUp() {
  int64_t from = 0;
  const std::vector<Watcher*> group =
      HasLaggardsWithRoom() ? TakeTurn(&from) : std::vector<Watcher*>();
  if (group.empty()) {
    return;
  }
  const bool is_in_ring = !ring_.empty() && from >= ring_.front().revision;
  const absl::StatusOr<int64_t> done =
      is_in_ring ? GatherFromRing(group, from) : GatherFromHistory(group, from);
  if (!done.ok()) {
    EndUnreadable(group, from, done.status());
    return;
  }
  SendTouched(revision_);
  Advance(group, *done);
}

int64_t WatchHub::GatherFromRing(const std::vector<Watcher*>& group, int64_t from) {
  PROBE("watch: laggards read the ring");
  WatcherIndex index;
  for (Watcher* const watcher : group) {
    index.Add(watcher);
  }
  auto at = std::lower_bound(
      ring_.begin(), ring_.end(), from,
      [](const Piece& piece, int64_t revision) { return piece.revision < revision; });
  size_t bytes = 0;
  int64_t done = from - 1;
  for (int64_t n = 0; n < kRevisionsMax && bytes < kPieceBytesMax && at != ring_.end(); ++n, ++at) {
    for (uint32_t i = 0; i < at->changes.size(); ++i) {
      const WatchEvent& change = at->changes[i];
      index.VisitMatching(change.kv.key, [&](Watcher* watcher) {
        if (Wants(*watcher, at->revision, change.is_delete)) {
          Gather(watcher, BlockOf(&*at, watcher->prev_kv), i);
        }
      });
    }
    bytes += at->plain->memory_bytes();
    done = at->revision;
  }
  return at == ring_.end() ? revision_ : done;
}

absl::StatusOr<int64_t> WatchHub::GatherFromHistory(const std::vector<Watcher*>& group,
                                                    int64_t from) {
  WatcherIndex index;
  for (Watcher* const watcher : group) {
    index.Add(watcher);
  }
  const OneReader reader(take_view_());
  if (from < reader.state().compact_revision) {
    PROBE("watch: compacted while a turn was taken");
    return from - 1;  // the next turn tells them
  }
  Piece piece;
  std::vector<std::pair<Watcher*, uint32_t>> wanted;
  HistoryBounds bounds{.from = from,
                       .to = ring_.empty() ? revision_ : ring_.front().revision - 1,
                       .bytes_max = kPieceBytesMax};
  bounds.revisions_max =
      std::clamp<int64_t>(kOffersMax / static_cast<int64_t>(group.size()), 1, kRevisionsMax);
  uint64_t read = 0;
  const absl::StatusOr<int64_t> done =
      ScanHistory(reader.state(), bounds, [&](const ChangeEvent& event) {
        ++read;
        const size_t before = wanted.size();
        index.VisitMatching(event.kv.key, [&](Watcher* watcher) {
          if (Wants(*watcher, event.revision, event.is_delete)) {
            wanted.emplace_back(watcher, static_cast<uint32_t>(piece.changes.size()));
          }
        });
        if (wanted.size() > before) {
          piece.changes.push_back(EventOf(event));
        }
      });
  history_events_read_.fetch_add(read, std::memory_order_relaxed);
  if (done.ok()) {
    for (const auto& [watcher, i] : wanted) {
      Gather(watcher, BlockOf(&piece, watcher->prev_kv), i);
    }
  }
  return done;
}

void WatchHub::Advance(const std::vector<Watcher*>& group, int64_t done) {
  for (Watcher* const watcher : group) {
    if (watcher->next_revision > done) {
      continue;  // Beyond the piece: its turn is to come.
    }
    watcher->next_revision = done + 1;
    if (watcher->next_revision > revision_) {
      RemoveLagging(watcher);
      AddSynced(watcher);
    } else {
      lagging_.splice(lagging_.end(), lagging_, watcher->lagging_at);
    }
  }
}

void WatchHub::EndUnreadable(const std::vector<Watcher*>& group, int64_t from,
                             const absl::Status& why) {
  // History that can't be read is not skipped: whoever stands before it ends. Those beyond the start
  // of the piece may not need what is broken: their turn tells.
  PROBE("watch: history can't be read");
  LogError("watch history can't be read, cancelling watchers", {{"error", why}});
  for (Watcher* const watcher : group) {
    if (watcher->next_revision == from) {
      WatchResponse response;
      response.revision = revision_;
      response.cancel_reason = why.ToString();
      End(watcher, std::move(response));
    }
  }
}

void WatchHub::NotifyProgress() {
  if (progress_watchers_ == 0) {
    return;
  }
  const int64_t now = clock_->MonotonicNanos();
  if (now < next_progress_nanos_) {
    return;
  }
  next_progress_nanos_ = now + options_.progress_interval_nanos;
  for (const auto& [queue, stream] : streams_) {
    for (const auto& [id, watcher] : stream->watchers) {
      if (watcher->progress_notify && watcher->is_synced && queue->HasRoom() &&
          watcher->next_revision <= revision_ + 1 &&
          now - watcher->last_event_nanos >= options_.progress_interval_nanos) {
        WatchResponse response;
        response.revision = revision_;
        response.watch_id = watcher->id;
        queue->Push(std::move(response));
      }
    }
  }
}

}  // namespace socle::mvcc
