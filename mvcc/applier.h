// Applier: the state that writes change, and the effect of every logged operation on it.
//
// Laws     1. Deterministic: the same operations in the same order on the same state give the same
//             state.
//          2. An operation that fails has no effect. A revision is consumed only by an operation
//             that changed a key.
//          3. Nothing here is visible to readers before the write loop publishes state().
// Threads  confined to the write loop (and to the opening thread before that).
// Errors   mvcc/errors.h; DataLoss when a record can't be read back: the store then stops writing
//          (failure()).
// Source   spec etcd 1.4, 1.6, 2.2.
#ifndef SOCLE_MVCC_APPLIER_H_
#define SOCLE_MVCC_APPLIER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/backend/backend.h"
#include "mvcc/garbage_queue.h"
#include "mvcc/index.h"
#include "mvcc/key_digest.h"
#include "mvcc/lease_hook.h"
#include "mvcc/log_entry.h"
#include "mvcc/prefix_quota.h"
#include "mvcc/read_view.h"

namespace socle::mvcc {

// One change as watchers see it; its views point into the pending buffer that it was written to.
struct ChangeEvent {
  int64_t revision = 0;
  bool is_delete = false;
  KeyValueView kv;
};

class Applier {
 public:
  // `lease_hook` may be null. Both must outlive the applier.
  Applier(kv::Backend* backend, LeaseHook* lease_hook);

  // The state with everything applied so far; its index is valid until the next operation.
  ReadState state() const;

  absl::StatusOr<PutResult> Apply(const PutRequest& request);
  absl::StatusOr<DeleteRangeResult> Apply(const DeleteRangeRequest& request);
  absl::StatusOr<TxnResult> Apply(const TxnRequest& request);
  absl::StatusOr<CompactResult> Apply(const CompactOp& op);
  absl::StatusOr<LeaseGrantResult> Apply(const LeaseGrantOp& op);
  absl::StatusOr<LeaseRevokeResult> Apply(const LeaseRevokeOp& op);
  absl::StatusOr<int64_t> Apply(const CheckpointOp& op);
  absl::StatusOr<uint64_t> Apply(const SystemOp& op);

  // One revision being made: 0 or more changes between BeginRevision and EndRevision share a main
  // revision. TxnRun and the operations above use them.
  void BeginRevision();
  // The lease that a put of this request grants for its key, unless it is there.
  void GrantForKey(LeaseId id, int64_t ttl_seconds);
  // Requires that a lease other than kNoLease exists.
  void PutKey(std::string_view key, std::string_view value, LeaseId lease);
  // Requires a live key.
  void DeleteKey(std::string_view key);

  // The revision that reads see now: the one before, plus one after the first change.
  int64_t visible_revision() const { return revision_ + (changes_ > 0 ? 1 : 0); }

  // Consumes the revision if there were changes; returns the newest revision.
  int64_t EndRevision();

  bool has_leases() const { return lease_hook_ != nullptr; }

  bool IsLeased(std::string_view key) const {
    return lease_hook_ != nullptr && lease_hook_->LeaseOf(key) != kNoLease;
  }

  bool LeaseExists(LeaseId id) const { return lease_hook_ != nullptr && lease_hook_->Exists(id); }

  // Drops up to `steps` obsolete revisions of the compaction that was asked for; true when none is
  // left and the compaction is finished (or none was going on).
  absl::StatusOr<bool> CompactStep(int64_t steps);

  bool is_compacting() const { return scheduled_compact_ > finished_compact_; }

  // To be called before each seal: what the pages will hold, up to log entry `log_index`.
  void PutBookkeeping(uint64_t log_index);

  // OK, or why the restore found that the pages do not hold what was written.
  const absl::Status& corruption() const { return corruption_; }

  // Takes the changes made since the last call; empty unless wanted.
  std::vector<ChangeEvent> TakeEvents() { return std::exchange(events_, {}); }

  void set_wants_events(bool wants_events) { wants_events_ = wants_events; }

  // OldWays::compaction_walks_index.
  void set_walks_index(bool walks_index) { walks_index_ = walks_index; }

  // Looks at the backend's newest buffers and pages: called after a seal or a commit.
  void RefreshStorage() { storage_ = backend_->snapshot(); }

  const std::shared_ptr<const kv::BackendSnapshot>& storage() const { return storage_; }

  Index* index() { return &index_; }

  // Null when there are none.
  const std::shared_ptr<PrefixQuotas>& quotas() const { return quotas_; }

  // Bytes of a live key and its value; 0 when the key is not live. For keys that quotas cover.
  absl::StatusOr<int64_t> LiveBytes(std::string_view key) const;

  int64_t revision() const { return revision_; }

  int64_t compact_revision() const { return compact_revision_; }

  // OK, or why applying can't go on.
  const absl::Status& failure() const { return failure_; }

  // Remembers the first failure that leaves an operation half applied.
  absl::Status Fail(absl::Status status);

  uint64_t puts() const { return puts_; }

  // Of keys and values.
  uint64_t put_bytes() const { return put_bytes_; }

  uint64_t deletes() const { return deletes_; }

  // Range operations of transactions.
  uint64_t txn_ranges() const { return txn_ranges_; }

  // Revisions that compactions took away.
  uint64_t dropped() const { return dropped_; }

 private:
  friend class Restorer;

  // Takes the stored quotas over and counts what is there.
  absl::Status SetQuotas(std::string_view stored);
  // Before a key that quotas cover gets `bytes`, or goes.
  void CountChange(std::string_view key, std::optional<int64_t> bytes);
  void PutScheduled(int64_t revision);
  void MoveLease(std::string_view key, LeaseId lease);
  void StoreLease(int64_t ttl_seconds, const LeaseCheckpoint& checkpoint);
  // Those that were granted for a key, and have none any more. At the end of an operation: until then another of its puts may
  // name them.
  void DropLeasesOfKeys();
  // DeleteKey that leaves the key's attachment for the caller to end.
  void DeleteLeasedKey(std::string_view key);
  absl::Status DropRevision(HistoryItem item);

  kv::Backend* const backend_;
  LeaseHook* const lease_hook_;
  Index index_;
  GarbageQueue garbage_;
  absl::flat_hash_set<LeaseId> leases_of_keys_;  // granted by GrantForKey
  KeyDigest digest_;
  std::shared_ptr<PrefixQuotas> quotas_;
  absl::Status corruption_;
  std::shared_ptr<const kv::BackendSnapshot> storage_;

  int64_t revision_ = 1;
  int64_t compact_revision_ = -1;
  int64_t scheduled_compact_ = -1;
  int64_t finished_compact_ = -1;

  int64_t changes_ = 0;          // of the revision being made
  std::vector<LeaseId> let_go_;  // by keys in it; kept only while there are leases of keys
  bool wants_events_ = false;
  bool walks_index_ = false;
  uint64_t walked_ = 0;  // so that the walk is not optimised away
  std::vector<ChangeEvent> events_;
  std::string scratch_;  // record being encoded
  absl::Status failure_;
  uint64_t puts_ = 0;
  uint64_t put_bytes_ = 0;
  uint64_t txn_ranges_ = 0;
  uint64_t dropped_ = 0;
  uint64_t deletes_ = 0;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_APPLIER_H_
