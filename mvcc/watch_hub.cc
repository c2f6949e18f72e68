#include "mvcc/watch_hub.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "kv/base/check.h"
#include "kv/base/probe.h"

namespace socle::mvcc {
namespace {

constexpr std::string_view kZeroByte("\0", 1);

// What a batch in the FIFO counts for: its events point into memory of the store.
size_t BytesOf(const EventBatch& batch) {
  size_t bytes = sizeof(EventBatch);
  for (const ChangeEvent& event : batch.events) {
    bytes += sizeof(ChangeEvent) + event.kv.key.size() + event.kv.value.size();
  }
  return bytes;
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
    queue_->Commanded();
    hub_->Push(WatchHub::CreateCommand{.stream = queue_,
                                       .request = std::move(request),
                                       .seen_revision = hub_->take_view_()->state().revision});
  }

  void Cancel(int64_t watch_id) override {
    queue_->Commanded();
    hub_->Push(WatchHub::CancelCommand{.stream = queue_, .watch_id = watch_id});
  }

  void RequestProgress() override {
    queue_->Commanded();
    hub_->Push(WatchHub::ProgressCommand{.stream = queue_});
  }

  bool TakesCommands() const override { return queue_->TakesCommands(); }

  std::optional<WatchResponse> Next() override {
    bool was_freed = false;
    std::optional<WatchResponse> response = queue_->Pop(&was_freed);
    WakeIf(was_freed);
    return response;
  }

  std::optional<SharedWatchResponse> NextShared() override {
    bool was_freed = false;
    std::optional<SharedWatchResponse> shared = queue_->PopShared(&was_freed);
    WakeIf(was_freed);
    return shared;
  }

 private:
  void WakeIf(bool was_freed) {
    if (was_freed && hub_->lagging_count_.load(std::memory_order_seq_cst) > 0) {
      hub_->Wake();
    }
  }

  WatchHub* const hub_;
  const std::shared_ptr<StreamQueue> queue_;
};

WatchHub::WatchHub(std::function<ReadViewRef()> take_view, Clock* clock, WatchHubOptions options)
    : take_view_(std::move(take_view)), clock_(clock), options_(options), synced_(options.ranges) {
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
  const size_t bytes = BytesOf(batch);
  MutexLock lock(&mu_);
  if (queued_bytes_ + bytes > options_.limits.fifo_bytes_max) {
    PROBE("watch: a batch that found the FIFO full was left to history");
    batch.events = {};
    batch.storage.reset();
    batch.is_incomplete = true;
    EventBatch* const last = queue_.empty() ? nullptr : std::get_if<EventBatch>(&queue_.back());
    if (last != nullptr && last->is_incomplete) {
      last->revision = batch.revision;
      return;
    }
  } else {
    queued_bytes_ += bytes;
  }
  queue_.push_back(std::move(batch));
  changed_.Signal();
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
  return std::make_unique<HubStream>(
      this, std::make_shared<StreamQueue>(std::move(on_ready), options_.limits, pending_events_));
}

WatchStats WatchHub::Stats() const {
  return {.streams = stream_count_.load(std::memory_order_relaxed),
          .watchers = watcher_count_.load(std::memory_order_relaxed),
          .slow_watchers = lagging_count_.load(std::memory_order_relaxed),
          .events_sent = events_sent_.load(std::memory_order_relaxed),
          .pending_events = pending_events_->load(std::memory_order_relaxed),
          .events_encoded = events_encoded_.load(std::memory_order_relaxed),
          .history_events_read = history_events_read_.load(std::memory_order_relaxed)};
}

void WatchHub::Loop() {
  std::vector<Item> items;
  while (true) {
    const bool has_work = HasLaggardsWithRoom();
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
      queued_bytes_ = 0;
    }
    for (Item& item : items) {
      std::visit([this](auto& command) { Handle(command); }, item);
    }
    items.clear();
    CatchUp();
    NotifyProgress();
  }
}

WatchedStream* WatchHub::StreamOf(const std::shared_ptr<StreamQueue>& queue) {
  std::unique_ptr<WatchedStream>& stream = streams_[queue.get()];
  if (stream == nullptr) {
    stream = std::make_unique<WatchedStream>();
    stream->queue = queue;
  }
  return stream.get();
}

void WatchHub::Handle(OpenCommand& command) {
  if (command.revision <= revision_) {
    return;
  }
  // What came up to here was published to nobody, or its batch is still behind in the FIFO and will
  // be passed over: other streams' watchers find it in history.
  PROBE("watch: a stream opened ahead of the FIFO");
  SkipTo(command.revision);
}

void WatchHub::Handle(EventBatch& batch) {
  if (batch.is_incomplete && batch.revision > revision_) {
    PROBE("watch: a batch came without its events");
    SkipTo(batch.revision);
    return;
  }
  const std::span<const ChangeEvent> events(batch.events);
  size_t end = 0;
  for (size_t i = 0; i < events.size(); i = end) {
    while (end < events.size() && events[end].revision == events[i].revision) {
      ++end;
    }
    if (events[i].revision > revision_) {  // Else before the first stream: history has it.
      Deliver(events.subspan(i, end - i));
    }
  }
  revision_ = std::max(revision_, batch.revision);
}

std::optional<std::string> WatchHub::Check(const WatchedStream& stream,
                                           const WatchRequest& request) {
  if (!request.range_end.empty() && request.range_end != kZeroByte &&
      request.range_end <= request.key) {
    return "mvcc: watcher range is empty";
  }
  if (request.watch_id != 0 && stream.watchers.contains(request.watch_id)) {
    return "mvcc: duplicate watch ID provided on the WatchStream";
  }
  if (request.start_revision < 0) {
    return "etcdserver: mvcc: required revision has been compacted";
  }
  return std::nullopt;
}

void WatchHub::Refuse(const CreateCommand& command, std::string reason) {
  WatchResponse response;
  response.revision = revision_;
  response.watch_id = -1;
  response.created = true;
  response.canceled = true;
  response.cancel_reason = std::move(reason);
  command.stream->Answer(std::move(response));
}

void WatchHub::Handle(CreateCommand& command) {
  WatchRequest& request = command.request;
  if (request.key.empty()) {
    request.key = kZeroByte;
  }
  WatchedStream* const stream = StreamOf(command.stream);
  if (std::optional<std::string> reason = Check(*stream, request)) {
    Refuse(command, *std::move(reason));
    return;
  }
  if (request.watch_id == 0) {
    while (stream->watchers.contains(stream->next_id)) {
      ++stream->next_id;
    }
    request.watch_id = stream->next_id++;
  }
  auto watcher = std::make_unique<Watcher>();
  watcher->stream = stream;
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
  stream->watchers.emplace(raw->id, std::move(watcher));
  watcher_count_.fetch_add(1, std::memory_order_relaxed);
  if (raw->progress_notify && progress_watchers_++ == 0) {
    next_progress_nanos_ = clock_->MonotonicNanos() + options_.progress_interval_nanos;
  }
  if (raw->next_revision > revision_) {
    AddSynced(raw);
  } else {
    AddLagging(raw);
  }
  // Counted before it is told: whoever has the answer finds the watcher in the statistics.
  WatchResponse created;
  created.revision = now;
  created.watch_id = raw->id;
  created.created = true;
  command.stream->Answer(std::move(created));
}

void WatchHub::Handle(CancelCommand& command) {
  WatchedStream* const stream = StreamOf(command.stream);
  const auto at = stream->watchers.find(command.watch_id);
  if (at == stream->watchers.end()) {
    command.stream->AnswerNothing();
    return;
  }
  WatchResponse response;
  response.revision = revision_;
  response.watch_id = command.watch_id;
  response.canceled = true;
  Remove(at->second.get());
  stream->watchers.erase(at);
  command.stream->Answer(std::move(response));
}

void WatchHub::Handle(ProgressCommand& command) {
  const WatchedStream* const stream = StreamOf(command.stream);
  const bool is_synced =
      stream->lagging == 0 &&
      std::all_of(stream->watchers.begin(), stream->watchers.end(), [this](const auto& entry) {
        return entry.second->next_revision <= revision_ + 1;
      });
  if (!is_synced) {
    command.stream->AnswerNothing();  // The client asks again.
    return;
  }
  WatchResponse response;
  response.revision = revision_;
  response.watch_id = -1;
  command.stream->Answer(std::move(response));
}

void WatchHub::Handle(CloseCommand& command) {
  const auto at = streams_.find(command.stream.get());
  if (at == streams_.end()) {
    return;
  }
  for (const auto& [id, watcher] : at->second->watchers) {
    Remove(watcher.get());
  }
  streams_.erase(at);
}

void WatchHub::AddSynced(Watcher* watcher) {
  watcher->is_synced = true;
  synced_.Add(watcher);
}

void WatchHub::AddLagging(Watcher* watcher) {
  watcher->is_synced = false;
  watcher->lagging_at = lagging_.insert(lagging_.end(), watcher);
  if (watcher->stream->lagging++ == 0) {
    lagging_streams_.insert(watcher->stream);
  }
  lagging_count_.fetch_add(1, std::memory_order_seq_cst);
}

void WatchHub::RemoveLagging(Watcher* watcher) {
  lagging_.erase(watcher->lagging_at);
  if (--watcher->stream->lagging == 0) {
    lagging_streams_.erase(watcher->stream);
  }
  lagging_count_.fetch_sub(1, std::memory_order_seq_cst);
  if (lagging_.empty()) {
    ClearRing();
  }
}

void WatchHub::MakeLagging(Watcher* watcher, int64_t next_revision) {
  synced_.Remove(watcher);
  watcher->next_revision = next_revision;
  AddLagging(watcher);
}

void WatchHub::SkipTo(int64_t revision) {
  // Everything up to here was looked at for them, though only what matched moved them on.
  const int64_t next = revision_ + 1;
  revision_ = revision;
  ClearRing();
  for (const auto& [queue, stream] : streams_) {
    for (const auto& [id, watcher] : stream->watchers) {
      if (watcher->is_synced && watcher->next_revision <= revision) {
        MakeLagging(watcher.get(), std::max(watcher->next_revision, next));
      }
    }
  }
}

void WatchHub::Remove(Watcher* watcher) {
  if (watcher->is_synced) {
    synced_.Remove(watcher);
  } else {
    RemoveLagging(watcher);
  }
  watcher_count_.fetch_sub(1, std::memory_order_relaxed);
  progress_watchers_ -= watcher->progress_notify ? 1 : 0;
}

void WatchHub::End(Watcher* watcher, WatchResponse response) {
  response.watch_id = watcher->id;
  response.canceled = true;
  WatchedStream* const stream = watcher->stream;
  Remove(watcher);
  stream->watchers.erase(response.watch_id);
  stream->queue->Push(std::move(response));
}

}  // namespace socle::mvcc
