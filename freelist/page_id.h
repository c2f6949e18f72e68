// PageId, TxnId, PageSpan: strong types of the bolt file's pages and transactions.
//
// Laws     1. PageId counts pages of the file from 0; pages 0 and 1 are the meta pages and never
//             allocated.
//          2. TxnId grows by one with every write transaction that commits.
// Threads  values.
#ifndef SOCLE_FREELIST_PAGE_ID_H_
#define SOCLE_FREELIST_PAGE_ID_H_

#include <compare>
#include <cstdint>

namespace socle {

enum class PageId : uint64_t {};
enum class TxnId : uint64_t {};

constexpr uint64_t Raw(PageId id) {
  return static_cast<uint64_t>(id);
}

constexpr uint64_t Raw(TxnId id) {
  return static_cast<uint64_t>(id);
}

constexpr PageId operator+(PageId id, uint64_t pages) {
  return PageId{Raw(id) + pages};
}

constexpr uint64_t operator-(PageId a, PageId b) {
  return Raw(a) - Raw(b);
}

constexpr TxnId Next(TxnId id) {
  return TxnId{Raw(id) + 1};
}

// Neighbouring pages [first, first + count).
struct PageSpan {
  PageId first{};
  uint64_t count = 0;

  // The page after the last one.
  constexpr PageId end() const { return first + count; }

  friend constexpr bool operator==(const PageSpan&, const PageSpan&) = default;
};

}  // namespace socle

#endif  // SOCLE_FREELIST_PAGE_ID_H_
