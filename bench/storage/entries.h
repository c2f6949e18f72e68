// The keys and values that all peers get: revision keys that ascend, random keys of eight bytes, values
// of 256 bytes.
// Threads  immutable.
#ifndef SOCLE_BENCH_STORAGE_ENTRIES_H_
#define SOCLE_BENCH_STORAGE_ENTRIES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kv/base/bytes.h"
#include "kv/base/random.h"

namespace socle::bench {

inline constexpr size_t kValueBytes = 256;

// 17 bytes as mvcc stores them: main revision, '_', sub revision.
class RevisionKey {
 public:
  explicit RevisionKey(uint64_t main) { PutBigEndian64(main, bytes_.data()); }

  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::array<char, 17> bytes_{0, 0, 0, 0, 0, 0, 0, 0, '_'};
};

inline constexpr size_t kRevisionKeyBytes = 17;

// The n-th random key; different for different n, since each step can be undone.
class ScatteredKey {
 public:
  explicit ScatteredKey(uint64_t n) {
    n = (n ^ (n >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    n = (n ^ (n >> 27U)) * 0x94D049BB133111EBULL;
    PutBigEndian64(n ^ (n >> 31U), bytes_.data());
  }

  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::array<char, 8> bytes_{};
};

// Values that differ from entry to entry.
class Values {
 public:
  Values() {
    Random random(1);
    for (char& byte : bytes_) {
      byte = static_cast<char>(random.Next());
    }
  }

  std::string_view Of(uint64_t n) const {
    return std::string_view(bytes_).substr(n % (kBlockBytes - kValueBytes), kValueBytes);
  }

 private:
  static constexpr size_t kBlockBytes = 16384;

  std::string bytes_ = std::string(kBlockBytes, '\0');
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_STORAGE_ENTRIES_H_
