// LengthClasses: free spans segregated by length, for best fit at the lowest address.
//
// Laws     1. FindFit gives the lowest-addressed span of the shortest length that exists and
//             suffices.
// Threads  thread-compatible.
// Memory   about 10 bytes per span up to kShortMax pages, 20 above.
#ifndef SOCLE_FREELIST_LENGTH_CLASSES_H_
#define SOCLE_FREELIST_LENGTH_CLASSES_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include <absl/container/btree_set.h>

#include "freelist/page_id.h"

namespace socle::freelist {

class LengthClasses {
 public:
  // Lengths up to here have a class of their own, found through a bitmap; longer ones share one
  // ordered set.
  static constexpr uint64_t kShortMax = 255;

  void Clear();
  void Insert(PageSpan span);
  // Requires: the span is in.
  void Erase(PageSpan span);

  // Constant when no span suffices or a short one does.
  std::optional<PageSpan> FindFit(uint64_t count) const;

  bool Contains(PageSpan span) const;

  uint64_t size() const { return size_; }

  // Each short class: bit set exactly when not empty.
  void CheckInvariants() const;

 private:
  // The shortest existing short length of at least `count`, or 0.
  uint64_t NextShort(uint64_t count) const;

  // First pages of one length. The lowest one is kept apart: a class that holds one span at a time,
  // as that of the rests does, then allocates nothing; and the set ends with its lowest, where taking
  // one out moves no others.
  struct Class {
    uint64_t lowest = 0;  // 0: no span at all
    absl::btree_set<uint64_t, std::greater<>> others;
  };

  std::array<Class, kShortMax + 1> short_;                 // by length
  std::array<uint64_t, (kShortMax + 1) / 64> existing_{};  // bit set: that short class has spans
  absl::btree_set<std::pair<uint64_t, uint64_t>> long_;    // {length, first page}
  uint64_t size_ = 0;
};

}  // namespace socle::freelist

#endif  // SOCLE_FREELIST_LENGTH_CLASSES_H_
