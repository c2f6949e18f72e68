#include "kv/bolt/tree.h"

#include <cstdint>

#include "kv/base/status_macros.h"

namespace socle::kv::bolt {
namespace {

constexpr uint64_t kCacheLine = 64;

// The search jumps around in the first lines of a page: fetch them while the header is on its way.
void PrefetchElements(const PageReader& reader, PageId id) {
  if (id < reader.high_water()) {
    const char* bytes = reader.base() + Raw(id) * reader.page_size();
    for (uint64_t line = 1; line <= 3; ++line) {
      __builtin_prefetch(bytes + line * kCacheLine);
    }
  }
}

// Leading bytes of the keys that a page covers, from the separators above it.
struct LeadingRange {
  uint64_t low = 0;
  uint64_t high = 0;

  // By proportion, as if the keys were spread evenly: so revisions are, and hashes nearly.
  uint32_t Guess(uint64_t leading, uint32_t count) const {
    if (high <= low || leading < low || leading >= high) {
      return PageView::kNoGuess;
    }
    return static_cast<uint32_t>(static_cast<double>(leading - low) * count /
                                 static_cast<double>(high - low));
  }
};

}  // namespace

absl::Status FindEntry(const PageReader& reader, const BucketRoot& bucket, std::string_view key,
                       Entry* entry, bool* found) {
  *found = false;
  const uint64_t leading = LeadingBytes(key);
  LeadingRange range;
  PageId id = bucket.root;
  PageView page = bucket.inline_page;
  for (uint32_t depth = 0; depth < kDepthMax; ++depth) {
    if (!bucket.is_inline) {
      PrefetchElements(reader, id);
      RETURN_IF_ERROR(reader.Read(id, &page));
    }
    const uint32_t guess = range.Guess(leading, page.count());
    uint32_t index = 0;
    if (page.is_leaf()) {
      if (!page.LowerBound(key, guess, &index, found) || (*found && !page.EntryAt(index, entry))) {
        *found = false;
        return reader.Broken(id, "an element reaches out of the page");
      }
      return absl::OkStatus();
    }
    std::string_view low;
    std::string_view high;
    if (page.count() == 0 || !page.ChildFor(key, guess, &index) || !page.KeyAt(index, &low) ||
        (index + 1 < page.count() && !page.KeyAt(index + 1, &high))) {
      return reader.Broken(id, "branch is empty or has an element that reaches out of the page");
    }
    range.low = LeadingBytes(low);
    if (index + 1 < page.count()) {
      range.high = LeadingBytes(high);
    }
    id = PageId{page.ChildAt(index)};
  }
  return reader.Broken(id, "tree is too deep, or a cycle");
}

absl::Status FindBucket(const PageReader& reader, PageId root, std::string_view name,
                        BucketRoot* bucket, bool* found) {
  BucketRoot top;
  top.root = root;
  Entry entry;
  RETURN_IF_ERROR(FindEntry(reader, top, name, &entry, found));
  if (!*found) {
    return absl::OkStatus();
  }
  if (!entry.is_bucket()) {
    *found = false;
    return absl::OkStatus();
  }
  return reader.ParseBucket(entry.value, root, bucket);
}

}  // namespace socle::kv::bolt
