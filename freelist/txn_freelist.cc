#include "freelist/txn_freelist.h"

#include <algorithm>
#include <iterator>

#include "freelist/span_map.h"
#include "kv/base/check.h"
#include "kv/base/probe.h"

namespace socle::freelist {
namespace {

constexpr PageId kFirstPage{2};  // below are the meta pages
constexpr TxnId kNobody{0};      // what all withheld spans belong to

}  // namespace

void TxnFreelist::Load(std::span<const PageSpan> free_spans) {
  std::vector<PageSpan> joined(free_spans.begin(), free_spans.end());
  CHECK(std::ranges::is_sorted(joined, {}, &PageSpan::first));
  SortAndJoin(&joined);
  CHECK(joined.empty() || joined.front().first >= kFirstPage);
  pending_.Clear();
  withheld_.Clear();
  withheld_from_ = kNothingWithheld;
  ResetFree(joined);
  free_pages_ = 0;
  for (const PageSpan& span : joined) {
    free_pages_ += span.count;
  }
}

std::optional<PageId> TxnFreelist::Allocate(TxnId txn, uint64_t count) {
  CHECK_GT(count, 0U);
  std::optional<PageId> first = TakeFree(count);
  if (!first.has_value() && !withheld_.empty()) {
    first = withheld_.FirstFit(count);
    if (first.has_value()) {
      PROBE("freelist: a withheld page is handed out");
      withheld_.Extract({*first, count});
    }
  }
  if (first.has_value()) {
    free_pages_ -= count;
    pending_.NoteTaken(txn, {*first, count});
  }
  return first;
}

void TxnFreelist::NoteAllocated(TxnId txn, PageSpan span) {
  CHECK(span.first >= kFirstPage);
  CHECK(!HasFree(span));
  pending_.NoteGrown(txn, span);
}

void TxnFreelist::Free(TxnId txn, PageSpan span) {
  CHECK_GT(span.count, 0U);
  CHECK(span.first >= kFirstPage);
  CHECK(!HasFree(span));  // a double free
  GiveBack(pending_.Free(txn, span));
}

void TxnFreelist::GiveBack(std::span<const PageSpan> spans) {
  for (const PageSpan& span : spans) {
    free_pages_ += span.count;
  }
  Insert(spans);
}

void TxnFreelist::Insert(std::span<const PageSpan> spans) {
  const auto is_below = [this](const PageSpan& span) { return span.end() <= withheld_from_; };
  const auto above = std::ranges::partition_point(spans, is_below);
  std::vector<PageSpan> below(spans.begin(), above);
  for (auto it = above; it != spans.end(); ++it) {
    PageSpan span = *it;
    if (span.first < withheld_from_) {
      below.push_back({span.first, withheld_from_ - span.first});
      span = {withheld_from_, span.end() - withheld_from_};
    }
    withheld_.Add(span, kNobody);
  }
  if (!below.empty()) {
    InsertFree(below);
  }
}

void TxnFreelist::Cut(PageSpan span) {
  if (span.first < withheld_from_) {
    const PageId end = std::min(span.end(), withheld_from_);
    CutFree({span.first, end - span.first});
    span = {end, span.end() - end};
  }
  if (span.count > 0) {
    const uint64_t before = withheld_.pages();
    withheld_.Extract(span);
    CHECK_EQ(before - withheld_.pages(), span.count);
  }
}

bool TxnFreelist::HasFree(PageSpan span) const {
  return IsFree(span) || withheld_.Overlaps(span);
}

void TxnFreelist::Withhold(PageId first) {
  if (first < withheld_from_) {
    const std::vector<PageSpan> free = ListFree();
    // From the back: that is where taking out is cheap.
    for (auto it = free.rbegin(); it != free.rend() && it->end() > first; ++it) {
      const PageId from = std::max(it->first, first);
      CutFree({from, it->end() - from});
      withheld_.Add({from, it->end() - from}, kNobody);
    }
    withheld_from_ = first;
    return;
  }
  std::vector<PageSpan> freed;
  for (const SpanMap::Piece& piece : withheld_.Extract({withheld_from_, first - withheld_from_})) {
    freed.push_back(piece.span);
  }
  withheld_from_ = first;
  if (!freed.empty()) {
    InsertFree(freed);
  }
}

PageId TxnFreelist::FreeTail(PageId end) const {
  const std::optional<PageSpan> last = withheld_.EndingAt(end);
  return last.has_value() ? last->first : end;
}

void TxnFreelist::ForgetTail(PageId first) {
  CHECK(first >= withheld_from_);
  const std::vector<SpanMap::Piece> gone = withheld_.Extract({first, kNothingWithheld - first});
  CHECK_LE(gone.size(), 1U);
  for (const SpanMap::Piece& piece : gone) {
    CHECK(piece.span.first == first);
    free_pages_ -= piece.span.count;
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
    Cut(span);
    free_pages_ -= span.count;
  }
}

void TxnFreelist::Commit(TxnId txn) {
  pending_.Commit(txn);
}

std::vector<PageSpan> TxnFreelist::AllFree() const {
  std::vector<PageSpan> free = ListFree();
  for (const SpanMap::Piece& piece : withheld_.Pieces()) {
    free.push_back(piece.span);
  }
  SortAndJoin(&free);
  return free;
}

std::vector<PageSpan> TxnFreelist::FreeAndPendingSpans() const {
  const std::vector<PageSpan> free = AllFree();
  const std::vector<PageSpan> pending = pending_.Spans();
  std::vector<PageSpan> all;
  all.reserve(free.size() + pending.size());
  std::ranges::merge(free, pending, std::back_inserter(all), {}, &PageSpan::first,
                     &PageSpan::first);
  SortAndJoin(&all);
  return all;
}

std::vector<PageSpan> TxnFreelist::FreeSpans() const {
  return AllFree();
}

bool TxnFreelist::IsFreed(PageId id) const {
  return pending_.Contains(id) || HasFree({id, 1});
}

void TxnFreelist::CheckInvariants() const {
  CHECK_EQ(CheckFree() + withheld_.pages(), free_pages_);
  pending_.CheckInvariants();
  withheld_.CheckInvariants();
  for (const SpanMap::Piece& piece : withheld_.Pieces()) {
    CHECK(piece.span.first >= withheld_from_);
  }
  PageId end{};
  for (const PageSpan& span : ListFree()) {
    CHECK(span.first > end);  // ascending and not touching
    CHECK(span.first >= kFirstPage);
    CHECK(span.end() <= withheld_from_);
    end = span.end();
  }
  FreeAndPendingSpans();  // law 1: aborts when a page is both
}

}  // namespace socle::freelist
