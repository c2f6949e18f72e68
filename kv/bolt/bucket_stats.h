// BucketStats: what each bucket of a commit consists of, counted while a PageCensus walks.
//
// Threads  thread-compatible.
// Memory   one record per bucket.
#ifndef SOCLE_KV_BOLT_BUCKET_STATS_H_
#define SOCLE_KV_BOLT_BUCKET_STATS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kv/bolt/check.h"
#include "kv/bolt/page.h"

namespace socle::kv::bolt {

// Pages of one kind. Bytes count overflow pages too.
struct PageFigures {
  uint64_t pages = 0;     // with those that they overflow into
  uint64_t overflow = 0;  // of them
  uint64_t bytes = 0;
  uint64_t used_bytes = 0;  // in canonical layout

  void Add(const PageView& page, uint32_t page_size);
};

// One bucket without the buckets inside it; the first record is the root tree.
struct BucketFigures {
  std::string name;
  uint32_t nesting = 0;  // 0: the root tree, 1: a top-level bucket
  PageId root{};         // when not inline
  bool is_inline = false;
  uint64_t sequence = 0;
  uint64_t keys = 0;     // that are no buckets
  uint64_t buckets = 0;  // directly inside
  uint32_t levels = 0;   // of pages
  uint64_t inline_bytes = 0;
  uint64_t value_bytes_max = 0;
  PageFigures branches;
  PageFigures leaves;
};

class BucketStats final : public CensusVisitor {
 public:
  BucketStats(PageId root, uint32_t page_size);

  void EnterBucket(std::string_view name, const BucketRoot& bucket) override;
  void LeaveBucket() override;
  void Page(const PageView& page, std::span<const PageId> path) override;

  // In key order, a bucket before those inside it.
  const std::vector<BucketFigures>& buckets() const { return buckets_; }

 private:
  struct Open {
    size_t bucket = 0;  // place in buckets_
    size_t depth = 0;   // of the path where the bucket begins
  };

  BucketFigures* current() { return &buckets_[open_.back().bucket]; }

  // Leaf elements, of a page or inline.
  void CountElements(const PageView& page);

  const uint32_t page_size_;
  std::vector<BucketFigures> buckets_;
  std::vector<Open> open_;
  size_t depth_ = 0;  // of the page that was visited last
};

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_BUCKET_STATS_H_
