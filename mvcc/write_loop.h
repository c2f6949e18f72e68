// WriteLoop: the one at a time who logs, applies, publishes and answers writes: its own thread, but for law 4.
//
//   Submit ─► queue ─► a batch: write log ─┬─► sync ──────────┬─► publish view ─► hub ─► answer
//                       │                  └─► apply in order ─┘
//                       └ between batches: a step of compaction; seal the pending buffer when due
//
// Laws     1. An operation is published only after its log entry is durable, and answered only after
//             its view is published (DESIGN law 1). Applying goes on beside the sync: what is applied is seen by
//             nobody, and is committed to no page, until it is published.
//          2. After the log, the page store or applying failed, every operation answers with that
//             first error.
//          3. A step of compaction is bounded; writes that wait are served between steps.
//          4. While the thread sleeps and the last sync was quick, a patient one (patience.h) that submits is lent its role
//             for that write. Nobody else has it until it is given back, under the same mutex under which the thread sleeps.
//          5. Writes that wait are bounded in bytes, what they take in memory included: beyond that, too many requests.
// Threads  Submit, WhenCommitted, TakeView, status: any thread. All else runs on the loop ("write
//          loop" role).
#ifndef SOCLE_MVCC_WRITE_LOOP_H_
#define SOCLE_MVCC_WRITE_LOOP_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include "kv/backend/backend.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "kv/wal/wal.h"
#include "mvcc/applier.h"
#include "mvcc/batch_times.h"
#include "mvcc/read_view.h"
#include "mvcc/store.h"
#include "mvcc/watch_hub.h"

namespace socle::mvcc {

// An operation on its way through the loop.
class Proposal {
 public:
  Proposal(EntryKind kind, std::string entry) : kind_(kind), entry_(std::move(entry)) {}

  virtual ~Proposal() = default;
  virtual void Apply(Applier* applier) = 0;
  // It changes what leases have, as they are now: leases are seen as they are applied, so it waits for the sync.
  virtual bool TouchesLeases(const Applier& applier) const = 0;
  // After Apply.
  virtual bool has_succeeded() const = 0;
  virtual void Answer() = 0;
  virtual void Fail(const absl::Status& status) = 0;

  EntryKind kind() const { return kind_; }

  const std::string& entry() const { return entry_; }

 private:
  const EntryKind kind_;
  const std::string entry_;  // as logged
};

struct WriteLoopOptions {
  int64_t compaction_batch_limit = 1'000;
  int64_t compaction_sleep_nanos = 10 * kNanosPerMilli;
  uint64_t queue_bytes_max = uint64_t{64} << 20U;
  bool hold_log = false;  // StoreOptions, the next one, too
  uint64_t held_log_bytes_max = uint64_t{512} << 20U;
};

class WriteLoop {
 public:
  // All must outlive the loop. `log_index`: the last entry that is applied.
  WriteLoop(kv::Backend* backend, kv::Wal* wal, Applier* applier, Clock* clock,
            const WriteLoopOptions& options, StoreObserver observer, uint64_t log_index);
  // Serves what was submitted, commits, and stops.
  ~WriteLoop();

  // Publishes the first view and starts. `hub` must outlive the loop's thread.
  void Start(WatchHub* hub);
  void Stop();
  // After Stop, and before the applier goes: no view can be taken any more.
  void RetractView();

  void Submit(std::unique_ptr<Proposal> proposal);
  // `done` runs on the loop once everything applied before is committed to the pages.
  void WhenCommitted(absl::AnyInvocable<void(absl::Status)> done);
  // `done` runs on the loop once no compaction is going on and that is committed.
  void WhenCompacted(absl::AnyInvocable<void(absl::Status)> done);

  ReadViewRef TakeView() const { return view_.Take(); }

  absl::Status status() const;

  uint64_t log_index() const { return log_index_.load(std::memory_order_acquire); }

  uint64_t puts() const { return puts_.load(std::memory_order_relaxed); }

  uint64_t put_bytes() const { return put_bytes_.load(std::memory_order_relaxed); }

  uint64_t deletes() const { return deletes_.load(std::memory_order_relaxed); }

  // Within transactions that write.
  uint64_t txn_ranges() const { return txn_ranges_.load(std::memory_order_relaxed); }

  // Taken in and not answered yet.
  uint64_t pending() const;

  // Answered with the error that stopped the loop.
  uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }

  // The committer finished (or failed): the loop looks at the new pages.
  void NoteCommit();

  // Entries behind `index` are to stay in the log, although the pages hold them.
  void HoldLog(uint64_t index) { held_from_.store(index, std::memory_order_relaxed); }

 private:
  using Waiter = absl::AnyInvocable<void(absl::Status)>;

  struct CommitWaiter {
    uint64_t seq;
    Waiter done;
  };

  void Loop();
  int64_t NanosUntilWork() const;
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether the role is to be had by whoever submits now.
  bool CanLend() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // On the thread that was lent the role: a write, and the role goes back.
  void RunLent(std::unique_ptr<Proposal> proposal);
  // Waits for something to do and takes the queue. False: stop.
  bool TakeWork(std::vector<std::unique_ptr<Proposal>>* batch);
  void RunBatch(const std::vector<std::unique_ptr<Proposal>>& batch);
  // `meanwhile` runs while the log is synced.
  absl::Status Log(const std::vector<std::unique_ptr<Proposal>>& batch,
                   absl::FunctionRef<void()> meanwhile, BatchTimes* times);
  absl::Status Apply(const std::vector<std::unique_ptr<Proposal>>& batch);
  void StepCompaction();
  void MakeRoom();
  absl::Status ForgetCommittedLog();
  void SealIfDue();
  void Seal();
  void PublishView();
  void PublishEvents(bool were_wanted);
  void ServeWaiters();
  void Finish();
  void Fail(const absl::Status& status);

  kv::Backend* const backend_;
  kv::Wal* const wal_;
  Applier* const applier_;
  Clock* const clock_;
  const WriteLoopOptions options_;
  const StoreObserver observer_;
  WatchHub* hub_ = nullptr;

  Published<ReadView> view_;
  std::atomic<uint64_t> log_index_;
  std::atomic<uint64_t> puts_{0};
  std::atomic<uint64_t> put_bytes_{0};
  std::atomic<uint64_t> deletes_{0};
  std::atomic<uint64_t> txn_ranges_{0};
  std::atomic<uint64_t> running_{0};  // in the batch that is being run
  std::atomic<uint64_t> failed_{0};
  std::atomic<int64_t> last_sync_nanos_{0};
  std::atomic<uint64_t> held_from_;  // entries behind this one are held

  mutable Mutex mu_;
  CondVar changed_;
  std::vector<std::unique_ptr<Proposal>> queue_ ABSL_GUARDED_BY(mu_);
  uint64_t queue_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // with those of the batch that is being run
  uint64_t taken_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // those
  std::vector<Waiter> new_commit_waiters_ ABSL_GUARDED_BY(mu_);
  std::vector<Waiter> new_compact_waiters_ ABSL_GUARDED_BY(mu_);
  bool commit_finished_ ABSL_GUARDED_BY(mu_) = false;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool is_asleep_ ABSL_GUARDED_BY(mu_) = false;          // the thread, in TakeWork
  bool is_lent_ ABSL_GUARDED_BY(mu_) = false;            // its role
  int64_t sleeps_until_nanos_ ABSL_GUARDED_BY(mu_) = 0;  // unless it is woken
  absl::Status status_ ABSL_GUARDED_BY(mu_);

  // The loop's.
  std::vector<CommitWaiter> commit_waiters_;
  std::vector<Waiter> compact_waiters_;
  int64_t compact_after_nanos_ = 0;  // end of the pause after a batch of compaction
  int64_t compacted_in_batch_ = 0;
  int64_t compacting_nanos_in_batch_ = 0;
  int64_t compaction_began_nanos_ = 0;  // 0: none goes on
  bool others_wrote_ = false;           // in this batch
  uint64_t published_seq_ = UINT64_MAX;
  const kv::BackendSnapshot* published_storage_ = nullptr;

  Thread thread_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_WRITE_LOOP_H_
