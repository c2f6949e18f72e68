#include "server/wire/http/lingering_streams.h"

#include <utility>

#include "kv/base/probe.h"
#include "server/wire/http/loop.h"

namespace socle::server::http {

int64_t LingeringStreams::due_nanos() const {
  return by_age_.empty() ? Loop::kNever : by_age_.front()->due_nanos;
}

uint32_t LingeringStreams::Add(uint32_t id, int64_t window_bytes, int64_t now_nanos) {
  uint32_t too_many = 0;
  if (streams_.size() >= kStreamsMax) {
    PROBE("http2: too many streams linger");
    too_many = TakeOldest();
  }
  auto stream = std::make_unique<Stream>();
  stream->id = id;
  stream->window = window_bytes;
  stream->due_nanos = now_nanos + timeout_nanos_;
  by_age_.PushBack(stream.get());
  streams_.insert_or_assign(id, std::move(stream));
  return too_many;
}

uint32_t LingeringStreams::TakeData(uint32_t id, size_t bytes) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) {
    return 0;
  }
  it->second->window -= static_cast<int64_t>(bytes);
  if (it->second->window >= 0) {
    return 0;
  }
  PROBE("http2: too much is sent that nobody wants");
  streams_.erase(it);
  return id;
}

uint32_t LingeringStreams::TakeOverdue(int64_t now_nanos) {
  return due_nanos() <= now_nanos ? TakeOldest() : 0;
}

uint32_t LingeringStreams::TakeOldest() {
  const uint32_t id = by_age_.front()->id;
  streams_.erase(id);
  return id;
}

}  // namespace socle::server::http
