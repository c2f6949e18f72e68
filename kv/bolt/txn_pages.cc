#include "kv/bolt/txn_pages.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::kv::bolt {

std::unique_ptr<char[]> BufferPool::Take() {
  if (buffers_.empty()) {
    return std::make_unique_for_overwrite<char[]>(page_size_);
  }
  std::unique_ptr<char[]> buffer = std::move(buffers_.back());
  buffers_.pop_back();
  return buffer;
}

void BufferPool::Give(std::unique_ptr<char[]> buffer) {
  if (buffers_.size() * page_size_ < kBytesMax) {
    buffers_.push_back(std::move(buffer));
  }
}

TxnPages::TxnPages(const PageReader& reader, freelist::Freelist* freelist, BufferPool* pool,
                   TxnId txn, Bounds bounds)
    : reader_(reader),
      freelist_(freelist),
      pool_(pool),
      txn_(txn),
      bounds_(bounds),
      high_water_(reader.high_water()) {}

TxnPages::~TxnPages() {
  for (std::unique_ptr<DirtyPage>& page : dirty_) {
    Recycle(std::move(page));
  }
}

std::unique_ptr<DirtyPage> TxnPages::MakePage(uint16_t flags, uint64_t used) {
  if (used <= page_size()) {
    return std::make_unique<DirtyPage>(pool_->Take(), page_size(), flags);
  }
  return std::make_unique<DirtyPage>(std::make_unique_for_overwrite<char[]>(used), used, flags);
}

void TxnPages::Recycle(std::unique_ptr<DirtyPage> page) {
  if (page != nullptr && page->capacity() == page_size()) {
    pool_->Give(page->TakeBuffer());
  }
}

PageRef TxnPages::New(uint16_t flags, uint64_t used) {
  return Adopt(MakePage(flags, used));
}

PageRef TxnPages::Adopt(std::unique_ptr<DirtyPage> page) {
  made_pages_ += (page->capacity() + page_size() - 1) / page_size();
  dirty_.push_back(std::move(page));
  return PageRef{kDirtyBit | (dirty_.size() - 1)};
}

absl::StatusOr<PageRef> TxnPages::NewFrom(const PageView& page, PageId owner) {
  uint64_t used = 0;
  if (!page.UsedBytes(&used) || used > page.extent()) {
    return reader_.Broken(owner, "elements reach out of the page or overlap");
  }
  const PageRef ref = New(page.is_leaf() ? kLeafPage : kBranchPage, used);
  RETURN_IF_ERROR(CopyEntries(page, owner, Dirty(ref)));
  return ref;
}

absl::Status TxnPages::CopyEntries(const PageView& from, PageId owner, DirtyPage* to) const {
  Entry entry;
  for (uint32_t i = 0; i < from.count(); ++i) {
    if (!from.EntryAt(i, &entry) || i >= kElementsMax) {
      return reader_.Broken(owner, fmt::format("element {} reaches out of the page", i));
    }
    // A foreign child id must never look like a dirty page.
    if (!from.is_leaf() && entry.child >= Raw(reader_.high_water())) {
      return reader_.Broken(owner, fmt::format("element {} has child page {}", i, entry.child));
    }
    to->Insert(i, entry);
  }
  return absl::OkStatus();
}

absl::StatusOr<PageRef> TxnPages::Touch(PageRef ref) {
  if (IsDirty(ref)) {
    return ref;
  }
  PageView page;
  RETURN_IF_ERROR(View(ref, &page));
  ASSIGN_OR_RETURN(const PageRef copy, NewFrom(page, page.id()));
  RETURN_IF_ERROR(FreePagesOf(page));
  return copy;
}

std::unique_ptr<DirtyPage> TxnPages::Exchange(PageRef ref, std::unique_ptr<DirtyPage> content) {
  std::swap(dirty_[Raw(ref) & ~kDirtyBit], content);
  return content;
}

absl::Status TxnPages::FreePagesOf(const PageView& page) {
  return FreeSpan({page.id(), page.extent() / page_size()});
}

absl::Status TxnPages::FreeSpan(PageSpan span) {
  for (uint64_t i = 0; i < span.count; ++i) {
    if (freelist_->IsFreed(span.first + i)) {
      PROBE("bolt: page in use is also free");
      return reader_.Broken(span.first + i, "is in use and free at the same time");
    }
  }
  freelist_->Free(txn_, span);
  return absl::OkStatus();
}

absl::Status TxnPages::Drop(PageRef ref) {
  if (IsDirty(ref)) {
    Recycle(Exchange(ref, nullptr));
    return absl::OkStatus();
  }
  PageView page;
  RETURN_IF_ERROR(View(ref, &page));
  return FreePagesOf(page);
}

absl::StatusOr<PageId> TxnPages::Allocate(uint64_t count) {
  const std::optional<PageId> found = freelist_->Allocate(txn_, count);
  if (found.has_value()) {
    return *found;
  }
  const PageId first = high_water_;
  if (socle::Raw(first) + count > bounds_.pages_max) {
    PROBE("bolt: mapping exhausted");
    return absl::ResourceExhaustedError(
        fmt::format("{}: needs {} pages of {} bytes, more than map_size_bytes allows ({} pages)",
                    reader_.path(), socle::Raw(first) + count, page_size(), bounds_.pages_max));
  }
  high_water_ = first + count;
  freelist_->NoteAllocated(txn_, {first, count});
  return first;
}

absl::StatusOr<PageId> TxnPages::Place(PageRef ref) {
  if (!IsDirty(ref)) {
    return PageId{Raw(ref)};
  }
  DirtyPage* page = Dirty(ref);
  if (!page->is_leaf()) {
    const PageView view = page->view();
    for (uint32_t i = 0; i < page->count(); ++i) {
      const PageRef child{view.ChildAt(i)};
      if (IsDirty(child)) {
        ASSIGN_OR_RETURN(const PageId id, Place(child));
        page->SetChild(i, socle::Raw(id));
      }
    }
  }
  ASSIGN_OR_RETURN(const PageId id, Allocate((page->used() + page_size() - 1) / page_size()));
  placed_.push_back({id, page});
  return id;
}

}  // namespace socle::kv::bolt
