// JsonText: the strings of JSON and base64, both ways, as Go writes and reads them.
//
// Threads  pure functions.
#ifndef SOCLE_SERVER_GATEWAY_JSON_TEXT_H_
#define SOCLE_SERVER_GATEWAY_JSON_TEXT_H_

#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace socle::server::gateway {

// With quotes. Control bytes, <, >, &, U+2028 and U+2029 are escaped; what is not UTF-8 becomes U+FFFD.
void AppendJsonString(std::string_view text, std::string* out);

// Requires: a string of JSON with its quotes, found by JsonScanner. Lone surrogates and what is not UTF-8 become U+FFFD.
std::string UnquoteJson(std::string_view quoted);

void AppendBase64(std::string_view bytes, std::string* out);

// With padding; line breaks are passed over. InvalidArgument with Go's text.
absl::StatusOr<std::string> ParseBase64(std::string_view text);

}  // namespace socle::server::gateway

#endif  // SOCLE_SERVER_GATEWAY_JSON_TEXT_H_
