// Http2Session: HTTP/2 of one connection: its streams and their windows, on FrameReader and HPACK.
//
// Laws     1. Data goes from an exchange's buffer into the output with one copy, a frame of each exchange in turn, as the
//             client's windows allow.
//          2. A client that resets streams, has them reset by its mistakes, changes their windows or pings without
//             end is told ENHANCE_YOUR_CALM and cut off (too_many_resets, too_many_pings); one whose header block does not end is cut off.
//          3. An exchange is never closed inside a call of its own: what ends it is said by CollectOutput, or came from
//             the client.
//          4. What a stream's client does wrong costs it the stream; what breaks the frames or the windows of all, the
//             connection, with a GOAWAY that says why.
//          5. Frames for streams that are gone are ignored: they may have been on their way. One that is answered before its client has
//             said all lingers: the rest is passed over (lingering_streams.h).
// Threads  confined to the connection's loop.
// Source   RFC 9113; spec etcd 1.2 (keepalive enforcement).
#ifndef SOCLE_SERVER_WIRE_HTTP_HTTP2_SESSION_H_
#define SOCLE_SERVER_WIRE_HTTP_HTTP2_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "server/wire/http/http2_head.h"
#include "server/wire/http/lingering_streams.h"
#include "server/wire/http/linked_list.h"
#include "server/wire/http/session.h"
#include "server/wire/http2/frame_reader.h"
#include "server/wire/http2/head_decoder.h"
#include "server/wire/http2/head_encoder.h"

namespace socle::server::http {

class Http2Session final : public Session, private http2::FrameSink {
 public:
  Http2Session(SessionHost* host, Handler* handler, const Limits* limits);
  ~Http2Session() override;

  bool Receive(std::string_view bytes) override;
  bool CollectOutput(std::string* out) override;
  bool wants_close() const override;
  void BeginStop() override;
  int64_t next_time_nanos() const override;
  bool OnTime(int64_t now_nanos) override;

  size_t waiting_frames() const override { return pending_frames_; }

  void SetHeldBack(bool is_held_back) override;

  void HeadReady(Exchange* exchange, int status, Fields fields, bool is_end) override;
  void DataReady(Exchange* exchange) override;
  void FinishReady(Exchange* exchange) override;
  void ResetReady(Exchange* exchange, uint32_t http2_error) override;
  void BodyResumed(Exchange* exchange) override;

 private:
  using ConnectionError = http2::ConnectionError;
  using ErrorCode = http2::ErrorCode;

  ConnectionError OnData(uint32_t stream, std::string_view bytes, size_t flow_bytes,
                         bool is_end) override;
  ConnectionError OnHead(uint32_t stream, std::string_view block, bool is_end) override;
  ConnectionError OnReset(uint32_t stream, ErrorCode code) override;
  ConnectionError OnSetting(const http2::Setting& setting) override;
  ConnectionError OnSettingsEnd() override;
  ConnectionError OnSettingsAck() override;
  ConnectionError OnPing(std::string_view payload, bool is_ack) override;
  void OnGoaway(uint32_t last_stream, ErrorCode code, std::string_view why) override;
  ConnectionError OnWindowUpdate(uint32_t stream, uint32_t bytes) override;

  // Null: it is gone, or was never begun.
  Exchange* Find(uint32_t stream) const;

  bool IsIdle(uint32_t stream) const { return stream % 2 == 0 || stream > last_stream_; }

  // Where the next frame goes.
  std::string* Say();
  void SayHead(uint32_t stream, size_t begun_at, bool is_end, std::string* out);
  ConnectionError TakeRequest(uint32_t stream, std::string_view block, bool is_end);
  ConnectionError TakeTrailers(uint32_t stream, std::string_view block, bool is_end);
  void BeginExchange(uint32_t stream, RequestHead::Verdict verdict, bool has_body_ended);
  ConnectionError EndBody(Exchange* exchange);
  void GiveBack(Exchange* exchange, size_t bytes);
  // Its client did something wrong.
  ConnectionError CutStream(Exchange* exchange, ErrorCode code);
  void CloseStream(Exchange* exchange);
  // Has it looked at by CollectOutput.
  void SendLater(Exchange* exchange);
  void SendSome(Exchange* exchange);
  void SayTrailers(Exchange* exchange);
  void FinishStream(Exchange* exchange);
  void Linger(const Exchange::Stream& stream);
  void ResetUnwanted(uint32_t stream);
  // Of a stream that is not there any more, or never was.
  ConnectionError PassOver(uint32_t stream, size_t bytes, bool is_end);
  // What costs the server more than its client.
  ConnectionError NoteWaste();
  ConnectionError NotePing();
  void NoteTime(uint64_t units_before);
  int64_t head_due_nanos() const;
  int64_t keepalive_due_nanos() const;

  http2::FrameReader reader_;
  http2::HeadDecoder decoder_;
  http2::HeadEncoder encoder_;
  RequestHead head_;  // the last request's
  absl::flat_hash_map<uint32_t, Exchange*> streams_;
  LinkedList<Exchange, Sending> sending_;  // something may be sent of them
  LinkedList<Exchange, Sending> blocked_;  // until the connection's window grows
  std::vector<std::shared_ptr<Exchange>> writable_;
  std::string pending_;                                 // said between two CollectOutput
  size_t pending_frames_ = 0;                           // in it
  std::string* out_ = nullptr;                          // during CollectOutput
  uint32_t last_stream_ = 0;                            // the client's newest
  int64_t send_window_ = http2::kWindowDefault;         // bytes, of the connection
  int64_t stream_send_window_ = http2::kWindowDefault;  // what a new stream has
  int64_t wanted_send_window_ = http2::kWindowDefault;  // the same, by the SETTINGS being read
  uint32_t send_frame_bytes_ = http2::kFrameBytesDefault;
  int64_t receive_window_;                                 // bytes, of the connection
  int64_t stream_receive_window_ = http2::kWindowDefault;  // until the client knows ours
  uint32_t unreported_ = 0;   // bytes received that the client does not know of
  int64_t head_since_nanos_;  // the preface's or a header block's first byte; kNever: none is open
  int64_t last_heard_nanos_;
  LingeringStreams lingering_;
  int64_t keepalive_sent_nanos_ = Loop::kNever;
  int64_t last_ping_nanos_ = 0;
  int ping_strikes_ = 0;
  int64_t waste_since_nanos_ = 0;
  uint64_t waste_ = 0;               // less what time has forgiven
  bool are_settings_known_ = false;  // ours, to the client
  bool is_held_back_ = false;
  bool has_answered_since_ping_ = false;
  bool is_cut_off_ = false;
  bool is_client_leaving_ = false;
  bool is_stopping_ = false;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_HTTP2_SESSION_H_
