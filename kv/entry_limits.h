// EntryLimits: sizes of keys, values and bucket names that every engine takes, those of a bolt file,
// and the answers to others.
// Threads  pure functions.
// Source   kv/engine.h, WriteTxn::Put; spec etcd 3.1.
#ifndef SOCLE_KV_ENTRY_LIMITS_H_
#define SOCLE_KV_ENTRY_LIMITS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <absl/status/status.h>
#include <fmt/format.h>

namespace socle::kv {

inline constexpr size_t kEntryKeyBytesMax = 32768;
inline constexpr uint64_t kEntryValueBytesMax = (uint64_t{1} << 31U) - 2;

inline absl::Status CheckEntry(std::string_view key, std::string_view value) {
  if (key.empty() || key.size() > kEntryKeyBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("key of {} bytes; 1 to {} are possible", key.size(), kEntryKeyBytesMax));
  }
  if (value.size() > kEntryValueBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("value of {} bytes; up to {} are possible", value.size(), kEntryValueBytesMax));
  }
  return absl::OkStatus();
}

inline absl::Status CheckBucketName(std::string_view bucket) {
  if (bucket.empty() || bucket.size() > kEntryKeyBytesMax) {
    return absl::InvalidArgumentError(fmt::format("bucket name of {} bytes; 1 to {} are possible",
                                                  bucket.size(), kEntryKeyBytesMax));
  }
  return absl::OkStatus();
}

inline absl::Status NoBucket(std::string_view bucket) {
  return absl::NotFoundError(fmt::format("no bucket '{}'", bucket));
}

}  // namespace socle::kv

#endif  // SOCLE_KV_ENTRY_LIMITS_H_
