// ChangeHistory: the last changes of one resource, for watches that go on from a revision.
//
// Laws     1. Every change later than start() is here, in order.
//          2. Bounded in events and in bytes of documents.
// Threads  thread-compatible: the cache guards it.
#ifndef SOCLE_CONTROLLERS_REGISTRY_CHANGE_HISTORY_H_
#define SOCLE_CONTROLLERS_REGISTRY_CHANGE_HISTORY_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "controllers/registry/object_cache.h"

namespace socle::registry {

class ChangeHistory {
 public:
  struct Bounds {
    size_t events_max = 0;
    size_t bytes_max = 0;
  };

  ChangeHistory(Bounds bounds, int64_t start) : bounds_(bounds), start_(start) {}

  int64_t start() const { return start_; }

  void Add(ChangeRef change);
  // Nothing is known any more of what was up to here.
  void Restart(int64_t start);

  // Changes later than `revision`, in order. Requires revision >= start().
  std::vector<ChangeRef> After(int64_t revision) const;

 private:
  const Bounds bounds_;
  int64_t start_;
  size_t bytes_ = 0;
  std::deque<ChangeRef> changes_;
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_CHANGE_HISTORY_H_
