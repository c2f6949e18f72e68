// RangeUnion: the keys that a user may read, or write: a union of ranges, asked whether it covers one.
//
// Laws     1. Ranges are those of requests: no end = one key; an end of one zero byte = every key from
//             the first on; else [key, end).
//          2. Ranges that overlap or touch are one: what two permissions cover together is permitted.
//          3. A range that holds no key is covered when it lies within a permitted range.
// Threads  immutable once made.
// Memory   one interval per merged range.
// Source   spec etcd 1.9.
#ifndef SOCLE_SERVER_AUTH_RANGE_PERMISSION_H_
#define SOCLE_SERVER_AUTH_RANGE_PERMISSION_H_

#include <string>
#include <string_view>
#include <vector>

namespace socle::server {

// Keys from `begin` on, before `end` unless it is open.
struct KeyInterval {
  std::string begin;
  std::string end;
  bool is_open = false;

  static KeyInterval Of(std::string_view key, std::string_view range_end);
};

class RangeUnion {
 public:
  RangeUnion() = default;
  explicit RangeUnion(std::vector<KeyInterval> intervals);

  // Law 3 included. O(log n), no allocation.
  bool Covers(std::string_view key, std::string_view range_end) const;

  // Ascending, neither overlapping nor touching.
  const std::vector<KeyInterval>& intervals() const { return intervals_; }

 private:
  std::vector<KeyInterval> intervals_;
};

// Whether a permission may be granted on it: it has a first key, and holds at least that one.
bool IsGrantableRange(std::string_view key, std::string_view range_end);

}  // namespace socle::server

#endif  // SOCLE_SERVER_AUTH_RANGE_PERMISSION_H_
