#include "kv/bolt/check.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/printable.h"

namespace socle::kv::bolt {
namespace {

// A page full of nonsense has thousands of wrong elements: so many of them are told one by one.
constexpr uint64_t kElementFindingsMax = 4;

constexpr size_t kBucketNameShown = 40;

std::string Pages(PageSpan span) {
  return span.count == 1 ? ""
                         : fmt::format(" (pages {} to {})", Raw(span.first), Raw(span.end()) - 1);
}

// The bytes that the elements need; those that reach out of the page don't count.
uint64_t NeededBytes(const PageView& page) {
  uint64_t bytes = kHeaderBytes;
  Entry entry;
  for (uint32_t i = 0; i < page.count(); ++i) {
    bytes += page.EntryAt(i, &entry) ? entry.bytes() : kElementBytes;
  }
  return bytes;
}

}  // namespace

std::string Finding::Text() const {
  std::string text = fmt::format("page {}: {}", Raw(page), what);
  if (path.empty()) {
    return text;
  }
  std::vector<uint64_t> ids;
  for (const PageId id : path) {
    ids.push_back(Raw(id));
  }
  return text + fmt::format(" ({}{}path {})", bucket.empty() ? "" : "bucket ",
                            bucket.empty() ? "" : bucket + ", ", fmt::join(ids, " > "));
}

PageCensus::PageCensus(const PageReader& reader, Keys keys)
    : PageCensus(reader, Options{.keys = keys}) {}

PageCensus::PageCensus(const PageReader& reader, const Options& options)
    : reader_(reader), options_(options), counted_(reader.high_water()) {}

absl::Status PageCensus::status() const {
  if (findings_.empty()) {
    return absl::OkStatus();
  }
  return absl::DataLossError(fmt::format("{}: {}", reader_.path(), findings_.front().Text()));
}

void PageCensus::Add(PageId page, std::string what) {
  if (++findings_total_ > options_.findings_max) {
    return;
  }
  Finding finding{.page = page, .what = std::move(what), .path = path_};
  for (const std::string_view name : buckets_) {
    finding.bucket += (finding.bucket.empty() ? "" : "/") + Printable(name, kBucketNameShown);
  }
  findings_.push_back(std::move(finding));
}

void PageCensus::Add(PageId page, const absl::Status& status) {
  // A finding has no use for the file and the page in front of the text.
  const std::string_view message = MessageOf(status);
  const std::string prefix = fmt::format("{}: page {}: ", reader_.path(), Raw(page));
  Add(page, std::string(message.starts_with(prefix) ? message.substr(prefix.size()) : message));
}

absl::Status PageCensus::CountTree(PageId root) {
  CountPage(root, KeyRange{}, 0);
  return status();
}

bool PageCensus::Mark(PageSpan span) {
  for (PageId page = span.first; page < span.end(); page = page + 1) {
    // The rest stays as it is: marking ends at the first page met again, so its cost is linear in the file.
    if (counted_.contains(page)) {
      Add(page, page == span.first
                    ? "is referenced twice"
                    : fmt::format("is referenced twice, as overflow of page {}", Raw(span.first)));
      return false;
    }
    counted_.Insert(page);
    ++pages_counted_;
  }
  return true;
}

absl::Status PageCensus::CountSpan(PageSpan span) {
  Mark(span);
  return status();
}

void PageCensus::CountPage(PageId id, const KeyRange& range, uint32_t depth) {
  path_.push_back(id);
  PageView page;
  const absl::Status read =
      depth == kDepthMax ? reader_.Broken(id, "tree is too deep") : reader_.Read(id, &page);
  if (!read.ok()) {
    Add(id, read);
    is_cut_short_ = true;
  } else if (Mark({id, page.extent() / reader_.page_size()})) {
    if (options_.visitor != nullptr) {
      options_.visitor->Page(page, path_);
    }
    // Only the root of a bucket may be empty.
    if (page.count() == 0 && (!page.is_leaf() || range.low.has_value())) {
      Add(id, "is empty");
    } else if (page.is_leaf()) {
      CountLeaf(page, id, range, depth);
    } else {
      CountBranch(page, id, range, depth);
    }
  } else {
    is_cut_short_ = true;
  }
  path_.pop_back();
}

bool PageCensus::ElementsFit(const PageView& page, PageId owner) {
  const uint64_t needed = NeededBytes(page);
  if (needed <= page.extent()) {
    return true;
  }
  Add(owner,
      fmt::format("elements overlap: they need {} bytes, there are {}", needed, page.extent()));
  is_cut_short_ = true;
  return false;
}

void PageCensus::VerifyKeys(const PageView& page, PageId owner, const KeyRange& range) {
  uint64_t wrong = 0;
  const auto add = [&](std::string what) {
    if (++wrong <= kElementFindingsMax) {
      Add(owner, std::move(what));
    }
  };
  const char* const payload = page.bytes() + kHeaderBytes + kElementBytes * uint64_t{page.count()};
  Entry entry;
  std::string_view previous;
  for (uint32_t i = 0; i < page.count() && !is_done(); ++i) {
    if (!page.EntryAt(i, &entry)) {
      add(fmt::format("element {} reaches out of the page", i));
      continue;
    }
    if (entry.key.data() < payload) {
      add(fmt::format("element {} lies inside the table of elements", i));
    }
    if (entry.key.empty() || entry.key.size() > kKeyBytesMax) {
      add(fmt::format("key {} has {} bytes", i, entry.key.size()));
    }
    if (page.is_leaf() && (entry.flags & ~kBucketElement) != 0) {
      add(fmt::format("element {} has flags {:#x}", i, entry.flags));
    }
    // The first key is held against the separator, the others against the one before.
    if (i == 0 && range.low.has_value() && entry.key < *range.low) {
      add("first key is below the separator");
    } else if (i > 0 && previous >= entry.key) {
      add(fmt::format("key {} is not above key {}", i, i - 1));
    }
    previous = entry.key;
  }
  if (page.count() > 0 && range.high.has_value() && previous >= *range.high) {
    add("last key is not below the next separator");
  }
  if (wrong > kElementFindingsMax) {
    Add(owner,
        fmt::format("{} more things are wrong with its elements", wrong - kElementFindingsMax));
  }
}

void PageCensus::CountBranch(const PageView& page, PageId id, const KeyRange& range,
                             uint32_t depth) {
  const bool verify = options_.keys == Keys::kVerify;
  if (verify) {
    VerifyKeys(page, id, range);
    if (!ElementsFit(page, id)) {
      return;
    }
  }
  KeyRange child;
  std::string_view key;
  if (!page.KeyAt(0, &key)) {
    key = {};
    if (!verify) {
      Add(id, "element 0 reaches out of the page");
    }
  }
  child.low = key;
  for (uint32_t i = 0; i < page.count() && !is_done(); ++i) {
    child.high = range.high;
    if (i + 1 < page.count()) {
      if (page.KeyAt(i + 1, &key)) {
        child.high = key;
      } else if (!verify) {
        Add(id, fmt::format("element {} reaches out of the page", i + 1));
      }
    }
    CountPage(PageId{page.ChildAt(i)}, child, depth + 1);
    child.low = child.high.has_value() ? child.high : child.low;
  }
}

void PageCensus::CountLeaf(const PageView& page, PageId owner, const KeyRange& range,
                           uint32_t depth) {
  const bool verify = options_.keys == Keys::kVerify;
  if (verify) {
    VerifyKeys(page, owner, range);
    if (!ElementsFit(page, owner)) {
      return;
    }
  }
  bool fit = verify;
  for (uint32_t i = 0; i < page.count() && !is_done(); ++i) {
    if ((page.FlagsAt(i) & kBucketElement) == 0) {
      continue;
    }
    Entry entry;
    if (!page.EntryAt(i, &entry)) {
      if (!verify) {
        Add(owner, fmt::format("element {} reaches out of the page", i));
      }
      is_cut_short_ = true;
      continue;
    }
    // Overlapping buckets inside one page could be walked for ever.
    if (!fit && !ElementsFit(page, owner)) {
      return;
    }
    fit = true;
    CountBucket(entry.key, entry.value, owner, depth + 1);
  }
}

void PageCensus::CountBucket(std::string_view name, std::string_view value, PageId owner,
                             uint32_t depth) {
  buckets_.push_back(name);
  BucketRoot bucket;
  if (const absl::Status parsed = reader_.ParseBucket(value, owner, &bucket); !parsed.ok()) {
    Add(owner, parsed);
    is_cut_short_ = true;
  } else {
    if (options_.visitor != nullptr) {
      options_.visitor->EnterBucket(name, bucket);
    }
    if (bucket.is_inline) {
      CountInlineBucket(bucket, owner);
    } else {
      CountPage(bucket.root, KeyRange{}, depth);
    }
    if (options_.visitor != nullptr) {
      options_.visitor->LeaveBucket();
    }
  }
  buckets_.pop_back();
}

void PageCensus::CountInlineBucket(const BucketRoot& bucket, PageId owner) {
  const PageView& page = bucket.inline_page;
  if (options_.keys == Keys::kVerify) {
    const auto header = Load<PageHeader>(page.bytes());
    if (header.id != 0 || header.overflow != 0) {
      Add(owner, fmt::format("inline bucket says that it is page {} with {} overflow pages",
                             header.id, header.overflow));
    }
    VerifyKeys(page, owner, KeyRange{});
    ElementsFit(page, owner);
  }
  for (uint32_t i = 0; i < page.count() && !is_done(); ++i) {
    if ((page.FlagsAt(i) & kBucketElement) != 0) {
      Add(owner, fmt::format("inline bucket holds a bucket (element {})", i));
      is_cut_short_ = true;
      return;
    }
  }
}

std::vector<PageSpan> PageCensus::Uncounted() const {
  std::vector<PageSpan> free;
  const PageId end = reader_.high_water();
  for (PageId page = kFirstDataPage; page < end;) {
    const uint64_t count = std::min(counted_.UniformFrom(page), end - page);
    if (!counted_.contains(page)) {
      if (!free.empty() && free.back().end() == page) {
        free.back().count += count;
      } else {
        free.push_back({page, count});
      }
    }
    page = page + count;
  }
  return free;
}

void PageCensus::CompareSpans(std::span<const PageSpan> uncounted, const PageBitmap& free) {
  for (const PageSpan& span : uncounted) {
    PageSpan lost{span.first, 0};
    const auto tell = [&] {
      if (lost.count > 0) {
        Add(lost.first, fmt::format("is neither free nor reachable{}{}", Pages(lost),
                                    is_cut_short_ ? "; it may belong below a broken page" : ""));
      }
    };
    for (PageId page = span.first; page < span.end() && !is_done();) {
      const uint64_t count = std::min(free.UniformFrom(page), span.end() - page);
      if (!free.contains(page)) {
        lost = lost.count > 0 ? PageSpan{lost.first, lost.count + count} : PageSpan{page, count};
      } else {
        tell();
        lost.count = 0;
      }
      page = page + count;
    }
    tell();
  }
}

absl::Status PageCensus::ExpectFree(std::span<const PageSpan> free) {
  PageBitmap is_free(reader_.high_water());
  for (const PageSpan& span : free) {
    for (PageId page = span.first; page < span.end() && !is_done(); page = page + 1) {
      if (page >= reader_.high_water() || counted_.contains(page)) {
        Add(page, "is free and reachable at the same time");
      } else {
        is_free.Insert(page);
      }
    }
  }
  CompareSpans(Uncounted(), is_free);
  return status();
}

void PageCensus::CompareFreelist(const FreelistIds& ids) {
  PageBitmap is_free(reader_.high_water());
  PageId previous{};
  for (uint64_t place = 0; place < ids.count() && !is_done(); ++place) {
    const PageId id = ids.At(place);
    const PageId owner = ids.pages().first;
    if (id < kFirstDataPage || id >= reader_.high_water()) {
      Add(owner, fmt::format("freelist has page {} at place {}, outside of [2, {})", Raw(id), place,
                             Raw(reader_.high_water())));
      continue;
    }
    if (is_free.contains(id)) {
      Add(id, fmt::format("is in the freelist twice (page {}, place {})", Raw(owner), place));
    } else if (id < previous) {
      Add(owner, fmt::format("freelist has page {} at place {}, behind page {}", Raw(id), place,
                             Raw(previous)));
    }
    if (counted_.contains(id)) {
      Add(id, "is free and reachable at the same time");
    }
    is_free.Insert(id);
    previous = id;
  }
  CompareSpans(Uncounted(), is_free);
}

void PageCensus::VerifyMetaPages(const std::array<MetaPage, 2>& pages) {
  for (uint64_t id = 0; id < pages.size(); ++id) {
    const MetaPage& page = pages.at(id);
    if (page.is_valid() && (page.header.id != id || page.header.flags != kMetaPage)) {
      Add(PageId{id}, fmt::format("meta page has header id {}, flags {:#x}", page.header.id,
                                  page.header.flags));
    }
  }
}

absl::Status PageCensus::CountCommit(const Meta& meta) {
  CountPage(meta.root, KeyRange{}, 0);
  if (!meta.has_freelist() || is_done()) {
    return status();
  }
  const absl::StatusOr<FreelistIds> ids = FreelistIds::Read(reader_, meta.freelist);
  if (!ids.ok()) {
    Add(meta.freelist, ids.status());
    return status();
  }
  Mark(ids->pages());
  CompareFreelist(*ids);
  return status();
}

}  // namespace socle::kv::bolt
