// Backend: batches changes in front of an Engine; commits block neither writers nor readers.
//
//   writer ──Put──► active buffer ──Seal──► sealed buffer ──committer thread──► Engine
//   reader ◄── BackendSnapshot = {active, sealed, pages}, immutable, found newest first
//
// Laws     1. The engine is written by the committer alone (DESIGN law 2).
//          2. At any time at most one buffer is sealed; while it is committed the active one grows.
//             Beyond pending_bytes_max the writer waits (NeedsRoom, WaitForCommit): memory is
//             bounded, writers are slowed.
//          3. A buffer is committed whole, in one engine transaction, so the pages are always a
//             prefix of the changes.
//          4. Nothing pending: nothing written.
//          5. Between commits the committer takes steps of shrinking the file, when that is on
//             (shrink_schedule.h); one that waits to commit waits for one step at most.
//          6. After a failed commit the backend is failed for good; snapshots still show everything
//             pending.
// Threads  Put, Delete, Seal, WaitForCommit: the write loop's. The rest is thread-safe.
// Source   DESIGN 2; spec etcd 4.1, 4.2, 4.4, 4.8.
#ifndef SOCLE_KV_BACKEND_BACKEND_H_
#define SOCLE_KV_BACKEND_BACKEND_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/backend/pending_buffer.h"
#include "kv/backend/shrink_schedule.h"
#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "kv/engine.h"

namespace socle::kv {

// What a read looks into; immutable but for entries that are added to `active` beyond every
// reader's seq.
struct BackendSnapshot {
  std::shared_ptr<const std::vector<std::string>> buckets;
  std::shared_ptr<const ReadTxn> pages;
  std::shared_ptr<const PendingBuffer> sealed;  // null when nothing is being committed
  std::shared_ptr<const PendingBuffer> active;

  // The value at change number `seq`; it points into the snapshot's memory.
  absl::StatusOr<std::optional<std::string_view>> Get(BucketId bucket, std::string_view key,
                                                      uint64_t seq) const;

  // Every (key, value) of the bucket in key order at change number `seq`.
  absl::Status Scan(
      BucketId bucket, uint64_t seq,
      const std::function<absl::Status(std::string_view, std::string_view)>& visit) const;
};

// The snapshot to read from for one reader: the same, or, where reads leave copies behind
// (kv::ReadTxn::Share), another of the same state whose copies go with it.
std::shared_ptr<const BackendSnapshot> ForOneReader(
    const std::shared_ptr<const BackendSnapshot>& snapshot);

// What the page store takes, and what the changes that are on their way there take.
struct BackendSize {
  EngineSize pages;
  uint64_t pending_bytes = 0;  // of entries
};

struct BackendOptions {
  std::vector<std::string> buckets;  // created when missing; BucketId counts them
  int64_t batch_interval_nanos = 100 * kNanosPerMilli;
  int64_t batch_limit = 10'000;
  uint64_t pending_bytes_max = uint64_t{256} << 20U;
  Clock* clock = Clock::Real();
  // The file is shrunk when more than this part of it is free (0: only when asked), so much at once.
  double shrink_free_ratio = 0;
  uint64_t shrink_step_bytes = 256 << 10;
  // Called by the committer after each step of shrinking that wrote, with its duration; the
  // snapshot is the new one.
  std::function<void(int64_t)> on_shrink_step;
  // Called by the committer after each commit or failed attempt, with its duration; the snapshot is
  // already the new one.
  std::function<void(int64_t)> on_commit;
  // For benchmarks (mvcc/old_ways.h): held exclusively while pages are committed.
  SharedMutex* held_by_commits = nullptr;
};

class Backend {
 public:
  static absl::StatusOr<std::unique_ptr<Backend>> Open(std::unique_ptr<Engine> engine,
                                                       BackendOptions options);
  // Stops the committer after the buffer it works on. What is still active is not written:
  // Seal and WaitForCommit before.
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // Adds a change to the active buffer and returns it as stored there: its bytes live as long as a
  // snapshot with this buffer.
  PendingEntry Put(BucketId bucket, std::string_view key, std::string_view value);
  PendingEntry Delete(BucketId bucket, std::string_view key);

  // Number of the newest change.
  uint64_t seq() const { return seq_; }

  // True when the active buffer is old or full enough and none is sealed: the write loop then
  // seals, at a point where the buffer holds whole batches only.
  bool IsSealDue() const;
  // Nanoseconds until IsSealDue may turn true by age; negative when nothing is pending.
  int64_t NanosUntilSeal() const;
  // Hands the active buffer to the committer. Requires that none is sealed.
  void Seal();

  // True when something is sealed and not yet committed.
  bool IsCommitting() const;
  // True when the active buffer is at its limit.
  bool NeedsRoom() const;
  // Waits until the sealed buffer, if any, is committed.
  absl::Status WaitForCommit();

  // Makes the file as small as it gets while everything else goes on. `done` runs on the committer
  // then, or when only open readers are in the way; it must be quick. Unimplemented: the engine
  // can't.
  void Shrink(absl::AnyInvocable<void(absl::Status)> done);
  // No step of shrinking begins any more; whoever waits is answered with Cancelled.
  void StopShrinking();

  std::shared_ptr<const BackendSnapshot> snapshot() const;
  // Every change up to this number is in the page store, durably.
  uint64_t committed_seq() const;

  absl::Status status() const;
  // At one moment: a change counts in one of the two, never in both and never in none.
  BackendSize Size() const;
  uint64_t commits() const;

  Engine* engine() const { return engine_.get(); }

 private:
  Backend(std::unique_ptr<Engine> engine, BackendOptions options);

  absl::Status CreateBuckets();
  PendingEntry Add(BucketId bucket, std::string_view key, std::string_view value, bool is_delete);
  void CommitterLoop();
  // Waits for a sealed buffer, or (null) for a step of shrinking to be due. False: stop.
  bool AwaitWork(std::shared_ptr<const PendingBuffer>* buffer);
  absl::Status CommitBuffer(const PendingBuffer& buffer);
  absl::Status CommitAlone(const PendingBuffer& buffer);
  void FinishCommit(const absl::Status& status);
  void ShrinkStep();
  // The step's result, and the pages after it.
  absl::StatusOr<ShrinkProgress> TryShrinkStep(std::shared_ptr<const ReadTxn>* pages);

  const BackendOptions options_;
  const std::unique_ptr<Engine> engine_;
  const std::shared_ptr<const std::vector<std::string>> buckets_;

  // The write loop's.
  std::shared_ptr<PendingBuffer> active_;
  uint64_t seq_ = 0;
  int64_t oldest_pending_nanos_ = 0;

  mutable Mutex mu_;
  CondVar changed_;
  std::shared_ptr<const BackendSnapshot> snapshot_ ABSL_GUARDED_BY(mu_);
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  EngineSize size_ ABSL_GUARDED_BY(mu_);  // of the pages of snapshot_
  uint64_t commits_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t sealed_seq_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t committed_seq_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  ShrinkSchedule schedule_ ABSL_GUARDED_BY(mu_);
  bool may_shrink_ ABSL_GUARDED_BY(mu_) = true;
  std::vector<absl::AnyInvocable<void(absl::Status)>> shrink_waiters_ ABSL_GUARDED_BY(mu_);

  Thread committer_;
};

}  // namespace socle::kv

#endif  // SOCLE_KV_BACKEND_BACKEND_H_
