// Revision: when a change happened: main counts transactions, sub the changes inside one; and its
// key encoding.
//
// Laws     1. An empty store is at main revision 1; the first write is 2.
//          2. Byte order of encoded revisions is their order in time.
// Format   offset 0..7 main, big-endian · 8 '_' · 9..16 sub, big-endian · 17 't' on tombstones only
// Threads  values.
// Source   spec etcd 2.3.
#ifndef SOCLE_MVCC_REVISION_H_
#define SOCLE_MVCC_REVISION_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "kv/base/bytes.h"

namespace socle::mvcc {

struct Revision {
  int64_t main = 0;
  int64_t sub = 0;

  friend constexpr auto operator<=>(const Revision&, const Revision&) = default;
};

inline constexpr size_t kRevisionKeyBytes = 17;
inline constexpr size_t kTombstoneKeyBytes = 18;

// A revision as it stands in the `key` bucket; holds its bytes.
class RevisionKey {
 public:
  explicit RevisionKey(Revision revision, bool is_tombstone = false)
      : size_(is_tombstone ? kTombstoneKeyBytes : kRevisionKeyBytes) {
    PutBigEndian64(static_cast<uint64_t>(revision.main), bytes_.data());
    bytes_[8] = '_';
    PutBigEndian64(static_cast<uint64_t>(revision.sub), bytes_.data() + 9);
    bytes_[17] = 't';
  }

  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, kTombstoneKeyBytes> bytes_{};
  size_t size_;
};

struct ParsedRevisionKey {
  Revision revision;
  bool is_tombstone = false;
};

// nullopt when the length, the separator, the tombstone mark or a sign is wrong.
inline std::optional<ParsedRevisionKey> ParseRevisionKey(std::string_view key) {
  if ((key.size() != kRevisionKeyBytes && key.size() != kTombstoneKeyBytes) || key[8] != '_') {
    return std::nullopt;
  }
  ParsedRevisionKey parsed;
  parsed.revision.main = static_cast<int64_t>(GetBigEndian64(key.data()));
  parsed.revision.sub = static_cast<int64_t>(GetBigEndian64(key.data() + 9));
  parsed.is_tombstone = key.size() == kTombstoneKeyBytes;
  if (parsed.revision.main < 0 || parsed.revision.sub < 0 ||
      (parsed.is_tombstone && key[17] != 't')) {
    return std::nullopt;
  }
  return parsed;
}

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_REVISION_H_
