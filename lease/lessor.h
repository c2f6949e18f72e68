// Lessor: all leases of the store, their deadlines and their keys.
//
// Laws     1. Leases come, go and hold keys only by what the write loop applies (LeaseHook); time
//             only makes a lease due. Its keys stay readable until the revocation is applied.
//          2. A lease past its deadline can't be renewed: the renewal waits for the revocation
//             (spec etcd 1.6).
//          3. A lease that was not renewed for half its TTL, at most for the checkpoint interval, has
//             its deadline noted in the log by the wall clock. After a restart it goes on to that
//             deadline; every other lease gets its full TTL (or what etcd's checkpoint left). So a
//             restart never shortens a lease. A renewal takes effect only when no checkpoint,
//             stored or under way, could cut it.
//          4. Of those whose deadline is not known after a restart at most kRestartsPerSecond are
//             due in any second.
//          5. A wall clock that jumps moves no deadline: while running time is monotonic, and notes
//             are made anew; over a restart a clock that went back takes nothing away, and every
//             lease has at least kRestartGraceSeconds.
// Threads  thread-safe, but LeaseOf and the calls that change a lease are the write loop's. `done`
//          of a waiting renewal runs on the write loop (or in Close).
// Memory   about 220 bytes per lease, plus its keys.
// Source   spec etcd 1.6, 2.4 (6), traps 20 to 22; etcd#9418, etcd#10693, etcd#9924.
#ifndef SOCLE_LEASE_LESSOR_H_
#define SOCLE_LEASE_LESSOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>
#include <absl/container/node_hash_map.h>
#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include "kv/base/bytes.h"
#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/base/random.h"
#include "lease/deadline_heap.h"
#include "lease/lease.h"
#include "mvcc/lease_hook.h"
#include "mvcc/store.h"

namespace socle::lease {

struct LessorOptions {
  Clock* clock = nullptr;  // null: Clock::Real()
  int64_t ttl_min_seconds = kTtlMinSeconds;
  // Leases with a longer TTL are checkpointed this often; 0: never, and no deadline is noted.
  int64_t checkpoint_interval_nanos = 300 * kNanosPerSecond;
  std::optional<uint64_t> random_seed = std::nullopt;  // of lease ids; nullopt: a fresh one
};

struct LessorStats {
  uint64_t leases = 0;
  uint64_t granted = 0;  // since the start, as the next ones
  uint64_t revoked = 0;
  uint64_t renewed = 0;
  uint64_t expired = 0;
};

class Lessor final : public mvcc::LeaseHook {
 public:
  static constexpr size_t kRestartsPerSecond = 750;
  // Shorter leases are not worth a write: a restart takes a good part of their time anyway.
  static constexpr int64_t kNotedTtlMinSeconds = 10;
  static constexpr int64_t kRestartGraceSeconds = 2;
  // A wall clock that moves by more than this against the monotonic one has jumped.
  static constexpr int64_t kJumpNanos = kNanosPerSecond;
  // A revocation that was handed out and not applied is handed out again after this.
  static constexpr int64_t kRevokeRetryNanos = 3 * kNanosPerSecond;

  explicit Lessor(LessorOptions options = {});
  // Requires: nobody waits (Close).
  ~Lessor() override;

  // Deadlines begin now, whatever opening took. Call once, after Store::Open; nothing is due
  // before.
  void StartDeadlines();
  // Answers all waiting renewals with kStopped, and later ones that would wait.
  void Close();

  // --- LeaseHook: from the write loop.
  bool Exists(LeaseId id) const override;
  void Grant(LeaseId id, int64_t ttl_seconds, int64_t remaining_ttl_seconds) override;
  void Revoke(LeaseId id) override;
  std::vector<std::string> KeysOf(LeaseId id) const override;
  LeaseId LeaseOf(std::string_view key) const override;
  int64_t GrantedTtl(LeaseId id) const override;
  void Checkpoint(const mvcc::LeaseCheckpoint& checkpoint) override;
  // No effect on an unknown lease: files may hold keys of leases that are gone.
  void Attach(LeaseId id, std::string_view key) override;
  void Detach(LeaseId id, std::string_view key) override;

  // --- For those who ask.
  // A positive id that no lease has now.
  LeaseId NewId();
  // The TTL that is granted when `ttl_seconds` is asked for; kLeaseTtlTooLarge.
  absl::StatusOr<int64_t> GrantableTtl(int64_t ttl_seconds) const;

  // nullopt for an unknown lease.
  std::optional<LeaseStatus> TimeToLive(LeaseId id, bool with_keys) const;
  // By remaining time.
  std::vector<LeaseId> Leases() const;
  LessorStats Stats() const;

  enum class RenewalKind {
    kRenewed,
    kUnknown,
    kWaits,             // past its deadline: `done` is called when it is revoked
    kNeedsCheckpoint0,  // law 3: clear the stored checkpoint first, then renew again
  };

  struct Renewal {
    RenewalKind kind = RenewalKind::kUnknown;
    int64_t ttl_seconds = 0;  // when renewed
  };

  // Answers a renewal that had to wait: 0 once the lease is revoked.
  using RenewalDone = absl::AnyInvocable<void(absl::StatusOr<int64_t>)>;

  // `done` is taken only for kWaits.
  absl::StatusOr<Renewal> Renew(LeaseId id, RenewalDone* done);

  // --- For the expirer.
  // At most `max` leases past their deadline, first due first. They are handed out again after
  // kRevokeRetryNanos unless revoked by then.
  std::vector<LeaseId> TakeExpired(size_t max);
  // At most `max` checkpoints to store.
  std::vector<mvcc::LeaseCheckpoint> TakeCheckpoints(size_t max);
  // A checkpoint of every lease whose deadline is not noted: before the end.
  std::vector<mvcc::LeaseCheckpoint> TakeAllCheckpoints();
  // Not later than when the next lease or checkpoint is due; DeadlineHeap::kNever when there is
  // none.
  int64_t NextDue() const;
  // `wake` runs, from any thread, when something becomes due earlier than NextDue said. It may run
  // once more after it was replaced, so it must own what it touches.
  void SetWake(std::function<void()> wake);

  // From the write loop.
  void CheckInvariants() const;

 private:
  struct Held {
    int64_t ttl_seconds = 0;
    int64_t checkpoint_seconds = 0;  // remaining TTL as stored; 0: none
    int64_t noted_unix_millis = 0;   // as stored (law 3) …
    int64_t left_millis = 0;         // … 0: not noted
    bool is_checkpoint_under_way = false;
    int64_t deadline = DeadlineHeap::kNever;
    DeadlineHeap::Entry expiry;  // due at the deadline, or when the revocation is retried
    DeadlineHeap::Entry next_checkpoint;
    absl::btree_set<std::string_view> keys;  // into lease_of_
    std::vector<RenewalDone> waiting;
  };

  Held* Find(LeaseId id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetDeadline(Held* lease, int64_t deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ScheduleCheckpoint(Held* lease, int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsLong(const Held& lease) const;
  int64_t LeftAfterRestart(const Held& lease, int64_t wall_millis) const;
  void SpreadDeadlines(std::vector<Held*>* leases) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  mvcc::LeaseCheckpoint NoteDeadline(Held* lease, int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LookForJump(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int64_t FirstDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Clock* const clock_;
  const int64_t ttl_min_seconds_;
  const int64_t checkpoint_interval_nanos_;

  // Touched by the hook's calls only, so that a put asks it without a lock. Its nodes hold the
  // bytes of all keys: one is freed only after `keys` of its lease, which others read, no longer
  // has it.
  mutable ThreadRole write_loop_;
  absl::node_hash_map<std::string, LeaseId, StringHash, std::equal_to<>> lease_of_
      ABSL_GUARDED_BY(write_loop_);

  mutable Mutex mu_;
  absl::flat_hash_map<LeaseId, std::unique_ptr<Held>> leases_ ABSL_GUARDED_BY(mu_);
  DeadlineHeap expiries_ ABSL_GUARDED_BY(mu_);
  DeadlineHeap checkpoints_ ABSL_GUARDED_BY(mu_);
  bool is_started_ ABSL_GUARDED_BY(mu_) = false;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
  int64_t wall_ahead_nanos_ ABSL_GUARDED_BY(mu_) = 0;  // of monotonic time, when last looked at
  Random random_ ABSL_GUARDED_BY(mu_);
  LessorStats stats_ ABSL_GUARDED_BY(mu_);
  std::function<void()> wake_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::lease

#endif  // SOCLE_LEASE_LESSOR_H_
