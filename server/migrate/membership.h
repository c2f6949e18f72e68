// Membership: who votes in the cluster that a data directory is of, by raft's own rule: the voters at a snapshot of the
// log, then the changes in the entries behind it.
//
// Laws     1. A log is as good as committed only when its owner alone votes: at what is known to be committed, and at
//             every entry behind that.
//          2. The member's record comes from what raft was told; the `members` bucket, which 3.4 leaves stale after a
//             restore, is only asked for what raft was not.
// Threads  thread-compatible.
// Errors   FailedPrecondition with the cure when others vote or learn; DataLoss when a .snap file is broken.
// Source   spec etcd 2.6, 2.7.
#ifndef SOCLE_SERVER_MIGRATE_MEMBERSHIP_H_
#define SOCLE_SERVER_MIGRATE_MEMBERSHIP_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/env/env.h"
#include "server/migrate/etcd_log.h"
#include "server/migrate/log_request.h"

namespace socle::server {

// What a file member/snap/TERM-INDEX.snap says.
struct SnapFile {
  uint64_t index = 0;
  uint64_t term = 0;
  EtcdVoters voters;
  std::string v2_store;  // JSON
};

// snappb.Snapshot {checksum 1, bytes 2} around raftpb.Snapshot {store 1, {conf state 1, index 2, term 3} 2}.
absl::StatusOr<SnapFile> ParseSnapFile(const std::string& name, std::string_view bytes);

// OK when the v2 store in JSON has nothing under /1, where clients of 3.4 and older kept keys.
absl::Status ExpectNoV2Keys(const std::string& name, std::string_view v2_store);

// The newest point of the log up to which state is kept elsewhere, and that is known to be committed; index 0: none.
EtcdMarker NewestMarker(const EtcdLog& log, uint64_t committed);

class Membership {
 public:
  explicit Membership(const EtcdVoters& voters);

  void Apply(const MemberChange& change);

  // Law 1: OK when `member_id` alone votes, and nobody learns.
  absl::Status ExpectAlone(uint64_t member_id) const;

 private:
  std::set<uint64_t> voters_;
  std::set<uint64_t> learners_;
  bool is_joint_;
};

// Verifies law 1 over the whole log. `applied`: the last entry whose effect is in the database.
absl::Status ExpectSoleVoter(Env* env, const std::string& snap_directory, const EtcdLog& log,
                             uint64_t applied);

}  // namespace socle::server

#endif  // SOCLE_SERVER_MIGRATE_MEMBERSHIP_H_
