#include "kv/backend/backend.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "kv/base/check.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::kv {

absl::StatusOr<std::optional<std::string_view>> BackendSnapshot::Get(BucketId bucket,
                                                                     std::string_view key,
                                                                     uint64_t seq) const {
  for (const auto* buffer : {active.get(), sealed.get()}) {
    if (buffer == nullptr) {
      continue;
    }
    if (const auto entry = buffer->Find(bucket, key, seq)) {
      if (entry->is_delete) {
        return std::optional<std::string_view>();
      }
      return std::optional<std::string_view>(entry->value);
    }
  }
  return pages->Get((*buckets)[static_cast<size_t>(bucket)], key);
}

absl::Status BackendSnapshot::Scan(
    BucketId bucket, uint64_t seq,
    const std::function<absl::Status(std::string_view, std::string_view)>& visit) const {
  // The pending part is small: gathered first, newest entry of each key winning, then merged with
  // the pages.
  std::map<std::string_view, PendingEntry> pending;
  for (const auto* buffer : {active.get(), sealed.get()}) {
    if (buffer == nullptr) {
      continue;
    }
    PendingBuffer::Iterator it(*buffer, bucket);
    for (it.SeekToFirst(); it.Valid(); it.Next()) {
      const PendingEntry entry = it.entry();
      if (entry.seq <= seq) {
        pending.emplace(entry.key, entry);
      }
    }
  }
  ASSIGN_OR_RETURN(const auto cursor, pages->NewCursor((*buckets)[static_cast<size_t>(bucket)]));
  auto next = pending.begin();
  const auto visit_pending = [&]() -> absl::Status {
    const PendingEntry entry = next->second;
    ++next;
    return entry.is_delete ? absl::OkStatus() : visit(entry.key, entry.value);
  };
  for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
    while (next != pending.end() && next->first < cursor->key()) {
      RETURN_IF_ERROR(visit_pending());
    }
    if (next != pending.end() && next->first == cursor->key()) {
      RETURN_IF_ERROR(visit_pending());
    } else {
      RETURN_IF_ERROR(visit(cursor->key(), cursor->value()));
    }
  }
  RETURN_IF_ERROR(cursor->status());
  while (next != pending.end()) {
    RETURN_IF_ERROR(visit_pending());
  }
  return absl::OkStatus();
}

std::shared_ptr<const BackendSnapshot> ForOneReader(
    const std::shared_ptr<const BackendSnapshot>& snapshot) {
  std::unique_ptr<const ReadTxn> pages = snapshot->pages->Share();
  if (pages == nullptr) {
    return snapshot;
  }
  auto own = std::make_shared<BackendSnapshot>(*snapshot);
  own->pages = std::move(pages);
  return own;
}

absl::StatusOr<std::unique_ptr<Backend>> Backend::Open(std::unique_ptr<Engine> engine,
                                                       BackendOptions options) {
  std::unique_ptr<Backend> backend(new Backend(std::move(engine), std::move(options)));
  RETURN_IF_ERROR(backend->CreateBuckets());
  ASSIGN_OR_RETURN(std::shared_ptr<const ReadTxn> pages, backend->engine_->BeginRead());
  {
    MutexLock lock(&backend->mu_);
    backend->size_ = backend->engine_->Size();
    backend->schedule_.NoteCommit(backend->size_, backend->options_.clock->MonotonicNanos());
    backend->snapshot_ =
        std::make_shared<BackendSnapshot>(BackendSnapshot{.buckets = backend->buckets_,
                                                          .pages = pages,
                                                          .sealed = nullptr,
                                                          .active = backend->active_});
  }
  ASSIGN_OR_RETURN(backend->committer_,
                   Thread::Start("committer", [raw = backend.get()] { raw->CommitterLoop(); }));
  return backend;
}

Backend::Backend(std::unique_ptr<Engine> engine, BackendOptions options)
    : options_(std::move(options)),
      engine_(std::move(engine)),
      buckets_(std::make_shared<const std::vector<std::string>>(options_.buckets)),
      active_(std::make_shared<PendingBuffer>(options_.buckets.size())),
      schedule_(options_.shrink_free_ratio) {}

Backend::~Backend() {
  {
    MutexLock lock(&mu_);
    is_stopping_ = true;
    changed_.SignalAll();
  }
  committer_.Join();
  StopShrinking();
}

void Backend::Shrink(absl::AnyInvocable<void(absl::Status)> done) {
  {
    MutexLock lock(&mu_);
    if (may_shrink_ && !is_stopping_) {
      schedule_.Ask(options_.clock->MonotonicNanos());
      shrink_waiters_.push_back(std::move(done));
      changed_.SignalAll();
      return;
    }
  }
  done(absl::CancelledError("the backend stops"));
}

void Backend::StopShrinking() {
  std::vector<absl::AnyInvocable<void(absl::Status)>> waiters;
  {
    MutexLock lock(&mu_);
    may_shrink_ = false;
    waiters.swap(shrink_waiters_);
  }
  for (auto& waiter : waiters) {
    waiter(absl::CancelledError("the backend stops"));
  }
}

absl::Status Backend::CreateBuckets() {
  ASSIGN_OR_RETURN(const auto pages, engine_->BeginRead());
  ASSIGN_OR_RETURN(const std::vector<std::string> present, pages->Buckets());
  std::vector<std::string> missing;
  for (const std::string& bucket : *buckets_) {
    if (std::find(present.begin(), present.end(), bucket) == present.end()) {
      missing.push_back(bucket);
    }
  }
  if (missing.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const auto txn, engine_->BeginWrite());
  for (const std::string& bucket : missing) {
    RETURN_IF_ERROR(txn->CreateBucket(bucket));
  }
  return txn->Commit();
}

PendingEntry Backend::Put(BucketId bucket, std::string_view key, std::string_view value) {
  return Add(bucket, key, value, /*is_delete=*/false);
}

PendingEntry Backend::Delete(BucketId bucket, std::string_view key) {
  return Add(bucket, key, {}, /*is_delete=*/true);
}

PendingEntry Backend::Add(BucketId bucket, std::string_view key, std::string_view value,
                          bool is_delete) {
  if (active_->count() == 0) {
    oldest_pending_nanos_ = options_.clock->MonotonicNanos();
  }
  return active_->Add(bucket, {.key = key, .value = value, .seq = ++seq_, .is_delete = is_delete});
}

bool Backend::IsSealDue() const {
  if (active_->count() == 0) {
    return false;
  }
  if (active_->count() < static_cast<uint64_t>(options_.batch_limit) && !NeedsRoom() &&
      options_.clock->MonotonicNanos() - oldest_pending_nanos_ < options_.batch_interval_nanos) {
    return false;
  }
  MutexLock lock(&mu_);
  return snapshot_->sealed == nullptr;
}

int64_t Backend::NanosUntilSeal() const {
  if (active_->count() == 0) {
    return -1;
  }
  const int64_t age = options_.clock->MonotonicNanos() - oldest_pending_nanos_;
  return std::max<int64_t>(0, options_.batch_interval_nanos - age);
}

void Backend::Seal() {
  std::shared_ptr<PendingBuffer> sealed = std::move(active_);
  active_ = std::make_shared<PendingBuffer>(buckets_->size());
  MutexLock lock(&mu_);
  CHECK(snapshot_->sealed == nullptr);
  auto next = std::make_shared<BackendSnapshot>(*snapshot_);
  next->sealed = std::move(sealed);
  next->active = active_;
  snapshot_ = std::move(next);
  sealed_seq_ = seq_;
  changed_.SignalAll();
}

bool Backend::NeedsRoom() const {
  return active_->bytes() >= options_.pending_bytes_max / 2;
}

absl::Status Backend::WaitForCommit() {
  MutexLock lock(&mu_);
  while (snapshot_->sealed != nullptr && status_.ok()) {
    changed_.Wait(&mu_);
  }
  return status_;
}

std::shared_ptr<const BackendSnapshot> Backend::snapshot() const {
  MutexLock lock(&mu_);
  return snapshot_;
}

uint64_t Backend::committed_seq() const {
  MutexLock lock(&mu_);
  return committed_seq_;
}

bool Backend::IsCommitting() const {
  MutexLock lock(&mu_);
  return snapshot_->sealed != nullptr;
}

absl::Status Backend::status() const {
  MutexLock lock(&mu_);
  return status_;
}

BackendSize Backend::Size() const {
  MutexLock lock(&mu_);
  const uint64_t active = snapshot_->active->entry_bytes();
  if (snapshot_->sealed != nullptr) {
    // The engine may have it already, and says so before the snapshot does.
    return {.pages = size_, .pending_bytes = active + snapshot_->sealed->entry_bytes()};
  }
  return {.pages = engine_->Size(), .pending_bytes = active};
}

uint64_t Backend::commits() const {
  MutexLock lock(&mu_);
  return commits_;
}

void Backend::CommitterLoop() {
  while (true) {
    std::shared_ptr<const PendingBuffer> buffer;
    if (!AwaitWork(&buffer)) {
      return;
    }
    if (buffer == nullptr) {
      ShrinkStep();
      continue;
    }
    const int64_t start = options_.clock->MonotonicNanos();
    FinishCommit(options_.held_by_commits == nullptr ? CommitBuffer(*buffer)
                                                     : CommitAlone(*buffer));
    if (options_.on_commit) {
      options_.on_commit(options_.clock->MonotonicNanos() - start);
    }
  }
}

bool Backend::AwaitWork(std::shared_ptr<const PendingBuffer>* buffer) {
  MutexLock lock(&mu_);
  while (true) {
    if (status_.ok() && snapshot_->sealed != nullptr) {
      *buffer = snapshot_->sealed;
      return true;
    }
    if (is_stopping_) {
      return false;
    }
    const std::optional<int64_t> due = schedule_.due();
    if (!status_.ok() || !may_shrink_ || !due.has_value()) {
      changed_.Wait(&mu_);
      continue;
    }
    const int64_t wait = *due - options_.clock->MonotonicNanos();
    if (wait <= 0) {
      return true;
    }
    changed_.WaitFor(&mu_, std::chrono::nanoseconds(wait));
  }
}

absl::Status Backend::CommitAlone(const PendingBuffer& buffer) {
  const WriterLock lock(options_.held_by_commits);
  return CommitBuffer(buffer);
}

absl::Status Backend::CommitBuffer(const PendingBuffer& buffer) {
  ASSIGN_OR_RETURN(const auto txn, engine_->BeginWrite());
  for (size_t i = 0; i < buckets_->size(); ++i) {
    const std::string& name = (*buckets_)[i];
    PendingBuffer::Iterator it(buffer, BucketId{static_cast<uint8_t>(i)});
    std::string_view last_key;
    bool is_first = true;
    for (it.SeekToFirst(); it.Valid(); it.Next()) {
      const PendingEntry entry = it.entry();
      if (!is_first && entry.key == last_key) {
        continue;  // An older change of the same key.
      }
      is_first = false;
      last_key = entry.key;
      RETURN_IF_ERROR(entry.is_delete ? txn->Delete(name, entry.key)
                                      : txn->Put(name, entry.key, entry.value));
    }
  }
  return txn->Commit();
}

void Backend::FinishCommit(const absl::Status& status) {
  absl::StatusOr<std::unique_ptr<ReadTxn>> pages =
      status.ok() ? engine_->BeginRead() : absl::StatusOr<std::unique_ptr<ReadTxn>>(status);
  const EngineSize size = engine_->Size();
  std::shared_ptr<const BackendSnapshot>
      old;  // Released outside the lock: it may hold the last pin.
  MutexLock lock(&mu_);
  if (pages.ok()) {
    auto next = std::make_shared<BackendSnapshot>(*snapshot_);
    next->pages = *std::move(pages);
    next->sealed = nullptr;
    old = std::move(snapshot_);
    snapshot_ = std::move(next);
    size_ = size;
    ++commits_;
    committed_seq_ = sealed_seq_;
    schedule_.NoteCommit(size, options_.clock->MonotonicNanos());
  } else {
    PROBE("backend: commit failed");
    status_ = Annotate(pages.status(), "page store commit failed, writing has stopped");
    LogError("page store commit failed, writing has stopped", {{"error", status_}});
  }
  changed_.SignalAll();
}

absl::StatusOr<ShrinkProgress> Backend::TryShrinkStep(std::shared_ptr<const ReadTxn>* pages) {
  ASSIGN_OR_RETURN(const ShrinkProgress progress, engine_->ShrinkStep(options_.shrink_step_bytes));
  if (progress.written_bytes > 0) {
    ASSIGN_OR_RETURN(*pages, engine_->BeginRead());
  }
  return progress;
}

void Backend::ShrinkStep() {
  const int64_t begin = options_.clock->MonotonicNanos();
  std::shared_ptr<const ReadTxn> pages;
  const absl::StatusOr<ShrinkProgress> progress = TryShrinkStep(&pages);
  const EngineSize size = engine_->Size();
  const int64_t end = options_.clock->MonotonicNanos();
  std::vector<absl::AnyInvocable<void(absl::Status)>> answered;
  bool is_moved = false;
  // Released outside the lock, and before the next step: the snapshot before would hold the pages
  // that this one moved.
  std::shared_ptr<const BackendSnapshot> old;
  {
    MutexLock lock(&mu_);
    if (progress.ok()) {
      size_ = size;
      schedule_.NoteStep(*progress, size, begin, end);
      if (pages != nullptr) {
        auto next = std::make_shared<BackendSnapshot>(*snapshot_);
        next->pages = std::move(pages);
        old = std::move(snapshot_);
        snapshot_ = std::move(next);
        is_moved = true;
      }
    } else {
      PROBE("backend: step of shrinking failed");
      schedule_.NoteFailure();
    }
    if (!schedule_.is_running() || schedule_.is_held_by_readers()) {
      answered.swap(shrink_waiters_);
    }
  }
  old.reset();
  if (!progress.ok() && !absl::IsUnimplemented(progress.status())) {
    LogError("shrinking the page store failed, it stays as large as it is",
             {{"error", progress.status()}});
  }
  if (is_moved && options_.on_shrink_step) {
    options_.on_shrink_step(end - begin);
  }
  for (auto& waiter : answered) {
    waiter(progress.status());
  }
}

}  // namespace socle::kv
