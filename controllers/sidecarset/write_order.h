// WriteOrder: which of two reports of an object is the newer one, when writes report themselves before they
// are answered and the cache reports them again a moment later.
//
// Laws     1. Accepts each state of an object at most once, and never an older one after a newer one.
//          2. What was removed stays removed: a late report of an earlier write is refused, too.
// Threads  thread-compatible.
// Memory   one number per object, and one per removal until the cache shows it.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_WRITE_ORDER_H_
#define SOCLE_CONTROLLERS_SIDECARSET_WRITE_ORDER_H_

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "kv/base/bytes.h"

namespace socle::sidecarset {

class WriteOrder {
 public:
  // A write left this; the cache may not show it yet.
  bool AcceptWrite(std::string_view key, int64_t revision) {
    if (revision <= shown_) {
      return false;
    }
    return Raise(key, revision);
  }

  // The cache shows this, in order of revision.
  bool AcceptChange(std::string_view key, int64_t revision, bool is_removed) {
    shown_ = std::max(shown_, revision);
    if (!is_removed) {
      return Raise(key, revision);
    }
    const auto found = newest_.find(key);
    if (found == newest_.end() || found->second > revision) {
      return false;
    }
    newest_.erase(found);
    return true;
  }

  // One of the objects that the cache had at the start.
  bool AcceptPresent(std::string_view key, int64_t revision) { return Raise(key, revision); }

  // The cache had all of the start.
  void StartedAt(int64_t revision) { shown_ = std::max(shown_, revision); }

 private:
  bool Raise(std::string_view key, int64_t revision) {
    const auto [at, is_new] = newest_.try_emplace(key, revision);
    if (!is_new && at->second >= revision) {
      return false;
    }
    at->second = revision;
    return true;
  }

  StringMap<int64_t> newest_;
  int64_t shown_ = 0;  // by the cache
};

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_WRITE_ORDER_H_
