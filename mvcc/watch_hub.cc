#include "mvcc/watch_hub.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "mvcc/range.h"

namespace socle::mvcc {
namespace {

constexpr std::string_view kZeroByte("\0", 1);

template <typename T>
void EraseValue(std::vector<T>* values, const T& value) {
  const auto at = std::find(values->begin(), values->end(), value);
  CHECK(at != values->end());
  *at = values->back();
  values->pop_back();
}

}  // namespace

// The consumer's end of a stream: every call becomes a command in the FIFO.
class HubStream final : public WatchStream {
 public:
  HubStream(WatchHub* hub, std::shared_ptr<StreamQueue> queue)
      : hub_(hub), queue_(std::move(queue)) {}

  ~HubStream() override {
    queue_->Close();
    hub_->stream_count_.fetch_sub(1, std::memory_order_seq_cst);
    hub_->Push(WatchHub::CloseCommand{.stream = queue_});
  }

  void Create(WatchRequest request) override {
    hub_->Push(WatchHub::CreateCommand{.stream = queue_,
                                       .request = std::move(request),
                                       .seen_revision = hub_->take_view_()->state().revision});
  }

  void Cancel(int64_t watch_id) override {
    hub_->Push(WatchHub::CancelCommand{.stream = queue_, .watch_id = watch_id});
  }

  void RequestProgress() override { hub_->Push(WatchHub::ProgressCommand{.stream = queue_}); }

  std::optional<WatchResponse> Next() override {
    bool was_freed = false;
    std::optional<WatchResponse> response = queue_->Pop(&was_freed);
    if (was_freed && hub_->lagging_count_.load(std::memory_order_relaxed) > 0) {
      hub_->Wake();
    }
    return response;
  }

 private:
  WatchHub* const hub_;
  const std::shared_ptr<StreamQueue> queue_;
};

WatchHub::WatchHub(std::function<ReadViewRef()> take_view, Clock* clock,
                   int64_t progress_interval_nanos)
    : take_view_(std::move(take_view)),
      clock_(clock),
      progress_interval_nanos_(progress_interval_nanos) {
  thread_ = Thread("watch hub", [this] { Loop(); });
}

WatchHub::~WatchHub() {
  {
    MutexLock lock(&mu_);
    is_stopping_ = true;
    changed_.SignalAll();
  }
  thread_.Join();
}

void WatchHub::Push(Item item) {
  MutexLock lock(&mu_);
  queue_.push_back(std::move(item));
  changed_.Signal();
}

void WatchHub::Publish(EventBatch batch) {
  Push(std::move(batch));
}

void WatchHub::Wake() {
  MutexLock lock(&mu_);
  has_room_ = true;
  changed_.Signal();
}

std::unique_ptr<WatchStream> WatchHub::NewStream(std::function<void()> on_ready) {
  // Counted before the view is taken: a batch that was not published to the hub is in this view
  // (or, when it was under way, comes as incomplete). Both sides are read-modify-writes of seq_cst
  // order.
  stream_count_.fetch_add(1, std::memory_order_seq_cst);
  Push(OpenCommand{.revision = take_view_()->state().revision});
  return std::make_unique<HubStream>(this, std::make_shared<StreamQueue>(std::move(on_ready)));
}

WatchStats WatchHub::Stats() const {
  return {.streams = stream_count_.load(std::memory_order_relaxed),
          .watchers = watcher_count_.load(std::memory_order_relaxed),
          .slow_watchers = lagging_count_.load(std::memory_order_relaxed),
          .events_sent = events_sent_.load(std::memory_order_relaxed)};
}

void WatchHub::Loop() {
  std::vector<Item> items;
  while (true) {
    const bool has_work = !LaggardsWithRoom().empty();
    {
      MutexLock lock(&mu_);
      while (queue_.empty() && !is_stopping_ && !has_room_ && !has_work) {
        if (progress_watchers_ == 0) {
          changed_.Wait(&mu_);
        } else {
          const int64_t wait = next_progress_nanos_ - clock_->MonotonicNanos();
          if (wait <= 0 || !changed_.WaitFor(&mu_, std::chrono::nanoseconds(wait))) {
            break;
          }
        }
      }
      if (is_stopping_ && queue_.empty()) {
        return;
      }
      has_room_ = false;
      items.swap(queue_);
    }
    for (Item& item : items) {
      std::visit([this](auto& command) { Handle(command); }, item);
    }
    items.clear();
    CatchUp();
    NotifyProgress();
  }
}

void WatchHub::Handle(OpenCommand& command) {
  if (command.revision <= revision_) {
    return;
  }
  // What came up to here was published to nobody, or its batch is still behind in the FIFO and will
  // be passed over: other streams' watchers find it in history.
  PROBE("watch: a stream opened ahead of the FIFO");
  revision_ = command.revision;
  MakeAllLagging(command.revision);
}

void WatchHub::Handle(EventBatch& batch) {
  if (batch.is_incomplete && batch.revision > revision_) {
    PROBE("watch: a batch was applied before the first stream");
    revision_ = batch.revision;
    MakeAllLagging(batch.revision);
    return;
  }
  size_t i = 0;
  while (i < batch.events.size()) {
    const int64_t revision = batch.events[i].revision;
    for (; i < batch.events.size() && batch.events[i].revision == revision; ++i) {
      if (revision <= revision_) {
        continue;  // Before the first stream; history has it.
      }
      const ChangeEvent& event = batch.events[i];
      const auto at_key = by_key_.find(event.kv.key);
      if (at_key != by_key_.end()) {
        for (Watcher* const watcher : at_key->second) {
          Offer(watcher, event);
        }
      }
      for (Watcher* const watcher : by_range_) {
        if (IntervalOf(watcher->key, watcher->range_end).Contains(event.kv.key)) {
          Offer(watcher, event);
        }
      }
    }
    revision_ = std::max(revision_, revision);
    SendTouched(revision, batch.storage);
  }
  revision_ = std::max(revision_, batch.revision);
}

void WatchHub::Refuse(const CreateCommand& command, std::string reason) {
  WatchResponse response;
  response.revision = revision_;
  response.watch_id = -1;
  response.created = true;
  response.canceled = true;
  response.cancel_reason = std::move(reason);
  command.stream->Push(std::move(response));
}

void WatchHub::Handle(CreateCommand& command) {
  WatchRequest& request = command.request;
  if (request.key.empty()) {
    request.key = kZeroByte;
  }
  if (!request.range_end.empty() && request.range_end != kZeroByte &&
      request.range_end <= request.key) {
    Refuse(command, "mvcc: watcher range is empty");
    return;
  }
  StreamState& stream = streams_[command.stream.get()];
  if (request.watch_id != 0 && stream.watchers.contains(request.watch_id)) {
    Refuse(command, "mvcc: duplicate watch ID provided on the WatchStream");
    return;
  }
  if (request.start_revision < 0) {
    Refuse(command, "etcdserver: mvcc: required revision has been compacted");
    return;
  }
  if (request.watch_id == 0) {
    while (stream.watchers.contains(stream.next_id)) {
      ++stream.next_id;
    }
    request.watch_id = stream.next_id++;
  }
  auto watcher = std::make_unique<Watcher>();
  watcher->stream = command.stream;
  watcher->id = request.watch_id;
  watcher->key = std::move(request.key);
  watcher->range_end = std::move(request.range_end);
  const int64_t now = std::max(revision_, command.seen_revision);
  watcher->next_revision = request.start_revision == 0 ? now + 1 : request.start_revision;
  watcher->last_event_nanos = clock_->MonotonicNanos();
  watcher->progress_notify = request.progress_notify;
  watcher->no_put = request.no_put;
  watcher->no_delete = request.no_delete;
  watcher->prev_kv = request.prev_kv;
  watcher->fragment = request.fragment;

  Watcher* const raw = watcher.get();
  stream.watchers.emplace(raw->id, std::move(watcher));
  watcher_count_.fetch_add(1, std::memory_order_relaxed);
  if (raw->progress_notify && progress_watchers_++ == 0) {
    next_progress_nanos_ = clock_->MonotonicNanos() + progress_interval_nanos_;
  }
  if (raw->next_revision > revision_) {
    AddSynced(raw);
  } else {
    lagging_.push_back(raw);
    lagging_count_.fetch_add(1, std::memory_order_relaxed);
  }
  // Counted before it is told: whoever has the answer finds the watcher in the statistics.
  WatchResponse created;
  created.revision = now;
  created.watch_id = raw->id;
  created.created = true;
  command.stream->Push(std::move(created));
}

void WatchHub::Handle(CancelCommand& command) {
  StreamState& stream = streams_[command.stream.get()];
  const auto at = stream.watchers.find(command.watch_id);
  if (at == stream.watchers.end()) {
    return;
  }
  WatchResponse response;
  response.revision = revision_;
  response.watch_id = command.watch_id;
  response.canceled = true;
  Remove(at->second.get());
  stream.watchers.erase(at);
  command.stream->Push(std::move(response));
}

void WatchHub::Handle(ProgressCommand& command) {
  for (const auto& [id, watcher] : streams_[command.stream.get()].watchers) {
    if (!watcher->is_synced || watcher->next_revision > revision_ + 1) {
      return;  // The client asks again.
    }
  }
  WatchResponse response;
  response.revision = revision_;
  response.watch_id = -1;
  command.stream->Push(std::move(response));
}

void WatchHub::Handle(CloseCommand& command) {
  const auto at = streams_.find(command.stream.get());
  if (at == streams_.end()) {
    return;
  }
  for (const auto& [id, watcher] : at->second.watchers) {
    Remove(watcher.get());
  }
  streams_.erase(at);
}

void WatchHub::AddSynced(Watcher* watcher) {
  watcher->is_synced = true;
  if (watcher->range_end.empty()) {
    by_key_[watcher->key].push_back(watcher);
  } else {
    by_range_.push_back(watcher);
  }
}

void WatchHub::RemoveSynced(Watcher* watcher) {
  watcher->is_synced = false;
  if (!watcher->range_end.empty()) {
    EraseValue(&by_range_, watcher);
    return;
  }
  const auto at = by_key_.find(watcher->key);
  EraseValue(&at->second, watcher);
  if (at->second.empty()) {
    by_key_.erase(at);
  }
}

void WatchHub::RemoveLagging(Watcher* watcher) {
  EraseValue(&lagging_, watcher);
  lagging_count_.fetch_sub(1, std::memory_order_relaxed);
}

void WatchHub::MakeLagging(Watcher* watcher, int64_t next_revision) {
  RemoveSynced(watcher);
  watcher->next_revision = next_revision;
  lagging_.push_back(watcher);
  lagging_count_.fetch_add(1, std::memory_order_relaxed);
}

void WatchHub::MakeAllLagging(int64_t up_to_revision) {
  for (const auto& [queue, stream] : streams_) {
    for (const auto& [id, watcher] : stream.watchers) {
      if (watcher->is_synced && watcher->next_revision <= up_to_revision) {
        MakeLagging(watcher.get(), watcher->next_revision);
      }
    }
  }
}

void WatchHub::Remove(Watcher* watcher) {
  if (watcher->is_synced) {
    RemoveSynced(watcher);
  } else {
    RemoveLagging(watcher);
  }
  watcher_count_.fetch_sub(1, std::memory_order_relaxed);
  progress_watchers_ -= watcher->progress_notify ? 1 : 0;
}

void WatchHub::End(Watcher* watcher, WatchResponse response) {
  response.watch_id = watcher->id;
  response.canceled = true;
  const std::shared_ptr<StreamQueue> stream = watcher->stream;
  Remove(watcher);
  streams_[stream.get()].watchers.erase(response.watch_id);
  stream->Push(std::move(response));
}

}  // namespace socle::mvcc
