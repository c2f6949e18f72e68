// Judge: holds a history to all three checks, and makes the failing one small.
//
// Laws     1. A history that a linearizable store can have made is found good, whatever it is.
//          2. Every sub-history shown as failing fails by itself: only what weakens a history was
//             done to it (its end cut off, reads taken out).
// Threads  pure functions.
#ifndef SOCLE_TESTS_LINEARIZABILITY_JUDGE_H_
#define SOCLE_TESTS_LINEARIZABILITY_JUDGE_H_

#include <cstdint>
#include <string>

#include "tests/linearizability/history.h"

namespace socle::linearizability {

struct JudgeOptions {
  uint64_t steps_max = 2'000'000;  // of each search
  bool wants_smallest = true;      // spend time on the smallest failing sub-history
};

struct Judgement {
  // Which checks object.
  bool broke_revisions = false;
  bool broke_keys = false;
  bool broke_whole = false;
  bool is_undecided = false;  // a search ran out of steps and nothing else objects
  std::string report;         // for a person; empty when all is well
  uint64_t steps = 0;

  bool is_good() const { return !broke_revisions && !broke_keys && !broke_whole; }
};

Judgement Judge(const History& history, const JudgeOptions& options = {});

// The history up to the tick: later calls are gone, calls under way then have no answer.
History UpTo(const History& history, int64_t tick);

}  // namespace socle::linearizability

#endif  // SOCLE_TESTS_LINEARIZABILITY_JUDGE_H_
