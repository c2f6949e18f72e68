// NamePattern: regular expressions over short names, in time linear in the name.
//
//   ^app-[a-z0-9]+(-canary)?$      . [a-z] [^a] \d \w \s \. a* a+ a? a{2,4} (ab|c)
//
// Laws     1. A pattern matches when it matches anywhere in the name; ^ and $ tie it to the ends.
//          2. Neither pattern nor name makes matching recurse or take more than states times bytes.
// Threads  immutable.
// Errors   InvalidArgument for what it does not know.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_NAME_PATTERN_H_
#define SOCLE_CONTROLLERS_SIDECARSET_NAME_PATTERN_H_

#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace socle::sidecarset {

class NamePattern {
 public:
  static absl::StatusOr<NamePattern> Parse(std::string_view text);

  bool Matches(std::string_view name) const;

 private:
  friend class PatternParser;

  // Set: takes one byte of the set. Split: goes to both. Start, End: passes at that end of the name.
  struct State {
    enum class Type : uint8_t { kSet, kSplit, kStart, kEnd, kAccept } type = Type::kAccept;
    std::bitset<256> bytes;
    int next = -1;
    int other = -1;
  };

  struct Position {
    bool is_start = false;
    bool is_end = false;
  };

  void Reach(int state, Position at, std::vector<bool>* reached) const;

  std::vector<State> states_;
  int start_ = 0;
};

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_NAME_PATTERN_H_
