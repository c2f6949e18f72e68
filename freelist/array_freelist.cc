#include "freelist/array_freelist.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "kv/base/check.h"

namespace socle::freelist {
namespace {

void Append(PageSpan span, std::vector<PageId>* ids) {
  for (PageId id = span.first; id != span.end(); id = id + 1) {
    ids->push_back(id);
  }
}

}  // namespace

void ArrayFreelist::ResetFree(std::span<const PageSpan> spans) {
  ids_.clear();
  head_ = 0;
  for (const PageSpan& span : spans) {
    Append(span, &ids_);
  }
}

void ArrayFreelist::InsertFree(std::span<const PageSpan> spans) {
  std::vector<PageId> more;
  for (const PageSpan& span : spans) {
    Append(span, &more);
  }
  std::vector<PageId> merged;
  merged.reserve(ids_.size() - head_ + more.size());
  std::merge(std::next(ids_.begin(), static_cast<ptrdiff_t>(head_)), ids_.end(), more.begin(),
             more.end(), std::back_inserter(merged));
  CHECK(std::ranges::adjacent_find(merged) == merged.end());  // a double free
  ids_ = std::move(merged);
  head_ = 0;
}

std::optional<PageId> ArrayFreelist::TakeFree(uint64_t count) {
  size_t run = head_;  // where the current run begins
  for (size_t i = head_; i < ids_.size(); ++i) {
    if (i > run && ids_[i] - ids_[i - 1] != 1) {
      run = i;
    }
    if (i - run + 1 == count) {
      const PageId first = ids_[run];
      Remove(run, count);
      return first;
    }
  }
  return std::nullopt;
}

void ArrayFreelist::Remove(size_t at, size_t count) {
  const auto head = std::next(ids_.begin(), static_cast<ptrdiff_t>(head_));
  const auto from = std::next(ids_.begin(), static_cast<ptrdiff_t>(at));
  std::move_backward(head, from, std::next(from, static_cast<ptrdiff_t>(count)));
  head_ += count;
  if (head_ == ids_.size()) {
    ids_.clear();
    head_ = 0;
  }
}

void ArrayFreelist::CutFree(PageSpan span) {
  const auto head = std::next(ids_.begin(), static_cast<ptrdiff_t>(head_));
  const auto it = std::lower_bound(head, ids_.end(), span.first);
  const auto at = static_cast<size_t>(std::distance(ids_.begin(), it));
  CHECK_LE(span.count, ids_.size() - at);
  CHECK_EQ(ids_[at], span.first);
  CHECK_EQ(ids_[at + span.count - 1], span.first + (span.count - 1));
  if (at + span.count == ids_.size()) {
    ids_.resize(at);
  } else {
    Remove(at, span.count);
  }
}

bool ArrayFreelist::IsFree(PageSpan span) const {
  const auto head = std::next(ids_.begin(), static_cast<ptrdiff_t>(head_));
  const auto it = std::lower_bound(head, ids_.end(), span.first);
  return it != ids_.end() && *it < span.end();
}

std::vector<PageSpan> ArrayFreelist::ListFree() const {
  std::vector<PageSpan> spans;
  for (size_t i = head_; i < ids_.size(); ++i) {
    if (!spans.empty() && spans.back().end() == ids_[i]) {
      ++spans.back().count;
    } else {
      spans.push_back({ids_[i], 1});
    }
  }
  return spans;
}

uint64_t ArrayFreelist::CheckFree() const {
  CHECK_LE(head_, ids_.size());
  for (size_t i = head_ + 1; i < ids_.size(); ++i) {
    CHECK_LT(Raw(ids_[i - 1]), Raw(ids_[i]));
  }
  return ids_.size() - head_;
}

}  // namespace socle::freelist
