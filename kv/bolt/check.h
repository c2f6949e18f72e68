// PageCensus: walks every page that a commit reaches; finds the free ones, or verifies them all.
//
// Laws     1. Every page in [2, high-water mark) is either reachable or free, and reached once.
//          2. With Keys::kVerify also: keys ascend inside pages and between the separators above.
//          3. Ends on any bytes: depth is limited, and a page reached twice is an error.
// Threads  thread-compatible.
// Memory   one bit per page.
// Errors   DataLoss naming the first broken page.
// Source   spec etcd 3.6.
#ifndef SOCLE_KV_BOLT_CHECK_H_
#define SOCLE_KV_BOLT_CHECK_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "freelist/page_id.h"
#include "kv/bolt/page.h"

namespace socle::kv::bolt {

class PageCensus {
 public:
  enum class Keys { kIgnore, kVerify };

  PageCensus(const PageReader& reader, Keys keys);

  // Counts the tree and all buckets below it.
  absl::Status CountTree(PageId root) { return CountPage(root, KeyRange{}, 0); }

  // Counts pages that are in use without being part of a tree.
  absl::Status CountSpan(PageSpan span);

  // What was not counted: ascending, disjoint, not touching.
  std::vector<PageSpan> Uncounted() const;

  // Compares the uncounted pages with a freelist in the same form.
  absl::Status ExpectFree(std::span<const PageSpan> free) const;

 private:
  // Keys k with low <= k < high.
  struct KeyRange {
    std::optional<std::string_view> low;
    std::optional<std::string_view> high;
  };

  absl::Status CountPage(PageId id, const KeyRange& range, uint32_t depth);
  absl::Status CountBranch(const PageView& page, PageId id, const KeyRange& range, uint32_t depth);
  absl::Status CountLeaf(const PageView& page, PageId owner, const KeyRange& range, uint32_t depth);
  absl::Status CountBucket(std::string_view value, PageId owner, uint32_t depth);
  // Requires a page whose elements were not looked at yet.
  absl::Status VerifyKeys(const PageView& page, PageId owner, const KeyRange& range) const;

  bool counted(uint64_t page) const { return ((bits_[page / 64] >> (page % 64)) & 1U) != 0; }

  const PageReader reader_;
  const Keys keys_;
  std::vector<uint64_t> bits_;
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_CHECK_H_
