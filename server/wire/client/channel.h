// Channel: calls to one server over one HTTP/2 connection, which is remade when it breaks.
//
// Laws     1. The callback of a call runs exactly once with the final status, never inside the
//             function that started it.
//          2. Status carries the gRPC code and the server's text byte for byte; what the client
//             found out itself reads Unavailable (connection refused or lost), DeadlineExceeded,
//             Cancelled, Internal (broken protocol).
//          3. A broken connection fails the calls on it, once, and is not retried for them: the
//             server may have acted. Calls started after that wait for the next attempt (20 ms to 1
//             s apart) and share its fate.
//          4. Views given to callbacks are valid during the callback only.
// Threads  confined to the thread of its ClientLoop.
// Memory   a call's request and response are held whole; streams hold what the peer's flow control
//          has not yet taken.
#ifndef SOCLE_SERVER_WIRE_CLIENT_CHANNEL_H_
#define SOCLE_SERVER_WIRE_CLIENT_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <google/protobuf/message_lite.h>

#include "server/wire/client/endpoint.h"

namespace socle::server {

class ClientLoop;
class CallSession;
class Connection;
struct Call;
struct ByOwner;

struct CallOptions {
  int64_t timeout_nanos = 0;  // 0: none
  Metadata metadata;
};

// Called with the status and, when it is OK, the serialised response.
using UnaryDone = absl::AnyInvocable<void(const absl::Status&, std::string_view)>;

struct StreamCallbacks {
  absl::AnyInvocable<void(std::string_view message)> on_message;
  absl::AnyInvocable<void(const absl::Status&)> on_end;
};

// The sending half of a stream. After its end every function is a no-op.
class ClientStream {
 public:
  void Send(const google::protobuf::MessageLite& message);
  void Send(std::string_view serialised);
  // No more messages will be sent; the server may go on.
  void HalfClose();
  // Ends the stream with Cancelled.
  void Cancel();

  bool is_ended() const { return call_ == nullptr; }

 private:
  friend class Channel;
  friend class Connection;
  Call* call_ = nullptr;
  StreamCallbacks callbacks_;
};

class Channel {
 public:
  Channel(ClientLoop* loop, Endpoint endpoint);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // `path` as "/package.Service/Method". The request is serialised before the function returns.
  void Unary(std::string_view path, const google::protobuf::MessageLite& request,
             const CallOptions& options, UnaryDone done);
  void Unary(std::string_view path, std::string_view serialised, const CallOptions& options,
             UnaryDone done);
  std::shared_ptr<ClientStream> OpenStream(std::string_view path, const CallOptions& options,
                                           StreamCallbacks callbacks);

  // The server's address, for errors.
  const std::string& authority() const { return endpoint_.shown; }

 private:
  friend class ClientLoop;
  friend class ClientStream;
  friend class CallSession;
  friend class Connection;
  friend struct Call;
  struct Waiting;

  Call* NewCall(std::string_view path, const CallOptions& options);
  void StartUnary(Call* call, UnaryDone done);
  void StartCall(Call* call);
  void Connect();
  void ScheduleConnect();
  // Tells the call's owner and gives the call back to the pool.
  void Complete(Call* call, const absl::Status& status);
  void CompleteUnary(Call* call, const absl::Status& status);
  // Tells the owner now; the call stays until its stream is closed.
  void Abandon(Call* call, const absl::Status& status);
  void Recycle(Call* call);
  void OnMessageBytes(Call* call);

  // For the connection.
  void OnConnected(Connection* connection);

  void OnServerSpoke() { backoff_nanos_ = 0; }

  void OnBroken(Connection* connection, const absl::Status& why);
  void Stop(const absl::Status& why);

  ClientLoop* const loop_;
  const Endpoint endpoint_;
  std::unique_ptr<Connection> current_;
  std::vector<std::unique_ptr<Connection>> draining_;  // told to go away, calls left
  std::unique_ptr<Waiting> waiting_;
  std::vector<std::unique_ptr<Call>> calls_;  // owns every call
  std::vector<Call*> pool_;
  int64_t backoff_nanos_ = 0;
  int64_t retry_at_nanos_ = 0;
  bool is_connect_scheduled_ = false;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_CHANNEL_H_
