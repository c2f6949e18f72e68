#include "mvcc/txn.h"

#include <string>
#include <utility>

#include "kv/base/status_macros.h"
#include "mvcc/applier.h"
#include "mvcc/errors.h"
#include "mvcc/range.h"

namespace socle::mvcc {
namespace {

template <typename T>
int ThreeWay(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

int CompareTo(const Compare& compare, const KeyValueView& kv) {
  switch (compare.target) {
    case CompareTarget::kVersion:
      return ThreeWay(kv.version, compare.number);
    case CompareTarget::kCreate:
      return ThreeWay(kv.create_revision, compare.number);
    case CompareTarget::kMod:
      return ThreeWay(kv.mod_revision, compare.number);
    case CompareTarget::kValue:
      return kv.value.compare(compare.value);
    case CompareTarget::kLease:
      return ThreeWay(Raw(kv.lease), compare.number);
  }
  return 0;
}

bool IsSatisfied(const Compare& compare, const KeyValueView& kv) {
  const int order = CompareTo(compare, kv);
  switch (compare.op) {
    case CompareOp::kEqual:
      return order == 0;
    case CompareOp::kGreater:
      return order > 0;
    case CompareOp::kLess:
      return order < 0;
    case CompareOp::kNotEqual:
      return order != 0;
  }
  return true;  // An operator we don't know: etcd lets it pass.
}

const std::vector<RequestOp>& BranchOf(const TxnRequest& request, bool succeeded) {
  return succeeded ? request.success : request.failure;
}

}  // namespace

TxnRun::TxnRun(Applier* applier) : applier_(applier), before_(applier->state()) {}

ReadState TxnRun::Now() const {
  return applier_ == nullptr ? before_ : applier_->state();
}

absl::StatusOr<bool> TxnRun::Holds(const Compare& compare) const {
  RangeRequest request;
  request.key = compare.key;
  request.range_end = compare.range_end;
  ASSIGN_OR_RETURN(const RangeResult found, ReadRange(before_, request));
  if (found.kvs.empty()) {
    // A missing key compares as zeros; a missing value as nothing at all (trap 6).
    return compare.target != CompareTarget::kValue && IsSatisfied(compare, KeyValueView());
  }
  for (const KeyValueView& kv : found.kvs) {
    if (!IsSatisfied(compare, kv)) {
      return false;
    }
  }
  return true;
}

absl::Status TxnRun::ChoosePath(const TxnRequest& request) {
  bool succeeded = true;
  for (const Compare& compare : request.compares) {
    ASSIGN_OR_RETURN(succeeded, Holds(compare));
    if (!succeeded) {
      break;
    }
  }
  path_.push_back(succeeded);
  for (const RequestOp& op : BranchOf(request, succeeded)) {
    if (const auto* const nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
      RETURN_IF_ERROR(ChoosePath(**nested));
    }
  }
  return absl::OkStatus();
}

template <typename Check>
absl::Status TxnRun::CheckPath(const TxnRequest& request, const Check& check) {
  for (const RequestOp& op : BranchOf(request, path_[path_position_++])) {
    if (const auto* const nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
      RETURN_IF_ERROR(CheckPath(**nested, check));
    } else {
      RETURN_IF_ERROR(check(op));
    }
  }
  return absl::OkStatus();
}

absl::Status TxnRun::CheckPut(const PutRequest& request) const {
  if (request.ignore_value || request.ignore_lease) {
    const KeyEntry* const entry = before_.index.Find(request.key);
    if (entry == nullptr || !entry->is_live()) {
      return MakeError(StoreError::kKeyNotFound);
    }
  }
  return CheckLease(request);
}

absl::Status TxnRun::CheckLease(const PutRequest& request) const {
  if (request.ttl_seconds != 0) {
    return !applier_->has_leases()
               ? absl::FailedPreconditionError("this store was opened without leases")
           : applier_->LeaseExists(request.lease) ? MakeError(StoreError::kLeaseExists)
                                                  : absl::OkStatus();
  }
  return request.lease == kNoLease || applier_->LeaseExists(request.lease)
             ? absl::OkStatus()
             : MakeError(StoreError::kLeaseNotFound);
}

absl::Status TxnRun::AddTo(PrefixQuotas::Addition* addition, const PutRequest& request) const {
  if (request.ignore_value || !applier_->quotas()->Covers(request.key)) {
    return absl::OkStatus();
  }
  const absl::StatusOr<int64_t> before = applier_->LiveBytes(request.key);
  if (!before.ok()) {
    return applier_->Fail(before.status());
  }
  addition->Add(request.key,
                static_cast<int64_t>(request.key.size() + request.value.size()) - *before);
  return absl::OkStatus();
}

absl::Status TxnRun::CheckRange(const RangeRequest& request) const {
  if (request.revision == 0) {
    return absl::OkStatus();
  }
  if (request.revision > before_.revision) {
    return MakeError(StoreError::kFutureRevision);
  }
  if (request.revision < before_.compact_revision) {
    return MakeError(StoreError::kCompacted);
  }
  return absl::OkStatus();
}

absl::StatusOr<TxnResult> TxnRun::Run(const TxnRequest& request) {
  RETURN_IF_ERROR(ChoosePath(request));
  if (applier_ != nullptr) {
    RETURN_IF_ERROR(CheckPath(request, [this](const RequestOp& op) {
      const auto* const put = std::get_if<PutRequest>(&op);
      return put == nullptr ? absl::OkStatus() : CheckPut(*put);
    }));
    path_position_ = 0;
  }
  RETURN_IF_ERROR(CheckPath(request, [this](const RequestOp& op) {
    const auto* const range = std::get_if<RangeRequest>(&op);
    return range == nullptr ? absl::OkStatus() : CheckRange(*range);
  }));
  path_position_ = 0;
  if (applier_ != nullptr && applier_->quotas() != nullptr) [[unlikely]] {
    PrefixQuotas::Addition addition(applier_->quotas().get());
    RETURN_IF_ERROR(CheckPath(request, [&](const RequestOp& op) {
      const auto* const put = std::get_if<PutRequest>(&op);
      return put == nullptr ? absl::OkStatus() : AddTo(&addition, *put);
    }));
    path_position_ = 0;
    RETURN_IF_ERROR(applier_->quotas()->Judge(addition));
  }
  if (applier_ == nullptr) {
    ASSIGN_OR_RETURN(TxnResult result, Execute(request));
    result.revision = before_.revision;
    return result;
  }
  applier_->BeginRevision();
  absl::StatusOr<TxnResult> result = Execute(request);
  const int64_t revision = applier_->EndRevision();
  if (!result.ok()) {
    return applier_->Fail(result.status());
  }
  result->revision = revision;
  return result;
}

absl::StatusOr<PutResult> TxnRun::RunPut(const PutRequest& request) {
  // The same checks as in a transaction; for a lone put etcd looks at the lease first.
  RETURN_IF_ERROR(CheckLease(request));
  RETURN_IF_ERROR(CheckPut(request));
  if (applier_->quotas() != nullptr) [[unlikely]] {
    PrefixQuotas::Addition addition(applier_->quotas().get());
    RETURN_IF_ERROR(AddTo(&addition, request));
    RETURN_IF_ERROR(applier_->quotas()->Judge(addition));
  }
  applier_->BeginRevision();
  absl::StatusOr<PutResult> result = Execute(request);
  applier_->EndRevision();
  return result.ok() ? std::move(result) : applier_->Fail(result.status());
}

absl::StatusOr<DeleteRangeResult> TxnRun::RunDeleteRange(const DeleteRangeRequest& request) {
  applier_->BeginRevision();
  absl::StatusOr<DeleteRangeResult> result = Execute(request);
  applier_->EndRevision();
  return result.ok() ? std::move(result) : applier_->Fail(result.status());
}

absl::StatusOr<TxnResult> TxnRun::Execute(const TxnRequest& request) {
  TxnResult result;
  result.succeeded = path_[path_position_++];
  for (const RequestOp& op : BranchOf(request, result.succeeded)) {
    if (const auto* const range = std::get_if<RangeRequest>(&op)) {
      ASSIGN_OR_RETURN(RangeResult response, Execute(*range));
      result.responses.emplace_back(std::move(response));
    } else if (const auto* const put = std::get_if<PutRequest>(&op)) {
      ASSIGN_OR_RETURN(PutResult response, Execute(*put));
      result.responses.emplace_back(std::move(response));
    } else if (const auto* const remove = std::get_if<DeleteRangeRequest>(&op)) {
      ASSIGN_OR_RETURN(DeleteRangeResult response, Execute(*remove));
      result.responses.emplace_back(std::move(response));
    } else if (const auto* const nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
      ASSIGN_OR_RETURN(TxnResult response, Execute(**nested));
      result.responses.emplace_back(std::make_unique<TxnResult>(std::move(response)));
    }
  }
  return result;
}

absl::StatusOr<RangeResult> TxnRun::Execute(const RangeRequest& request) {
  ++ranges_;
  const ReadState now = Now();
  ASSIGN_OR_RETURN(RangeResult result, ReadRange(now, request));
  result.pin = now.storage;
  return result;
}

absl::StatusOr<PutResult> TxnRun::Execute(const PutRequest& request) {
  PutResult result;
  std::string_view value = request.value;
  LeaseId lease = request.lease;
  if (request.prev_kv || request.ignore_value || request.ignore_lease) {
    const ReadState now = Now();
    const KeyEntry* const entry = now.index.Find(request.key);
    if (entry != nullptr && entry->is_live()) {
      ASSIGN_OR_RETURN(const KeyValueView previous, now.Record(entry->newest.revision()));
      value = request.ignore_value ? previous.value : value;
      if (request.ignore_lease) {
        // A record may name a lease that was lost before this store was opened.
        lease = applier_->LeaseExists(previous.lease) ? previous.lease : kNoLease;
      }
      if (request.prev_kv) {
        result.prev_kv = previous;
        result.pin = now.storage;
      }
    }
  }
  if (request.ttl_seconds != 0) [[unlikely]] {
    applier_->GrantForKey(lease, request.ttl_seconds);
  }
  applier_->PutKey(request.key, value, lease);
  result.revision = applier_->visible_revision();
  return result;
}

absl::StatusOr<DeleteRangeResult> TxnRun::Execute(const DeleteRangeRequest& request) {
  DeleteRangeResult result;
  const ReadState now = Now();
  const KeyInterval interval = IntervalOf(request.key, request.range_end);
  std::vector<std::string> keys;  // Copies: deleting changes the index that is walked.
  absl::Status status;
  VisitLive(now.index, interval, now.revision, [&](const KeyEntry& entry, const HistoryItem& item) {
    keys.emplace_back(entry.key());
    if (request.prev_kv) {
      const absl::StatusOr<KeyValueView> previous = now.Record(item.revision());
      status = previous.status();
      result.prev_kvs.push_back(previous.ok() ? *previous : KeyValueView());
    }
    return status.ok();
  });
  RETURN_IF_ERROR(status);
  for (const std::string& key : keys) {
    applier_->DeleteKey(key);
  }
  result.deleted = static_cast<int64_t>(keys.size());
  result.revision = applier_->visible_revision();
  result.pin = now.storage;
  return result;
}

}  // namespace socle::mvcc
