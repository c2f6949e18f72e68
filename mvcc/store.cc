#include "mvcc/store.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "kv/backend/backend.h"
#include "kv/base/check.h"
#include "kv/base/log.h"
#include "kv/base/mutex.h"
#include "kv/base/random.h"
#include "kv/base/status_macros.h"
#include "kv/open_engine.h"
#include "kv/wal/log_tail.h"
#include "kv/wal/wal.h"
#include "mvcc/applier.h"
#include "mvcc/foreign_log.h"
#include "mvcc/hash.h"
#include "mvcc/key_digest.h"
#include "mvcc/log_entry.h"
#include "mvcc/log_replay.h"
#include "mvcc/lost_log.h"
#include "mvcc/range.h"
#include "mvcc/restore.h"
#include "mvcc/schema.h"
#include "mvcc/txn.h"
#include "mvcc/typed_proposal.h"
#include "mvcc/validate.h"
#include "mvcc/watch_hub.h"
#include "mvcc/write_loop.h"

namespace socle::mvcc {
namespace {

// Blocks a caller until the write loop has answered.
template <typename T>
class Answer {
 public:
  Callback<T> callback() {
    return [this](absl::StatusOr<T> result) {
      MutexLock lock(&mu_);
      result_ = std::move(result);
      changed_.Signal();
    };
  }

  absl::StatusOr<T> Wait() {
    MutexLock lock(&mu_);
    while (!result_) {
      changed_.Wait(&mu_);
    }
    return *std::move(result_);
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::optional<absl::StatusOr<T>> result_ ABSL_GUARDED_BY(mu_);
};

void PinRanges(const Pin& pin, TxnResult* result) {
  for (ResponseOp& response : result->responses) {
    if (auto* const range = std::get_if<RangeResult>(&response)) {
      range->pin = pin;
    }
  }
}

std::string Join(const std::string& directory, std::string_view name) {
  return fmt::format("{}/{}", directory, name);
}

size_t RestoreThreads(int wanted) {
  constexpr int kMost = 8;
  if (wanted > 0) {
    return static_cast<size_t>(wanted);
  }
  return static_cast<size_t>(
      std::clamp(static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)), 1, kMost));
}

}  // namespace

class StoreImpl final : public Store {
 public:
  StoreImpl(StoreOptions options, StoreObserver observer)
      : options_(std::move(options)), observer_(std::move(observer)) {}

  ~StoreImpl() override {
    if (loop_ != nullptr) {
      backend_->StopShrinking();
      loop_->Stop();
      hub_.reset();
      loop_->RetractView();
    }
    applier_.reset();  // Before the engine: it holds pages.
    // The committer calls the loop, which must be there until it has stopped.
    backend_.reset();
    loop_.reset();
  }

  absl::Status Init();

  absl::StatusOr<RangeResult> Range(const RangeRequest& request) const override {
    RETURN_IF_ERROR(Validate(request));
    const OldReadLock old_way(HeldByCommits());
    OneReader reader(loop_->TakeView());
    CopyPendingAsBefore(reader.state());
    ASSIGN_OR_RETURN(RangeResult result, ReadRange(reader.state(), request));
    result.pin = std::make_shared<OneReader>(std::move(reader));
    return result;
  }

  void Put(PutRequest request, Callback<PutResult> done) override {
    absl::Status valid = Validate(request);
    Propose(std::move(valid), std::move(request), std::move(done));
  }

  void DeleteRange(DeleteRangeRequest request, Callback<DeleteRangeResult> done) override {
    absl::Status valid = Validate(request);
    Propose(std::move(valid), std::move(request), std::move(done));
  }

  void Txn(TxnRequest request, Callback<TxnResult> done) override {
    txns_.fetch_add(1, std::memory_order_relaxed);
    absl::Status valid = Validate(request, options_.txn_ops_max);
    if (valid.ok() && IsReadOnly(request)) {
      done(ReadTxn(request));
      return;
    }
    Propose(std::move(valid), std::move(request), std::move(done));
  }

  void Compact(int64_t revision, bool physical, Callback<CompactResult> done) override {
    if (!physical) {
      Propose(absl::OkStatus(), CompactOp{.revision = revision}, std::move(done));
      return;
    }
    Propose(absl::OkStatus(), CompactOp{.revision = revision},
            Callback<CompactResult>(
                [this, done = std::move(done)](absl::StatusOr<CompactResult> result) mutable {
                  if (!result.ok()) {
                    done(std::move(result));
                    return;
                  }
                  loop_->WhenCompacted([result = *result, done = std::move(done)](
                                           const absl::Status& status) mutable {
                    done(status.ok() ? absl::StatusOr<CompactResult>(result) : status);
                  });
                }));
  }

  void LeaseGrant(LeaseId id, int64_t ttl_seconds, Callback<LeaseGrantResult> done) override {
    Propose(
        ttl_seconds > kLeaseTtlMax ? MakeError(StoreError::kLeaseTtlTooLarge) : absl::OkStatus(),
        LeaseGrantOp{.id = id, .ttl_seconds = ttl_seconds}, std::move(done));
  }

  void LeaseRevoke(LeaseId id, Callback<LeaseRevokeResult> done) override {
    Propose(absl::OkStatus(), LeaseRevokeOp{.id = id}, std::move(done));
  }

  void LeaseCheckpoints(std::vector<LeaseCheckpoint> checkpoints, Callback<int64_t> done) override {
    Propose(absl::OkStatus(), CheckpointOp{.checkpoints = std::move(checkpoints)}, std::move(done));
  }

  void WriteSystem(std::vector<SystemWrite> writes, Callback<uint64_t> done) override {
    Propose(absl::OkStatus(), SystemOp{.writes = std::move(writes)}, std::move(done));
  }

  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ReadSystem(
      std::string_view bucket) const override {
    const auto id = FindBucket(bucket);
    if (!id) {
      return absl::InvalidArgumentError(fmt::format("no system bucket '{}'", bucket));
    }
    const ReadViewRef view = loop_->TakeView();
    std::vector<std::pair<std::string, std::string>> pairs;
    RETURN_IF_ERROR(view->state().storage->Scan(
        *id, view->state().seq, [&pairs](std::string_view key, std::string_view value) {
          pairs.emplace_back(key, value);
          return absl::OkStatus();
        }));
    return pairs;
  }

  absl::StatusOr<KvHash> HashKv(int64_t revision) const override {
    const ReadViewRef view = loop_->TakeView();
    return mvcc::HashKv(view->state(), revision);
  }

  absl::StatusOr<uint32_t> Hash() override {
    ASSIGN_OR_RETURN(const auto pages, CommitAndRead());
    return HashBuckets(*pages);
  }

  std::unique_ptr<WatchStream> NewWatchStream(std::function<void()> on_ready) override {
    return hub_->NewStream(std::move(on_ready));
  }

  absl::StatusOr<std::unique_ptr<kv::ReadTxn>> CommitAndRead() override {
    Answer<bool> committed;
    loop_->WhenCommitted([done = committed.callback()](const absl::Status& status) mutable {
      done(status.ok() ? absl::StatusOr<bool>(true) : status);
    });
    RETURN_IF_ERROR(committed.Wait().status());
    return backend_->engine()->BeginRead();
  }

  void Shrink(Callback<uint64_t> done) override {
    loop_->WhenCommitted([this, done = std::move(done)](const absl::Status& status) mutable {
      if (!status.ok()) {
        done(std::move(status));
        return;
      }
      backend_->Shrink([this, done = std::move(done)](const absl::Status& shrunk) mutable {
        if (shrunk.ok() || absl::IsUnimplemented(shrunk)) {
          done(backend_->engine()->Size().total_bytes);
        } else {
          done(absl::IsCancelled(shrunk) ? MakeError(StoreError::kStopped) : shrunk);
        }
      });
    });
  }

  void StopShrinking() override { backend_->StopShrinking(); }

  std::unique_ptr<kv::LogTail> TailLog(uint64_t after) const override {
    return std::make_unique<kv::LogTail>(env_, LogDirectory(), restored_.store_id,
                                         kv::LogIndex{after});
  }

  void HoldLog(uint64_t index) override { loop_->HoldLog(index); }

  uint64_t log_index() const override { return loop_->log_index(); }

  uint64_t store_id() const override { return restored_.store_id; }

  int64_t current_revision() const override { return loop_->TakeView()->state().revision; }

  int64_t compact_revision() const override { return loop_->TakeView()->state().compact_revision; }

  StoreStats Stats() const override {
    const kv::BackendSize size = backend_->Size();
    const WatchStats watch = hub_->Stats();
    const ReadViewRef view = loop_->TakeView();
    return {.current_revision = view->state().revision,
            .compact_revision = view->state().compact_revision,
            .log_index = loop_->log_index(),
            .db_size_bytes = size.pages.total_bytes,
            .db_in_use_bytes = size.pages.in_use_bytes,
            .keys = static_cast<int64_t>(view->state().index.live),
            .commits = backend_->commits(),
            .wal_written_bytes = wal_->written_bytes(),
            .pending_bytes = size.pending_bytes,
            .watchers = watch.watchers,
            .watch_streams = watch.streams,
            .slow_watchers = watch.slow_watchers,
            .watch_events_sent = watch.events_sent,
            .pending_events = watch.pending_events,
            .open_reads = backend_->engine()->open_reads(),
            .puts = loop_->puts(),
            .put_bytes = loop_->put_bytes(),
            .deletes = loop_->deletes(),
            .txns = txns_.load(std::memory_order_relaxed),
            .txn_ranges = loop_->txn_ranges() + read_txn_ranges_.load(std::memory_order_relaxed),
            .pending_writes = loop_->pending(),
            .failed_writes = loop_->failed()};
  }

  std::vector<PrefixUsage> PrefixUsages() const override {
    return quotas_ != nullptr ? quotas_->Usage() : std::vector<PrefixUsage>();
  }

  absl::Status Health() const override { return loop_->status(); }

  absl::Status Check() override {
    RETURN_IF_ERROR(backend_->engine()->Check());
    ASSIGN_OR_RETURN(const auto pages, backend_->engine()->BeginRead());
    return CheckKeyDigest(*pages);
  }

  absl::Status Corruption() const override { return corruption_; }

 private:
  absl::Status OpenPages();
  absl::Status ApplyBackup();
  absl::Status OpenLog(LogReplay* replay);
  absl::Status SetPrefixQuotas();

  std::string LogDirectory() const {
    return LogDirectoryOf(options_.directory, options_.wal_directory);
  }

  absl::Status EnsureStoreId(kv::Engine* engine);

  template <typename Request, typename Result>
  void Propose(absl::Status valid, Request request, Callback<Result> done) {
    if (!valid.ok()) {
      done(std::move(valid));
      return;
    }
    Operation operation(std::in_place_type<Request>, std::move(request));
    std::string entry = EncodeOperation(operation);
    if (static_cast<int64_t>(entry.size()) > options_.request_bytes_max) {
      done(MakeError(StoreError::kRequestTooLarge));
      return;
    }
    loop_->Submit(std::make_unique<TypedProposal<Request, Result>>(
        std::move(entry), std::get<Request>(std::move(operation)), std::move(done)));
  }

  // Null but in benchmarks.
  SharedMutex* HeldByCommits() const {
    return options_.old_ways.commit_excludes_reads ? &held_by_commits_ : nullptr;
  }

  void CopyPendingAsBefore(const ReadState& state) const {
    if (options_.old_ways.reads_copy_pending) {
      CopyPending(*state.storage, kKeyBucket);
    }
  }

  absl::StatusOr<TxnResult> ReadTxn(const TxnRequest& request) const {
    const OldReadLock old_way(HeldByCommits());
    OneReader reader(loop_->TakeView());
    CopyPendingAsBefore(reader.state());
    TxnRun run(reader.state());
    ASSIGN_OR_RETURN(TxnResult result, run.Run(request));
    read_txn_ranges_.fetch_add(run.ranges(), std::memory_order_relaxed);
    PinRanges(std::make_shared<OneReader>(std::move(reader)), &result);
    return result;
  }

  StoreOptions options_;
  StoreObserver observer_;
  Env* env_ = nullptr;
  Clock* clock_ = nullptr;
  Restored restored_;
  absl::Status corruption_;
  std::unique_ptr<kv::Backend> backend_;
  std::unique_ptr<kv::Wal> wal_;
  std::unique_ptr<Applier> applier_;
  std::shared_ptr<const PrefixQuotas> quotas_;  // the applier's, since Init; null: none
  std::unique_ptr<WriteLoop> loop_;
  // loop_ for the committer, which runs already while the log is replayed.
  std::atomic<WriteLoop*> noted_loop_{nullptr};
  std::unique_ptr<WatchHub> hub_;
  std::atomic<uint64_t> txns_{0};
  mutable std::atomic<uint64_t> read_txn_ranges_{0};
  mutable SharedMutex held_by_commits_;  // only with OldWays::commit_excludes_reads
};

absl::Status StoreImpl::Init() {
  env_ = options_.env != nullptr ? options_.env : Env::Posix();
  clock_ = options_.clock != nullptr ? options_.clock : Clock::Real();
  RETURN_IF_ERROR(OpenPages());
  const int64_t start = clock_->MonotonicNanos();
  {
    ASSIGN_OR_RETURN(const auto pages, backend_->engine()->BeginRead());
    RETURN_IF_ERROR(RestoreState(*pages,
                                 {.threads = RestoreThreads(options_.restore_threads),
                                  .revisions_per_run = options_.restore_run_revisions},
                                 applier_.get()));
    corruption_ = applier_->corruption();
  }
  RETURN_IF_ERROR(ApplyBackup());
  LogReplay replay(backend_.get(), applier_.get(), restored_.consistent_index);
  RETURN_IF_ERROR(OpenLog(&replay));
  RETURN_IF_ERROR(backend_->status());
  LogInfo("store restored", {{"keys", applier_->index()->keys()},
                             {"revision", applier_->revision()},
                             {"compact-revision", applier_->compact_revision()},
                             {"replayed-log-entries", replay.count()},
                             {"took-ms", (clock_->MonotonicNanos() - start) / kNanosPerMilli}});
  hub_ = std::make_unique<WatchHub>(
      [this] { return loop_->TakeView(); }, clock_,
      WatchHubOptions{.progress_interval_nanos = options_.progress_notify_interval_nanos,
                      .limits = options_.watch_limits});
  loop_->Start(hub_.get());
  return absl::OkStatus();
}

absl::Status StoreImpl::OpenPages() {
  const std::string snap = Join(options_.directory, "member/snap");
  RETURN_IF_ERROR(RefuseEtcdLog(env_, options_.directory, options_.wal_directory));
  RETURN_IF_ERROR(env_->CreateDirs(snap));
  ASSIGN_OR_RETURN(std::unique_ptr<kv::Engine> engine,
                   kv::OpenEngine(env_, snap, options_.engine,
                                  {.freelist_type = options_.freelist_type,
                                   .page_checksums = options_.page_checksums,
                                   .map_size_bytes = options_.map_size_bytes}));
  {
    ASSIGN_OR_RETURN(const auto pages, engine->BeginRead());
    ASSIGN_OR_RETURN(restored_, ReadBookkeeping(*pages));
  }
  if (restored_.has_log) {
    RETURN_IF_ERROR(RefuseLostLog(env_, options_.directory, options_.wal_directory));
  }
  RETURN_IF_ERROR(EnsureStoreId(engine.get()));
  kv::BackendOptions backend_options;
  backend_options.buckets = BucketNames();
  backend_options.batch_interval_nanos = options_.batch_interval_nanos;
  backend_options.batch_limit = options_.batch_limit;
  backend_options.pending_bytes_max = options_.pending_bytes_max;
  backend_options.clock = clock_;
  backend_options.shrink_free_ratio = options_.shrink_free_ratio;
  backend_options.held_by_commits = HeldByCommits();
  backend_options.on_shrink_step = [this](int64_t nanos) {
    if (observer_.shrink_step) {
      observer_.shrink_step(nanos);
    }
    // The loop lets go of the pages before: they hold what the step moved.
    if (WriteLoop* const loop = noted_loop_.load(std::memory_order_acquire)) {
      loop->NoteCommit();
    }
  };
  backend_options.on_commit = [this](int64_t nanos) {
    if (observer_.commit) {
      observer_.commit(nanos);
    }
    if (WriteLoop* const loop = noted_loop_.load(std::memory_order_acquire)) {
      loop->NoteCommit();
    }
  };
  ASSIGN_OR_RETURN(backend_, kv::Backend::Open(std::move(engine), std::move(backend_options)));
  applier_ = std::make_unique<Applier>(backend_.get(), options_.lease_hook);
  applier_->set_walks_index(options_.old_ways.compaction_walks_index);
  return absl::OkStatus();
}

absl::Status StoreImpl::EnsureStoreId(kv::Engine* engine) {
  if (restored_.store_id != 0) {
    return absl::OkStatus();
  }
  restored_.store_id = Random::FreshSeed() | 1U;
  ASSIGN_OR_RETURN(const auto txn, engine->BeginWrite());
  RETURN_IF_ERROR(txn->CreateBucket("meta"));
  RETURN_IF_ERROR(txn->Put("meta", kStoreIdKey, BigEndian64(restored_.store_id)));
  return txn->Commit();
}

absl::Status StoreImpl::ApplyBackup() {
  if (!options_.replay) {
    return absl::OkStatus();
  }
  LogReplay replay(backend_.get(), applier_.get(), restored_.consistent_index);
  replay.set_compacts(true);
  RETURN_IF_ERROR(options_.replay(&replay));
  RETURN_IF_ERROR(replay.Commit());
  restored_.consistent_index = replay.last_index();
  return absl::OkStatus();
}

absl::Status StoreImpl::OpenLog(LogReplay* replay) {
  const std::string directory = LogDirectory();
  RETURN_IF_ERROR(env_->CreateDirs(directory));
  const kv::WalOptions wal_options{.segment_bytes = options_.wal_segment_bytes,
                                   .unsafe_no_sync = options_.unsafe_no_sync,
                                   .store_id = restored_.store_id};
  ASSIGN_OR_RETURN(
      wal_, kv::Wal::Open(env_, directory, wal_options, kv::LogIndex{restored_.consistent_index},
                          [replay](kv::LogIndex index, std::string_view entry) {
                            return replay->Apply(Raw(index), entry);
                          }));
  if (!restored_.has_log) {
    // Before the first answer is given.
    backend_->Put(kMetaBucket, kHasLogKey, "1");
    RETURN_IF_ERROR(replay->Commit());
  }
  RETURN_IF_ERROR(SetPrefixQuotas());
  loop_ = std::make_unique<WriteLoop>(
      backend_.get(), wal_.get(), applier_.get(), clock_,
      WriteLoopOptions{.compaction_batch_limit = options_.compaction_batch_limit,
                       .compaction_sleep_nanos = options_.compaction_sleep_nanos,
                       .hold_log = options_.hold_log,
                       .held_log_bytes_max = options_.held_log_bytes_max},
      observer_, Raw(wal_->last_index()));
  noted_loop_.store(loop_.get(), std::memory_order_release);
  return absl::OkStatus();
}

// They change by an entry of the log like every other state.
absl::Status StoreImpl::SetPrefixQuotas() {
  const std::string stored =
      applier_->quotas() == nullptr ? std::string() : EncodeQuotas(applier_->quotas()->quotas());
  const std::string wanted =
      options_.prefix_quotas.has_value() ? EncodeQuotas(*options_.prefix_quotas) : stored;
  if (wanted != stored) {
    const SystemOp op{.writes = {{.bucket = "meta",
                                  .key = std::string(kPrefixQuotaKey),
                                  .value = wanted,
                                  .is_delete = wanted.empty()}}};
    const std::string entry = EncodeOperation(op);
    RETURN_IF_ERROR(wal_->Append({{entry}}).status());
    RETURN_IF_ERROR(applier_->Apply(op).status());
  }
  quotas_ = applier_->quotas();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(StoreOptions options, StoreObserver observer) {
  auto store = std::make_unique<StoreImpl>(std::move(options), std::move(observer));
  RETURN_IF_ERROR(store->Init());
  return store;
}

absl::StatusOr<PutResult> Store::Put(PutRequest request) {
  Answer<PutResult> answer;
  Put(std::move(request), answer.callback());
  return answer.Wait();
}

absl::StatusOr<DeleteRangeResult> Store::DeleteRange(DeleteRangeRequest request) {
  Answer<DeleteRangeResult> answer;
  DeleteRange(std::move(request), answer.callback());
  return answer.Wait();
}

absl::StatusOr<TxnResult> Store::Txn(TxnRequest request) {
  Answer<TxnResult> answer;
  Txn(std::move(request), answer.callback());
  return answer.Wait();
}

absl::StatusOr<uint64_t> Store::Shrink() {
  Answer<uint64_t> answer;
  Shrink(answer.callback());
  return answer.Wait();
}

absl::StatusOr<CompactResult> Store::Compact(int64_t revision, bool physical) {
  Answer<CompactResult> answer;
  Compact(revision, physical, answer.callback());
  return answer.Wait();
}

absl::StatusOr<LeaseGrantResult> Store::LeaseGrant(LeaseId id, int64_t ttl_seconds) {
  Answer<LeaseGrantResult> answer;
  LeaseGrant(id, ttl_seconds, answer.callback());
  return answer.Wait();
}

absl::StatusOr<LeaseRevokeResult> Store::LeaseRevoke(LeaseId id) {
  Answer<LeaseRevokeResult> answer;
  LeaseRevoke(id, answer.callback());
  return answer.Wait();
}

absl::StatusOr<uint64_t> Store::WriteSystem(std::vector<SystemWrite> writes) {
  Answer<uint64_t> answer;
  WriteSystem(std::move(writes), answer.callback());
  return answer.Wait();
}

}  // namespace socle::mvcc
