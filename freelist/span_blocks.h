// SpanBlocks: where free spans begin and end, as a hash map of blocks of 64 pages with two bits per
// page.
//
//   page      128 …            140   143                 191 | 192      200
//   starts     .  .  .  .  .  .  1  .  .  .  .  1  .  .  .   |  .  .  .  .       block 2: starts,
//   ends ends       .  .  .  .  .  .  .  .  1  .  .  .  .  .  .   |  .  .  .  1       block 3
//
// It is the forward map (first page -> span) and the backward map (last page -> span) in one: the
// partner of a bit is the next one in its block. Spans that cross into another block are found in
// an ordered map instead.
//
// Laws     1. Spans are disjoint and do not touch.
// Threads  thread-compatible.
// Memory   at most two blocks (about 50 bytes) per span, and 20 bytes if it crosses; small spans
//          side by side share a block: about one byte per span.
#ifndef SOCLE_FREELIST_SPAN_BLOCKS_H_
#define SOCLE_FREELIST_SPAN_BLOCKS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>

#include "freelist/page_id.h"

namespace socle::freelist {

class SpanBlocks {
 public:
  void Clear();

  // Aborts when a page of `span` is in a span already, or touches one: O(1 + span length / 64).
  void Insert(PageSpan span);
  // Requires: `span` is in, exactly.
  void Erase(PageSpan span);
  // The span `from` begins only at its page `first` now; cheaper than Erase and Insert. Requires:
  // inside.
  void CutFront(PageSpan from, PageId first);

  // O(1) for a span inside one block, else O(log crossing spans).
  std::optional<PageSpan> StartingAt(PageId first) const;
  std::optional<PageSpan> EndingAt(PageId last) const;
  std::optional<PageSpan> Holding(PageId id) const;

  // No page of `span` is in a span.
  bool IsDisjoint(PageSpan span) const;

  // Ascending.
  std::vector<PageSpan> List() const;

  uint64_t size() const { return size_; }

  void CheckInvariants() const;

 private:
  struct Block {
    uint64_t starts = 0;
    uint64_t ends = 0;
  };

  static bool Crosses(PageSpan span);
  // The block with this number, made when missing, or null. The last one is remembered: allocations
  // go through the file in order.
  Block& Make(uint64_t number);
  Block* Find(uint64_t number);
  // Forgets the block when it is all zero.
  void DropIfEmpty(uint64_t number, const Block& block);
  void SetStart(PageId first);
  void SetEnd(PageId last);
  void ClearStart(PageId first);
  void ClearEnd(PageId last);
  std::optional<PageSpan> CrossingOver(PageId id) const;

  absl::flat_hash_map<uint64_t, Block> blocks_;  // by page / 64; none is all zero
  uint64_t last_number_ = 0;
  Block* last_ = nullptr;  // in blocks_, which moves its contents only when one is added
  absl::btree_map<uint64_t, uint64_t> crossing_;  // first page -> page count
  uint64_t size_ = 0;
};

}  // namespace socle::freelist

#endif  // SOCLE_FREELIST_SPAN_BLOCKS_H_
