// ListenRules: which listen URLs and TLS flags go together.
//
// Laws     1. What etcd refuses is refused; so is what would let in more clients than the flags sound like.
//          2. What is merely not used is said in a warning.
// Threads  pure functions.
// Errors   InvalidArgument with one line that names the flag and the cure.
// Source   spec etcd 1.2, 1.12 (listen, security).
#ifndef SOCLE_SERVER_CONFIG_LISTEN_RULES_H_
#define SOCLE_SERVER_CONFIG_LISTEN_RULES_H_

#include <string>
#include <vector>

#include <absl/status/status.h>

#include "server/config/settings.h"

namespace socle::server {

absl::Status CheckListening(const Settings& settings, std::vector<std::string>* warnings);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CONFIG_LISTEN_RULES_H_
