#include "freelist/length_classes.h"

#include <bit>
#include <iterator>
#include <utility>

#include "kv/base/check.h"

namespace socle::freelist {

void LengthClasses::Clear() {
  for (Class& one : short_) {
    one.lowest = 0;
    one.others.clear();
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
  Class& one = short_[span.count];
  const uint64_t first = Raw(span.first);
  CHECK(first != 0 && first != one.lowest);
  if (one.lowest == 0) {
    existing_[span.count / 64] |= uint64_t{1} << (span.count % 64);
    one.lowest = first;
  } else if (first < one.lowest) {
    one.others.insert(one.others.end(), std::exchange(one.lowest, first));
  } else {
    CHECK(one.others.insert(first).second);
  }
}

void LengthClasses::Erase(PageSpan span) {
  --size_;
  if (span.count > kShortMax) {
    CHECK_EQ(long_.erase({span.count, Raw(span.first)}), 1U);
    return;
  }
  Class& one = short_[span.count];
  if (Raw(span.first) != one.lowest) {
    CHECK_EQ(one.others.erase(Raw(span.first)), 1U);
    return;
  }
  if (one.others.empty()) {
    one.lowest = 0;
    existing_[span.count / 64] &= ~(uint64_t{1} << (span.count % 64));
    return;
  }
  const auto last = std::prev(one.others.end());
  one.lowest = *last;
  one.others.erase(last);
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
    return PageSpan{PageId{short_[length].lowest}, length};
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
                                : short_[span.count].lowest == Raw(span.first) ||
                                      short_[span.count].others.contains(Raw(span.first));
}

void LengthClasses::CheckInvariants() const {
  uint64_t spans = long_.size();
  for (uint64_t length = 0; length <= kShortMax; ++length) {
    const bool exists = (existing_[length / 64] >> (length % 64) & 1U) != 0;
    const Class& one = short_[length];
    CHECK_EQ(exists, one.lowest != 0);
    CHECK(one.others.empty() || (exists && *one.others.rbegin() > one.lowest));
    spans += one.others.size() + (exists ? 1 : 0);
  }
  CHECK_EQ(short_[0].lowest, 0U);
  CHECK(long_.empty() || long_.begin()->first > kShortMax);
  CHECK_EQ(spans, size_);
}

}  // namespace socle::freelist
