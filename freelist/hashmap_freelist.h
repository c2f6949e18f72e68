// HashmapFreelist: free spans segregated by length, neighbours merged through hash maps of their
// ends.
//
//   forward_   first page -> length          a freed span [s, e) finds its right neighbour at e
//   backward_  last page  -> first page      … and its left neighbour at s - 1
//   classes_   length -> first pages         Allocate: shortest sufficient length, lowest address
//
// Laws     1. Free spans never touch: they are joined when freed.
//          2. The same calls give the same pages: nothing depends on the order of a hash map.
// Threads  confined to the committer.
// Memory   proportional to free spans, whatever their length.
// Source   spec etcd 3.5; bbolt#141, bbolt#1179.
#ifndef SOCLE_FREELIST_HASHMAP_FREELIST_H_
#define SOCLE_FREELIST_HASHMAP_FREELIST_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "freelist/length_classes.h"
#include "freelist/page_id.h"
#include "freelist/txn_freelist.h"

namespace socle::freelist {

class HashmapFreelist final : public TxnFreelist {
 private:
  void ResetFree(std::span<const PageSpan> spans) override;
  void InsertFree(std::span<const PageSpan> spans) override;
  std::optional<PageId> TakeFree(uint64_t count) override;
  void CutFree(PageSpan span) override;
  bool IsFree(PageId id) const override;
  std::vector<PageSpan> ListFree() const override;
  uint64_t CheckFree() const override;

  void InsertAndJoin(PageSpan span);
  void Add(PageSpan span);
  void Remove(PageSpan span);

  absl::flat_hash_map<uint64_t, uint64_t> forward_;
  absl::flat_hash_map<uint64_t, uint64_t> backward_;
  LengthClasses classes_;
};

}  // namespace socle::freelist

#endif  // SOCLE_FREELIST_HASHMAP_FREELIST_H_
