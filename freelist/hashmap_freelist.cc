#include "freelist/hashmap_freelist.h"

#include <algorithm>

#include "kv/base/check.h"

namespace socle::freelist {

void HashmapFreelist::Add(PageSpan span) {
  CHECK(forward_.emplace(Raw(span.first), span.count).second);
  CHECK(backward_.emplace(Raw(span.end()) - 1, Raw(span.first)).second);
  classes_.Insert(span);
}

void HashmapFreelist::Remove(PageSpan span) {
  CHECK_EQ(forward_.erase(Raw(span.first)), 1U);
  CHECK_EQ(backward_.erase(Raw(span.end()) - 1), 1U);
  classes_.Erase(span);
}

void HashmapFreelist::ResetFree(std::span<const PageSpan> spans) {
  forward_.clear();
  backward_.clear();
  classes_.Clear();
  forward_.reserve(spans.size());
  backward_.reserve(spans.size());
  for (const PageSpan& span : spans) {
    Add(span);
  }
}

void HashmapFreelist::InsertAndJoin(PageSpan span) {
  PageSpan joined = span;
  if (const auto left = backward_.find(Raw(span.first) - 1); left != backward_.end()) {
    const PageSpan neighbour{PageId{left->second}, Raw(span.first) - left->second};
    joined = {neighbour.first, neighbour.count + joined.count};
    Remove(neighbour);
  }
  if (const auto right = forward_.find(Raw(span.end())); right != forward_.end()) {
    const PageSpan neighbour{span.end(), right->second};
    joined.count += neighbour.count;
    Remove(neighbour);
  }
  Add(joined);
}

void HashmapFreelist::InsertFree(std::span<const PageSpan> spans) {
  for (const PageSpan& span : spans) {
    InsertAndJoin(span);
  }
}

std::optional<PageId> HashmapFreelist::TakeFree(uint64_t count) {
  const std::optional<PageSpan> span = classes_.FindFit(count);
  if (!span.has_value()) {
    return std::nullopt;
  }
  CutFree({span->first, count});
  return span->first;
}

void HashmapFreelist::CutFree(PageSpan span) {
  PageSpan holder;
  if (const auto exact = forward_.find(Raw(span.first)); exact != forward_.end()) {
    holder = {span.first, exact->second};
  } else {
    const std::optional<PageSpan> found = classes_.FindHolder(span.first);
    CHECK(found.has_value());
    holder = *found;
  }
  CHECK(span.end() <= holder.end());
  Remove(holder);
  if (holder.first < span.first) {
    Add({holder.first, span.first - holder.first});
  }
  if (span.end() < holder.end()) {
    Add({span.end(), holder.end() - span.end()});
  }
}

bool HashmapFreelist::IsFree(PageId id) const {
  return classes_.FindHolder(id).has_value();
}

std::vector<PageSpan> HashmapFreelist::ListFree() const {
  std::vector<PageSpan> spans;
  spans.reserve(forward_.size());
  for (const auto& [first, count] : forward_) {
    spans.push_back({PageId{first}, count});
  }
  std::ranges::sort(spans, {}, &PageSpan::first);
  return spans;
}

uint64_t HashmapFreelist::CheckFree() const {
  classes_.CheckInvariants();
  CHECK_EQ(forward_.size(), backward_.size());
  CHECK_EQ(forward_.size(), classes_.size());
  uint64_t pages = 0;
  for (const auto& [first, count] : forward_) {
    const PageSpan span{PageId{first}, count};
    const auto back = backward_.find(Raw(span.end()) - 1);
    CHECK(back != backward_.end());
    CHECK_EQ(back->second, first);
    const std::optional<PageSpan> held = classes_.FindHolder(span.first);
    CHECK(held.has_value() && *held == span);
    pages += count;
  }
  return pages;
}

}  // namespace socle::freelist
