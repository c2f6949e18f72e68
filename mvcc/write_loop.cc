#include "mvcc/write_loop.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "kv/base/check.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "mvcc/patience.h"
#include "mvcc/restore.h"
#include "mvcc/schema.h"

namespace socle::mvcc {
namespace {

// A step of compaction ends after so long, looked at once a piece: what a write may wait for it.
constexpr int64_t kCompactionStepNanos = 50'000;
constexpr int64_t kCompactionPiece = 16;   // obsolete revisions
constexpr int64_t kCompactionPieces = 16;  // at most in a step
// Bytes of operations put into one batch: bounds how long the last one waits for its neighbours.
// What a write that waits takes beside its entry: the request, its call, its stream.
constexpr size_t kBytesPerWrite = 3'072;
// A log whose last sync took longer may take long again: that is not for a thread with others to come.
constexpr int64_t kLendableSyncNanos = 5 * kNanosPerMilli;
constexpr size_t kBatchBytesMax = size_t{8} << 20U;

thread_local const BatchTimes* batch_being_answered = nullptr;

}  // namespace

const BatchTimes* BatchBeingAnswered() {
  return batch_being_answered;
}

WriteLoop::WriteLoop(kv::Backend* backend, kv::Wal* wal, Applier* applier, Clock* clock,
                     const WriteLoopOptions& options, StoreObserver observer, uint64_t log_index)
    : backend_(backend),
      wal_(wal),
      applier_(applier),
      clock_(clock),
      options_(options),
      observer_(std::move(observer)),
      log_index_(log_index),
      held_from_(options.hold_log ? 0 : UINT64_MAX) {}

WriteLoop::~WriteLoop() {
  Stop();
}

void WriteLoop::Start(WatchHub* hub) {
  hub_ = hub;
  applier_->RefreshStorage();
  PublishView();
  thread_ = Thread("write loop", [this] { Loop(); });
}

void WriteLoop::Stop() {
  {
    MutexLock lock(&mu_);
    is_stopping_ = true;
    changed_.SignalAll();
  }
  thread_.Join();
}

void WriteLoop::RetractView() {
  view_.Publish(nullptr);
  applier_->index()->Collect();
}

void WriteLoop::Submit(std::unique_ptr<Proposal> proposal) {
  absl::Status refused;
  bool is_first = false;
  bool is_lent = false;
  {
    MutexLock lock(&mu_);
    if (!status_.ok()) {
      refused = status_;
      failed_.fetch_add(1, std::memory_order_relaxed);
    } else if (is_stopping_) {
      refused = MakeError(StoreError::kStopped);
    } else if (queue_bytes_ >= options_.queue_bytes_max) {
      refused = MakeError(StoreError::kTooManyRequests);
    } else if (Patience::IsPatient() && CanLend()) {
      is_lent_ = is_lent = true;
    } else {
      queue_bytes_ += proposal->entry().size() + kBytesPerWrite;
      is_first = queue_.empty();
      queue_.push_back(std::move(proposal));
    }
  }
  if (is_lent) {
    RunLent(std::move(proposal));
    return;
  }
  if (is_first) {
    changed_.Signal();  // the loop that wakes finds the lock free
  }
  if (!refused.ok()) {
    proposal->Fail(refused);  // NOLINT(bugprone-use-after-move): only what was taken has moved
  }
}

uint64_t WriteLoop::pending() const {
  MutexLock lock(&mu_);
  return queue_.size() + running_.load(std::memory_order_relaxed);
}

bool WriteLoop::CanLend() const {
  // What only the loop does, or may take long, is left to its thread.
  return is_asleep_ && !is_lent_ && !HasWork() && !applier_->is_compacting() &&
         !backend_->NeedsRoom() &&
         last_sync_nanos_.load(std::memory_order_relaxed) < kLendableSyncNanos;
}

void WriteLoop::RunLent(std::unique_ptr<Proposal> proposal) {
  PROBE("write loop: a patient thread does a write itself");
  std::vector<std::unique_ptr<Proposal>> batch;
  batch.push_back(std::move(proposal));
  running_.store(1, std::memory_order_relaxed);
  RunBatch(batch);
  applier_->index()->Collect();
  MutexLock lock(&mu_);
  is_lent_ = false;
  const int64_t wait = status_.ok() ? NanosUntilWork() : -1;
  if (HasWork() || (wait >= 0 && clock_->MonotonicNanos() + wait < sleeps_until_nanos_)) {
    changed_.Signal();
  }
}

void WriteLoop::WhenCommitted(Waiter done) {
  MutexLock lock(&mu_);
  new_commit_waiters_.push_back(std::move(done));
  changed_.Signal();
}

void WriteLoop::WhenCompacted(Waiter done) {
  MutexLock lock(&mu_);
  new_compact_waiters_.push_back(std::move(done));
  changed_.Signal();
}

void WriteLoop::NoteCommit() {
  if (backend_->status().ok()) {
    const absl::Status forgotten = ForgetCommittedLog();
    if (!forgotten.ok()) {
      LogWarning("covered log segments can't be recycled", {{"error", forgotten}});
    }
  }
  MutexLock lock(&mu_);
  commit_finished_ = true;
  changed_.Signal();
}

absl::Status WriteLoop::ForgetCommittedLog() {
  // The pages themselves say what they cover: the loop may have sealed a newer buffer already.
  const auto storage = backend_->snapshot();
  ASSIGN_OR_RETURN(const Restored committed, ReadBookkeeping(*storage->pages));
  uint64_t covered = committed.consistent_index;
  if (const uint64_t held = held_from_.load(std::memory_order_relaxed); held < covered) {
    if (wal_->segment_bytes() <= options_.held_log_bytes_max) {
      covered = held;
    } else {
      PROBE("write loop: too much of the log is held, it is shortened all the same");
    }
  }
  return wal_->TruncateBefore(kv::LogIndex{covered});
}

absl::Status WriteLoop::status() const {
  MutexLock lock(&mu_);
  return status_;
}

void WriteLoop::Fail(const absl::Status& status) {
  MutexLock lock(&mu_);
  if (status_.ok()) {
    status_ = status;
  }
}

void WriteLoop::Loop() {
  std::vector<std::unique_ptr<Proposal>> batch;
  while (TakeWork(&batch)) {
    if (!batch.empty()) {
      others_wrote_ = true;
      RunBatch(batch);
      batch.clear();
    }
    StepCompaction();
    SealIfDue();
    applier_->RefreshStorage();
    PublishView();
    ServeWaiters();
    applier_->index()->Collect();
  }
  Finish();
}

// Negative: nothing is due before somebody comes.
int64_t WriteLoop::NanosUntilWork() const {
  int64_t wait = -1;
  if (!backend_->IsCommitting()) {
    wait = backend_->IsSealDue() ? 0 : backend_->NanosUntilSeal();
  }
  if (applier_->is_compacting()) {
    const int64_t pause = std::max<int64_t>(compact_after_nanos_ - clock_->MonotonicNanos(), 0);
    wait = wait < 0 ? pause : std::min(wait, pause);
  }
  return wait;
}

bool WriteLoop::HasWork() const {
  return !queue_.empty() || is_stopping_ || commit_finished_ || !new_commit_waiters_.empty() ||
         !new_compact_waiters_.empty();
}

bool WriteLoop::TakeWork(std::vector<std::unique_ptr<Proposal>>* batch) {
  MutexLock lock(&mu_);
  queue_bytes_ -= std::exchange(taken_bytes_, 0);  // answered
  is_asleep_ = true;
  while (is_lent_ || !HasWork()) {
    // While the role is lent nothing that belongs to it may be looked at.
    const int64_t wait = is_lent_ || !status_.ok() ? -1 : NanosUntilWork();
    if (wait == 0) {
      break;
    }
    if (wait < 0) {
      sleeps_until_nanos_ = INT64_MAX;
      changed_.Wait(&mu_);
      continue;
    }
    sleeps_until_nanos_ = clock_->MonotonicNanos() + wait;
    if (!changed_.WaitFor(&mu_, std::chrono::nanoseconds(wait)) && !is_lent_) {
      break;
    }
  }
  is_asleep_ = false;
  commit_finished_ = false;
  for (Waiter& waiter : new_commit_waiters_) {
    commit_waiters_.push_back({.seq = backend_->seq(), .done = std::move(waiter)});
  }
  new_commit_waiters_.clear();
  std::move(new_compact_waiters_.begin(), new_compact_waiters_.end(),
            std::back_inserter(compact_waiters_));
  new_compact_waiters_.clear();
  size_t bytes = 0;
  size_t taken = 0;
  while (taken < queue_.size() && bytes < kBatchBytesMax) {
    bytes += queue_[taken]->entry().size();
    batch->push_back(std::move(queue_[taken++]));
  }
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(taken));
  taken_bytes_ = bytes + taken * kBytesPerWrite;
  running_.store(taken, std::memory_order_relaxed);
  return !is_stopping_ || !batch->empty();
}

absl::Status WriteLoop::Log(const std::vector<std::unique_ptr<Proposal>>& batch,
                            absl::FunctionRef<void()> meanwhile, BatchTimes* times) {
  std::vector<std::string_view> entries;
  entries.reserve(batch.size());
  for (const auto& proposal : batch) {
    entries.push_back(proposal->entry());
  }
  int64_t written = 0;
  int64_t beside = 0;
  const auto timed = [&] {
    written = clock_->MonotonicNanos();
    meanwhile();
    beside = clock_->MonotonicNanos() - written;
  };
  times->taken = clock_->MonotonicNanos();
  ASSIGN_OR_RETURN(const kv::LogIndex last, wal_->Append(entries, timed));
  times->logged = clock_->MonotonicNanos() - beside;  // the log's own time
  last_sync_nanos_.store(times->logged - written, std::memory_order_relaxed);
  if (observer_.wal_write) {
    observer_.wal_write(written - times->taken);
  }
  if (observer_.wal_sync) {
    observer_.wal_sync(times->logged - written);
  }
  log_index_.store(Raw(last), std::memory_order_release);
  return absl::OkStatus();
}

absl::Status WriteLoop::Apply(const std::vector<std::unique_ptr<Proposal>>& batch) {
  const int64_t start = clock_->MonotonicNanos();
  int64_t now = start;
  for (const auto& proposal : batch) {
    proposal->Apply(applier_);
    RETURN_IF_ERROR(applier_->failure());
    if (observer_.apply_entry) {
      const int64_t before = std::exchange(now, clock_->MonotonicNanos());
      observer_.apply_entry(proposal->kind(), proposal->has_succeeded(), now - before);
    }
  }
  if (observer_.apply) {
    observer_.apply(clock_->MonotonicNanos() - start);
  }
  return absl::OkStatus();
}

void WriteLoop::RunBatch(const std::vector<std::unique_ptr<Proposal>>& batch) {
  absl::Status failure = status();
  BatchTimes times;
  if (failure.ok()) {
    MakeRoom();
    failure = backend_->status();
  }
  const bool wants_events = hub_->has_streams();
  applier_->set_wants_events(wants_events);
  if (failure.ok()) {
    const bool waits_for_sync =
        std::any_of(batch.begin(), batch.end(),
                    [this](const auto& proposal) { return proposal->TouchesLeases(*applier_); });
    absl::Status applied;
    failure = Log(
        batch,
        [&] {
          if (!waits_for_sync) {
            applied = Apply(batch);
          }
        },
        &times);
    if (!failure.ok()) {
      failure = Annotate(failure, "the write-ahead log failed, writing has stopped");
      LogError("the write-ahead log failed, writing has stopped", {{"error", failure}});
    } else {
      failure = waits_for_sync ? Apply(batch) : applied;
    }
  }
  if (!failure.ok()) {
    // Nothing of this batch is published: what it applied is seen by nobody.
    Fail(failure);
    failed_.fetch_add(batch.size(), std::memory_order_relaxed);
    running_.store(0, std::memory_order_relaxed);
    for (const auto& proposal : batch) {
      proposal->Fail(failure);
    }
    return;
  }
  puts_.store(applier_->puts(), std::memory_order_relaxed);
  txn_ranges_.store(applier_->txn_ranges(), std::memory_order_relaxed);
  put_bytes_.store(applier_->put_bytes(), std::memory_order_relaxed);
  deletes_.store(applier_->deletes(), std::memory_order_relaxed);
  PublishView();
  PublishEvents(wants_events);
  times.applied = clock_->MonotonicNanos();
  running_.store(0, std::memory_order_relaxed);
  batch_being_answered = &times;
  for (const auto& proposal : batch) {
    proposal->Answer();
  }
  batch_being_answered = nullptr;
}

void WriteLoop::PublishView() {
  if (!status().ok()) {
    return;  // The last view of a sound state stays.
  }
  ReadState state = applier_->state();
  // Every change of the state, a compaction too, has a change number.
  if (state.seq == published_seq_ && state.storage.get() == published_storage_) {
    return;
  }
  published_seq_ = state.seq;
  published_storage_ = state.storage.get();
  const Index::Version version = applier_->index()->Publish();
  view_.Publish(new ReadView(std::move(state), applier_->index(), version.version));
}

void WriteLoop::PublishEvents(bool were_wanted) {
  EventBatch batch;
  batch.revision = applier_->revision();
  if (were_wanted) {
    batch.events = applier_->TakeEvents();
    batch.storage = applier_->storage();
    hub_->Publish(std::move(batch));
  } else if (hub_->has_streams()) {
    batch.is_incomplete = true;
    hub_->Publish(std::move(batch));
  }
}

void WriteLoop::StepCompaction() {
  if (!applier_->is_compacting() || !status().ok()) {
    return;
  }
  const int64_t start = clock_->MonotonicNanos();
  if (start < compact_after_nanos_) {
    return;
  }
  if (compaction_began_nanos_ == 0) {
    compaction_began_nanos_ = start;
  }
  MakeRoom();
  const uint64_t dropped_before = applier_->dropped();
  const int64_t piece = std::min(kCompactionPiece, options_.compaction_batch_limit);
  int64_t now = start;
  bool is_finished = false;
  for (int64_t i = 0; i < kCompactionPieces && !is_finished; ++i) {
    const absl::StatusOr<bool> finished = applier_->CompactStep(piece);
    if (!finished.ok()) {
      Fail(finished.status());
      return;
    }
    is_finished = *finished;
    compacted_in_batch_ += piece;
    now = clock_->MonotonicNanos();
    if (now - start >= kCompactionStepNanos ||
        compacted_in_batch_ >= options_.compaction_batch_limit) {
      break;
    }
  }
  compacting_nanos_in_batch_ += now - start;
  if (observer_.compaction_step) {
    observer_.compaction_step(
        {.nanos = now - start,
         .revisions = applier_->dropped() - dropped_before,
         .finished_after_nanos = is_finished ? now - compaction_began_nanos_ : -1});
  }
  if (is_finished) {
    compaction_began_nanos_ = 0;
  }
  if (is_finished || compacted_in_batch_ >= options_.compaction_batch_limit) {
    // While others write, at most half of the time goes to a compaction.
    const int64_t pause = std::min(compacting_nanos_in_batch_, options_.compaction_sleep_nanos);
    compact_after_nanos_ = others_wrote_ && !is_finished ? now + pause : 0;
    others_wrote_ = false;
    compacted_in_batch_ = 0;
    compacting_nanos_in_batch_ = 0;
  }
}

void WriteLoop::MakeRoom() {
  while (backend_->NeedsRoom() && backend_->status().ok()) {
    PROBE("write loop: writers wait for the committer");
    if (!backend_->WaitForCommit().ok()) {
      return;
    }
    Seal();
  }
}

void WriteLoop::SealIfDue() {
  if (!status().ok() || backend_->IsCommitting()) {
    return;
  }
  const bool is_awaited = !commit_waiters_.empty() &&
                          commit_waiters_.back().seq > backend_->committed_seq() &&
                          backend_->NanosUntilSeal() >= 0;
  if (is_awaited || backend_->IsSealDue()) {
    Seal();
  }
}

void WriteLoop::Seal() {
  applier_->PutBookkeeping(log_index_.load(std::memory_order_relaxed));
  backend_->Seal();
  applier_->RefreshStorage();
}

void WriteLoop::ServeWaiters() {
  const absl::Status failure = status().ok() ? backend_->status() : status();
  if (!failure.ok()) {
    Fail(failure);
  }
  if (!applier_->is_compacting() || !failure.ok()) {
    for (Waiter& waiter : compact_waiters_) {
      commit_waiters_.push_back({.seq = backend_->seq(), .done = std::move(waiter)});
    }
    compact_waiters_.clear();
    SealIfDue();
  }
  const uint64_t committed = backend_->committed_seq();
  // Finished ones are moved out first: a callback may submit new work.
  std::vector<CommitWaiter> finished;
  for (CommitWaiter& waiter : commit_waiters_) {
    if (!failure.ok() || waiter.seq <= committed) {
      finished.push_back(std::move(waiter));
    }
  }
  std::erase_if(commit_waiters_, [&](const CommitWaiter& waiter) {
    return !failure.ok() || waiter.seq <= committed;
  });
  for (CommitWaiter& waiter : finished) {
    waiter.done(failure);
  }
}

void WriteLoop::Finish() {
  if (status().ok() && backend_->status().ok()) {
    if (backend_->WaitForCommit().ok() && backend_->NanosUntilSeal() >= 0) {
      Seal();
      backend_->WaitForCommit()
          .IgnoreError();  // Remembered by the backend; the log has everything.
    }
  }
  std::vector<Waiter> waiters;
  {
    MutexLock lock(&mu_);
    std::move(new_commit_waiters_.begin(), new_commit_waiters_.end(), std::back_inserter(waiters));
    std::move(new_compact_waiters_.begin(), new_compact_waiters_.end(),
              std::back_inserter(waiters));
    new_commit_waiters_.clear();
    new_compact_waiters_.clear();
  }
  std::move(compact_waiters_.begin(), compact_waiters_.end(), std::back_inserter(waiters));
  for (CommitWaiter& waiter : commit_waiters_) {
    waiters.push_back(std::move(waiter.done));
  }
  for (Waiter& waiter : waiters) {
    waiter(MakeError(StoreError::kStopped));
  }
}

}  // namespace socle::mvcc
