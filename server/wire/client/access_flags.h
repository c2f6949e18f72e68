// AddAccessFlags: the flags of TLS and of a user, named and described as etcdctl's, for every program with this client.
//
// Threads  the main thread.
#ifndef SOCLE_SERVER_WIRE_CLIENT_ACCESS_FLAGS_H_
#define SOCLE_SERVER_WIRE_CLIENT_ACCESS_FLAGS_H_

#include <CLI/App.hpp>

#include "server/wire/client/access.h"

namespace socle::server {

enum class Environment { kIgnored, kEtcdctl };

// kEtcdctl: what no flag says is taken from ETCDCTL_CACERT and so on.
void AddAccessFlags(CLI::App* app, ClientAccess* access, Environment environment);

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_ACCESS_FLAGS_H_
