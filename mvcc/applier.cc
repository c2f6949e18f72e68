#include "mvcc/applier.h"

#include <algorithm>
#include <utility>

#include "kv/base/bytes.h"
#include "kv/base/check.h"
#include "kv/base/log.h"
#include "kv/base/status_macros.h"
#include "mvcc/errors.h"
#include "mvcc/old_ways.h"
#include "mvcc/range.h"
#include "mvcc/schema.h"
#include "mvcc/txn.h"

namespace socle::mvcc {
namespace {

// leasepb.Lease {ID=1, TTL=2, RemainingTTL=3}, canonical; then three fields of ours, which etcd skips
// and drops when it writes the lease again.
std::string EncodeLease(int64_t ttl_seconds, const LeaseCheckpoint& checkpoint, bool is_of_key) {
  std::string out;
  const std::pair<uint32_t, int64_t> fields[] = {
      {1, Raw(checkpoint.id)},
      {2, ttl_seconds},
      {3, checkpoint.remaining_ttl_seconds},
      {kLeaseNotedField, checkpoint.noted_unix_millis},
      {kLeaseLeftField, checkpoint.left_millis},
      {kLeaseOfKeyField, is_of_key ? 1 : 0},
  };
  for (const auto& [number, value] : fields) {
    if (value != 0) {
      AppendVarint(number << 3U, &out);
      AppendVarint(static_cast<uint64_t>(value), &out);
    }
  }
  return out;
}

std::string LeaseKey(LeaseId id) {
  return BigEndian64(static_cast<uint64_t>(Raw(id)));
}

}  // namespace

Applier::Applier(kv::Backend* backend, LeaseHook* lease_hook)
    : backend_(backend), lease_hook_(lease_hook), storage_(backend->snapshot()) {}

ReadState Applier::state() const {
  return {.revision = visible_revision(),
          .compact_revision = compact_revision_,
          .index = index_.root(),
          .storage = storage_,
          .seq = backend_->seq()};
}

absl::Status Applier::Fail(absl::Status status) {
  if (failure_.ok()) {
    failure_ = Annotate(status, "a logged operation can't be applied, writing has stopped");
    LogError("a logged operation can't be applied, writing has stopped", {{"error", status}});
  }
  return failure_;
}

void Applier::BeginRevision() {
  changes_ = 0;
}

int64_t Applier::EndRevision() {
  if (changes_ > 0) {
    ++revision_;
    changes_ = 0;
  }
  if (!let_go_.empty()) [[unlikely]] {
    DropLeasesOfKeys();
  }
  return revision_;
}

void Applier::MoveLease(std::string_view key, LeaseId lease) {
  if (lease_hook_ == nullptr) {
    return;
  }
  const LeaseId old = lease_hook_->LeaseOf(key);
  if (old == lease) {
    return;
  }
  if (old != kNoLease) {
    lease_hook_->Detach(old, key);
    if (!leases_of_keys_.empty()) [[unlikely]] {
      let_go_.push_back(old);
    }
  }
  if (lease != kNoLease) {
    lease_hook_->Attach(lease, key);
  }
}

void Applier::StoreLease(int64_t ttl_seconds, const LeaseCheckpoint& checkpoint) {
  backend_->Put(kLeaseBucket, LeaseKey(checkpoint.id),
                EncodeLease(ttl_seconds, checkpoint, leases_of_keys_.contains(checkpoint.id)));
}

void Applier::GrantForKey(LeaseId id, int64_t ttl_seconds) {
  if (lease_hook_->Exists(id)) {
    return;  // two puts of one transaction share it
  }
  leases_of_keys_.insert(id);
  lease_hook_->Grant(id, ttl_seconds, 0);
  StoreLease(ttl_seconds, {.id = id});
}

void Applier::DropLeasesOfKeys() {
  for (const LeaseId id : let_go_) {
    // Another key may hang on it, and two keys may have let go of it.
    if (leases_of_keys_.contains(id) && lease_hook_->KeysOf(id).empty()) {
      lease_hook_->Revoke(id);
      backend_->Delete(kLeaseBucket, LeaseKey(id));
      leases_of_keys_.erase(id);
    }
  }
  let_go_.clear();
}

void Applier::PutKey(std::string_view key, std::string_view value, LeaseId lease) {
  if (quotas_ != nullptr) [[unlikely]] {
    CountChange(key, static_cast<int64_t>(key.size() + value.size()));
  }
  const Revision at{revision_ + 1, changes_++};
  const Index::Added added = index_.Add(key, at, /*is_tombstone=*/false);
  if (added.superseded && !added.superseded->is_tombstone()) {
    garbage_.AddSuperseded(*added.superseded, at.main);
  }
  scratch_.clear();
  AppendRecord({.key = key,
                .create_revision = added.entry->create_revision,
                .mod_revision = at.main,
                .version = added.entry->version,
                .value = value,
                .lease = lease},
               &scratch_);
  const kv::PendingEntry stored = backend_->Put(kKeyBucket, RevisionKey(at).view(), scratch_);
  digest_.Add(stored.key, stored.value);
  MoveLease(key, lease);
  ++puts_;
  put_bytes_ += key.size() + value.size();
  if (wants_events_) {
    const auto kv = DecodeRecord(stored.value);
    CHECK(kv.has_value());
    events_.push_back({.revision = at.main, .is_delete = false, .kv = *kv});
  }
}

void Applier::DeleteKey(std::string_view key) {
  DeleteLeasedKey(key);
  MoveLease(key, kNoLease);
}

void Applier::DeleteLeasedKey(std::string_view key) {
  if (quotas_ != nullptr) [[unlikely]] {
    CountChange(key, std::nullopt);
  }
  const Revision at{revision_ + 1, changes_++};
  const Index::Added added = index_.Add(key, at, /*is_tombstone=*/true);
  garbage_.AddSuperseded(*added.superseded, at.main);
  garbage_.AddTombstone(HistoryItem(at, true));
  scratch_.clear();
  AppendRecord({.key = key, .value = {}}, &scratch_);
  const kv::PendingEntry stored = backend_->Put(kKeyBucket, RevisionKey(at, true).view(), scratch_);
  digest_.Add(stored.key, stored.value);
  ++deletes_;
  if (wants_events_) {
    const auto kv = DecodeRecord(stored.value);
    CHECK(kv.has_value());
    events_.push_back({.revision = at.main,
                       .is_delete = true,
                       .kv = {.key = kv->key, .mod_revision = at.main, .value = {}}});
  }
}

absl::StatusOr<PutResult> Applier::Apply(const PutRequest& request) {
  TxnRun run(this);
  return run.RunPut(request);
}

absl::StatusOr<DeleteRangeResult> Applier::Apply(const DeleteRangeRequest& request) {
  TxnRun run(this);
  return run.RunDeleteRange(request);
}

absl::StatusOr<TxnResult> Applier::Apply(const TxnRequest& request) {
  TxnRun run(this);
  absl::StatusOr<TxnResult> result = run.Run(request);
  txn_ranges_ += run.ranges();
  return result;
}

void Applier::PutScheduled(int64_t revision) {
  backend_->Put(kMetaBucket, kScheduledCompactKey, RevisionKey({revision, 0}).view());
}

void Applier::PutBookkeeping(uint64_t log_index) {
  backend_->Put(kMetaBucket, kConsistentIndexKey, BigEndian64(log_index));
  backend_->Put(kMetaBucket, kKeyDigestKey,
                EncodeDigest({.consistent_index = log_index,
                              .revision = revision_,
                              .finished_compact = finished_compact_},
                             digest_));
}

absl::StatusOr<CompactResult> Applier::Apply(const CompactOp& op) {
  if (op.revision <= compact_revision_) {
    return MakeError(StoreError::kCompacted);
  }
  if (op.revision > revision_) {
    return MakeError(StoreError::kFutureRevision);
  }
  if (walks_index_) {
    walked_ += WalkIndex(index_.root());
  }
  compact_revision_ = op.revision;
  scheduled_compact_ = op.revision;
  PutScheduled(op.revision);
  return CompactResult{.revision = revision_};
}

absl::StatusOr<LeaseGrantResult> Applier::Apply(const LeaseGrantOp& op) {
  if (lease_hook_ == nullptr) {
    return absl::FailedPreconditionError("this store was opened without leases");
  }
  if (lease_hook_->Exists(op.id)) {
    return MakeError(StoreError::kLeaseExists);
  }
  lease_hook_->Grant(op.id, op.ttl_seconds, 0);
  StoreLease(op.ttl_seconds, {.id = op.id});
  return LeaseGrantResult{.revision = revision_};
}

absl::StatusOr<LeaseRevokeResult> Applier::Apply(const LeaseRevokeOp& op) {
  if (!LeaseExists(op.id)) {
    return MakeError(StoreError::kLeaseNotFound);
  }
  BeginRevision();
  for (const std::string& key : lease_hook_->KeysOf(op.id)) {
    const KeyEntry* const entry = index_.Find(key);
    if (entry != nullptr && entry->is_live()) {
      DeleteLeasedKey(key);
    }
  }
  lease_hook_->Revoke(op.id);  // With it go all its attachments at once.
  leases_of_keys_.erase(op.id);
  backend_->Delete(kLeaseBucket, LeaseKey(op.id));
  return LeaseRevokeResult{.revision = EndRevision()};
}

absl::StatusOr<int64_t> Applier::Apply(const CheckpointOp& op) {
  for (const LeaseCheckpoint& checkpoint : op.checkpoints) {
    if (!LeaseExists(checkpoint.id)) {
      continue;
    }
    lease_hook_->Checkpoint(checkpoint);
    StoreLease(lease_hook_->GrantedTtl(checkpoint.id), checkpoint);
  }
  return revision_;
}

absl::StatusOr<uint64_t> Applier::Apply(const SystemOp& op) {
  for (const SystemWrite& write : op.writes) {
    const auto bucket = FindBucket(write.bucket);
    // Revisions and leases have operations of their own.
    if (!bucket || *bucket == kKeyBucket || *bucket == kLeaseBucket) {
      return absl::InvalidArgumentError(fmt::format("no system bucket '{}'", write.bucket));
    }
  }
  for (const SystemWrite& write : op.writes) {
    const kv::BucketId bucket = *FindBucket(write.bucket);
    if (write.is_delete) {
      backend_->Delete(bucket, write.key);
    } else {
      backend_->Put(bucket, write.key, write.value);
    }
    if (bucket == kMetaBucket && write.key == kPrefixQuotaKey) {
      const absl::Status set = SetQuotas(write.is_delete ? std::string_view() : write.value);
      if (!set.ok()) {
        return Fail(set);
      }
    }
  }
  return 0;
}

absl::StatusOr<int64_t> Applier::LiveBytes(std::string_view key) const {
  const KeyEntry* const entry = index_.Find(key);
  if (entry == nullptr || !entry->is_live()) {
    return 0;
  }
  ASSIGN_OR_RETURN(const KeyValueView kv, state().Record(entry->newest.revision()));
  return static_cast<int64_t>(kv.key.size() + kv.value.size());
}

absl::Status Applier::SetQuotas(std::string_view stored) {
  ASSIGN_OR_RETURN(std::vector<PrefixQuota> quotas, DecodeQuotas(stored));
  if (quotas.empty()) {
    quotas_ = nullptr;
    return absl::OkStatus();
  }
  quotas_ = std::make_shared<PrefixQuotas>(quotas);
  const ReadState now = state();
  for (const PrefixQuota& quota : quotas) {
    // What lies within another prefix is counted with it, and so is a second quota of the same.
    const bool is_counted =
        std::any_of(quotas.begin(), quotas.end(), [&](const PrefixQuota& other) {
          return quota.prefix.starts_with(other.prefix) &&
                 (other.prefix.size() < quota.prefix.size() || &other < &quota);
        });
    if (is_counted) {
      continue;
    }
    std::string end;
    absl::Status status;
    VisitLive(now.index, IntervalOfPrefix(quota.prefix, &end), now.revision,
              [&](const KeyEntry& entry, HistoryItem item) {
                const absl::StatusOr<KeyValueView> kv = now.Record(item.revision());
                status = kv.status();
                if (kv.ok()) {
                  quotas_->Count(entry.key(),
                                 static_cast<int64_t>(kv->key.size() + kv->value.size()), 1);
                }
                return status.ok();
              });
    RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

void Applier::CountChange(std::string_view key, std::optional<int64_t> bytes) {
  if (!quotas_->Covers(key)) {
    return;
  }
  const absl::StatusOr<int64_t> before = LiveBytes(key);
  if (!before.ok()) {
    Fail(before.status()).IgnoreError();  // remembered: writing stops
    return;
  }
  const int64_t was_there = *before > 0 ? 1 : 0;  // no key is empty
  quotas_->Count(key, bytes.value_or(0) - *before, (bytes.has_value() ? 1 : 0) - was_there);
}

absl::StatusOr<bool> Applier::CompactStep(int64_t steps) {
  if (!is_compacting()) {
    return true;
  }
  for (int64_t i = 0; i < steps; ++i) {
    const auto item = garbage_.PopUpTo(scheduled_compact_);
    if (!item) {
      finished_compact_ = scheduled_compact_;
      backend_->Put(kMetaBucket, kFinishedCompactKey, RevisionKey({finished_compact_, 0}).view());
      return true;
    }
    const absl::Status dropped = DropRevision(*item);
    if (!dropped.ok()) {
      return Fail(dropped);
    }
    ++dropped_;
  }
  return false;
}

absl::Status Applier::DropRevision(HistoryItem item) {
  const RevisionKey revision_key(item.revision(), item.is_tombstone());
  ASSIGN_OR_RETURN(const auto bytes,
                   storage_->Get(kKeyBucket, revision_key.view(), backend_->seq()));
  if (!bytes) {
    return absl::OkStatus();  // What is queued is stored: no state that we know leads here.
  }
  const auto kv = DecodeRecord(*bytes);
  if (!kv) {
    return absl::DataLossError(fmt::format("revision {}/{} does not hold a key-value record",
                                           item.main(), item.revision().sub));
  }
  index_.Compact(kv->key, scheduled_compact_);
  digest_.Subtract(revision_key.view(), *bytes);
  backend_->Delete(kKeyBucket, revision_key.view());
  return absl::OkStatus();
}

}  // namespace socle::mvcc
