// EmbeddedRun: one history of concurrent clients on an embedded store that stops, fails and loses
// power, and opens again.
//
// Laws     1. Everything but the interleaving of threads comes from the seed.
//          2. A life ends in one of: a clean close, a close and then a power cut, a power cut at a
//             random call of the disk while clients run, a failed sync. The next one opens what is
//             left, perhaps after further power cuts while opening.
//          3. Once the store is open again, calls without an answer had their chance: nothing of
//             them can come later.
// Threads  Run: own client threads, a watcher thread; all joined before it returns.
#ifndef SOCLE_TESTS_LINEARIZABILITY_EMBEDDED_RUN_H_
#define SOCLE_TESTS_LINEARIZABILITY_EMBEDDED_RUN_H_

#include <cstdint>
#include <string>

#include "tests/linearizability/history.h"
#include "tests/linearizability/planted_fault.h"

namespace socle::linearizability {

struct EmbeddedRun {
  History history;
  // What went wrong beside the history: the store does not open, or is unsound; empty otherwise.
  std::string problem;
  int crashes = 0;
};

EmbeddedRun RunEmbedded(uint64_t seed, PlantedFault fault = PlantedFault::kNone);

}  // namespace socle::linearizability

#endif  // SOCLE_TESTS_LINEARIZABILITY_EMBEDDED_RUN_H_
