// PageCensus: walks every page that a commit reaches; finds the free ones, verifies them all, shows them to a visitor.
//
// Laws     1. Every page in [2, high-water mark) is either reachable or free, and reached once.
//          2. With Keys::kVerify also: keys ascend inside pages and between the separators above, elements lie
//             behind the table of elements and don't overlap, inline buckets hold no buckets.
//          3. Ends on any bytes, in time linear in the file: depth is limited, a page is walked once, elements of
//             a page that overlap are not followed.
// Threads  thread-compatible.
// Memory   one bit per page, and the findings that it keeps.
// Errors   DataLoss naming the first broken page; findings() has them all.
// Source   spec etcd 3.6.
#ifndef SOCLE_KV_BOLT_CHECK_H_
#define SOCLE_KV_BOLT_CHECK_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "freelist/page_id.h"
#include "kv/bolt/freelist_page.h"
#include "kv/bolt/meta.h"
#include "kv/bolt/page.h"
#include "kv/bolt/page_bitmap.h"

namespace socle::kv::bolt {

// One thing that is wrong with a file.
struct Finding {
  PageId page{};
  std::string what;
  std::vector<PageId> path{};  // from the root down to the page; empty when no tree led there
  std::string bucket{};        // names from the top, joined by '/'; empty in the root tree

  // "page 17: key 3 is not above key 2 (bucket key, path 4 > 9 > 17)"
  std::string Text() const;
};

// Sees what the walk meets, in the order of the tree: EnterBucket, its pages and buckets, LeaveBucket. The root tree
// is no bucket.
class CensusVisitor {
 public:
  virtual ~CensusVisitor() = default;

  virtual void EnterBucket(std::string_view /*name*/, const BucketRoot& /*bucket*/) {}

  virtual void LeaveBucket() {}

  // `path` leads from the root down to the page, which is its last.
  virtual void Page(const PageView& /*page*/, std::span<const PageId> /*path*/) {}
};

class PageCensus {
 public:
  enum class Keys { kIgnore, kVerify };

  struct Options {
    Keys keys = Keys::kIgnore;
    // So many findings are kept.
    uint64_t findings_max = 1;
    // Whether the walk goes on when no more findings are kept; they are still counted.
    bool goes_on = false;
    CensusVisitor* visitor = nullptr;
  };

  PageCensus(const PageReader& reader, Keys keys);
  PageCensus(const PageReader& reader, const Options& options);

  // That valid meta pages have the header of a meta page. Broken ones are no finding: one is normal after a crash.
  void VerifyMetaPages(const std::array<MetaPage, 2>& pages);

  // Tree, freelist page, and that one has what the other has not.
  absl::Status CountCommit(const Meta& meta);

  // Counts the tree and all buckets below it.
  absl::Status CountTree(PageId root);

  // Counts pages that are in use without being part of a tree.
  absl::Status CountSpan(PageSpan span);

  // What was not counted: ascending, disjoint, not touching.
  std::vector<PageSpan> Uncounted() const;

  // Compares the uncounted pages with a freelist in the same form.
  absl::Status ExpectFree(std::span<const PageSpan> free);

  // In the order in which they were met.
  const std::vector<Finding>& findings() const { return findings_; }

  uint64_t findings_total() const { return findings_total_; }

  // Pages that a tree or CountSpan reached.
  uint64_t pages_counted() const { return pages_counted_; }

  // Pages that a broken page kept out of reach are not told from lost ones.
  bool is_cut_short() const { return is_cut_short_; }

  bool counted(PageId page) const { return counted_.contains(page); }

 private:
  // Keys k with low <= k < high.
  struct KeyRange {
    std::optional<std::string_view> low;
    std::optional<std::string_view> high;
  };

  void CountPage(PageId id, const KeyRange& range, uint32_t depth);
  void CountBranch(const PageView& page, PageId id, const KeyRange& range, uint32_t depth);
  void CountLeaf(const PageView& page, PageId owner, const KeyRange& range, uint32_t depth);
  void CountBucket(std::string_view name, std::string_view value, PageId owner, uint32_t depth);
  void CountInlineBucket(const BucketRoot& bucket, PageId owner);
  // False when a page of the span was counted before.
  bool Mark(PageSpan span);
  void CompareFreelist(const FreelistIds& ids);
  void CompareSpans(std::span<const PageSpan> uncounted, const PageBitmap& free);

  // Requires a page whose elements were not looked at yet.
  void VerifyKeys(const PageView& page, PageId owner, const KeyRange& range);
  // False when the elements need more bytes than the page has: then some of them overlap.
  bool ElementsFit(const PageView& page, PageId owner);

  void Add(PageId page, std::string what);
  // Adds what a reader said about the page.
  void Add(PageId page, const absl::Status& status);

  bool is_done() const { return !options_.goes_on && findings_total_ >= options_.findings_max; }

  absl::Status status() const;

  const PageReader reader_;
  const Options options_;
  PageBitmap counted_;
  uint64_t pages_counted_ = 0;
  std::vector<PageId> path_;
  std::vector<std::string_view> buckets_;
  std::vector<Finding> findings_;
  uint64_t findings_total_ = 0;
  bool is_cut_short_ = false;
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_CHECK_H_
