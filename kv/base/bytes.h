// Bytes: big-endian integers, varints, view conversions, and string-keyed maps.
//
// Laws     1. Order of big-endian encodings is order of the unsigned numbers.
//          2. One transparent hasher for every string-keyed map: absl::Hash of a string and of a
//             std::string_view differ in Debian's Abseil.
// Threads  pure functions.
#ifndef SOCLE_KV_BASE_BYTES_H_
#define SOCLE_KV_BASE_BYTES_H_

#include <xxhash.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/strings/string_view.h>

namespace socle {

static_assert(std::endian::native == std::endian::little, "file formats are read in place");

// Writes 8 bytes at `out`.
inline void PutBigEndian64(uint64_t value, char* out) {
  const uint64_t swapped = __builtin_bswap64(value);
  std::memcpy(out, &swapped, sizeof(swapped));
}

// Reads 8 bytes at `in`.
inline uint64_t GetBigEndian64(const char* in) {
  uint64_t swapped = 0;
  std::memcpy(&swapped, in, sizeof(swapped));
  return __builtin_bswap64(swapped);
}

inline std::string BigEndian64(uint64_t value) {
  std::string out(sizeof(value), '\0');
  PutBigEndian64(value, out.data());
  return out;
}

// Appends a protobuf base-128 varint.
inline void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(static_cast<uint8_t>(value) | 0x80U));
    value >>= 7U;
  }
  out->push_back(static_cast<char>(value));
}

// Takes a varint off the front of `in`; false when it is cut short or longer than ten bytes.
inline bool ConsumeVarint(std::string_view* in, uint64_t* value) {
  uint64_t result = 0;
  for (size_t i = 0; i < in->size() && i < 10; ++i) {
    const auto byte = static_cast<uint8_t>((*in)[i]);
    result |= static_cast<uint64_t>(byte & 0x7FU) << (7 * i);
    if ((byte & 0x80U) == 0) {
      in->remove_prefix(i + 1);
      *value = result;
      return true;
    }
  }
  return false;
}

// A varint length, then the bytes.
inline void AppendLengthPrefixed(std::string_view bytes, std::string* out) {
  AppendVarint(bytes.size(), out);
  out->append(bytes);
}

// Takes length-prefixed bytes off the front of `in`; the view points into `in`'s memory.
inline bool ConsumeLengthPrefixed(std::string_view* in, std::string_view* bytes) {
  uint64_t size = 0;
  if (!ConsumeVarint(in, &size) || size > in->size()) {
    return false;
  }
  *bytes = in->substr(0, size);
  in->remove_prefix(size);
  return true;
}

inline absl::string_view AbslView(std::string_view view) {
  return {view.data(), view.size()};
}

inline std::string_view StdView(absl::string_view view) {
  return {view.data(), view.size()};
}

struct StringHash {
  using is_transparent = void;

  size_t operator()(std::string_view bytes) const noexcept {
    return XXH3_64bits(bytes.data(), bytes.size());
  }
};

template <typename V>
using StringMap = absl::flat_hash_map<std::string, V, StringHash, std::equal_to<>>;
using StringSet = absl::flat_hash_set<std::string, StringHash, std::equal_to<>>;

}  // namespace socle

#endif  // SOCLE_KV_BASE_BYTES_H_
