// KeyLanes: what changes one object takes turns, in the order it came, so that changes of this process do
// not make each other's guards fail.
//
// Laws     1. One turn at a time per key; a turn ends with Leave, whenever and wherever that is.
//          2. Turns of one key run in the order of Enter.
//          3. However many turns end in the call that began them, the stack does not grow.
// Threads  thread-safe. A turn runs in Enter, or on the thread that left the lane before it.
// Memory   one entry per key with a turn under way.
#ifndef SOCLE_CONTROLLERS_REGISTRY_KEY_LANES_H_
#define SOCLE_CONTROLLERS_REGISTRY_KEY_LANES_H_

#include <deque>
#include <string>

#include <absl/base/thread_annotations.h>
#include <absl/functional/any_invocable.h>

#include "kv/base/bytes.h"
#include "kv/base/mutex.h"

namespace socle::registry {

using Turn = absl::AnyInvocable<void()>;

class KeyLanes {
 public:
  // Runs the turn, now or when those before it have left.
  void Enter(const std::string& key, Turn turn);
  // The turn is over. Returns the next one, null when there is none: for RunTurn, soon.
  Turn Leave(const std::string& key);
  // Runs it; from within a turn that RunTurn runs, after that has returned (law 3).
  static void RunTurn(Turn turn);

 private:
  Mutex mu_;
  // Keys with a turn under way, and who waits for it.
  StringMap<std::deque<Turn>> waiting_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_KEY_LANES_H_
