#include "controllers/apiserver/authentication.h"

#include <algorithm>
#include <utility>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "controllers/api/names.h"
#include "controllers/registry/errors.h"

namespace socle::apiserver {
namespace {

constexpr std::string_view kAnonymous = "system:anonymous";

// A cell of a line of comma-separated values, off the front; quoted ones may hold commas.
std::string NextCell(std::string_view* line) {
  std::string cell;
  if (line->starts_with('"')) {
    line->remove_prefix(1);
    while (!line->empty()) {
      const char c = line->front();
      line->remove_prefix(1);
      if (c == '"' && !line->starts_with('"')) {
        break;
      }
      if (c == '"') {
        line->remove_prefix(1);
      }
      cell.push_back(c);
    }
  }
  const size_t end = std::min(line->find(','), line->size());
  cell += line->substr(0, end);
  line->remove_prefix(std::min(end + 1, line->size()));
  return cell;
}

bool SameSecret(std::string_view a, std::string_view b) {
  unsigned different = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    const char other = i < b.size() ? b[i] : '\0';
    different |= static_cast<unsigned char>(a[i] ^ other);
  }
  return different == 0;
}

std::string_view HostOf(std::string_view authority) {
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    return end == std::string_view::npos ? authority : authority.substr(1, end - 1);
  }
  return authority.substr(0, authority.find(':'));
}

absl::Status Unauthorized() {
  return registry::MakeStatus(
      {.reason = registry::Reason::kUnauthorized, .message = "Unauthorized"});
}

}  // namespace

absl::StatusOr<Authentication> Authentication::Make(std::string_view token_file_text,
                                                    bool uses_certificates) {
  Authentication authentication;
  authentication.uses_certificates_ = uses_certificates;
  int number = 0;
  while (!token_file_text.empty()) {
    const size_t end = std::min(token_file_text.find('\n'), token_file_text.size());
    std::string_view line = token_file_text.substr(0, end);
    token_file_text.remove_prefix(std::min(end + 1, token_file_text.size()));
    ++number;
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.find_first_not_of(" \t") == std::string_view::npos || line.starts_with('#')) {
      continue;
    }
    Token token;
    token.token = NextCell(&line);
    token.user = NextCell(&line);
    const std::string uid = NextCell(&line);
    if (token.token.empty() || token.user.empty() || uid.empty()) {
      return absl::InvalidArgumentError(fmt::format(
          "token file, line {}: must have at least token, user and uid: token,user,uid,\"groups\"",
          number));
    }
    authentication.tokens_.push_back(std::move(token));
  }
  return authentication;
}

absl::StatusOr<std::string_view> Authentication::Identify(const server::http::Request& request,
                                                          std::string_view certificate_name) const {
  if (is_open()) {
    const std::string_view host = HostOf(request.authority());
    if (!host.empty() && host != "localhost" && !api::IsIpAddress(host)) {
      return registry::MakeStatus(
          {.reason = registry::Reason::kForbidden,
           .message = "a server without authentication answers only to its address and to "
                      "localhost, not to other names"});
    }
    return kAnonymous;
  }
  if (!certificate_name.empty()) {
    return certificate_name;
  }
  constexpr std::string_view kBearer = "Bearer ";
  std::string_view given = request.Find("authorization");
  if (given.size() <= kBearer.size() || !given.starts_with(kBearer)) {
    return Unauthorized();
  }
  given.remove_prefix(kBearer.size());
  const Token* match = nullptr;
  for (const Token& token : tokens_) {
    match = SameSecret(given, token.token) ? &token : match;
  }
  if (match == nullptr) {
    return Unauthorized();
  }
  return std::string_view(match->user);
}

bool IsLoopback(std::string_view address) {
  return address == "::1" || (address.starts_with("127.") && api::IsIpAddress(address));
}

}  // namespace socle::apiserver
