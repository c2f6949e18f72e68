// KeyHeads: what a node of the index knows of its keys without touching them: the length of the
// prefix that all share, and the eight bytes that follow it in each.
//
//   keys  /registry/pods/a/0017, /registry/pods/a/0018, /registry/pods/b/0001      prefix 15 bytes
//   heads "a/0017", "a/0018", "b/0001" as big-endian numbers
//
// Laws     1. Heads order as their keys do; keys whose heads are equal are told apart by their bytes.
//          2. The shared prefix is not stored: a search that ends at a key compares it in full, and if
//             the two part within the prefix it is below or above all keys.
// Threads  a value, part of its node.
// Memory   8 bytes per slot; a search touches one key instead of one per halving.
// Source   DESIGN 3 (mvcc: prefix-aware nodes); Graefe, B-tree techniques 3.5 (normalized prefixes).
#ifndef SOCLE_MVCC_KEY_HEADS_H_
#define SOCLE_MVCC_KEY_HEADS_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

namespace socle::mvcc {

inline size_t SharedPrefix(std::string_view a, std::string_view b) {
  const size_t most = std::min(a.size(), b.size());
  size_t same = 0;
  while (same < most && a[same] == b[same]) {
    ++same;
  }
  return same;
}

// `key_at(i)` everywhere gives the i-th of the node's keys, which ascend strictly.
template <size_t kMax>
class KeyHeads {
 public:
  struct Place {
    size_t position = 0;  // of the first key >= the wanted one
    bool is_equal = false;
  };

  template <typename KeyAt>
  Place Find(size_t count, std::string_view key, const KeyAt& key_at) const {
    if (count == 0) {
      return {};
    }
    for (size_t i = 0; i < count; i += kHeadsPerLine) {
      __builtin_prefetch(&heads_[i]);  // At once: the search would wait for one after the other.
    }
    const uint64_t head = HeadOf(key);
    size_t low = CountBelow(count, head);
    size_t high = low;
    while (high < count && heads_[high] == head) {
      ++high;
    }
    const std::string_view probe = key_at(std::min(low, count - 1));
    if (key.substr(0, prefix_) != probe.substr(0, prefix_)) {
      return {.position = key < probe ? 0 : count};  // law 2
    }
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      const int order = key_at(middle).compare(key);
      if (order == 0) {
        return {.position = middle, .is_equal = true};
      }
      (order < 0 ? low : high) = order < 0 ? middle + 1 : middle;
    }
    return {.position = low};
  }

  // The key comes to `position`; `key_at` is that of the `count` keys before it came.
  template <typename KeyAt>
  void Insert(size_t count, size_t position, std::string_view key, const KeyAt& key_at) {
    const size_t shared = count == 0 ? key.size() : SharedPrefix(key, key_at(0));
    if (count == 0 || shared < prefix_) {
      prefix_ = Clamped(shared);
      for (size_t i = 0; i < count; ++i) {
        heads_[i] = HeadOf(key_at(i));
      }
    }
    std::move_backward(heads_.begin() + Offset(position), heads_.begin() + Offset(count),
                       heads_.begin() + Offset(count + 1));
    heads_[position] = HeadOf(key);
  }

  // The key at `position` of `count` goes.
  void Erase(size_t count, size_t position) {
    std::move(heads_.begin() + Offset(position + 1), heads_.begin() + Offset(count),
              heads_.begin() + Offset(position));
  }

  // All anew: the prefix becomes the longest.
  template <typename KeyAt>
  void Rebuild(size_t count, const KeyAt& key_at) {
    prefix_ = count == 0 ? 0 : Clamped(SharedPrefix(key_at(0), key_at(count - 1)));
    for (size_t i = 0; i < count; ++i) {
      heads_[i] = HeadOf(key_at(i));
    }
  }

  template <typename KeyAt>
  bool IsRight(size_t count, const KeyAt& key_at) const {
    for (size_t i = 0; i < count; ++i) {
      if (heads_[i] != HeadOf(key_at(i)) || SharedPrefix(key_at(0), key_at(i)) < prefix_) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr size_t kHeadsPerLine = 64 / sizeof(uint64_t);

  static std::ptrdiff_t Offset(size_t i) { return static_cast<std::ptrdiff_t>(i); }

  static uint32_t Clamped(size_t size) {
    return static_cast<uint32_t>(std::min<size_t>(size, std::numeric_limits<uint32_t>::max()));
  }

  uint64_t HeadOf(std::string_view key) const {
    uint64_t head = 0;
    if (key.size() >= prefix_ + sizeof(head)) {
      std::memcpy(&head, key.data() + prefix_, sizeof(head));
    } else if (key.size() > prefix_) {
      std::memcpy(&head, key.data() + prefix_, key.size() - prefix_);
    }
    static_assert(std::endian::native == std::endian::little);
    return __builtin_bswap64(head);
  }

  // Without branches that depend on what is found: they would be guessed wrong half the time.
  size_t CountBelow(size_t count, uint64_t head) const {
    const uint64_t* first = heads_.data();
    while (count > 1) {
      const size_t half = count / 2;
      first += first[half - 1] < head ? half : 0;
      count -= half;
    }
    return static_cast<size_t>(first - heads_.data()) + (*first < head ? 1 : 0);
  }

  uint32_t prefix_ = 0;
  std::array<uint64_t, kMax> heads_;  // those of the keys there are; the rest is not read
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_KEY_HEADS_H_
