// SpaceRecovery: takes the NOSPACE alarm back when there is room again (--quota-recover).
//
// Laws     1. It looks after every commit of the pages, and at its start; an idle server is left idle.
//          2. The alarm goes when the live bytes are below Quota's mark, which lies below the one that raises it.
//          3. What a commit freed counts as free after the next one only, and not while a read sees it: while the
//             alarm is up, a commit of others is followed by at most kNudgesMax of its own, until there is room.
// Threads  NoteCommit: any, and quick. A thread of its own, from the constructor to Stop.
// Source   spec etcd 5 (item 4), etcd#14595, etcd#16779.
#ifndef SOCLE_SERVER_SERVICE_SPACE_RECOVERY_H_
#define SOCLE_SERVER_SERVICE_SPACE_RECOVERY_H_

#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "server/service/alarms.h"

namespace socle::server {

class SpaceRecovery {
 public:
  static constexpr int kNudgesMax = 8;

  SpaceRecovery(Alarms* alarms, const Quota* quota);
  ~SpaceRecovery();
  SpaceRecovery(const SpaceRecovery&) = delete;
  SpaceRecovery& operator=(const SpaceRecovery&) = delete;

  void NoteCommit();
  // Once; NoteCommit may still be called after it.
  void Stop();

 private:
  void Run();
  void Look();

  Alarms* const alarms_;
  const Quota* const quota_;
  Mutex mu_;
  CondVar changed_;
  bool is_due_ ABSL_GUARDED_BY(mu_) = true;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  int nudges_ = 0;  // of the thread: commits of its own in a row
  Thread thread_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_SPACE_RECOVERY_H_
