#include "tests/linearizability/store_asker.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "kv/base/check.h"
#include "mvcc/errors.h"

namespace socle::linearizability {
namespace {

using mvcc::Store;

template <typename Asked, typename Result>
bool Answered(const Asked& asked, const absl::StatusOr<Result>& result, Answer* answer) {
  if (!result.ok() && !mvcc::ErrorOf(result.status()).has_value()) {
    return false;
  }
  *answer = AnswerOf(asked, result);
  return true;
}

// `asked` is what was asked and stays; `given` is a copy that the store may take.
class Submission {
 public:
  Submission(Store* store, const mvcc::Operation& asked, Answer* answer)
      : store_(store), asked_(asked), answer_(answer) {}

  bool operator()(mvcc::PutRequest& given) {
    return Answered(Asked<mvcc::PutRequest>(), store_->Put(std::move(given)), answer_);
  }

  bool operator()(mvcc::DeleteRangeRequest& given) {
    return Answered(Asked<mvcc::DeleteRangeRequest>(), store_->DeleteRange(std::move(given)),
                    answer_);
  }

  bool operator()(mvcc::TxnRequest& given) {
    return Answered(Asked<mvcc::TxnRequest>(), store_->Txn(std::move(given)), answer_);
  }

  bool operator()(mvcc::CompactOp& given) {
    return Answered(given, store_->Compact(given.revision, /*physical=*/given.revision % 2 == 0),
                    answer_);
  }

  bool operator()(mvcc::LeaseGrantOp& given) {
    return Answered(given, store_->LeaseGrant(given.id, given.ttl_seconds), answer_);
  }

  bool operator()(mvcc::LeaseRevokeOp& given) {
    return Answered(given, store_->LeaseRevoke(given.id), answer_);
  }

  bool operator()(mvcc::CheckpointOp& /*given*/) { return false; }

  bool operator()(mvcc::SystemOp& /*given*/) { return false; }

 private:
  template <typename Op>
  const Op& Asked() const {
    return std::get<Op>(asked_);
  }

  Store* const store_;
  const mvcc::Operation& asked_;
  Answer* const answer_;
};

}  // namespace

bool StoreAsker::Ask(const Request& request, Answer* answer) {
  if (const auto* const range = std::get_if<mvcc::RangeRequest>(&request)) {
    return Answered(*range, store_->Range(*range), answer);
  }
  if (std::holds_alternative<LeaseListing>(request)) {
    std::vector<mvcc::LeaseId> ids = lessor_->Leases();
    std::sort(ids.begin(), ids.end());
    std::vector<lease::LeaseStatus> leases;
    for (const mvcc::LeaseId id : ids) {
      leases.push_back(lessor_->TimeToLive(id, /*with_keys=*/true).value());
    }
    *answer = AnswerOf(leases);
    return true;
  }
  const auto& asked = std::get<mvcc::Operation>(request);
  mvcc::Operation given = mvcc::Copy(asked);
  return std::visit(Submission(store_, asked, answer), given);
}

}  // namespace socle::linearizability
