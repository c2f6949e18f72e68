#include "mvcc/typed_proposal.h"

#include <algorithm>
#include <memory>
#include <variant>

namespace socle::mvcc {

bool TouchesLeases(const PutRequest& put, const Applier& applier) {
  return put.lease != kNoLease || applier.IsLeased(put.key);
}

bool TouchesLeases(const DeleteRangeRequest& erase, const Applier& applier) {
  return applier.has_leases() && (!erase.range_end.empty() || applier.IsLeased(erase.key));
}

bool TouchesLeases(const TxnRequest& txn, const Applier& applier) {
  const auto touches = [&applier](const RequestOp& op) {
    if (const auto* const put = std::get_if<PutRequest>(&op)) {
      return TouchesLeases(*put, applier);
    }
    if (const auto* const erase = std::get_if<DeleteRangeRequest>(&op)) {
      return TouchesLeases(*erase, applier);
    }
    const auto* const nested = std::get_if<std::unique_ptr<TxnRequest>>(&op);
    return nested != nullptr && TouchesLeases(**nested, applier);
  };
  return std::any_of(txn.success.begin(), txn.success.end(), touches) ||
         std::any_of(txn.failure.begin(), txn.failure.end(), touches);
}

}  // namespace socle::mvcc
