#include "mvcc/validate.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"
#include "mvcc/errors.h"

namespace socle::mvcc {
namespace {

// Keys written and ranges deleted in a branch, nested transactions included.
struct Effects {
  absl::flat_hash_set<std::string_view, StringHash, std::equal_to<>> puts;
  std::vector<std::pair<std::string_view, std::string_view>> deletes;  // key, range_end as given

  bool Deletes(std::string_view key) const {
    return std::any_of(deletes.begin(), deletes.end(), [key](const auto& range) {
      // etcd compares the interval as given: an open end ("\0") covers nothing here.
      return range.second.empty() ? key == range.first : key >= range.first && key < range.second;
    });
  }
};

absl::StatusOr<Effects> EffectsOf(const std::vector<RequestOp>& ops);

// Adds what a nested transaction does: its branches exclude each other, so they may write the same
// key.
absl::Status AddNested(const TxnRequest& nested, Effects* effects) {
  ASSIGN_OR_RETURN(const Effects then_effects, EffectsOf(nested.success));
  ASSIGN_OR_RETURN(const Effects else_effects, EffectsOf(nested.failure));
  for (const std::string_view key : then_effects.puts) {
    if (effects->puts.contains(key) || effects->Deletes(key)) {
      return MakeError(StoreError::kDuplicateKey);
    }
  }
  effects->puts.insert(then_effects.puts.begin(), then_effects.puts.end());
  for (const std::string_view key : else_effects.puts) {
    const bool is_taken = effects->puts.contains(key) && !then_effects.puts.contains(key);
    if (is_taken || effects->Deletes(key)) {
      return MakeError(StoreError::kDuplicateKey);
    }
  }
  effects->puts.insert(else_effects.puts.begin(), else_effects.puts.end());
  for (const Effects* branch : {&then_effects, &else_effects}) {
    effects->deletes.insert(effects->deletes.end(), branch->deletes.begin(), branch->deletes.end());
  }
  return absl::OkStatus();
}

absl::StatusOr<Effects> EffectsOf(const std::vector<RequestOp>& ops) {
  Effects effects;
  for (const RequestOp& op : ops) {
    if (const auto* const range = std::get_if<DeleteRangeRequest>(&op)) {
      effects.deletes.emplace_back(range->key, range->range_end);
    }
  }
  for (const RequestOp& op : ops) {
    if (const auto* const nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
      RETURN_IF_ERROR(AddNested(**nested, &effects));
    }
  }
  for (const RequestOp& op : ops) {
    if (const auto* const put = std::get_if<PutRequest>(&op)) {
      if (effects.Deletes(put->key) || !effects.puts.insert(put->key).second) {
        return MakeError(StoreError::kDuplicateKey);
      }
    }
  }
  return effects;
}

absl::Status CheckShape(const TxnRequest& request, int64_t ops_max, int depth);

absl::Status CheckOp(const RequestOp& op, int64_t ops_max, int depth) {
  if (const auto* const range = std::get_if<RangeRequest>(&op)) {
    return Validate(*range);
  }
  if (const auto* const put = std::get_if<PutRequest>(&op)) {
    return Validate(*put);
  }
  if (const auto* const range = std::get_if<DeleteRangeRequest>(&op)) {
    return Validate(*range);
  }
  if (const auto* const nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
    return CheckShape(**nested, ops_max, depth + 1);
  }
  return MakeError(StoreError::kKeyNotFound);
}

absl::Status CheckShape(const TxnRequest& request, int64_t ops_max, int depth) {
  const size_t ops =
      std::max({request.compares.size(), request.success.size(), request.failure.size()});
  if (static_cast<int64_t>(ops) > ops_max || depth > kTxnDepthMax) {
    return MakeError(StoreError::kTooManyOps);
  }
  for (const Compare& compare : request.compares) {
    if (compare.key.empty()) {
      return MakeError(StoreError::kKeyNotProvided);
    }
  }
  for (const auto* const branch : {&request.success, &request.failure}) {
    for (const RequestOp& op : *branch) {
      RETURN_IF_ERROR(CheckOp(op, ops_max - static_cast<int64_t>(ops), depth));
    }
  }
  return absl::OkStatus();
}

bool IsRange(const RequestOp& op) {
  return std::holds_alternative<RangeRequest>(op);
}

}  // namespace

absl::Status Validate(const RangeRequest& request) {
  if (request.key.empty()) {
    return MakeError(StoreError::kKeyNotProvided);
  }
  const auto order = static_cast<int>(request.sort_order);
  const auto target = static_cast<int>(request.sort_target);
  if (order < 0 || order > 2 || target < 0 || target > 4) {
    return MakeError(StoreError::kInvalidSortOption);
  }
  return absl::OkStatus();
}

absl::Status Validate(const PutRequest& request) {
  if (request.key.empty()) {
    return MakeError(StoreError::kKeyNotProvided);
  }
  if (request.ignore_value && !request.value.empty()) {
    return MakeError(StoreError::kValueProvided);
  }
  if (request.ignore_lease && request.lease != kNoLease) {
    return MakeError(StoreError::kLeaseProvided);
  }
  if (request.ttl_seconds != 0 && (request.ttl_seconds < 0 || request.lease == kNoLease)) {
    return absl::InvalidArgumentError("a put with a TTL needs the id of the lease that it grants");
  }
  if (request.ttl_seconds > kLeaseTtlMax) {
    return MakeError(StoreError::kLeaseTtlTooLarge);
  }
  return absl::OkStatus();
}

absl::Status Validate(const DeleteRangeRequest& request) {
  return request.key.empty() ? MakeError(StoreError::kKeyNotProvided) : absl::OkStatus();
}

absl::Status Validate(const TxnRequest& request, int64_t ops_max) {
  RETURN_IF_ERROR(CheckShape(request, ops_max, /*depth=*/0));
  RETURN_IF_ERROR(EffectsOf(request.success).status());
  return EffectsOf(request.failure).status();
}

bool IsReadOnly(const TxnRequest& request) {
  return std::all_of(request.success.begin(), request.success.end(), IsRange) &&
         std::all_of(request.failure.begin(), request.failure.end(), IsRange);
}

}  // namespace socle::mvcc
