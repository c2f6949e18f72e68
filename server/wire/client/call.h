// Call: one request in flight; from the start of a unary call or stream until its status is known.
//
//   waiting     in its channel's waiting list; no connection yet
//   active      in its connection's list and in that one's session
//   abandoned   still there, its owner has been told; until its stream is closed
//   idle        in its channel's pool
// Threads  confined to the loop thread.
// Memory   buffers are kept when a call returns to the pool.
#ifndef SOCLE_SERVER_WIRE_CLIENT_CALL_H_
#define SOCLE_SERVER_WIRE_CLIENT_CALL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/wire/client/channel.h"
#include "server/wire/client/deadline_wheel.h"
#include "server/wire/client/grpc_wire.h"
#include "server/wire/http/linked_list.h"

namespace socle::server {

struct ByOwner;
struct BySending;
class Connection;

struct Call final : ListLink<ByOwner>, ListLink<BySending>, DeadlineLink {
  explicit Call(Channel* channel_in) : channel(channel_in) {}

  void OnDeadline();

  Channel* const channel;
  Connection* connection = nullptr;  // null while waiting
  uint32_t stream_id = 0;            // 0: not begun
  int64_t send_window = 0;  // bytes; less than nothing when the server takes back what it gave
  uint32_t unreported = 0;  // bytes received that the server does not know of

  std::string path;
  Metadata metadata;
  std::string timeout_header;
  int64_t timeout_nanos = 0;

  std::string request;      // framed messages
  size_t request_sent = 0;  // bytes of `request` that HTTP/2 has taken
  bool is_half_closed = false;
  bool has_sent_end = false;  // of the request
  bool is_cancelled = false;  // its reset is to be sent
  bool is_abandoned = false;

  std::string response;  // framed bytes not yet handed out
  StreamOutcome outcome;

  UnaryDone done;                        // unary calls
  std::shared_ptr<ClientStream> stream;  // streams
};

using CallList = LinkedList<Call, ByOwner>;

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_CALL_H_
