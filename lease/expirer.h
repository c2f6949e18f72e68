// Expirer: revokes leases past their deadline, many per batch of the log, and stores checkpoints.
//
// Laws     1. Due leases are proposed together, so that one sync of the log covers them; each
//             revocation stays its own revision.
//          2. At most kInFlightMax revocations are unanswered; the rest wait and follow as answers
//             come.
//          3. With nothing due it sleeps; with no lease it does not wake at all.
// Threads  thread-safe. Own thread "expirer" after Start; or stepped by hand (Step) instead.
// Errors   a failed revocation is retried after Lessor::kRevokeRetryNanos; logged once until one
//          succeeds.
// Source   spec etcd 1.6; etcd#9418, etcd#20492.
#ifndef SOCLE_LEASE_EXPIRER_H_
#define SOCLE_LEASE_EXPIRER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <absl/status/status.h>

#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "lease/lease_log.h"
#include "lease/lessor.h"

namespace socle::lease {

class Expirer {
 public:
  // What one turn of the write loop applies of them: about half a millisecond, so that writers that
  // share the turn do not notice. Each turn is one sync of the log.
  static constexpr size_t kInFlightMax = 256;
  static constexpr size_t kCheckpointsMax = 256;  // per log entry
  // With leases there, it looks at least this often: a manual clock moves without telling.
  static constexpr int64_t kLookIntervalNanos = 500 * kNanosPerMilli;
  // … and at most this often: deadlines that moved away still surface, one after the other.
  static constexpr int64_t kLookPauseNanos = 20 * kNanosPerMilli;

  // Both must outlive this.
  Expirer(Lessor* lessor, LeaseLog* log, Clock* clock = Clock::Real());
  // Stops; returns when every proposed revocation is answered, so the log must still be running.
  ~Expirer();

  void Start();
  // Notes the deadline of every lease in the log and waits until that is durable, so that the next
  // start finds them all. The log must be running.
  void NoteAllDeadlines();
  void Stop();

  // Proposes what is due now. Returns how many revocations.
  size_t Step();

 private:
  // Outlives the Expirer when a late wake of the lessor comes.
  struct Bell {
    Mutex mu;
    CondVar rung;
    bool is_rung ABSL_GUARDED_BY(mu) = false;
    bool is_stopping ABSL_GUARDED_BY(mu) = false;

    void Ring();
  };

  void Loop();
  void Answered(const absl::Status& status);
  void ProposeCheckpoints(std::vector<mvcc::LeaseCheckpoint> checkpoints);
  int64_t PauseNanos() const;

  Lessor* const lessor_;
  LeaseLog* const log_;
  Clock* const clock_;
  const std::shared_ptr<Bell> bell_;

  mutable Mutex mu_;
  CondVar answered_;
  size_t in_flight_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_short_ ABSL_GUARDED_BY(mu_) = false;  // some due lease waits for room
  bool is_failing_ ABSL_GUARDED_BY(mu_) = false;
  bool has_more_checkpoints_ ABSL_GUARDED_BY(mu_) = false;

  Thread thread_;
};

}  // namespace socle::lease

#endif  // SOCLE_LEASE_EXPIRER_H_
