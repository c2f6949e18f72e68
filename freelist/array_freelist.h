// ArrayFreelist: free page ids in one sorted array, first fit.
//
// Laws     1. Allocate takes the lowest-addressed run that is long enough.
// Threads  confined to the committer.
// Memory   8 bytes per free page.
// Source   spec etcd 3.5, column "array".
#ifndef SOCLE_FREELIST_ARRAY_FREELIST_H_
#define SOCLE_FREELIST_ARRAY_FREELIST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "freelist/page_id.h"
#include "freelist/txn_freelist.h"

namespace socle::freelist {

class ArrayFreelist final : public TxnFreelist {
 private:
  void ResetFree(std::span<const PageSpan> spans) override;
  // O(free pages).
  void InsertFree(std::span<const PageSpan> spans) override;
  // O(pages before the run): one scan, and one move of the pages that were scanned.
  std::optional<PageId> TakeFree(uint64_t count) override;
  void CutFree(PageSpan span) override;
  bool IsFree(PageSpan span) const override;
  std::vector<PageSpan> ListFree() const override;
  uint64_t CheckFree() const override;

  // Removes `count` ids from `at` on by moving the ids before them.
  void Remove(size_t at, size_t count);

  std::vector<PageId> ids_;  // ascending from head_ on
  size_t head_ = 0;          // the ids before are gone: taking from the front moves nothing
};

}  // namespace socle::freelist

#endif  // SOCLE_FREELIST_ARRAY_FREELIST_H_
