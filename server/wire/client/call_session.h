// CallSession: HTTP/2 of one connection from the client's side: its calls' streams and their windows, without I/O.
//
// Laws     1. A call in the session is told of its end once, from Receive or Collect, never inside a function of its own.
//          2. Calls beyond what the server takes at a time wait here, in order; all do until it has said.
//          3. Requests go from the call's buffer into the output with one copy, a frame of each call in turn, as the
//             server's windows allow.
// Threads  confined to the loop thread.
// Errors   what the server does wrong ends the connection; it is said in a few words.
// Source   RFC 9113.
#ifndef SOCLE_SERVER_WIRE_CLIENT_CALL_SESSION_H_
#define SOCLE_SERVER_WIRE_CLIENT_CALL_SESSION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include "server/wire/client/call.h"
#include "server/wire/http2/frame_reader.h"
#include "server/wire/http2/head_decoder.h"
#include "server/wire/http2/head_encoder.h"

namespace socle::server {

// What a session tells its connection.
class CallSessionHost {
 public:
  virtual ~CallSessionHost() = default;
  // There is something for Collect.
  virtual void OutputReady() = 0;
  // The server's settings came.
  virtual void OnServerSpoke() = 0;
  // The server wants no new calls here. `why`: in words.
  virtual void OnServerLeaves(std::string why) = 0;
};

class CallSession final : private http2::FrameSink {
 public:
  // `authority` and `metadata` (of every call) outlive the session.
  CallSession(CallSessionHost* host, std::string_view authority, const Metadata& metadata,
              bool is_encrypted);
  ~CallSession() override;
  CallSession(const CallSession&) = delete;
  CallSession& operator=(const CallSession&) = delete;

  absl::Status Receive(std::string_view bytes);
  // Appends to `out` until it has `batch_bytes` or there is nothing more to say now.
  void Collect(size_t batch_bytes, std::string* out);

  // False: stream numbers are used up (about a billion calls).
  bool Begin(Call* call);
  // There are new bytes in call->request, or it was half-closed.
  void Resume(Call* call);
  void Reset(Call* call);

 private:
  using ConnectionError = http2::ConnectionError;
  using ErrorCode = http2::ErrorCode;

  // What one head said.
  struct Said {
    int http_status = 0;
    int grpc_status = -1;
    std::string grpc_message;
  };

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

  // Null: it has ended.
  Call* Find(uint32_t stream) const;

  // A stream that no call of ours had.
  bool IsIdle(uint32_t stream) const { return stream % 2 == 0 || stream >= next_stream_; }

  std::string* Say();
  void BeginWaiting();
  void SayHead(Call* call);
  void SendLater(Call* call);
  void SendSome(Call* call);
  // The server said its last word on the call's stream.
  void EndByServer(Call* call);
  void End(Call* call);
  // The same text for the life of the session, when there are few of them; else empty.
  std::string_view Kept(std::string_view text);

  CallSessionHost* const host_;
  const std::string_view authority_;
  const Metadata& metadata_;
  const bool is_encrypted_;
  http2::FrameReader reader_;
  http2::HeadDecoder decoder_;
  http2::HeadEncoder encoder_;
  std::array<Said, http2::HeadDecoder::kSlots> said_;  // by the heads that decoder_ remembers
  std::set<std::string, std::less<>> kept_;            // of heads: paths, timeouts
  absl::flat_hash_map<uint32_t, Call*> calls_;
  LinkedList<Call, BySending> waiting_;  // for a stream
  LinkedList<Call, BySending> sending_;  // something may be sent of them
  LinkedList<Call, BySending> blocked_;  // until the connection's window grows
  std::string pending_;                  // said between two Collect
  std::string* out_ = nullptr;           // during Collect
  uint32_t next_stream_ = 1;
  uint32_t streams_max_ = UINT32_MAX;
  bool has_heard_ = false;                              // the server's settings
  int64_t send_window_ = http2::kWindowDefault;         // bytes, of the connection
  int64_t stream_send_window_ = http2::kWindowDefault;  // what a new stream has
  uint32_t send_frame_bytes_ = http2::kFrameBytesDefault;
  uint32_t unreported_ = 0;  // bytes received that the server does not know of
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_CALL_SESSION_H_
