// ModelStore: what a Store must answer, said as simply as possible: a copy of all keys for every
// revision.
//
// Laws     1. Shares nothing with the store but requests, results and Validate.
//          2. Answers are text (Describe), so that every field of a result is compared.
// Memory   a copy shares all past revisions with the original: cheap, so that a search may keep many.
// Threads  thread-compatible.
// Source   spec etcd 1.4, 1.6.
#ifndef SOCLE_MVCC_TESTING_MODEL_STORE_H_
#define SOCLE_MVCC_TESTING_MODEL_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "mvcc/log_entry.h"
#include "mvcc/request.h"

namespace socle::mvcc {

struct ModelKv {
  std::string key;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;
  std::string value;
  LeaseId lease = kNoLease;

  bool operator==(const ModelKv&) const = default;

  KeyValueView view() const {
    return {.key = key,
            .create_revision = create_revision,
            .mod_revision = mod_revision,
            .version = version,
            .value = value,
            .lease = lease};
  }
};

using ModelState = std::map<std::string, ModelKv>;

struct ModelEvent {
  int64_t revision = 0;
  bool is_delete = false;
  ModelKv kv;                   // of a delete: key and mod_revision only
  std::optional<ModelKv> prev;  // at revision - 1; none for a creation
};

// The keys at a revision, what changed in it, and all that was before.
struct ModelRevision {
  int64_t revision = 1;
  ModelState state;
  std::vector<ModelEvent> events;
  std::shared_ptr<const ModelRevision> before;

  ~ModelRevision();  // without recursion: the chain is long
};

std::string Describe(const KeyValueView& kv);
std::string Describe(const RangeResult& result);
std::string Describe(const PutResult& result);
std::string Describe(const DeleteRangeResult& result);
std::string Describe(const TxnResult& result);
std::string Describe(const CompactResult& result);
std::string Describe(const LeaseGrantResult& result);
std::string Describe(const LeaseRevokeResult& result);
// The text of the StoreError, or the whole status when it carries none.
std::string DescribeError(const absl::Status& status);

template <typename T>
std::string Describe(const absl::StatusOr<T>& result) {
  return result.ok() ? Describe(*result) : DescribeError(result.status());
}

// True when `key` is in the range as requests give it.
bool IsInRange(const std::string& key, const std::string& begin, const std::string& range_end);

class ModelStore {
 public:
  ModelStore() : newest_(std::make_shared<ModelRevision>()) {}

  // Describes the answer to the operation; checkpoints and system writes answer "done". Requires
  // that it is valid (validate.h).
  std::string Apply(const Operation& operation);

  std::string Read(const RangeRequest& request) const;

  void set_quotas(std::vector<PrefixQuota> quotas) { quotas_ = std::move(quotas); }

  const std::vector<PrefixQuota>& quotas() const { return quotas_; }

  // Bytes of the live keys that begin with `prefix`.
  int64_t LiveBytes(const std::string& prefix) const;

  int64_t revision() const { return newest_->revision; }

  int64_t compact_revision() const { return compact_revision_; }

  // Requires 1 <= revision <= revision(), as the next one.
  const ModelState& StateAt(int64_t revision) const { return At(revision).state; }

  const std::vector<ModelEvent>& EventsAt(int64_t revision) const { return At(revision).events; }

  // Every change since the beginning, in order.
  std::vector<ModelEvent> events() const;

  // True when both answer every later operation alike (system buckets aside).
  bool SameAs(const ModelStore& other) const;

  const std::set<LeaseId>& leases() const { return leases_; }

  // The pairs of a system bucket.
  const std::map<std::string, std::string>& System(const std::string& bucket) {
    return system_[bucket];
  }

 private:
  friend class ModelTxn;

  std::string Do(const PutRequest& request);
  std::string Do(const DeleteRangeRequest& request);
  std::string Do(const TxnRequest& request);
  std::string Do(const CompactOp& op);
  std::string Do(const LeaseGrantOp& op);
  std::string Do(const LeaseRevokeOp& op);
  std::string Do(const CheckpointOp& op);
  std::string Do(const SystemOp& op);

  const ModelRevision& At(int64_t revision) const;

  std::shared_ptr<const ModelRevision> newest_;
  int64_t compact_revision_ = -1;
  std::set<LeaseId> leases_;
  std::set<LeaseId> leases_of_keys_;  // granted by a put with a TTL
  std::vector<PrefixQuota> quotas_;
  std::map<std::string, std::map<std::string, std::string>> system_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_TESTING_MODEL_STORE_H_
