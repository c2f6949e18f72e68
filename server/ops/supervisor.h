// Supervisor: tells who started the server (systemd, a unit of Type=notify) that it serves, or that it stops.
//
// Threads  pure functions, but for reading the environment.
// Errors   what the socket said, with its name.
// Source   sd_notify(3): one datagram to the Unix socket that NOTIFY_SOCKET names.
#ifndef SOCLE_SERVER_OPS_SUPERVISOR_H_
#define SOCLE_SERVER_OPS_SUPERVISOR_H_

#include <string>
#include <string_view>

#include <absl/status/status.h>

namespace socle::server {

// The socket that NOTIFY_SOCKET names; empty when nobody waits.
std::string SupervisorSocket();

// `socket`: a path, or @name for one without a file; empty: nothing is done. `state`: "READY=1", "STOPPING=1".
absl::Status Notify(std::string_view socket, std::string_view state);

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_SUPERVISOR_H_
