#include "freelist/hashmap_freelist.h"

#include "kv/base/check.h"

namespace socle::freelist {

void HashmapFreelist::Add(PageSpan span) {
  ends_.Insert(span);
  classes_.Insert(span);
}

void HashmapFreelist::Remove(PageSpan span) {
  ends_.Erase(span);
  classes_.Erase(span);
}

void HashmapFreelist::ResetFree(std::span<const PageSpan> spans) {
  ends_.Clear();
  classes_.Clear();
  for (const PageSpan& span : spans) {
    Add(span);
  }
}

void HashmapFreelist::InsertFree(std::span<const PageSpan> spans) {
  for (const PageSpan& span : spans) {
    CHECK(ends_.IsDisjoint(span));  // a double free
    PageSpan joined = span;
    if (const auto left = ends_.EndingAt(PageId{Raw(span.first) - 1}); left.has_value()) {
      joined = {left->first, left->count + joined.count};
      Remove(*left);
    }
    if (const auto right = ends_.StartingAt(span.end()); right.has_value()) {
      joined.count += right->count;
      Remove(*right);
    }
    Add(joined);
  }
}

std::optional<PageId> HashmapFreelist::TakeFree(uint64_t count) {
  const std::optional<PageSpan> span = classes_.FindFit(count);
  if (!span.has_value()) {
    return std::nullopt;
  }
  if (span->count == count) {
    Remove(*span);
    return span->first;
  }
  const PageSpan rest{span->first + count, span->count - count};
  ends_.CutFront(*span, rest.first);
  classes_.Erase(*span);
  classes_.Insert(rest);
  return span->first;
}

void HashmapFreelist::CutFree(PageSpan span) {
  const std::optional<PageSpan> holder = ends_.Holding(span.first);
  CHECK(holder.has_value() && span.end() <= holder->end());
  Remove(*holder);
  if (holder->first < span.first) {
    Add({holder->first, span.first - holder->first});
  }
  if (span.end() < holder->end()) {
    Add({span.end(), holder->end() - span.end()});
  }
}

bool HashmapFreelist::IsFree(PageSpan span) const {
  return !ends_.IsDisjoint(span);
}

std::vector<PageSpan> HashmapFreelist::ListFree() const {
  return ends_.List();
}

uint64_t HashmapFreelist::CheckFree() const {
  ends_.CheckInvariants();
  classes_.CheckInvariants();
  CHECK_EQ(ends_.size(), classes_.size());
  uint64_t pages = 0;
  for (const PageSpan& span : ends_.List()) {
    CHECK(classes_.Contains(span));
    pages += span.count;
  }
  return pages;
}

}  // namespace socle::freelist
