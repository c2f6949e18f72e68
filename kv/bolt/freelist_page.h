// FreelistPage: free pages as a page of the file (synced mode).
//
// Laws     1. Read accepts only ids that ascend strictly, lie in [2, high-water mark) and outside
//             of the page itself.
// Threads  pure functions.
// Errors   DataLoss naming the page.
// Source   spec etcd 3.1.
#ifndef SOCLE_KV_BOLT_FREELIST_PAGE_H_
#define SOCLE_KV_BOLT_FREELIST_PAGE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "freelist/page_id.h"
#include "kv/bolt/page.h"

namespace socle::kv::bolt {

struct FreelistContent {
  std::vector<PageSpan> free;  // ascending, disjoint, not touching
  PageSpan pages;              // where the freelist itself is
};

absl::StatusOr<FreelistContent> ReadFreelistPage(const PageReader& reader, PageId id);

// The ids of a freelist page as they stand there, right or wrong.
class FreelistIds {
 public:
  static absl::StatusOr<FreelistIds> Read(const PageReader& reader, PageId id);

  uint64_t count() const { return count_; }

  // Requires place < count().
  PageId At(uint64_t place) const {
    return PageId{Load<uint64_t>(first_ + place * sizeof(uint64_t))};
  }

  // Where the freelist itself is.
  PageSpan pages() const { return pages_; }

 private:
  FreelistIds(const char* first, uint64_t count, PageSpan pages)
      : first_(first), count_(count), pages_(pages) {}

  const char* first_;
  uint64_t count_;
  PageSpan pages_;
};

// How many pages a freelist of `ids` page ids takes.
uint64_t FreelistPageCount(uint64_t ids, uint32_t page_size);

// The image of a freelist that lies at `place`. Requires that `place` is large enough.
std::string FreelistPageImage(std::span<const PageSpan> free, PageSpan place, uint32_t page_size);

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_FREELIST_PAGE_H_
