// HashmapFreelist: free spans segregated by length, neighbours merged through a hash map of their
// ends.
//
//   ends_      page -> the span that begins or ends there     Free: the neighbours of a freed span
//   classes_   length -> first pages, ascending               Allocate: shortest sufficient, lowest
//   address
//
// Laws     1. Free spans never touch: they are joined when freed.
//          2. The same calls give the same pages: nothing depends on the order of a hash map.
// Threads  confined to the committer.
// Memory   proportional to free spans, whatever their length: about 12 bytes for each of many small
//          ones.
// Source   spec etcd 3.5; bbolt#141, bbolt#1179.
#ifndef SOCLE_FREELIST_HASHMAP_FREELIST_H_
#define SOCLE_FREELIST_HASHMAP_FREELIST_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "freelist/length_classes.h"
#include "freelist/page_id.h"
#include "freelist/span_blocks.h"
#include "freelist/txn_freelist.h"

namespace socle::freelist {

class HashmapFreelist final : public TxnFreelist {
 private:
  void ResetFree(std::span<const PageSpan> spans) override;
  void InsertFree(std::span<const PageSpan> spans) override;
  std::optional<PageId> TakeFree(uint64_t count) override;
  void CutFree(PageSpan span) override;
  bool IsFree(PageSpan span) const override;
  std::vector<PageSpan> ListFree() const override;
  uint64_t CheckFree() const override;

  void Add(PageSpan span);
  void Remove(PageSpan span);

  SpanBlocks ends_;
  LengthClasses classes_;
};

}  // namespace socle::freelist

#endif  // SOCLE_FREELIST_HASHMAP_FREELIST_H_
