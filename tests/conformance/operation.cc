#include "tests/conformance/operation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace socle::conformance {
namespace {

using etcdserverpb::Compare;
using etcdserverpb::RangeRequest;
using etcdserverpb::RequestOp;
using etcdserverpb::TxnRequest;

constexpr int64_t kLongTtlSeconds = 100'000;
constexpr int64_t kTtlSecondsMax = 9'000'000'000;
constexpr int kTxnOpsMax = 128;  // --max-txn-ops of both servers
constexpr int kTxnDepthMax = 3;

bool HasDelete(const TxnRequest& txn) {
  const auto deletes = [](const RequestOp& op) {
    return op.has_request_delete_range() || (op.has_request_txn() && HasDelete(op.request_txn()));
  };
  return std::any_of(txn.success().begin(), txn.success().end(), deletes) ||
         std::any_of(txn.failure().begin(), txn.failure().end(), deletes);
}

// V4 of DIFFERENCES.md: etcd aborts when a transaction deletes a key and then keeps its value or
// lease.
void ForgetIgnores(TxnRequest* txn) {
  for (auto* ops : {txn->mutable_success(), txn->mutable_failure()}) {
    for (RequestOp& op : *ops) {
      if (op.has_request_put()) {
        op.mutable_request_put()->clear_ignore_value();
        op.mutable_request_put()->clear_ignore_lease();
      } else if (op.has_request_txn()) {
        ForgetIgnores(op.mutable_request_txn());
      }
    }
  }
}

}  // namespace

Request OperationSource::Next(const StoreState& state) {
  if (!next_.empty()) {
    Request request = std::move(next_.front());
    next_.pop_front();
    return request;
  }
  const uint64_t dice = random_.Below(100);
  if (dice < 30) {
    return Put();
  }
  if (dice < 55) {
    return Range(state);
  }
  if (dice < 66) {
    return DeleteRange();
  }
  if (dice < 88) {
    TxnRequest txn = random_.OneIn(40) ? LongTxn() : Txn(state, 0);
    if (HasDelete(txn)) {
      ForgetIgnores(&txn);
    }
    return txn;
  }
  if (dice < 91) {
    return Compaction(state);
  }
  if (dice < 93) {
    return HashKv(state);
  }
  return Lease();
}

std::string OperationSource::Key() {
  if (random_.OneIn(60)) {
    return "";
  }
  if (random_.OneIn(30)) {
    static constexpr std::string_view kOdd[] = {
        std::string_view("\0", 1), std::string_view("a\0", 2), "\xff", "\xff\xff", "b",
        "key with a space"};
    return std::string(kOdd[random_.Below(std::size(kOdd))]);
  }
  return fmt::format("{}{}", static_cast<char>('a' + random_.Below(4)), random_.Below(10));
}

std::string OperationSource::RangeEnd(const std::string& key) {
  switch (random_.Below(5)) {
    case 0:
      return "";
    case 1:
      return std::string(1, '\0');
    case 2:  // a prefix
      return key.empty() ? "" : std::string(1, static_cast<char>(key[0] + 1));
    default:  // before, at or after the key
      return Key();
  }
}

int64_t OperationSource::RevisionNear(const StoreState& state) {
  switch (random_.Below(12)) {
    case 0:
      return state.revision + 1 + static_cast<int64_t>(random_.Below(3));
    case 1:
      return -static_cast<int64_t>(random_.Below(3));
    case 2:
      return state.compacted + static_cast<int64_t>(random_.Below(3)) - 1;
    case 3:
      return state.revision;
    default: {
      const int64_t span = std::max<int64_t>(1, state.revision - state.compacted + 1);
      const uint64_t back = random_.Below(static_cast<uint64_t>(std::min<int64_t>(span, 200)));
      return state.revision - static_cast<int64_t>(back);
    }
  }
}

int64_t OperationSource::LeaseId() {
  return 1 + static_cast<int64_t>(random_.Below(12));
}

RangeRequest OperationSource::Range(const StoreState& state) {
  RangeRequest range;
  range.set_key(Key());
  if (!random_.OneIn(4)) {
    range.set_range_end(RangeEnd(range.key()));
  }
  if (random_.OneIn(3)) {
    range.set_limit(static_cast<int64_t>(random_.Below(15)) - 1);
  }
  if (random_.OneIn(2)) {
    range.set_revision(RevisionNear(state));
  }
  if (random_.OneIn(3)) {
    range.set_sort_target(static_cast<RangeRequest::SortTarget>(random_.Below(5)));
    range.set_sort_order(static_cast<RangeRequest::SortOrder>(random_.Below(3)));
  }
  range.set_serializable(random_.OneIn(4));
  range.set_keys_only(random_.OneIn(6));
  range.set_count_only(random_.OneIn(10));
  if (random_.OneIn(5)) {
    range.set_min_mod_revision(RevisionNear(state));
  }
  if (random_.OneIn(8)) {
    range.set_max_mod_revision(RevisionNear(state));
  }
  if (random_.OneIn(8)) {
    range.set_min_create_revision(RevisionNear(state));
  }
  if (random_.OneIn(8)) {
    range.set_max_create_revision(RevisionNear(state));
  }
  return range;
}

etcdserverpb::PutRequest OperationSource::Put() {
  etcdserverpb::PutRequest put;
  put.set_key(Key());
  // Few distinct values, so that compares and sorts by value meet ties.
  put.set_value(random_.OneIn(20) ? std::string(random_.Below(3000), 'x')
                                  : fmt::format("v{}", random_.Below(30)));
  if (random_.OneIn(5)) {
    put.set_lease(LeaseId());
  }
  put.set_prev_kv(random_.OneIn(3));
  if (random_.OneIn(12)) {
    put.set_ignore_value(true);
    if (!random_.OneIn(4)) {
      put.clear_value();
    }
  }
  if (random_.OneIn(12)) {
    put.set_ignore_lease(true);
    if (!random_.OneIn(4)) {
      put.clear_lease();
    }
  }
  return put;
}

etcdserverpb::DeleteRangeRequest OperationSource::DeleteRange() {
  etcdserverpb::DeleteRangeRequest request;
  request.set_key(Key());
  if (random_.OneIn(5)) {
    request.set_range_end(RangeEnd(request.key()));
  }
  request.set_prev_kv(random_.OneIn(2));
  return request;
}

void OperationSource::AddCompare(const StoreState& state, TxnRequest* txn) {
  Compare* compare = txn->add_compare();
  compare->set_key(Key());
  if (random_.OneIn(5)) {
    compare->set_range_end(RangeEnd(compare->key()));
  }
  compare->set_result(static_cast<Compare::CompareResult>(random_.Below(4)));
  compare->set_target(static_cast<Compare::CompareTarget>(random_.Below(5)));
  if (random_.OneIn(10)) {
    return;  // an unset union compares with 0, or with no bytes
  }
  switch (compare->target()) {
    case Compare::VERSION:
      compare->set_version(static_cast<int64_t>(random_.Below(4)));
      break;
    case Compare::CREATE:
      compare->set_create_revision(random_.OneIn(3) ? 0 : RevisionNear(state));
      break;
    case Compare::MOD:
      compare->set_mod_revision(random_.OneIn(3) ? 0 : RevisionNear(state));
      break;
    case Compare::VALUE:
      compare->set_value(fmt::format("v{}", random_.Below(30)));
      break;
    default:
      compare->set_lease(random_.OneIn(3) ? 0 : LeaseId());
      break;
  }
}

void OperationSource::FillOp(const StoreState& state, int depth, RequestOp* op) {
  const uint64_t dice = random_.Below(100);
  if (dice < 35) {
    *op->mutable_request_put() = Put();
  } else if (dice < 65) {
    *op->mutable_request_range() = Range(state);
  } else if (dice < 80) {
    *op->mutable_request_delete_range() = DeleteRange();
  } else if (dice < 99) {
    if (depth < kTxnDepthMax) {
      *op->mutable_request_txn() = Txn(state, depth + 1);
    } else {
      *op->mutable_request_put() = Put();
    }
  }  // else an operation without a request, which is an error
}

TxnRequest OperationSource::Txn(const StoreState& state, int depth) {
  TxnRequest txn;
  for (uint64_t left = random_.Below(3); left > 0; --left) {
    AddCompare(state, &txn);
  }
  for (uint64_t left = random_.Below(4); left > 0; --left) {
    FillOp(state, depth, txn.add_success());
  }
  for (uint64_t left = random_.Below(4); left > 0; --left) {
    FillOp(state, depth, txn.add_failure());
  }
  return txn;
}

// At, or one past, the number of operations a transaction may have; flat or nested.
TxnRequest OperationSource::LongTxn() {
  TxnRequest txn;
  const int count = kTxnOpsMax + (random_.OneIn(2) ? 1 : 0);
  const bool nested = random_.OneIn(2);
  for (int i = 0; i < count - (nested ? 10 : 0); ++i) {
    auto* put = txn.add_success()->mutable_request_put();
    put->set_key(fmt::format("long{:03}", i));
    put->set_value("v");
  }
  if (nested) {
    TxnRequest* inner = txn.mutable_success(0)->mutable_request_txn();
    for (int i = 0; i < 10; ++i) {
      inner->add_success()->mutable_request_range()->set_key("a1");
    }
  }
  etcdserverpb::DeleteRangeRequest cleanup;
  cleanup.set_key("long");
  cleanup.set_range_end("lonh");
  next_.emplace_back(cleanup);
  return txn;
}

etcdserverpb::CompactionRequest OperationSource::Compaction(const StoreState& state) {
  etcdserverpb::CompactionRequest request;
  request.set_revision(random_.OneIn(4) ? RevisionNear(state)
                                        : std::max<int64_t>(state.compacted, state.revision - 600));
  request.set_physical(!random_.OneIn(4));
  if (request.physical()) {  // Otherwise etcd's hash of an empty store depends on its progress.
    next_.emplace_back(etcdserverpb::HashKVRequest());
  }
  return request;
}

etcdserverpb::HashKVRequest OperationSource::HashKv(const StoreState& state) {
  etcdserverpb::HashKVRequest request;
  request.set_revision(random_.OneIn(3) ? 0 : RevisionNear(state));
  if (request.revision() == state.compacted) {  // V5 of DIFFERENCES.md
    request.set_revision(state.compacted + 1);
  }
  return request;
}

Request OperationSource::Lease() {
  const uint64_t dice = random_.Below(100);
  if (dice < 40) {
    etcdserverpb::LeaseGrantRequest grant;
    grant.set_id(LeaseId());
    grant.set_ttl(kLongTtlSeconds + static_cast<int64_t>(random_.Below(1000)));
    if (random_.OneIn(8)) {
      grant.set_ttl(kTtlSecondsMax + 1);
    } else if (random_.OneIn(8)) {
      // Raised to the minimum; revoked before it can expire.
      grant.set_id(1000);
      grant.set_ttl(static_cast<int64_t>(random_.Below(4)) - 1);
      etcdserverpb::LeaseRevokeRequest revoke;
      revoke.set_id(1000);
      next_.emplace_back(revoke);
    }
    return grant;
  }
  if (dice < 65) {
    etcdserverpb::LeaseRevokeRequest revoke;
    revoke.set_id(LeaseId());
    return revoke;
  }
  etcdserverpb::LeaseTimeToLiveRequest request;
  request.set_id(LeaseId());
  request.set_keys(random_.OneIn(2));
  return request;
}

}  // namespace socle::conformance
