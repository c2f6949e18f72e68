// SpanMap: disjoint page spans in address order, each with the transaction it belongs to.
//
// Laws     1. Spans never overlap; touching spans of one transaction are one span.
// Threads  thread-compatible.
// Memory   24 bytes per span.
#ifndef SOCLE_FREELIST_SPAN_MAP_H_
#define SOCLE_FREELIST_SPAN_MAP_H_

#include <cstdint>
#include <optional>
#include <vector>

#include <absl/container/btree_map.h>

#include "freelist/page_id.h"

namespace socle::freelist {

class SpanMap {
 public:
  struct Piece {
    PageSpan span;
    TxnId txn{};

    friend bool operator==(const Piece&, const Piece&) = default;
  };

  // Requires: no page of `span` is in the map.
  void Add(PageSpan span, TxnId txn);

  // Takes every page of `span` that is in the map out of it and returns them in address order.
  std::vector<Piece> Extract(PageSpan span);
  // The same, but only pages that belong to `txn`, and without telling which.
  void Drop(PageSpan span, TxnId txn);

  bool Overlaps(PageSpan span) const;

  // Where the lowest `count` neighbouring pages of one span begin. O(spans before).
  std::optional<PageId> FirstFit(uint64_t count) const;
  // The span whose last page is the one before `end`.
  std::optional<PageSpan> EndingAt(PageId end) const;

  bool Contains(PageId id) const { return Overlaps({id, 1}); }

  std::vector<Piece> Pieces() const;
  void Clear();

  bool empty() const { return spans_.empty(); }

  uint64_t size() const { return spans_.size(); }

  uint64_t pages() const { return pages_; }

  void CheckInvariants() const;

 private:
  struct Rest {
    uint64_t end;
    TxnId txn;
  };

  using Spans = absl::btree_map<uint64_t, Rest>;

  // The first span that ends after `page`.
  Spans::iterator FirstEndingAfter(uint64_t page);

  Spans spans_;  // by first page
  uint64_t pages_ = 0;
};

// Sorts by address and joins neighbours. Requires: disjoint.
void SortAndJoin(std::vector<PageSpan>* spans);

}  // namespace socle::freelist

#endif  // SOCLE_FREELIST_SPAN_MAP_H_
