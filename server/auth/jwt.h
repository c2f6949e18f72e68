// Jwt: signed tokens: whoever has the key can read them, nobody has to remember them.
//
//   --auth-token=jwt,sign-method=RS256,priv-key=FILE,pub-key=FILE,ttl=5m
//
// Laws     1. A token whose algorithm is not the configured one is no token, whatever its signature says.
//          2. With a public key alone tokens are read and not made.
//          3. Claims are username, revision (of the auth store) and exp.
// Threads  thread-safe; immutable.
// Errors   InvalidArgument, with the option or the file that is wrong.
// Source   RFC 7515, 7518, 7519, 8037; spec etcd 1.9.
#ifndef SOCLE_SERVER_AUTH_JWT_H_
#define SOCLE_SERVER_AUTH_JWT_H_

#include <memory>
#include <string_view>

#include <absl/status/statusor.h>

#include "kv/base/clock.h"
#include "server/auth/tokens.h"

namespace socle::server {

// `text`: name=value pairs with commas between them.
absl::StatusOr<std::unique_ptr<TokenSource>> MakeSignedTokens(std::string_view text, Clock* clock);

}  // namespace socle::server

#endif  // SOCLE_SERVER_AUTH_JWT_H_
