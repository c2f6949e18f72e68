// Store: a durable, multi-version, ordered key-value store with watches; THE embedding API.
//
//   auto store = Store::Open({.directory = "/var/lib/x"}).value();
//   int64_t rev = store->Put({.key = "a", .value = "1"})->revision;
//   auto old = store->Range({.key = "a", .revision = rev});
//
// Laws     1. An answered write is durable, and every later read sees it.
//          2. A read sees one revision, whole, and never waits for a writer, a commit or a
//             compaction.
//          3. Writes are applied in one order, the order of the log.
// Threads  thread-safe. Callbacks run on the write loop: they must be quick and must not wait for
//          the store.
// Errors   mvcc/errors.h; DataLoss for broken files; after a failed write or sync of a file every
//          write answers with that first error and reads go on.
// Source   DESIGN 2, 3; spec etcd 1.4 to 1.6.
#ifndef SOCLE_MVCC_STORE_H_
#define SOCLE_MVCC_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include "freelist/freelist.h"
#include "kv/base/clock.h"
#include "kv/engine.h"
#include "kv/env/env.h"
#include "kv/open_engine.h"
#include "mvcc/errors.h"
#include "mvcc/lease_hook.h"
#include "mvcc/old_ways.h"
#include "mvcc/prefix_quota.h"
#include "mvcc/request.h"
#include "mvcc/revision.h"
#include "mvcc/watch.h"

namespace socle::kv {
class LogTail;
}

namespace socle::mvcc {

class LogReplay;

struct StoreOptions {
  std::string
      directory;  // holds member/snap (kv/open_engine.h) and member/socle-wal; made when missing
  std::optional<kv::EngineKind> engine;  // empty: the directory's own, bolt in a new one
  std::string wal_directory;             // empty: in `directory`
  Env* env = nullptr;                    // null: Env::Posix()
  Clock* clock = nullptr;                // null: Clock::Real()
  LeaseHook* lease_hook = nullptr;  // null: leases are refused as unknown; must outlive the store

  int64_t batch_interval_nanos = 100 * kNanosPerMilli;  // pages are committed at least this often …
  int64_t batch_limit = 10'000;                         // … or after this many changes
  uint64_t pending_bytes_max = uint64_t{256} << 20U;    // beyond it writers wait for the committer
  freelist::FreelistType freelist_type = freelist::FreelistType::kHashmap;
  uint64_t map_size_bytes = uint64_t{256} << 30U;
  double shrink_free_ratio = 0;  // the file shrinks when more than this part is free; 0: when asked
  bool page_checksums = false;   // of the page store, in member/snap/db.sums
  uint64_t wal_segment_bytes = 64'000'000;
  // Somebody reads the log as it grows (TailLog): what the pages hold stays in it until HoldLog lets go of it, up to
  // so many bytes.
  bool hold_log = false;
  uint64_t held_log_bytes_max = uint64_t{512} << 20U;
  // Entries of this store's log that the directory's own log does not have (mvcc/log_replay.h): they are applied to
  // the pages before the store opens. Requires an empty log.
  std::function<absl::Status(LogReplay*)> replay;
  int restore_threads = 0;                    // 0: one per core, at most 8
  int64_t restore_run_revisions = 64 * 1024;  // read and sorted at a time; tests take few
  bool unsafe_no_sync = false;

  // In place of those that the directory has; empty: they stay.
  std::optional<std::vector<PrefixQuota>> prefix_quotas;

  int64_t txn_ops_max = 128;
  int64_t request_bytes_max = 1'572'864;
  int64_t compaction_batch_limit = 1'000;
  int64_t compaction_sleep_nanos = 10 * kNanosPerMilli;
  int64_t progress_notify_interval_nanos = 600 * kNanosPerSecond;
  WatchLimits watch_limits;
  OldWays old_ways;  // for benchmarks: what is measured against its absence
};

// A change of one of the small system buckets (alarm, members, cluster, auth …), which only the
// server reads.
struct SystemWrite {
  std::string bucket;
  std::string key;
  std::string value;
  bool is_delete = false;
};

struct StoreStats {
  int64_t current_revision = 1;
  int64_t compact_revision = -1;
  uint64_t log_index = 0;  // last entry of the write-ahead log
  uint64_t db_size_bytes = 0;
  uint64_t db_in_use_bytes = 0;
  int64_t keys = 0;      // live keys
  uint64_t commits = 0;  // page-store commits since open
  uint64_t wal_written_bytes = 0;
  uint64_t pending_bytes = 0;  // of changes that are not in the database yet; no change is in both
  int64_t watchers = 0;
  int64_t watch_streams = 0;
  int64_t slow_watchers = 0;
  uint64_t watch_events_sent = 0;
  int64_t pending_events = 0;  // that wait in the queues of streams
  uint64_t open_reads = 0;
  uint64_t puts = 0;
  uint64_t put_bytes = 0;  // keys and values
  uint64_t deletes = 0;
  uint64_t txns = 0;
  uint64_t txn_ranges = 0;      // range operations within transactions
  uint64_t pending_writes = 0;  // taken in and not answered
  uint64_t failed_writes = 0;   // answered with the error that stopped the store
};

// What an entry of the log asks for.
enum class EntryKind {
  kPut,
  kDeleteRange,
  kTxn,
  kCompaction,
  kLeaseGrant,
  kLeaseRevoke,
  kLeaseCheckpoint,
  kSystem
};
inline constexpr size_t kEntryKinds = static_cast<size_t>(EntryKind::kSystem) + 1;

// What a step of a compaction did.
struct CompactionStep {
  int64_t nanos = 0;       // that writes waited for it
  uint64_t revisions = 0;  // dropped
  int64_t finished_after_nanos =
      -1;  // since the compaction began, when this step was its last; else -1
};

// Duration hooks for metrics: called with nanoseconds, from the threads that do the work.
struct StoreObserver {
  std::function<void(int64_t)> wal_write;  // a batch into the page cache
  std::function<void(int64_t)> wal_sync;
  std::function<void(int64_t)> commit;
  std::function<void(int64_t)> apply;  // one batch
  std::function<void(EntryKind, bool has_succeeded, int64_t)> apply_entry;
  std::function<void(const CompactionStep&)> compaction_step;
  std::function<void(int64_t)> shrink_step;
};

template <typename T>
using Callback = absl::AnyInvocable<void(absl::StatusOr<T>)>;

class Store {
 public:
  static absl::StatusOr<std::unique_ptr<Store>> Open(StoreOptions options,
                                                     StoreObserver observer = {});
  // Finishes what was accepted, commits, and stops. Results and watch streams must be destroyed
  // before, and every call must have returned, also those whose answer came meanwhile.
  virtual ~Store() = default;

  // Reads at one consistent view; linearizable.
  virtual absl::StatusOr<RangeResult> Range(const RangeRequest& request) const = 0;

  // Writes: validated at once (the callback may run before the call returns), then logged, applied,
  // answered.
  virtual void Put(PutRequest request, Callback<PutResult> done) = 0;
  virtual void DeleteRange(DeleteRangeRequest request, Callback<DeleteRangeResult> done) = 0;
  // A transaction of plain ranges only is a read and runs on the calling thread.
  virtual void Txn(TxnRequest request, Callback<TxnResult> done) = 0;
  // `physical`: answers only when the obsolete revisions are gone from the pages.
  virtual void Compact(int64_t revision, bool physical, Callback<CompactResult> done) = 0;
  virtual void LeaseGrant(LeaseId id, int64_t ttl_seconds, Callback<LeaseGrantResult> done) = 0;
  virtual void LeaseRevoke(LeaseId id, Callback<LeaseRevokeResult> done) = 0;
  virtual void LeaseCheckpoints(std::vector<LeaseCheckpoint> checkpoints,
                                Callback<int64_t> done) = 0;
  // Atomic; consumes no revision. Answers with the log index.
  virtual void WriteSystem(std::vector<SystemWrite> writes, Callback<uint64_t> done) = 0;

  // The same, waiting for the answer. Not to be called from callbacks.
  absl::StatusOr<PutResult> Put(PutRequest request);
  absl::StatusOr<DeleteRangeResult> DeleteRange(DeleteRangeRequest request);
  absl::StatusOr<TxnResult> Txn(TxnRequest request);
  absl::StatusOr<CompactResult> Compact(int64_t revision, bool physical = false);
  absl::StatusOr<LeaseGrantResult> LeaseGrant(LeaseId id, int64_t ttl_seconds);
  absl::StatusOr<LeaseRevokeResult> LeaseRevoke(LeaseId id);
  absl::StatusOr<uint64_t> WriteSystem(std::vector<SystemWrite> writes);

  // etcd's checksums (mvcc/hash.h): of the history up to `revision` (0: all of it), and of all
  // buckets. The second commits first.
  virtual absl::StatusOr<KvHash> HashKv(int64_t revision) const = 0;
  virtual absl::StatusOr<uint32_t> Hash() = 0;

  // Every (key, value) of a system bucket, committed or not, in key order.
  virtual absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ReadSystem(
      std::string_view bucket) const = 0;

  // `on_ready` runs on the watch thread: quick, no calls back into the stream but Next().
  virtual std::unique_ptr<WatchStream> NewWatchStream(std::function<void()> on_ready) = 0;

  // Commits everything applied so far to the pages and returns them as a snapshot to stream from.
  virtual absl::StatusOr<std::unique_ptr<kv::ReadTxn>> CommitAndRead() = 0;

  // Commits everything applied so far and makes the page store's file as small as it gets, in small
  // steps while everything else goes on. Answers then, or when only open reads are in the way, with
  // its bytes.
  virtual void Shrink(Callback<uint64_t> done) = 0;
  // Calls of Shrink that wait, or come later, are answered with kStopped.
  virtual void StopShrinking() = 0;
  absl::StatusOr<uint64_t> Shrink();

  // The log's entries behind `after`, as they come; up to log_index() they may be read. Must not outlive the store.
  virtual std::unique_ptr<kv::LogTail> TailLog(uint64_t after) const = 0;
  // With StoreOptions::hold_log: entries up to `index` are not needed any more.
  virtual void HoldLog(uint64_t index) = 0;
  // The newest entry of the log; durable.
  virtual uint64_t log_index() const = 0;
  // Made with the store, in its pages and its log; no copy that `soclectl` makes has it.
  virtual uint64_t store_id() const = 0;

  virtual int64_t current_revision() const = 0;
  virtual int64_t compact_revision() const = 0;
  virtual StoreStats Stats() const = 0;
  // Of StoreOptions::prefix_quotas, by prefix.
  virtual std::vector<PrefixUsage> PrefixUsages() const = 0;
  // OK, or the first error that stopped writing.
  virtual absl::Status Health() const = 0;
  // Verifies the structure of the page store, and that its pages hold what was written (DataLoss).
  virtual absl::Status Check() = 0;
  // OK, or why opening found that the pages do not hold what was written.
  virtual absl::Status Corruption() const = 0;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_STORE_H_
