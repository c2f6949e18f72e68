#include "freelist/length_classes.h"

#include <bit>

#include "kv/base/check.h"

namespace socle::freelist {

void LengthClasses::Clear() {
  for (auto& starts : short_) {
    starts.clear();
  }
  existing_.fill(0);
  long_.clear();
  size_ = 0;
}

void LengthClasses::Insert(PageSpan span) {
  ++size_;
  if (span.count > kShortMax) {
    CHECK(long_.emplace(span.count, Raw(span.first)).second);
    return;
  }
  absl::btree_set<uint64_t>& starts = short_[span.count];
  if (starts.empty()) {
    existing_[span.count / 64] |= uint64_t{1} << (span.count % 64);
  }
  CHECK(starts.insert(Raw(span.first)).second);
}

void LengthClasses::Erase(PageSpan span) {
  --size_;
  if (span.count > kShortMax) {
    CHECK_EQ(long_.erase({span.count, Raw(span.first)}), 1U);
    return;
  }
  absl::btree_set<uint64_t>& starts = short_[span.count];
  CHECK_EQ(starts.erase(Raw(span.first)), 1U);
  if (starts.empty()) {
    existing_[span.count / 64] &= ~(uint64_t{1} << (span.count % 64));
  }
}

uint64_t LengthClasses::NextShort(uint64_t count) const {
  if (count > kShortMax) {
    return 0;
  }
  size_t word = count / 64;
  uint64_t bits = existing_[word] & (~uint64_t{0} << (count % 64));
  while (bits == 0) {
    if (++word == existing_.size()) {
      return 0;
    }
    bits = existing_[word];
  }
  return word * 64 + static_cast<uint64_t>(std::countr_zero(bits));
}

std::optional<PageSpan> LengthClasses::FindFit(uint64_t count) const {
  if (const uint64_t length = NextShort(count); length != 0) {
    return PageSpan{PageId{*short_[length].begin()}, length};
  }
  if (long_.empty()) {
    return std::nullopt;
  }
  const auto it = long_.lower_bound({count, 0});
  if (it == long_.end()) {
    return std::nullopt;
  }
  return PageSpan{PageId{it->second}, it->first};
}

bool LengthClasses::Contains(PageSpan span) const {
  return span.count > kShortMax ? long_.contains({span.count, Raw(span.first)})
                                : short_[span.count].contains(Raw(span.first));
}

void LengthClasses::CheckInvariants() const {
  uint64_t spans = long_.size();
  for (uint64_t length = 0; length <= kShortMax; ++length) {
    const bool exists = (existing_[length / 64] >> (length % 64) & 1U) != 0;
    CHECK_EQ(exists, !short_[length].empty());
    spans += short_[length].size();
  }
  CHECK(short_[0].empty());
  CHECK(long_.empty() || long_.begin()->first > kShortMax);
  CHECK_EQ(spans, size_);
}

}  // namespace socle::freelist
