// OldWays: what etcd did before the changes that this store is built on, to be switched on by a benchmark, so
// that the effect of each is measured against its absence. A server never does.
//
// Laws     1. With none of them on nothing here costs anything but a test of a null pointer or a bool.
//          2. Results stay right: only who waits for whom changes, and what is copied or walked.
// Threads  OldReadLock: one thread, the reader's; the functions: their caller's.
// Source   spec etcd 4.2 to 4.5.
#ifndef SOCLE_MVCC_OLD_WAYS_H_
#define SOCLE_MVCC_OLD_WAYS_H_

#include "kv/backend/backend.h"
#include "kv/base/mutex.h"
#include "mvcc/index.h"

namespace socle::mvcc {

struct OldWays {
  // A commit waits for every read under way, and reads that come wait for the commit (until etcd#9384).
  bool commit_excludes_reads = false;
  // Each read copies what is not committed yet (etcd#10523, until etcd#12933 shared the copy).
  bool reads_copy_pending = false;
  // A compaction looks at every key while no write goes on (until etcd#9511).
  bool compaction_walks_index = false;
};

// Shared by reads for as long as they live; `mu` null: nothing.
class OldReadLock {
 public:
  explicit OldReadLock(SharedMutex* mu) ABSL_NO_THREAD_SAFETY_ANALYSIS : mu_(mu) {
    if (mu_ != nullptr) {
      mu_->LockShared();
    }
  }

  ~OldReadLock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (mu_ != nullptr) {
      mu_->UnlockShared();
    }
  }

  OldReadLock(const OldReadLock&) = delete;
  OldReadLock& operator=(const OldReadLock&) = delete;

 private:
  SharedMutex* const mu_;
};

// Copies all pending changes of one bucket and lets go of them.
void CopyPending(const kv::BackendSnapshot& storage, kv::BucketId bucket);

// Looks at each revision of every key; how many puts there are.
uint64_t WalkIndex(const IndexRoot& root);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_OLD_WAYS_H_
