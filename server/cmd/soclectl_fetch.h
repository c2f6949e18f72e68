// FetchPage: one page of a running server over plain HTTP/1.1.
//
// Laws     1. Gives up after kFetchNanos, and on an answer of more than kPageBytesMax.
// Threads  blocks the caller.
// Errors   Unavailable: nobody answers; NotFound: it has no such page; Internal: another status.
#ifndef SOCLE_SERVER_CMD_SOCLECTL_FETCH_H_
#define SOCLE_SERVER_CMD_SOCLECTL_FETCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "kv/base/clock.h"

namespace socle::server {

inline constexpr int64_t kFetchNanos = 10 * kNanosPerSecond;
inline constexpr size_t kPageBytesMax = size_t{16} << 20U;

// `endpoint`: HOST:PORT or http://HOST:PORT. The body.
absl::StatusOr<std::string> FetchPage(std::string_view endpoint, std::string_view path);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_SOCLECTL_FETCH_H_
