// KeyCheck: is each key, looked at alone and without any revision, linearizable?
//
// Linearizability is local: a history is linearizable only if what it says of each key is. A call
// on many keys is on each of them what it did there. Believes no revision, so it tells data that is
// wrong from numbers that are, and its culprit is the few calls of one key.
//
// Threads  pure functions.
#ifndef SOCLE_TESTS_LINEARIZABILITY_KEY_CHECK_H_
#define SOCLE_TESTS_LINEARIZABILITY_KEY_CHECK_H_

#include <cstdint>
#include <string>

#include "tests/linearizability/history.h"
#include "tests/linearizability/linearizer.h"

namespace socle::linearizability {

struct KeyFinding {
  Verdict verdict = Verdict::kLinearizable;  // the worst of all keys
  std::string text;                          // of the first key that is not linearizable
  uint64_t steps = 0;
};

KeyFinding CheckKeys(const History& history, uint64_t steps_max);

}  // namespace socle::linearizability

#endif  // SOCLE_TESTS_LINEARIZABILITY_KEY_CHECK_H_
