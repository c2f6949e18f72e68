#include "controllers/storage/etcd_watch.h"

#include <algorithm>
#include <utility>

#include "controllers/storage/errors.h"
#include "controllers/storage/etcd_messages.h"
#include "controllers/storage/list_range.h"
#include "kv/base/bytes.h"
#include "kv/base/clock.h"
#include "kv/base/probe.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::storage {
namespace {

constexpr int64_t kReopenAfterNanos = 50 * kNanosPerMilli;

// What ends a stream without saying that it can't be opened again.
bool IsTransient(const absl::Status& status) {
  return status.ok() || absl::IsUnavailable(status) || absl::IsInternal(status) ||
         absl::IsDeadlineExceeded(status) || absl::IsUnknown(status);
}

size_t BytesOf(const mvccpb::KeyValue& kv) {
  return sizeof(kv) + kv.key().size() + kv.value().size();
}

}  // namespace

EtcdWatchStream::EtcdWatchStream(EtcdCluster* cluster, WatchRequest request, Options options,
                                 std::function<void()> on_ready)
    : cluster_(cluster),
      request_(std::move(request)),
      options_(options),
      next_revision_(request_.after_revision == 0 ? 0 : request_.after_revision + 1),
      on_ready_(std::move(on_ready)) {}

void EtcdWatchStream::Start() {
  cluster_->Post([self = shared_from_this()] {
    if (const absl::Status valid = Validate(self->request_); !valid.ok()) {
      self->End(valid);
    } else {
      self->Open();
    }
  });
}

void EtcdWatchStream::Close() {
  {
    MutexLock lock(&callback_mu_);
    on_ready_ = nullptr;
  }
  cluster_->Post([self = shared_from_this()] {
    self->is_closed_ = true;
    self->GiveUpStream();
  });
}

absl::StatusOr<std::optional<EventBatch>> EtcdWatchStream::Next() {
  bool is_resumed = false;
  std::optional<EventBatch> batch;
  {
    MutexLock lock(&mu_);
    if (queue_.empty()) {
      if (!ended_.ok()) {
        return ended_;
      }
      return std::optional<EventBatch>();
    }
    batch = std::move(queue_.front().batch);
    bytes_ -= queue_.front().bytes;
    queue_.pop_front();
    if (is_paused_ && bytes_ <= options_.bytes_max / 2) {
      is_paused_ = false;
      is_resumed = true;
    }
  }
  if (is_resumed) {
    cluster_->Post([self = shared_from_this()] { self->Open(); });
  }
  return batch;
}

void EtcdWatchStream::RequestBookmark() {
  if (!options_.asks_for_progress) {
    return;
  }
  cluster_->Post([self = shared_from_this()] {
    if (self->stream_ != nullptr) {
      etcdserverpb::WatchRequest request;
      request.mutable_progress_request();
      self->stream_->Send(request);
    }
  });
}

void EtcdWatchStream::Open() {
  if (is_closed_) {
    return;
  }
  etcdserverpb::WatchRequest request;
  etcdserverpb::WatchCreateRequest* const create = request.mutable_create_request();
  ListRange range = RangeOfPrefix(request_.prefix);
  create->set_key(std::move(range.key));
  create->set_range_end(std::move(range.range_end));
  create->set_start_revision(next_revision_);
  create->set_progress_notify(request_.wants_bookmarks);
  create->set_prev_kv(true);
  create->set_fragment(true);

  const size_t member = cluster_->current();
  const uint64_t number = ++stream_number_;
  stream_ = cluster_->channel(member)->OpenStream(
      server::method::kWatch, {.metadata = {{"hasleader", "true"}}},
      {.on_message =
           [self = shared_from_this(), number](std::string_view bytes) {
             if (self->stream_number_ == number) {
               self->OnMessage(bytes);
             }
           },
       .on_end =
           [self = shared_from_this(), number, member](const absl::Status& status) {
             if (self->stream_number_ == number) {
               self->OnStreamEnd(member, status);
             }
           }});
  stream_->Send(request);
}

void EtcdWatchStream::GiveUpStream() {
  ++stream_number_;
  partial_ = EventBatch();
  partial_bytes_ = 0;
  if (const auto stream = std::exchange(stream_, nullptr); stream != nullptr) {
    stream->Cancel();
  }
}

void EtcdWatchStream::OnStreamEnd(size_t member, const absl::Status& status) {
  GiveUpStream();
  if (!IsTransient(status)) {
    End(TranslateRead(status));
    return;
  }
  PROBE("etcd store: a watch goes on over a new stream");
  cluster_->Leave(member);
  server::ClientLoop* const loop = cluster_->loop();
  loop->RunAt(loop->turn_nanos() + kReopenAfterNanos,
              [self = shared_from_this(), number = stream_number_] {
                if (self->stream_number_ == number) {
                  self->Open();
                }
              });
}

void EtcdWatchStream::OnMessage(std::string_view bytes) {
  auto response = std::make_shared<etcdserverpb::WatchResponse>();
  if (!response->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    GiveUpStream();
    End(absl::InternalError("the message of the watch is not a WatchResponse"));
    return;
  }
  if (response->canceled()) {
    OnCancelled(*response);
  } else if (response->created()) {
    if (next_revision_ == 0) {
      next_revision_ = response->header().revision() + 1;
      Push({.revision = response->header().revision()}, 0);
    }
  } else if (response->events_size() > 0) {
    OnEvents(response);
  } else {
    OnProgress(response->header().revision());
  }
}

void EtcdWatchStream::OnCancelled(const etcdserverpb::WatchResponse& response) {
  GiveUpStream();
  const absl::Status reason = absl::OutOfRangeError(AbslView(response.cancel_reason()));
  if (response.compact_revision() > 0 || IsCompacted(reason)) {
    End(MakeError(StorageError::kExpired));
  } else {
    End(absl::FailedPreconditionError(AbslView(response.cancel_reason())));
  }
}

void EtcdWatchStream::OnProgress(int64_t revision) {
  // Older than what is queued or than where the watch begins, or between the parts of a revision.
  if (revision + 1 < next_revision_ || !partial_.events.empty()) {
    return;
  }
  next_revision_ = revision + 1;
  Push({.revision = revision}, 0);
}

void EtcdWatchStream::OnEvents(const std::shared_ptr<const etcdserverpb::WatchResponse>& response) {
  EventBatch batch = std::exchange(partial_, EventBatch());
  size_t bytes = std::exchange(partial_bytes_, 0);
  batch.pins.push_back(response);
  for (const mvccpb::Event& from : response->events()) {
    std::optional<ObjectView> previous;
    if (from.has_prev_kv()) {
      previous = ViewOf(from.prev_kv());
    }
    const auto event = MakeEvent(from.type() == mvccpb::Event::DELETE, ViewOf(from.kv()), previous);
    if (!event) {
      GiveUpStream();
      End(MakeError(StorageError::kExpired));
      return;
    }
    batch.events.push_back(*event);
    bytes += sizeof(Event) + BytesOf(from.kv()) + BytesOf(from.prev_kv());
  }
  if (response->fragment()) {
    PROBE("etcd store: a watch response came in parts");
    // The last revision may go on in the next part.
    const int64_t last = batch.events.back().object.mod_revision;
    const auto tail =
        std::find_if(batch.events.begin(), batch.events.end(),
                     [last](const Event& event) { return event.object.mod_revision == last; });
    partial_.events.assign(tail, batch.events.end());
    partial_.pins = batch.pins;
    batch.events.erase(tail, batch.events.end());
    if (batch.events.empty()) {
      partial_bytes_ = bytes;
      return;
    }
  }
  batch.revision = batch.events.back().object.mod_revision;
  next_revision_ = batch.revision + 1;
  if (!Push(std::move(batch), bytes)) {
    PROBE("etcd store: a slow consumer pauses its watch");
    GiveUpStream();
  }
}

bool EtcdWatchStream::Push(EventBatch batch, size_t bytes) {
  bool was_empty = false;
  bool has_room = true;
  {
    MutexLock lock(&mu_);
    was_empty = queue_.empty();
    if (!was_empty && batch.is_bookmark() && queue_.back().batch.is_bookmark()) {
      queue_.back().batch.revision = batch.revision;
      return true;
    }
    bytes_ += bytes;
    queue_.push_back({.batch = std::move(batch), .bytes = bytes});
    if (bytes_ >= options_.bytes_max) {
      is_paused_ = true;
      has_room = false;
    }
  }
  if (was_empty) {
    SayReady();
  }
  return has_room;
}

void EtcdWatchStream::End(const absl::Status& why) {
  bool was_empty = false;
  {
    MutexLock lock(&mu_);
    ended_ = why;
    was_empty = queue_.empty();
  }
  if (was_empty) {
    SayReady();
  }
}

void EtcdWatchStream::SayReady() {
  MutexLock lock(&callback_mu_);
  if (on_ready_) {
    on_ready_();
  }
}

}  // namespace socle::storage
