// SelfSigned: a key and a certificate that vouches for itself, for servers whose clients don't look closely.
//
// Threads  pure functions.
#ifndef SOCLE_SERVER_WIRE_HTTP_SELF_SIGNED_H_
#define SOCLE_SERVER_WIRE_HTTP_SELF_SIGNED_H_

#include <span>
#include <string>

#include <absl/status/statusor.h>

namespace socle::server::http {

struct PemPair {
  std::string certificate;
  std::string private_key;
};

// Made out to host names and addresses, for `years` of 365 days from now.
absl::StatusOr<PemPair> MakeSelfSigned(std::span<const std::string> hosts, int years);

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_SELF_SIGNED_H_
