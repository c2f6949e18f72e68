// Http2Session: HTTP/2 of one connection, on nghttp2.
//
// Laws     1. Data goes from an exchange's buffer into the output with one copy, frame by frame, as the
//             client's windows allow.
//          2. A client that resets streams or pings without end is told ENHANCE_YOUR_CALM and cut off
//             (rapid reset, too_many_pings); one whose header block does not end is cut off.
// Threads  confined to the connection's loop.
// Source   RFC 9113; spec etcd 1.2 (keepalive enforcement).
#ifndef SOCLE_SERVER_WIRE_HTTP_HTTP2_SESSION_H_
#define SOCLE_SERVER_WIRE_HTTP_HTTP2_SESSION_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nghttp2/nghttp2.h>

#include "server/wire/http/session.h"

namespace socle::server::http {

class Http2Session final : public Session {
 public:
  Http2Session(SessionHost* host, Handler* handler, const Limits* limits);
  ~Http2Session() override;

  bool Receive(std::string_view bytes) override;
  bool CollectOutput(std::string* out) override;
  bool wants_close() const override;
  void BeginStop() override;
  int64_t next_time_nanos() const override;
  bool OnTime(int64_t now_nanos) override;

  size_t waiting_frames() const override {
    return nghttp2_session_get_outbound_queue_size(session_);
  }

  void HeadReady(Exchange* exchange, int status, Fields fields, bool is_end) override;
  void DataReady(Exchange* exchange) override;
  void FinishReady(Exchange* exchange) override;
  void ResetReady(Exchange* exchange, uint32_t http2_error) override;
  void BodyResumed(Exchange* exchange) override;

 private:
  void BeginExchange(int32_t stream_id, bool has_body_ended);
  void EndBody(Exchange* exchange);
  void NotePing();
  void NoteReset();
  void CutOff(std::string_view why);
  void SubmitTrailers(Exchange* exchange);
  void Resume(Exchange* exchange);

  static int OnBeginHeaders(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int OnHeader(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t flags,
                      void* user);
  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int OnFrameSent(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int OnDataChunk(nghttp2_session* session, uint8_t flags, int32_t stream_id,
                         const uint8_t* bytes, size_t size, void* user);
  static int OnStreamClose(nghttp2_session* session, int32_t stream_id, uint32_t error_code,
                           void* user);
  static ssize_t ReadBody(nghttp2_session* session, int32_t stream_id, uint8_t* buf, size_t length,
                          uint32_t* data_flags, nghttp2_data_source* source, void* user);
  static int SendBody(nghttp2_session* session, nghttp2_frame* frame, const uint8_t* frame_head,
                      size_t length, nghttp2_data_source* source, void* user);

  const bool checks_heads_;  // instead of nghttp2; session.h, is_local
  nghttp2_session* session_ = nullptr;
  Request request_;  // whose head is being received
  size_t request_bytes_ = 0;
  std::vector<nghttp2_nv> fields_;  // being submitted
  std::string* out_ = nullptr;      // during CollectOutput
  std::vector<std::shared_ptr<Exchange>> writable_;
  int64_t head_since_nanos_;  // the preface's or a header block's first byte; kNever: none is open
  int64_t last_heard_nanos_;
  int64_t keepalive_sent_nanos_ = Loop::kNever;
  int64_t last_ping_nanos_ = 0;
  int ping_strikes_ = 0;
  int64_t resets_since_nanos_ = 0;
  uint64_t resets_ = 0;  // less what time has forgiven
  bool has_settings_ = false;
  bool has_answered_since_ping_ = false;
  bool is_cut_off_ = false;
  bool is_stopping_ = false;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_HTTP2_SESSION_H_
