#include "freelist/txn_freelist.h"

#include <algorithm>
#include <iterator>

#include "freelist/span_map.h"
#include "kv/base/check.h"

namespace socle::freelist {
namespace {

constexpr PageId kFirstPage{2};  // below are the meta pages

}  // namespace

void TxnFreelist::Load(std::span<const PageSpan> free_spans) {
  std::vector<PageSpan> joined(free_spans.begin(), free_spans.end());
  CHECK(std::ranges::is_sorted(joined, {}, &PageSpan::first));
  SortAndJoin(&joined);
  CHECK(joined.empty() || joined.front().first >= kFirstPage);
  pending_.Clear();
  ResetFree(joined);
  free_pages_ = 0;
  for (const PageSpan& span : joined) {
    free_pages_ += span.count;
  }
}

std::optional<PageId> TxnFreelist::Allocate(TxnId txn, uint64_t count) {
  CHECK_GT(count, 0U);
  const std::optional<PageId> first = TakeFree(count);
  if (first.has_value()) {
    free_pages_ -= count;
    pending_.NoteTaken(txn, {*first, count});
  }
  return first;
}

void TxnFreelist::NoteAllocated(TxnId txn, PageSpan span) {
  CHECK(span.first >= kFirstPage);
  CHECK(!IsFree(span));
  pending_.NoteGrown(txn, span);
}

void TxnFreelist::Free(TxnId txn, PageSpan span) {
  CHECK_GT(span.count, 0U);
  CHECK(span.first >= kFirstPage);
  CHECK(!IsFree(span));  // a double free
  GiveBack(pending_.Free(txn, span));
}

void TxnFreelist::GiveBack(std::span<const PageSpan> spans) {
  for (const PageSpan& span : spans) {
    free_pages_ += span.count;
  }
  if (!spans.empty()) {
    InsertFree(spans);
  }
}

void TxnFreelist::ReleasePending(std::span<const TxnId> open_readers) {
  GiveBack(pending_.Release(open_readers));
}

void TxnFreelist::Rollback(TxnId txn) {
  const PendingPages::Undone undone = pending_.Rollback(txn);
  // With all that it held given back, every page that it grew the file by is free: those leave
  // again.
  GiveBack(undone.held);
  for (const PageSpan& span : undone.grown) {
    CutFree(span);
    free_pages_ -= span.count;
  }
}

void TxnFreelist::Commit(TxnId txn) {
  pending_.Commit(txn);
}

std::vector<PageSpan> TxnFreelist::FreeAndPendingSpans() const {
  const std::vector<PageSpan> free = ListFree();
  const std::vector<PageSpan> pending = pending_.Spans();
  std::vector<PageSpan> all;
  all.reserve(free.size() + pending.size());
  std::ranges::merge(free, pending, std::back_inserter(all), {}, &PageSpan::first,
                     &PageSpan::first);
  SortAndJoin(&all);
  return all;
}

std::vector<PageSpan> TxnFreelist::FreeSpans() const {
  return ListFree();
}

bool TxnFreelist::IsFreed(PageId id) const {
  return pending_.Contains(id) || IsFree({id, 1});
}

void TxnFreelist::CheckInvariants() const {
  CHECK_EQ(CheckFree(), free_pages_);
  pending_.CheckInvariants();
  PageId end{};
  for (const PageSpan& span : ListFree()) {
    CHECK(span.first > end);  // ascending and not touching
    CHECK(span.first >= kFirstPage);
    end = span.end();
  }
  FreeAndPendingSpans();  // law 1: aborts when a page is both
}

}  // namespace socle::freelist
