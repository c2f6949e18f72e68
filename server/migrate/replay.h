// Replay: applies the entries of an etcd log to a store, as etcd applied them.
//
// Laws     1. An entry that etcd refused when it applied it (a lease that is gone, a compacted revision, a user who may
//             not, NOSPACE, CORRUPT) is refused here, and changes nothing.
//          2. An entry that can't be applied exactly ends the replay; Finish says which.
//          3. Nothing expires meanwhile: leases go by the log alone.
// Threads  one thread calls; the store's write loop answers.
// Memory   entries under way: kUnderWayMax, and kUnderWayBytesMax of them.
// Errors   the first failure, with the entry's index and place.
// Source   spec etcd 1.4, 1.6, 1.7, 1.9, 2.6, 2.7.
#ifndef SOCLE_SERVER_MIGRATE_REPLAY_H_
#define SOCLE_SERVER_MIGRATE_REPLAY_H_

#include <cstdint>
#include <string>

#include <absl/status/status.h>

#include "kv/base/mutex.h"
#include "lease/lessor.h"
#include "mvcc/store.h"
#include "server/auth/auth_store.h"
#include "server/migrate/etcd_log.h"
#include "server/migrate/log_permission.h"
#include "server/migrate/log_request.h"
#include "server/service/alarms.h"
#include "server/service/identity.h"

namespace socle::server {

struct ReplayCounts {
  uint64_t applied = 0;
  uint64_t refused = 0;  // as etcd had refused them
};

class Replay {
 public:
  // All must outlive this; `lessor` is the store's. `member`: whose directory it is, with what is known of it.
  Replay(mvcc::Store* store, lease::Lessor* lessor, const EtcdLog* log, MemberRecord member);
  // Waits for what is under way.
  ~Replay();

  // Reads users and alarms; first.
  absl::Status Load();
  // The next entry. It may take effect only later.
  absl::Status Apply(const EtcdEntry& entry);
  // Waits until everything has taken effect.
  absl::Status Finish();

  ReplayCounts counts() const;

  // As the entries left it.
  const MemberRecord& member() const { return member_; }

 private:
  static constexpr uint64_t kUnderWayMax = 1'000;
  static constexpr uint64_t kUnderWayBytesMax = uint64_t{16} << 20U;

  void Do(const NothingToDo& nothing);
  void Do(const MemberChange& change);
  void Do(const MemberAttributes& attributes);
  void Do(const ClusterVersion& version);
  void Do(const etcdserverpb::InternalRaftRequest& request);
  // False when it is none of theirs.
  bool DoAuth(const etcdserverpb::InternalRaftRequest& request);
  bool DoServer(const etcdserverpb::InternalRaftRequest& request);
  bool DoLease(const etcdserverpb::InternalRaftRequest& request, const LogPermission& permission);
  void Do(const etcdserverpb::PutRequest& put, const LogPermission& permission);
  void Do(const etcdserverpb::TxnRequest& txn, const LogPermission& permission);
  void DoAlarm(const etcdserverpb::AlarmRequest& request);

  bool MayUseLease(mvcc::LeaseId id, const LogPermission& permission);
  // Turned down, as etcd did.
  void Refuse();
  // Takes a place among those under way; what the store calls when it is done.
  template <typename T>
  mvcc::Callback<T> Begin();
  // The same for what is done already.
  void Note(const absl::Status& status);
  void Note(const absl::Status& status, const EtcdEntry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WaitForAll();

  mvcc::Store* const store_;
  lease::Lessor* const lessor_;
  const EtcdLog* const log_;
  MemberRecord member_;
  AuthStore auth_;
  Alarms alarms_;
  EtcdEntry entry_;  // being applied

  mutable Mutex mu_;
  CondVar changed_;
  uint64_t under_way_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t under_way_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  ReplayCounts counts_ ABSL_GUARDED_BY(mu_);
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_MIGRATE_REPLAY_H_
