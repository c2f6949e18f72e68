#include "freelist/span_map.h"

#include <algorithm>
#include <iterator>

#include "kv/base/check.h"

namespace socle::freelist {

SpanMap::Spans::iterator SpanMap::FirstEndingAfter(uint64_t page) {
  auto it = spans_.upper_bound(page);
  if (it != spans_.begin() && std::prev(it)->second.end > page) {
    --it;
  }
  return it;
}

void SpanMap::Add(PageSpan span, TxnId txn) {
  CHECK_GT(span.count, 0U);
  uint64_t first = Raw(span.first);
  uint64_t end = Raw(span.end());
  auto next = spans_.lower_bound(first);
  CHECK(next == spans_.end() || end <= next->first);
  pages_ += span.count;
  const bool joins_next = next != spans_.end() && next->first == end && next->second.txn == txn;
  if (next != spans_.begin()) {
    const auto previous = std::prev(next);
    CHECK_LE(previous->second.end, first);
    if (previous->second.end == first && previous->second.txn == txn) {
      previous->second.end = joins_next ? next->second.end : end;
      if (joins_next) {
        spans_.erase(next);
      }
      return;
    }
  }
  if (joins_next) {
    end = next->second.end;
    next = spans_.erase(next);
  }
  spans_.insert(next, {first, {end, txn}});
}

std::vector<SpanMap::Piece> SpanMap::Extract(PageSpan span) {
  std::vector<Piece> taken;
  const uint64_t first = Raw(span.first);
  const uint64_t end = Raw(span.end());
  auto it = FirstEndingAfter(first);
  while (it != spans_.end() && it->first < end) {
    const uint64_t old_first = it->first;
    const Rest old = it->second;
    const uint64_t from = std::max(old_first, first);
    const uint64_t to = std::min(old.end, end);
    taken.push_back({{PageId{from}, to - from}, old.txn});
    pages_ -= to - from;
    if (old_first < from) {
      it->second.end = from;
      ++it;
    } else {
      it = spans_.erase(it);
    }
    if (to < old.end) {
      it = std::next(spans_.insert(it, {to, old}));
    }
  }
  return taken;
}

void SpanMap::Drop(PageSpan span, TxnId txn) {
  for (const Piece& piece : Extract(span)) {
    if (piece.txn != txn) {
      Add(piece.span, piece.txn);
    }
  }
}

bool SpanMap::Overlaps(PageSpan span) const {
  auto it = spans_.lower_bound(Raw(span.end()));
  return it != spans_.begin() && std::prev(it)->second.end > Raw(span.first);
}

std::optional<PageId> SpanMap::FirstFit(uint64_t count) const {
  for (const auto& [first, rest] : spans_) {
    if (rest.end - first >= count) {
      return PageId{first};
    }
  }
  return std::nullopt;
}

std::optional<PageSpan> SpanMap::EndingAt(PageId end) const {
  const auto after = spans_.lower_bound(Raw(end));
  if (after == spans_.begin() || std::prev(after)->second.end != Raw(end)) {
    return std::nullopt;
  }
  const auto last = std::prev(after);
  return PageSpan{PageId{last->first}, last->second.end - last->first};
}

std::vector<SpanMap::Piece> SpanMap::Pieces() const {
  std::vector<Piece> pieces;
  pieces.reserve(spans_.size());
  for (const auto& [first, rest] : spans_) {
    pieces.push_back({{PageId{first}, rest.end - first}, rest.txn});
  }
  return pieces;
}

void SpanMap::Clear() {
  spans_.clear();
  pages_ = 0;
}

void SpanMap::CheckInvariants() const {
  uint64_t pages = 0;
  uint64_t previous_end = 0;
  TxnId previous_txn{};
  for (const auto& [first, rest] : spans_) {
    CHECK_LT(first, rest.end);
    CHECK(previous_end < first || (previous_end == first && previous_txn != rest.txn) ||
          pages == 0);
    pages += rest.end - first;
    previous_end = rest.end;
    previous_txn = rest.txn;
  }
  CHECK_EQ(pages, pages_);
}

void SortAndJoin(std::vector<PageSpan>* spans) {
  if (spans->empty()) {
    return;
  }
  if (!std::ranges::is_sorted(*spans, {}, &PageSpan::first)) {
    std::ranges::sort(*spans, {}, &PageSpan::first);
  }
  auto last = spans->begin();
  for (auto it = std::next(last); it != spans->end(); ++it) {
    CHECK(last->end() <= it->first);
    if (last->end() == it->first) {
      last->count += it->count;
    } else {
      *++last = *it;
    }
  }
  spans->erase(std::next(last), spans->end());
}

}  // namespace socle::freelist
