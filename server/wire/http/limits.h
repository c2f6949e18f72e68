// Limits: what a client may take of the server; beyond each it is refused or cut off.
//
// Threads  values.
#ifndef SOCLE_SERVER_WIRE_HTTP_LIMITS_H_
#define SOCLE_SERVER_WIRE_HTTP_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "kv/base/clock.h"

namespace socle::server::http {

// How often an HTTP/2 client may ping; "too_many_pings" and the end of the connection beyond it.
struct PingPolicy {
  int64_t min_interval_nanos = 0;  // with a stream open; 0: no policy
  int64_t min_interval_idle_nanos = 7'200 * kNanosPerSecond;
  int strikes_max = 2;
};

struct Limits {
  size_t connections_max = 65'536;
  uint32_t header_bytes_max = 64 * 1024;  // of one request, as received
  uint32_t streams_max = 4'294'967'295;   // of one HTTP/2 connection at a time
  uint32_t stream_window_bytes = 1024 * 1024;
  uint32_t connection_window_bytes = 16 * 1024 * 1024;
  // A client that does not read: its requests wait (HTTP/1.1, or a full socket) or are refused.
  size_t backlog_pause_bytes = 4 * 1024 * 1024;
  size_t frames_pause = 1'000;  // likewise for what has no body: refusals, resets
  size_t backlog_refuse_bytes = 512 * 1024 * 1024;
  // Beyond this on one loop, those of its connections that hold more than backlog_pause_bytes.
  size_t loop_backlog_refuse_bytes = 1024 * 1024 * 1024;
  int64_t head_timeout_nanos = 10 * kNanosPerSecond;  // from first byte to the end of the head
  int64_t body_timeout_nanos =
      30 * kNanosPerSecond;  // HTTP/1.1: between two reads of a body not yet answered
  // HTTP/2: for the rest of a request that was answered before its end. Short: some clients say no more and wait.
  int64_t linger_timeout_nanos = kNanosPerSecond;
  int64_t idle_timeout_nanos = 120 * kNanosPerSecond;  // HTTP/1.1: between two requests
  int64_t stall_timeout_nanos =
      120 * kNanosPerSecond;  // the socket takes nothing at all, or a stream nothing of a source
  int64_t source_patience_nanos = 5 * kNanosPerSecond;  // until BodySource::OnSlow
  // HTTP/2: a ping after this long without a word; gone when it is not answered in time. 0: none.
  int64_t keepalive_interval_nanos = 0;
  int64_t keepalive_timeout_nanos = 20 * kNanosPerSecond;
  PingPolicy pings;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_LIMITS_H_
