#include "kv/bolt/bucket_stats.h"

#include <algorithm>

namespace socle::kv::bolt {

void PageFigures::Add(const PageView& page, uint32_t page_size) {
  const uint64_t extent_pages = page.extent() / page_size;
  pages += extent_pages;
  overflow += extent_pages - 1;
  bytes += page.extent();
  uint64_t used = 0;
  // Where elements are broken or overlap, the page counts as full.
  used_bytes += page.UsedBytes(&used) ? std::min(used, page.extent()) : page.extent();
}

BucketStats::BucketStats(PageId root, uint32_t page_size) : page_size_(page_size) {
  buckets_.push_back({.root = root});
  open_.push_back({});
}

void BucketStats::EnterBucket(std::string_view name, const BucketRoot& bucket) {
  ++current()->buckets;
  buckets_.push_back({.name = std::string(name),
                      .nesting = static_cast<uint32_t>(open_.size()),
                      .root = bucket.root,
                      .is_inline = bucket.is_inline,
                      .sequence = bucket.sequence});
  open_.push_back({.bucket = buckets_.size() - 1, .depth = depth_});
  if (bucket.is_inline) {
    current()->inline_bytes = bucket.inline_page.extent();
    CountElements(bucket.inline_page);
  }
}

void BucketStats::LeaveBucket() {
  depth_ = open_.back().depth;
  open_.pop_back();
}

void BucketStats::Page(const PageView& page, std::span<const PageId> path) {
  depth_ = path.size();
  BucketFigures* bucket = current();
  bucket->levels =
      std::max(bucket->levels, static_cast<uint32_t>(path.size() - open_.back().depth));
  if (page.is_leaf()) {
    bucket->leaves.Add(page, page_size_);
    CountElements(page);
  } else {
    bucket->branches.Add(page, page_size_);
  }
}

void BucketStats::CountElements(const PageView& page) {
  BucketFigures* bucket = current();
  Entry entry;
  for (uint32_t i = 0; i < page.count(); ++i) {
    if (page.EntryAt(i, &entry) && !entry.is_bucket()) {
      ++bucket->keys;
      bucket->value_bytes_max = std::max<uint64_t>(bucket->value_bytes_max, entry.value.size());
    }
  }
}

}  // namespace socle::kv::bolt
