// Authentication: who sent a request: a bearer token of the token file, or a client certificate.
//
//   token,user,uid,"group1,group2"
//
// Laws     1. Without tokens and certificates everybody is let in, as system:anonymous; then only
//             requests that name this machine by address or as localhost are: a page of a browser that
//             was led here under another name is refused.
//          2. Tokens are compared in a time that does not tell how much of one was right.
// Threads  immutable.
// Errors   Parse: InvalidArgument naming the line. Identify: ApiError Unauthorized, Forbidden.
// Source   spec controllers 9; the token file of kube-apiserver.
#ifndef SOCLE_CONTROLLERS_APISERVER_AUTHENTICATION_H_
#define SOCLE_CONTROLLERS_APISERVER_AUTHENTICATION_H_

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "server/wire/http/message.h"

namespace socle::apiserver {

class Authentication {
 public:
  // `uses_certificates`: the server asks its clients for certificates.
  static absl::StatusOr<Authentication> Make(std::string_view token_file_text,
                                             bool uses_certificates);

  // The token of the first line, for the operator's own configuration; empty without tokens.
  std::string_view first_token() const {
    return tokens_.empty() ? std::string_view() : tokens_.front().token;
  }

  bool is_open() const { return tokens_.empty() && !uses_certificates_; }

  // The user's name. `certificate_name`: that of the verified certificate, or empty.
  absl::StatusOr<std::string_view> Identify(const server::http::Request& request,
                                            std::string_view certificate_name) const;

 private:
  struct Token {
    std::string token;
    std::string user;
  };

  std::vector<Token> tokens_;
  bool uses_certificates_ = false;
};

// 127.0.0.0/8 and ::1.
bool IsLoopback(std::string_view address);

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_AUTHENTICATION_H_
