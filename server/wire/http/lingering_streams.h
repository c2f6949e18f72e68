// LingeringStreams: streams of an HTTP/2 connection whose answers are said while their clients still send: what comes of them is passed
// over, until it ends or becomes too much.
//
//   answered ──► lingers ──► forgotten: its client ends or resets it
//                       └──► forgotten, to be reset: its time is over, or kStreamsMax others came after it, or its client sends more than
//                            its window, which does not grow any more
//
// Telling the client at once that its rest is not wanted (RFC 9113 8.1) loses the answer for clients that take any reset for a failure:
// curl 7.88 does.
//
// Laws     1. What lingers is bounded, in number and time; a stream costs some tens of bytes.
// Threads  confined to the connection's loop.
#ifndef SOCLE_SERVER_WIRE_HTTP_LINGERING_STREAMS_H_
#define SOCLE_SERVER_WIRE_HTTP_LINGERING_STREAMS_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include <absl/container/flat_hash_map.h>

#include "server/wire/http/linked_list.h"
#include "server/wire/http2/frame.h"

namespace socle::server::http {

class LingeringStreams {
 public:
  // What a client's window should have at the least: it may have to say the rest before it listens.
  static constexpr int64_t kWindowMin = http2::kWindowDefault;
  static constexpr size_t kStreamsMax = 1'000;

  explicit LingeringStreams(int64_t timeout_nanos) : timeout_nanos_(timeout_nanos) {}

  size_t size() const { return streams_.size(); }

  // When TakeOverdue has something; Loop::kNever when nothing lingers.
  int64_t due_nanos() const;

  // The next three say which stream was forgotten and is to be reset; 0: none.
  uint32_t Add(uint32_t id, int64_t window_bytes, int64_t now_nanos);
  uint32_t TakeData(uint32_t id, size_t bytes);
  uint32_t TakeOverdue(int64_t now_nanos);

  void Forget(uint32_t id) { streams_.erase(id); }

 private:
  struct ByAge;

  struct Stream : ListLink<ByAge> {
    ~Stream() { Unlink(); }

    uint32_t id = 0;
    int64_t window = 0;  // bytes
    int64_t due_nanos = 0;
  };

  uint32_t TakeOldest();

  const int64_t timeout_nanos_;
  LinkedList<Stream, ByAge> by_age_;
  absl::flat_hash_map<uint32_t, std::unique_ptr<Stream>> streams_;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_LINGERING_STREAMS_H_
