#include "server/ops/call_note.h"

#include <algorithm>

namespace socle::server {

CallPhases PhasesOf(const CallNote& note, int64_t sent) {
  CallPhases phases;
  int64_t at = note.received;
  // Never back: a call that was given up may be answered later than it was sent.
  const auto advance = [&at](int64_t to) {
    const int64_t took = std::max<int64_t>(to - at, 0);
    at += took;
    return took;
  };
  if (note.started != 0) {
    phases.worker_wait = advance(note.started);
  }
  if (note.batch.taken != 0) {
    phases.queue = advance(note.batch.taken);
    phases.log_sync = advance(note.batch.logged);
    phases.apply = advance(note.batch.applied);
  }
  phases.work = advance(note.answered);
  phases.answer = advance(note.encoded);
  phases.send = advance(sent);
  return phases;
}

}  // namespace socle::server
