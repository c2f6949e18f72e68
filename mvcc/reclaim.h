// Reclaimer: frees pieces of old index versions when no reader can reach them.
//
// Laws     1. A piece born at version b and dropped at version d is reachable from views of
//             versions [b, d) only.
//          2. It is freed when none of those is open: an old view pins only what it can see, not
//             all that came after (the rule of reader gaps, as for pages).
//          3. A piece that was never published (b == d) is freed at once.
// Threads  confined to the write loop, but for NoteViewClosed (any thread).
// Source   DESIGN 2 (law 4); spec etcd 3.4 for the same rule on pages.
#ifndef SOCLE_MVCC_RECLAIM_H_
#define SOCLE_MVCC_RECLAIM_H_

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "kv/base/mutex.h"

namespace socle::mvcc {

class Reclaimer {
 public:
  using Deleter = void (*)(void*);

  Reclaimer() = default;
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;
  // Frees everything that was dropped. Requires that no view is open any more.
  ~Reclaimer();

  // The piece is not part of version `death` and later ones.
  void Drop(void* piece, Deleter deleter, uint64_t birth, uint64_t death);
  // A view of `version` was published.
  void NoteViewOpened(uint64_t version);
  // Thread-safe: nobody holds the view of `version` any more.
  void NoteViewClosed(uint64_t version);
  // Frees what the views closed since the last call allow.
  void Collect();

  bool has_open_views() const { return !views_.empty(); }

  uint64_t waiting() const { return waiting_; }

 private:
  struct Dropped {
    void* piece;
    Deleter deleter;
    uint64_t birth;
    uint64_t death;
  };

  // Frees the piece, or hangs it under the newest open view that can reach it.
  void Settle(const Dropped& dropped);

  // Open views with the pieces that wait for them; the newest view that pins a piece has it.
  std::map<uint64_t, std::vector<Dropped>> views_;
  uint64_t waiting_ = 0;

  Mutex mu_;
  std::vector<uint64_t> closed_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_RECLAIM_H_
