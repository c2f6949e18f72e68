// RevisionCheck: what the revisions in the answers promise, without any search.
//
// Laws     1. A revision is made by one call only.
//          2. A call that begins after another returned is answered a revision that is not smaller;
//             a larger one when it wrote.
//          3. A pair in an answer: 1 <= create <= mod <= the answer's revision, version >= 1; and the
//             same key with the same mod_revision is the same pair wherever it is seen.
//          4. Of one key, mod_revision and version ascend together within a life, and a life begins
//             after the one before.
//          5. A watcher is sent ascending revisions, none twice, within what it asked for.
// Threads  pure functions.
#ifndef SOCLE_TESTS_LINEARIZABILITY_REVISION_CHECK_H_
#define SOCLE_TESTS_LINEARIZABILITY_REVISION_CHECK_H_

#include <string>

#include "tests/linearizability/history.h"

namespace socle::linearizability {

// Empty, or the first law broken and by which calls.
std::string CheckRevisions(const History& history);

}  // namespace socle::linearizability

#endif  // SOCLE_TESTS_LINEARIZABILITY_REVISION_CHECK_H_
