// The half of WatchHub that makes responses: of new changes for synced watchers, of history for laggards.
#include <algorithm>
#include <optional>
#include <utility>

#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "mvcc/history_scan.h"
#include "mvcc/range.h"
#include "mvcc/watch_hub.h"

namespace socle::mvcc {
namespace {

// Laggards read together in one pass: bounds a pass, not the number of laggards.
constexpr size_t kGroupMax = 512;

}  // namespace

void WatchHub::Offer(Watcher* watcher, const ChangeEvent& event) {
  if (event.revision < watcher->next_revision ||
      (event.is_delete ? watcher->no_delete : watcher->no_put)) {
    return;
  }
  if (watcher->gathered.empty()) {
    touched_.push_back(watcher);
  }
  watcher->gathered.push_back({.is_delete = event.is_delete, .kv = event.kv});
}

void WatchHub::SendTouched(int64_t header_revision, const Pin& pin) {
  std::optional<OneReader> reader;
  for (Watcher* const watcher : touched_) {
    if (watcher->is_synced && !watcher->stream->HasRoom()) {
      PROBE("watch: a full queue makes its watcher lag");
      MakeLagging(watcher, watcher->gathered.front().kv.mod_revision);
      watcher->gathered.clear();
      continue;
    }
    WatchResponse response;
    response.revision = header_revision;
    response.watch_id = watcher->id;
    response.fragment = watcher->fragment;
    response.events = std::move(watcher->gathered);
    response.pins.push_back(pin);
    watcher->gathered.clear();
    if (watcher->prev_kv) {
      if (!reader) {
        reader.emplace(take_view_());
      }
      FillPrevious(reader->state(), &response);
    }
    if (watcher->is_synced) {
      watcher->next_revision = header_revision + 1;
    }
    watcher->last_event_nanos = progress_watchers_ == 0 ? 0 : clock_->MonotonicNanos();
    events_sent_.fetch_add(response.events.size(), std::memory_order_relaxed);
    watcher->stream->Push(std::move(response));
  }
  touched_.clear();
}

void WatchHub::FillPrevious(const ReadState& state, WatchResponse* response) {
  for (WatchEvent& event : response->events) {
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
  response->pins.push_back(state.storage);
}

std::vector<WatchHub::Watcher*> WatchHub::LaggardsWithRoom() const {
  std::vector<Watcher*> group;
  for (Watcher* const watcher : lagging_) {
    if (group.size() == kGroupMax) {
      break;
    }
    if (watcher->stream->HasRoom()) {
      group.push_back(watcher);
    }
  }
  return group;
}

void WatchHub::CatchUp() {
  std::vector<Watcher*> group = LaggardsWithRoom();
  if (group.empty()) {
    return;
  }
  const OneReader reader(take_view_());
  const int64_t compact_revision = reader.state().compact_revision;
  std::erase_if(group, [this, compact_revision](Watcher* watcher) {
    const bool is_compacted = watcher->next_revision < compact_revision;
    if (is_compacted) {
      WatchResponse response;  // Without header revision and reason, as etcd's (trap 15).
      response.compact_revision = compact_revision;
      End(watcher, std::move(response));
    }
    return is_compacted;
  });
  if (group.empty()) {
    return;
  }
  const absl::StatusOr<int64_t> read = ReadHistory(reader.state(), group);
  if (!read.ok()) {
    // History that can't be read is not skipped: these watchers end, others go on.
    PROBE("watch: history can't be read");
    LogError("watch history can't be read, cancelling watchers", {{"error", read.status()}});
    touched_.clear();
    for (Watcher* const watcher : group) {
      WatchResponse response;
      response.revision = revision_;
      response.cancel_reason = read.status().ToString();
      End(watcher, std::move(response));
    }
    return;
  }
  const int64_t done = *read;
  SendTouched(revision_, reader.state().storage);
  for (Watcher* const watcher : group) {
    watcher->next_revision = std::max(watcher->next_revision, done + 1);
    if (watcher->next_revision > revision_) {
      RemoveLagging(watcher);
      AddSynced(watcher);
    }
  }
}

absl::StatusOr<int64_t> WatchHub::ReadHistory(const ReadState& state,
                                              const std::vector<Watcher*>& group) {
  StringMap<std::vector<Watcher*>> by_key;
  std::vector<Watcher*> by_range;
  int64_t from = revision_ + 1;
  for (Watcher* const watcher : group) {
    from = std::min(from, watcher->next_revision);
    if (watcher->range_end.empty()) {
      by_key[watcher->key].push_back(watcher);
    } else {
      by_range.push_back(watcher);
    }
  }
  const HistoryBounds bounds{.from = from, .to = revision_};
  return ScanHistory(state, bounds, [&](const ChangeEvent& event) {
    if (const auto at = by_key.find(event.kv.key); at != by_key.end()) {
      for (Watcher* const watcher : at->second) {
        Offer(watcher, event);
      }
    }
    for (Watcher* const watcher : by_range) {
      if (IntervalOf(watcher->key, watcher->range_end).Contains(event.kv.key)) {
        Offer(watcher, event);
      }
    }
  });
}

void WatchHub::NotifyProgress() {
  if (progress_watchers_ == 0) {
    return;
  }
  const int64_t now = clock_->MonotonicNanos();
  if (now < next_progress_nanos_) {
    return;
  }
  next_progress_nanos_ = now + progress_interval_nanos_;
  for (const auto& [queue, stream] : streams_) {
    for (const auto& [id, watcher] : stream.watchers) {
      if (watcher->progress_notify && watcher->is_synced &&
          watcher->next_revision <= revision_ + 1 &&
          now - watcher->last_event_nanos >= progress_interval_nanos_) {
        WatchResponse response;
        response.revision = revision_;
        response.watch_id = watcher->id;
        watcher->stream->Push(std::move(response));
      }
    }
  }
}

}  // namespace socle::mvcc
