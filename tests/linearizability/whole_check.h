// WholeCheck: is there one order of all calls in which ModelStore, alone and sequential, answers
// each byte for byte as the history has it, revisions included, and makes what watchers were sent?
//
// Revisions make this both the strongest question and a cheap one: an answer that names revision R
// fits in one place only, so the search chooses among calls without an answer and hardly else.
//
// Threads  pure functions.
#ifndef SOCLE_TESTS_LINEARIZABILITY_WHOLE_CHECK_H_
#define SOCLE_TESTS_LINEARIZABILITY_WHOLE_CHECK_H_

#include <cstdint>

#include "mvcc/testing/model_store.h"
#include "tests/linearizability/history.h"
#include "tests/linearizability/linearizer.h"

namespace socle::linearizability {

Linearization<mvcc::ModelStore> CheckWhole(const History& history, uint64_t steps_max);

// The longest order that was found, its last calls, and for each call that could have come next
// what the model answers there and what the history has.
std::string ExplainWhole(const History& history, const Linearization<mvcc::ModelStore>& found);

}  // namespace socle::linearizability

#endif  // SOCLE_TESTS_LINEARIZABILITY_WHOLE_CHECK_H_
