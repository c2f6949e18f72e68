// Caller: what a call says about who makes it, before anybody has looked whether it is true.
//
// Laws     1. The transports fill it and the services hand it to the Guard; nobody else reads it.
//          2. The name in a client certificate counts only for a call without a token that did not come
//             through the JSON gateway, whose own certificate would speak for everybody.
// Memory   a value; empty ones cost no allocation.
// Source   spec etcd 1.2 (metadata), 1.9.
#ifndef SOCLE_SERVER_AUTH_CALLER_H_
#define SOCLE_SERVER_AUTH_CALLER_H_

#include <optional>
#include <string>
#include <string_view>

namespace socle::server {

struct Caller {
  // nullopt: none was sent. An empty one was sent, and is wrong.
  std::optional<std::string> token;
  std::string certificate_name;  // common name of a verified client certificate; empty: none
  bool is_gateway = false;
};

inline constexpr std::string_view kTokenField = "token";
inline constexpr std::string_view kAuthorizationField = "authorization";

// The token of a call from its two metadata fields; nullopt: the field was not sent.
inline std::optional<std::string> TokenOf(std::optional<std::string_view> token,
                                          std::optional<std::string_view> authorization) {
  if (token.has_value()) {
    return std::string(*token);
  }
  if (!authorization.has_value()) {
    return std::nullopt;
  }
  constexpr std::string_view kBearer = "Bearer ";
  return std::string(authorization->starts_with(kBearer) ? authorization->substr(kBearer.size())
                                                         : *authorization);
}

}  // namespace socle::server

#endif  // SOCLE_SERVER_AUTH_CALLER_H_
