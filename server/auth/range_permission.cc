#include "server/auth/range_permission.h"

#include <algorithm>
#include <utility>

namespace socle::server {
namespace {

bool IsOpenEnd(std::string_view range_end) {
  return range_end.size() == 1 && range_end[0] == '\0';
}

}  // namespace

KeyInterval KeyInterval::Of(std::string_view key, std::string_view range_end) {
  KeyInterval interval{.begin = std::string(key)};
  if (range_end.empty()) {
    interval.end = interval.begin + '\0';  // the next key there can be
  } else if (IsOpenEnd(range_end)) {
    interval.is_open = true;
  } else {
    interval.end = range_end;
  }
  return interval;
}

RangeUnion::RangeUnion(std::vector<KeyInterval> intervals) {
  std::erase_if(intervals, [](const KeyInterval& i) { return !i.is_open && i.end <= i.begin; });
  std::sort(intervals.begin(), intervals.end(),
            [](const KeyInterval& a, const KeyInterval& b) { return a.begin < b.begin; });
  for (KeyInterval& next : intervals) {
    if (intervals_.empty() || (!intervals_.back().is_open && intervals_.back().end < next.begin)) {
      intervals_.push_back(std::move(next));
      continue;
    }
    KeyInterval& last = intervals_.back();
    if (next.is_open) {
      last.is_open = true;
      last.end.clear();
    } else if (!last.is_open && last.end < next.end) {
      last.end = std::move(next.end);
    }
  }
}

bool RangeUnion::Covers(std::string_view key, std::string_view range_end) const {
  const auto after =
      std::upper_bound(intervals_.begin(), intervals_.end(), key,
                       [](std::string_view k, const KeyInterval& i) { return k < i.begin; });
  if (after == intervals_.begin()) {
    return false;
  }
  const KeyInterval& interval = *(after - 1);
  const bool has_key = interval.is_open || key < interval.end;
  if (range_end.empty() || !has_key) {
    return has_key;
  }
  if (IsOpenEnd(range_end)) {
    return interval.is_open;
  }
  return interval.begin < range_end && (interval.is_open || range_end <= interval.end);
}

bool IsGrantableRange(std::string_view key, std::string_view range_end) {
  return !key.empty() && (range_end.empty() || IsOpenEnd(range_end) || key < range_end);
}

}  // namespace socle::server
