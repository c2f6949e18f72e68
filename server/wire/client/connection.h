// Connection: one TCP or Unix connection with its HTTP/2 session, in TLS or plain; from connect to the last byte,
// then thrown away.
//
//   connecting   the socket is not writable yet; no calls
//   handshaking  TLS is being agreed on; no calls
//   open         calls may be submitted
//   draining     GOAWAY came or stream ids ran out: finishes its calls, takes no new ones
//   broken       socket closed, calls failed; deleted at the end of the loop's turn
// Threads  confined to the loop thread.
// Errors   any I/O or protocol error breaks it and reports Unavailable to its calls through the
//          channel.
#ifndef SOCLE_SERVER_WIRE_CLIENT_CONNECTION_H_
#define SOCLE_SERVER_WIRE_CLIENT_CONNECTION_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <absl/status/status.h>

#include "server/wire/client/call.h"
#include "server/wire/client/call_session.h"
#include "server/wire/client/channel.h"

namespace socle::server {

class ClientLoop;
class TlsSession;

class Connection final : private CallSessionHost {
 public:
  Connection(ClientLoop* loop, Channel* channel);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Starts to connect. The outcome comes to the channel as OnConnected or OnBroken, later.
  void Begin();
  void OnReady(uint32_t events);

  bool is_connecting() const {
    return state_ == State::kConnecting || state_ == State::kHandshaking;
  }

  bool takes_calls() const { return state_ == State::kOpen; }

  // The server sent its settings: it is there and speaks HTTP/2.
  bool has_heard() const { return has_heard_; }

  // Requires: takes_calls().
  void Submit(Call* call);
  // There are new bytes in call->request, or it was half-closed.
  void Resume(Call* call);
  void Reset(Call* call);
  // Writes what the session has to say. Called by the loop after MarkDirty.
  void Flush();
  // Closes the socket without telling the channel; the calls are still in calls().
  void Close();

  CallList& calls() { return calls_; }

 private:
  enum class State { kConnecting, kHandshaking, kOpen, kDraining, kBroken };

  void FinishConnect();
  void ShakeHands();
  void BeginToTalk();
  void ReadAll();
  // How many bytes came into the buffer, or went out of it; 0: none for now; -1: the connection is broken.
  ssize_t ReadSome(std::span<char> buffer);
  ssize_t WriteSome(std::string_view bytes);
  std::string WhyClosed() const;
  void Break(const absl::Status& why);
  void WriteLater();
  void UpdateWatch(bool wants_write);
  void CheckDrained();

  void OutputReady() override { WriteLater(); }

  void OnServerSpoke() override;
  void OnServerLeaves(std::string why) override;

  ClientLoop* const loop_;
  Channel* const channel_;
  State state_ = State::kConnecting;
  int fd_ = -1;
  std::unique_ptr<TlsSession> tls_;  // null: plain
  std::unique_ptr<CallSession> session_;
  CallList calls_;
  std::string out_;
  size_t out_sent_ = 0;
  bool is_dirty_ = false;
  bool wants_write_ = false;
  bool has_bytes_ = false;
  bool has_heard_ = false;
  std::string goaway_text_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_CONNECTION_H_
