// PageView, PageReader: reading pages of a file that may be broken.
//
// Laws     1. No access leaves the page: headers are checked once per page, elements on every
//             access.
//          2. A page whose header disagrees with its place (id, flags, extent) is never returned.
//          3. Nothing aborts on the content of a page: elements return false, readers DataLoss.
// Threads  immutable values.
// Memory   views into the mapping or into a dirty page's buffer.
// Source   spec etcd 3.1.
#ifndef SOCLE_KV_BOLT_PAGE_H_
#define SOCLE_KV_BOLT_PAGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>

#include "freelist/page_id.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/format.h"
#include "kv/bolt/page_sums.h"

namespace socle::kv::bolt {

// One element of a page: `child` is meant on branch pages, `value` and `flags` on leaf pages.
struct Entry {
  std::string_view key{};
  std::string_view value{};
  uint32_t flags = 0;
  uint64_t child = 0;

  // What the entry adds to its page.
  uint64_t bytes() const { return kElementBytes + key.size() + value.size(); }

  bool is_bucket() const { return (flags & kBucketElement) != 0; }
};

// The first eight bytes as a number that orders as the bytes do; shorter keys count as padded with
// zeros.
inline uint64_t LeadingBytes(std::string_view key) {
  if (key.size() >= sizeof(uint64_t)) [[likely]] {
    return __builtin_bswap64(Load<uint64_t>(key.data()));
  }
  uint64_t leading = 0;
  for (size_t i = 0; i < sizeof(uint64_t); ++i) {
    leading = leading << 8U | (i < key.size() ? static_cast<uint8_t>(key[i]) : 0U);
  }
  return leading;
}

// A branch or leaf page. Requires a checked header: count elements lie inside the extent.
class PageView {
 public:
  PageView() = default;

  PageView(const char* bytes, uint64_t extent)
      : bytes_(bytes),
        extent_(extent),
        count_(Load<PageHeader>(bytes).count),
        leaf_(Load<PageHeader>(bytes).flags == kLeafPage) {}

  bool is_leaf() const { return leaf_; }

  uint32_t count() const { return count_; }

  // The page with everything that overflows from it.
  uint64_t extent() const { return extent_; }

  PageId id() const { return PageId{Load<PageHeader>(bytes_).id}; }

  const char* bytes() const { return bytes_; }

  // False when the element reaches out of the page. Requires index < count().
  [[nodiscard]] bool KeyAt(uint32_t index, std::string_view* key) const {
    const uint64_t element = kHeaderBytes + kElementBytes * index;
    const char* at = bytes_ + element + (leaf_ ? sizeof(uint32_t) : 0);
    const uint64_t start = element + Load<uint32_t>(at);
    const uint64_t size = Load<uint32_t>(at + sizeof(uint32_t));
    if (start + size > extent_) [[unlikely]] {
      return false;
    }
    *key = {bytes_ + start, size};
    return true;
  }

  [[nodiscard]] bool EntryAt(uint32_t index, Entry* entry) const;

  // Flags of a leaf element. Requires is_leaf() and index < count().
  uint32_t FlagsAt(uint32_t index) const {
    return Load<uint32_t>(bytes_ + kHeaderBytes + kElementBytes * index);
  }

  // Requires a branch page and index < count().
  uint64_t ChildAt(uint32_t index) const {
    return Load<uint64_t>(bytes_ + kHeaderBytes + kElementBytes * index +
                          offsetof(BranchElement, child));
  }

  static constexpr uint32_t kNoGuess = ~uint32_t{0};

  // First element whose key is >= `key` (count() when there is none). The search begins at the
  // element `guess`: any is right, a near one saves steps.
  [[nodiscard]] bool LowerBound(std::string_view key, uint32_t guess, uint32_t* index,
                                bool* exact) const;

  [[nodiscard]] bool LowerBound(std::string_view key, uint32_t* index, bool* exact) const {
    return LowerBound(key, kNoGuess, index, exact);
  }

  // Element of the child that covers `key`: the last one with a separator <= key, or the first.
  // Requires a branch page with count() > 0.
  [[nodiscard]] bool ChildFor(std::string_view key, uint32_t guess, uint32_t* index) const;

  [[nodiscard]] bool ChildFor(std::string_view key, uint32_t* index) const {
    return ChildFor(key, kNoGuess, index);
  }

  // Bytes that the elements occupy in canonical layout, the header included; false on a broken
  // element.
  [[nodiscard]] bool UsedBytes(uint64_t* used) const;

 private:
  const char* bytes_ = nullptr;
  uint64_t extent_ = 0;
  uint32_t count_ = 0;
  bool leaf_ = false;
};

// Root of a bucket's tree: a page, or a leaf image inside the parent's value.
struct BucketRoot {
  PageId root{};
  uint64_t sequence = 0;
  bool is_inline = false;
  PageView inline_page;  // when is_inline
};

// Finds pages of one commit: everything below its high-water mark.
class PageReader {
 public:
  // `path` is what errors name; both pointers must outlive the reader.
  PageReader(const char* base, uint32_t page_size, PageId high_water, const std::string* path)
      : base_(base), page_size_(page_size), high_water_(Raw(high_water)), path_(path) {}

  // The same with checksums, which must outlive the reader. `always`: verify whatever was read
  // before.
  PageReader With(PageSums* sums, bool always = false) const {
    PageReader reader = *this;
    reader.sums_ = sums;
    reader.verifies_always_ = always;
    return reader;
  }

  // A branch or leaf page.
  absl::Status Read(PageId id, PageView* page) const {
    const uint64_t raw = Raw(id);
    if (raw < Raw(kFirstDataPage) || raw >= high_water_) [[unlikely]] {
      return OutOfFile(id);
    }
    const char* bytes = base_ + raw * page_size_;
    const auto header = Load<PageHeader>(bytes);
    const uint64_t extent = (uint64_t{header.overflow} + 1) * page_size_;
    if (header.id != raw || (header.flags != kLeafPage && header.flags != kBranchPage) ||
        header.overflow >= high_water_ - raw ||
        kHeaderBytes + kElementBytes * uint64_t{header.count} > extent) [[unlikely]] {
      return BadHeader(id, header);
    }
    if (sums_ != nullptr && (verifies_always_ || !sums_->IsVerified(id))) [[unlikely]] {
      RETURN_IF_ERROR(sums_->Verify(id, {bytes, extent}));
    }
    *page = PageView(bytes, extent);
    return absl::OkStatus();
  }

  // The extent of a freelist page.
  absl::Status ReadFreelist(PageId id, std::string_view* extent) const;

  // What a bucket element's value says; `owner` is the page that holds it.
  absl::Status ParseBucket(std::string_view value, PageId owner, BucketRoot* bucket) const;

  // DataLoss that names the file and the page.
  absl::Status Broken(PageId id, std::string_view what) const;

  uint32_t page_size() const { return page_size_; }

  PageId high_water() const { return PageId{high_water_}; }

  const std::string& path() const { return *path_; }

  const char* base() const { return base_; }

 private:
  absl::Status OutOfFile(PageId id) const;
  absl::Status BadHeader(PageId id, const PageHeader& header) const;

  const char* base_;
  uint32_t page_size_;
  uint64_t high_water_;
  const std::string* path_;
  PageSums* sums_ = nullptr;
  bool verifies_always_ = false;
};

// Levels of pages and nested buckets from the root; more means a cycle.
inline constexpr uint32_t kDepthMax = 64;

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_PAGE_H_
