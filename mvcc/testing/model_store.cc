#include "mvcc/testing/model_store.h"

#include <algorithm>
#include <memory>
#include <variant>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "mvcc/errors.h"

namespace socle::mvcc {
namespace {

const std::string kZero(1, '\0');

std::string Join(const std::vector<KeyValueView>& kvs) {
  std::string text;
  for (const KeyValueView& kv : kvs) {
    text += Describe(kv) + " ";
  }
  return text;
}

std::string DescribeOp(const ResponseOp& response) {
  if (const auto* const nested = std::get_if<std::unique_ptr<TxnResult>>(&response)) {
    return Describe(**nested);
  }
  if (const auto* const range = std::get_if<RangeResult>(&response)) {
    return Describe(*range);
  }
  if (const auto* const put = std::get_if<PutResult>(&response)) {
    return Describe(*put);
  }
  return Describe(std::get<DeleteRangeResult>(response));
}

bool Passes(const RangeRequest& r, const KeyValueView& kv) {
  return (r.min_mod_revision == 0 || kv.mod_revision >= r.min_mod_revision) &&
         (r.max_mod_revision == 0 || kv.mod_revision <= r.max_mod_revision) &&
         (r.min_create_revision == 0 || kv.create_revision >= r.min_create_revision) &&
         (r.max_create_revision == 0 || kv.create_revision <= r.max_create_revision);
}

// A sort key that makes every target a comparison of pairs.
std::pair<int64_t, std::string_view> SortKey(SortTarget target, const KeyValueView& kv) {
  switch (target) {
    case SortTarget::kKey:
      return {0, kv.key};
    case SortTarget::kVersion:
      return {kv.version, ""};
    case SortTarget::kCreate:
      return {kv.create_revision, ""};
    case SortTarget::kMod:
      return {kv.mod_revision, ""};
    case SortTarget::kValue:
      return {0, kv.value};
  }
  return {};
}

RangeResult RangeOf(const ModelState& state, const RangeRequest& r) {
  RangeResult result;
  for (const auto& [key, kv] : state) {
    if (IsInRange(key, r.key, r.range_end)) {
      result.kvs.push_back(kv.view());
    }
  }
  result.count = static_cast<int64_t>(result.kvs.size());
  if (r.count_only) {
    result.kvs.clear();
    return result;
  }
  const bool has_filters = r.min_mod_revision != 0 || r.max_mod_revision != 0 ||
                           r.min_create_revision != 0 || r.max_create_revision != 0;
  const bool is_default_order =
      r.sort_order == SortOrder::kNone ||
      (r.sort_order == SortOrder::kAscend && r.sort_target == SortTarget::kKey);
  if (r.limit > 0 && is_default_order && !has_filters && result.count > r.limit) {
    result.kvs.resize(static_cast<size_t>(r.limit) + 1);
  }
  std::erase_if(result.kvs, [&r](const KeyValueView& kv) { return !Passes(r, kv); });
  const bool is_descending = r.sort_order == SortOrder::kDescend;
  std::stable_sort(result.kvs.begin(), result.kvs.end(),
                   [&](const KeyValueView& a, const KeyValueView& b) {
                     const auto x = SortKey(r.sort_target, a);
                     const auto y = SortKey(r.sort_target, b);
                     return is_descending ? y < x : x < y;
                   });
  if (r.limit > 0 && static_cast<int64_t>(result.kvs.size()) > r.limit) {
    result.kvs.resize(static_cast<size_t>(r.limit));
    result.more = true;
  }
  for (KeyValueView& kv : result.kvs) {
    kv.value = r.keys_only ? std::string_view() : kv.value;
  }
  return result;
}

}  // namespace

std::string Describe(const KeyValueView& kv) {
  return fmt::format("'{}'='{}'(c{} m{} v{} l{})", kv.key, kv.value, kv.create_revision,
                     kv.mod_revision, kv.version, Raw(kv.lease));
}

std::string Describe(const RangeResult& result) {
  return fmt::format("range@{} count {} more {}: {}", result.revision, result.count, result.more,
                     Join(result.kvs));
}

std::string Describe(const PutResult& result) {
  return fmt::format("put@{} prev {}", result.revision,
                     result.prev_kv ? Describe(*result.prev_kv) : "none");
}

std::string Describe(const DeleteRangeResult& result) {
  return fmt::format("delete@{} {} keys: {}", result.revision, result.deleted,
                     Join(result.prev_kvs));
}

std::string Describe(const TxnResult& result) {
  std::string text = fmt::format("txn@{} {} {{", result.revision, result.succeeded);
  for (const ResponseOp& response : result.responses) {
    text += DescribeOp(response) + "; ";
  }
  return text + "}";
}

std::string Describe(const CompactResult& result) {
  return fmt::format("compact@{}", result.revision);
}

std::string Describe(const LeaseGrantResult& result) {
  return fmt::format("grant@{}", result.revision);
}

std::string Describe(const LeaseRevokeResult& result) {
  return fmt::format("revoke@{}", result.revision);
}

std::string DescribeError(const absl::Status& status) {
  const auto error = ErrorOf(status);
  return error ? std::string(TextOf(*error)) : status.ToString();
}

bool IsInRange(const std::string& key, const std::string& begin, const std::string& range_end) {
  if (range_end.empty()) {
    return key == begin;
  }
  return key >= begin && (range_end == kZero || key < range_end);
}

// One operation on the newest state: `before` is what compares see, `now` what is being made.
class ModelTxn {
 public:
  explicit ModelTxn(ModelStore* store)
      : store_(store), newest_(store->newest_), before_(newest_->state), now_(before_) {}

  absl::Status Check(const TxnRequest& txn, bool is_range_pass) const {
    for (const RequestOp& op : Branch(txn)) {
      if (const auto* const nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
        const absl::Status status = Check(**nested, is_range_pass);
        if (!status.ok()) {
          return status;
        }
      } else if (const auto* const put = std::get_if<PutRequest>(&op);
                 put != nullptr && !is_range_pass) {
        const absl::Status status = CheckPut(*put);
        if (!status.ok()) {
          return status;
        }
      } else if (const auto* const range = std::get_if<RangeRequest>(&op);
                 range != nullptr && is_range_pass && range->revision != 0) {
        if (range->revision > store_->revision()) {
          return MakeError(StoreError::kFutureRevision);
        }
        if (range->revision < store_->compact_revision_) {
          return MakeError(StoreError::kCompacted);
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckPut(const PutRequest& put) const {
    if ((put.ignore_value || put.ignore_lease) && !before_.contains(put.key)) {
      return MakeError(StoreError::kKeyNotFound);
    }
    return CheckLease(put);
  }

  absl::Status CheckLease(const PutRequest& put) const {
    const bool is_there = store_->leases_.contains(put.lease);
    if (put.ttl_seconds != 0) {
      return is_there ? MakeError(StoreError::kLeaseExists) : absl::OkStatus();
    }
    return put.lease == kNoLease || is_there ? absl::OkStatus()
                                             : MakeError(StoreError::kLeaseNotFound);
  }

  // Everything that the operation would put.
  void Collect(const TxnRequest& txn, std::vector<const PutRequest*>* puts) const {
    for (const RequestOp& op : Branch(txn)) {
      if (const auto* const nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
        Collect(**nested, puts);
      } else if (const auto* const put = std::get_if<PutRequest>(&op)) {
        puts->push_back(put);
      }
    }
  }

  absl::Status CheckQuotas(const std::vector<const PutRequest*>& puts) const {
    for (const PrefixQuota& quota : store_->quotas_) {
      int64_t added = 0;
      for (const PutRequest* const put : puts) {
        const auto old = before_.find(put->key);
        if (put->key.starts_with(quota.prefix) && !put->ignore_value) {
          added += static_cast<int64_t>(put->key.size() + put->value.size());
          added -= old == before_.end() ? 0 : SizeOf(old->second);
        }
      }
      if (added > 0 && store_->LiveBytes(quota.prefix) + added > quota.limit_bytes) {
        return MakeError(StoreError::kPrefixQuota);
      }
    }
    return absl::OkStatus();
  }

  static int64_t SizeOf(const ModelKv& kv) {
    return static_cast<int64_t>(kv.key.size() + kv.value.size());
  }

  TxnResult Run(const TxnRequest& txn) {
    TxnResult result;
    result.succeeded = Succeeds(txn);
    for (const RequestOp& op : Branch(txn)) {
      if (const auto* const nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
        result.responses.emplace_back(std::make_unique<TxnResult>(Run(**nested)));
      } else if (const auto* const put = std::get_if<PutRequest>(&op)) {
        result.responses.emplace_back(Run(*put));
      } else if (const auto* const range = std::get_if<DeleteRangeRequest>(&op)) {
        result.responses.emplace_back(Run(*range));
      } else if (const auto* const read = std::get_if<RangeRequest>(&op)) {
        const bool is_old = read->revision > 0 && read->revision <= store_->revision();
        RangeResult response =
            RangeOf(Keep(is_old ? store_->StateAt(read->revision) : now_), *read);
        response.revision = visible();
        result.responses.emplace_back(std::move(response));
      }
    }
    return result;
  }

  PutResult Run(const PutRequest& put) {
    PutResult result;
    ModelKv kv{.key = put.key, .value = put.value, .lease = put.lease};
    kv.create_revision = kv.mod_revision = store_->revision() + 1;
    kv.version = 1;
    if (put.ttl_seconds != 0) {
      store_->leases_.insert(put.lease);
      store_->leases_of_keys_.insert(put.lease);
    }
    if (const auto old = now_.find(put.key); old != now_.end()) {
      kv.create_revision = old->second.create_revision;
      kv.version = old->second.version + 1;
      kv.value = put.ignore_value ? old->second.value : kv.value;
      kv.lease = put.ignore_lease ? old->second.lease : kv.lease;
      if (put.prev_kv) {
        result.prev_kv = Keep(now_).at(put.key).view();
      }
    }
    now_[put.key] = kv;
    Record(/*is_delete=*/false, kv);
    result.revision = visible();
    return result;
  }

  DeleteRangeResult Run(const DeleteRangeRequest& request) {
    DeleteRangeResult result;
    const ModelState& old = Keep(now_);
    for (const auto& [key, kv] : old) {
      if (IsInRange(key, request.key, request.range_end)) {
        Delete(key);
        ++result.deleted;
        if (request.prev_kv) {
          result.prev_kvs.push_back(kv.view());
        }
      }
    }
    result.revision = visible();
    return result;
  }

  void Delete(const std::string& key) {
    now_.erase(key);
    Record(/*is_delete=*/true, {.key = key, .mod_revision = store_->revision() + 1});
  }

  // A lease of a key goes when no key has it any more.
  void DropLeasesOfKeys() {
    std::erase_if(store_->leases_of_keys_, [this](LeaseId id) {
      const bool is_used = std::any_of(now_.begin(), now_.end(),
                                       [id](const auto& pair) { return pair.second.lease == id; });
      if (!is_used) {
        store_->leases_.erase(id);
      }
      return !is_used;
    });
  }

  int64_t Finish() {
    DropLeasesOfKeys();
    if (!events_.empty()) {
      auto next = std::make_shared<ModelRevision>();
      next->revision = newest_->revision + 1;
      next->state = std::move(now_);
      next->events = std::move(events_);
      next->before = newest_;
      store_->newest_ = std::move(next);
    }
    return store_->revision();
  }

  const ModelState& before() const { return before_; }

 private:
  int64_t visible() const { return store_->revision() + (events_.empty() ? 0 : 1); }

  void Record(bool is_delete, const ModelKv& kv) {
    ModelEvent event{.revision = store_->revision() + 1, .is_delete = is_delete, .kv = kv};
    const auto prev = before_.find(kv.key);
    if (prev != before_.end() && (is_delete || kv.create_revision != kv.mod_revision)) {
      event.prev = prev->second;
    }
    events_.push_back(std::move(event));
  }

  // A copy that lives as long as the results that point into it.
  const ModelState& Keep(const ModelState& state) {
    return *kept_.emplace_back(std::make_unique<ModelState>(state));
  }

  bool Succeeds(const TxnRequest& txn) const {
    return std::all_of(txn.compares.begin(), txn.compares.end(),
                       [this](const Compare& compare) { return Holds(compare); });
  }

  const std::vector<RequestOp>& Branch(const TxnRequest& txn) const {
    return Succeeds(txn) ? txn.success : txn.failure;
  }

  bool Holds(const Compare& compare) const {
    bool is_empty = true;
    for (const auto& [key, kv] : before_) {
      if (IsInRange(key, compare.key, compare.range_end)) {
        is_empty = false;
        if (!HoldsFor(compare, kv)) {
          return false;
        }
      }
    }
    return !is_empty || (compare.target != CompareTarget::kValue && HoldsFor(compare, {}));
  }

  static bool HoldsFor(const Compare& compare, const ModelKv& kv) {
    const std::map<CompareTarget, int64_t> numbers = {
        {CompareTarget::kVersion, kv.version},
        {CompareTarget::kCreate, kv.create_revision},
        {CompareTarget::kMod, kv.mod_revision},
        {CompareTarget::kLease, Raw(kv.lease)},
    };
    const bool is_value = compare.target == CompareTarget::kValue;
    const bool is_less =
        is_value ? kv.value < compare.value : numbers.at(compare.target) < compare.number;
    const bool is_greater =
        is_value ? kv.value > compare.value : numbers.at(compare.target) > compare.number;
    switch (compare.op) {
      case CompareOp::kEqual:
        return !is_less && !is_greater;
      case CompareOp::kGreater:
        return is_greater;
      case CompareOp::kLess:
        return is_less;
      case CompareOp::kNotEqual:
        return is_less || is_greater;
    }
    return false;
  }

  ModelStore* const store_;
  const std::shared_ptr<const ModelRevision> newest_;
  const ModelState& before_;
  ModelState now_;
  std::vector<ModelEvent> events_;
  std::vector<std::unique_ptr<ModelState>> kept_;
};

ModelRevision::~ModelRevision() {
  while (before != nullptr && before.use_count() == 1) {
    // Ours alone: its own chain is taken before it goes.
    auto* const last = const_cast<ModelRevision*>(before.get());
    std::shared_ptr<const ModelRevision> next = std::move(last->before);
    before = std::move(next);
  }
}

const ModelRevision& ModelStore::At(int64_t revision) const {
  CHECK_GE(revision, 1);
  CHECK_LE(revision, newest_->revision);
  const ModelRevision* at = newest_.get();
  while (at->revision > revision) {
    at = at->before.get();
  }
  return *at;
}

std::vector<ModelEvent> ModelStore::events() const {
  std::vector<const ModelRevision*> path;
  for (const ModelRevision* at = newest_.get(); at != nullptr; at = at->before.get()) {
    path.push_back(at);
  }
  std::vector<ModelEvent> events;
  for (auto at = path.rbegin(); at != path.rend(); ++at) {
    events.insert(events.end(), (*at)->events.begin(), (*at)->events.end());
  }
  return events;
}

bool ModelStore::SameAs(const ModelStore& other) const {
  if (revision() != other.revision() || compact_revision_ != other.compact_revision_ ||
      leases_ != other.leases_ || leases_of_keys_ != other.leases_of_keys_) {
    return false;
  }
  const ModelRevision* mine = newest_.get();
  const ModelRevision* theirs = other.newest_.get();
  while (mine != theirs && mine->state == theirs->state) {
    mine = mine->before.get();
    theirs = theirs->before.get();
  }
  return mine == theirs;
}

std::string ModelStore::Read(const RangeRequest& request) const {
  const int64_t at = request.revision <= 0 ? revision() : request.revision;
  if (at > revision()) {
    return std::string(TextOf(StoreError::kFutureRevision));
  }
  if (at < compact_revision_) {
    return std::string(TextOf(StoreError::kCompacted));
  }
  RangeResult result = RangeOf(StateAt(at), request);
  result.revision = revision();
  return Describe(result);
}

std::string ModelStore::Apply(const Operation& operation) {
  return std::visit([this](const auto& op) { return Do(op); }, operation);
}

std::string ModelStore::Do(const PutRequest& request) {
  ModelTxn txn(this);
  if (const absl::Status status = txn.CheckLease(request); !status.ok()) {
    return DescribeError(status);
  }
  if (const absl::Status status = txn.CheckPut(request); !status.ok()) {
    return DescribeError(status);
  }
  if (const absl::Status status = txn.CheckQuotas({&request}); !status.ok()) {
    return DescribeError(status);
  }
  const std::string text = Describe(txn.Run(request));
  txn.Finish();
  return text;
}

int64_t ModelStore::LiveBytes(const std::string& prefix) const {
  int64_t bytes = 0;
  for (const auto& [key, kv] : newest_->state) {
    bytes += key.starts_with(prefix) ? ModelTxn::SizeOf(kv) : 0;
  }
  return bytes;
}

std::string ModelStore::Do(const DeleteRangeRequest& request) {
  ModelTxn txn(this);
  const std::string text = Describe(txn.Run(request));
  txn.Finish();
  return text;
}

std::string ModelStore::Do(const TxnRequest& request) {
  ModelTxn txn(this);
  for (const bool is_range_pass : {false, true}) {
    if (const absl::Status status = txn.Check(request, is_range_pass); !status.ok()) {
      return DescribeError(status);
    }
  }
  std::vector<const PutRequest*> puts;
  txn.Collect(request, &puts);
  if (const absl::Status status = txn.CheckQuotas(puts); !status.ok()) {
    return DescribeError(status);
  }
  TxnResult result = txn.Run(request);
  result.revision = txn.Finish();
  return Describe(result);
}

std::string ModelStore::Do(const CompactOp& op) {
  if (op.revision <= compact_revision_) {
    return std::string(TextOf(StoreError::kCompacted));
  }
  if (op.revision > revision()) {
    return std::string(TextOf(StoreError::kFutureRevision));
  }
  compact_revision_ = op.revision;
  return Describe(CompactResult{.revision = revision()});
}

std::string ModelStore::Do(const LeaseGrantOp& op) {
  if (!leases_.insert(op.id).second) {
    return std::string(TextOf(StoreError::kLeaseExists));
  }
  return Describe(LeaseGrantResult{.revision = revision()});
}

std::string ModelStore::Do(const LeaseRevokeOp& op) {
  if (leases_.erase(op.id) == 0) {
    return std::string(TextOf(StoreError::kLeaseNotFound));
  }
  leases_of_keys_.erase(op.id);
  ModelTxn txn(this);
  for (const auto& [key, kv] : txn.before()) {
    if (kv.lease == op.id) {
      txn.Delete(key);
    }
  }
  return Describe(LeaseRevokeResult{.revision = txn.Finish()});
}

std::string ModelStore::Do(const CheckpointOp& op) {
  (void)op;  // Changes no key.
  return "done";
}

std::string ModelStore::Do(const SystemOp& op) {
  for (const SystemWrite& write : op.writes) {
    if (write.is_delete) {
      system_[write.bucket].erase(write.key);
    } else {
      system_[write.bucket][write.key] = write.value;
    }
  }
  return "done";
}

}  // namespace socle::mvcc
