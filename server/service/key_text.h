// KeyText: keys, which are any bytes, times and codes as logs show them.
//
// Laws     1. What comes out is valid UTF-8, whatever went in.
// Threads  pure functions.
#ifndef SOCLE_SERVER_SERVICE_KEY_TEXT_H_
#define SOCLE_SERVER_SERVICE_KEY_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>

namespace socle::server {

// Bytes that are not printable ASCII as \xNN, a backslash as two; beyond `bytes_max` bytes of the key "…(n bytes)".
std::string PrintableKey(std::string_view key, size_t bytes_max);

// A JSON string, quotes included. Valid UTF-8 stays as it is; a text with anything else is printed by PrintableKey.
std::string JsonText(std::string_view text);

bool IsUtf8(std::string_view text);

// "2026-11-26T10:00:00.123456Z"
std::string WallTimeText(int64_t wall_nanos);

// As Go's gRPC spells it: "ResourceExhausted".
std::string_view RpcCodeName(absl::StatusCode code);

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_KEY_TEXT_H_
