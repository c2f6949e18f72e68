#include "kv/bolt/check.h"

#include <fmt/format.h>

#include "kv/base/status_macros.h"

namespace socle::kv::bolt {

PageCensus::PageCensus(const PageReader& reader, Keys keys)
    : reader_(reader), keys_(keys), bits_(Raw(reader.high_water()) / 64 + 1) {}

absl::Status PageCensus::CountSpan(PageSpan span) {
  for (uint64_t page = Raw(span.first); page < Raw(span.end()); ++page) {
    if (counted(page)) {
      return reader_.Broken(PageId{page}, "is referenced twice");
    }
    bits_[page / 64] |= uint64_t{1} << (page % 64);
  }
  return absl::OkStatus();
}

absl::Status PageCensus::CountPage(PageId id, const KeyRange& range, uint32_t depth) {
  if (depth == kDepthMax) {
    return reader_.Broken(id, "tree is too deep");
  }
  PageView page;
  RETURN_IF_ERROR(reader_.Read(id, &page));
  RETURN_IF_ERROR(CountSpan({id, page.extent() / reader_.page_size()}));
  // Only the root of a bucket may be empty.
  if (page.count() == 0 && (!page.is_leaf() || range.low.has_value())) {
    return reader_.Broken(id, "is empty");
  }
  return page.is_leaf() ? CountLeaf(page, id, range, depth) : CountBranch(page, id, range, depth);
}

absl::Status PageCensus::VerifyKeys(const PageView& page, PageId owner,
                                    const KeyRange& range) const {
  Entry entry;
  std::string_view previous;
  for (uint32_t i = 0; i < page.count(); ++i) {
    if (!page.EntryAt(i, &entry)) {
      return reader_.Broken(owner, fmt::format("element {} reaches out of the page", i));
    }
    if (entry.key.empty() || entry.key.size() > kKeyBytesMax) {
      return reader_.Broken(owner, fmt::format("key {} has {} bytes", i, entry.key.size()));
    }
    if (page.is_leaf() && (entry.flags & ~kBucketElement) != 0) {
      return reader_.Broken(owner, fmt::format("element {} has flags {:#x}", i, entry.flags));
    }
    if (i > 0 && previous >= entry.key) {
      return reader_.Broken(owner, fmt::format("key {} is not above key {}", i, i - 1));
    }
    previous = entry.key;
    if (i == 0 && range.low.has_value() && entry.key < *range.low) {
      return reader_.Broken(owner, "first key is below the separator");
    }
  }
  if (page.count() > 0 && range.high.has_value() && previous >= *range.high) {
    return reader_.Broken(owner, "last key is not below the next separator");
  }
  return absl::OkStatus();
}

absl::Status PageCensus::CountBranch(const PageView& page, PageId id, const KeyRange& range,
                                     uint32_t depth) {
  if (keys_ == Keys::kVerify) {
    RETURN_IF_ERROR(VerifyKeys(page, id, range));
  }
  KeyRange child;
  std::string_view key;
  if (!page.KeyAt(0, &key)) {
    return reader_.Broken(id, "element 0 reaches out of the page");
  }
  child.low = key;
  for (uint32_t i = 0; i < page.count(); ++i) {
    child.high = range.high;
    if (i + 1 < page.count()) {
      if (!page.KeyAt(i + 1, &key)) {
        return reader_.Broken(id, fmt::format("element {} reaches out of the page", i + 1));
      }
      child.high = key;
    }
    RETURN_IF_ERROR(CountPage(PageId{page.ChildAt(i)}, child, depth + 1));
    child.low = child.high;
  }
  return absl::OkStatus();
}

absl::Status PageCensus::CountLeaf(const PageView& page, PageId owner, const KeyRange& range,
                                   uint32_t depth) {
  if (keys_ == Keys::kVerify) {
    RETURN_IF_ERROR(VerifyKeys(page, owner, range));
  }
  for (uint32_t i = 0; i < page.count(); ++i) {
    if ((page.FlagsAt(i) & kBucketElement) == 0) {
      continue;
    }
    Entry entry;
    if (!page.EntryAt(i, &entry)) {
      return reader_.Broken(owner, fmt::format("element {} reaches out of the page", i));
    }
    RETURN_IF_ERROR(CountBucket(entry.value, owner, depth + 1));
  }
  return absl::OkStatus();
}

absl::Status PageCensus::CountBucket(std::string_view value, PageId owner, uint32_t depth) {
  BucketRoot bucket;
  RETURN_IF_ERROR(reader_.ParseBucket(value, owner, &bucket));
  if (!bucket.is_inline) {
    return CountPage(bucket.root, KeyRange{}, depth);
  }
  if (depth == kDepthMax) {
    return reader_.Broken(owner, "buckets are nested too deep");
  }
  return CountLeaf(bucket.inline_page, owner, KeyRange{}, depth);
}

std::vector<PageSpan> PageCensus::Uncounted() const {
  std::vector<PageSpan> free;
  const uint64_t end = Raw(reader_.high_water());
  for (uint64_t page = Raw(kFirstDataPage); page < end; ++page) {
    if (page % 64 == 0 && bits_[page / 64] == ~uint64_t{0}) {
      page += 63;
      continue;
    }
    if (counted(page)) {
      continue;
    }
    if (!free.empty() && free.back().end() == PageId{page}) {
      ++free.back().count;
    } else {
      free.push_back({PageId{page}, 1});
    }
  }
  return free;
}

absl::Status PageCensus::ExpectFree(std::span<const PageSpan> free) const {
  const std::vector<PageSpan> uncounted = Uncounted();
  std::vector<bool> is_free(Raw(reader_.high_water()));
  for (const PageSpan& span : free) {
    for (uint64_t page = Raw(span.first); page < Raw(span.end()); ++page) {
      if (page >= is_free.size() || counted(page)) {
        return reader_.Broken(PageId{page}, "is free and reachable at the same time");
      }
      is_free[page] = true;
    }
  }
  for (const PageSpan& span : uncounted) {
    for (uint64_t page = Raw(span.first); page < Raw(span.end()); ++page) {
      if (!is_free[page]) {
        return reader_.Broken(PageId{page}, "is neither free nor reachable");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace socle::kv::bolt
