#include "tests/linearizability/wire_asker.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "kv/base/status_macros.h"
#include "mvcc/errors.h"
#include "server/service/error_table.h"

namespace socle::linearizability {
namespace {

using etcdserverpb::RequestOp;
using etcdserverpb::ResponseOp;
using mvcc::StoreError;

constexpr int64_t kLeaseSeconds = 10'000'000;

// ----- requests, as messages

etcdserverpb::RangeRequest ToWire(const mvcc::RangeRequest& r) {
  etcdserverpb::RangeRequest message;
  message.set_key(r.key);
  message.set_range_end(r.range_end);
  message.set_limit(r.limit);
  message.set_revision(r.revision);
  message.set_sort_order(
      static_cast<etcdserverpb::RangeRequest::SortOrder>(static_cast<int>(r.sort_order)));
  message.set_sort_target(
      static_cast<etcdserverpb::RangeRequest::SortTarget>(static_cast<int>(r.sort_target)));
  message.set_keys_only(r.keys_only);
  message.set_count_only(r.count_only);
  message.set_min_mod_revision(r.min_mod_revision);
  message.set_max_mod_revision(r.max_mod_revision);
  message.set_min_create_revision(r.min_create_revision);
  message.set_max_create_revision(r.max_create_revision);
  return message;
}

etcdserverpb::PutRequest ToWire(const mvcc::PutRequest& put) {
  etcdserverpb::PutRequest message;
  message.set_key(put.key);
  message.set_value(put.value);
  message.set_lease(mvcc::Raw(put.lease));
  message.set_prev_kv(put.prev_kv);
  message.set_ignore_value(put.ignore_value);
  message.set_ignore_lease(put.ignore_lease);
  return message;
}

etcdserverpb::DeleteRangeRequest ToWire(const mvcc::DeleteRangeRequest& range) {
  etcdserverpb::DeleteRangeRequest message;
  message.set_key(range.key);
  message.set_range_end(range.range_end);
  message.set_prev_kv(range.prev_kv);
  return message;
}

void FillCompare(const mvcc::Compare& compare, etcdserverpb::Compare* message) {
  message->set_result(
      static_cast<etcdserverpb::Compare::CompareResult>(static_cast<int>(compare.op)));
  message->set_target(
      static_cast<etcdserverpb::Compare::CompareTarget>(static_cast<int>(compare.target)));
  message->set_key(compare.key);
  message->set_range_end(compare.range_end);
  switch (compare.target) {
    case mvcc::CompareTarget::kVersion:
      message->set_version(compare.number);
      break;
    case mvcc::CompareTarget::kCreate:
      message->set_create_revision(compare.number);
      break;
    case mvcc::CompareTarget::kMod:
      message->set_mod_revision(compare.number);
      break;
    case mvcc::CompareTarget::kValue:
      message->set_value(compare.value);
      break;
    case mvcc::CompareTarget::kLease:
      message->set_lease(compare.number);
      break;
  }
}

etcdserverpb::TxnRequest ToWire(const mvcc::TxnRequest& txn);

void FillOp(const mvcc::RequestOp& op, RequestOp* message) {
  if (const auto* const range = std::get_if<mvcc::RangeRequest>(&op)) {
    *message->mutable_request_range() = ToWire(*range);
  } else if (const auto* const put = std::get_if<mvcc::PutRequest>(&op)) {
    *message->mutable_request_put() = ToWire(*put);
  } else if (const auto* const deletion = std::get_if<mvcc::DeleteRangeRequest>(&op)) {
    *message->mutable_request_delete_range() = ToWire(*deletion);
  } else if (const auto* const txn = std::get_if<std::unique_ptr<mvcc::TxnRequest>>(&op)) {
    *message->mutable_request_txn() = ToWire(**txn);
  }
}

etcdserverpb::TxnRequest ToWire(const mvcc::TxnRequest& txn) {
  etcdserverpb::TxnRequest message;
  for (const mvcc::Compare& compare : txn.compares) {
    FillCompare(compare, message.add_compare());
  }
  for (const mvcc::RequestOp& op : txn.success) {
    FillOp(op, message.add_success());
  }
  for (const mvcc::RequestOp& op : txn.failure) {
    FillOp(op, message.add_failure());
  }
  return message;
}

// ----- responses, as results that point into the message

mvcc::KeyValueView FromWire(const mvccpb::KeyValue& kv) {
  return {.key = kv.key(),
          .create_revision = kv.create_revision(),
          .mod_revision = kv.mod_revision(),
          .version = kv.version(),
          .value = kv.value(),
          .lease = mvcc::LeaseId{kv.lease()}};
}

mvcc::RangeResult FromWire(const etcdserverpb::RangeResponse& message) {
  mvcc::RangeResult result;
  result.revision = message.header().revision();
  for (const mvccpb::KeyValue& kv : message.kvs()) {
    result.kvs.push_back(FromWire(kv));
  }
  result.more = message.more();
  result.count = message.count();
  return result;
}

mvcc::PutResult FromWire(const etcdserverpb::PutResponse& message) {
  mvcc::PutResult result;
  result.revision = message.header().revision();
  if (message.has_prev_kv()) {
    result.prev_kv = FromWire(message.prev_kv());
  }
  return result;
}

mvcc::DeleteRangeResult FromWire(const etcdserverpb::DeleteRangeResponse& message) {
  mvcc::DeleteRangeResult result;
  result.revision = message.header().revision();
  result.deleted = message.deleted();
  for (const mvccpb::KeyValue& kv : message.prev_kvs()) {
    result.prev_kvs.push_back(FromWire(kv));
  }
  return result;
}

mvcc::TxnResult FromWire(const etcdserverpb::TxnResponse& message) {
  mvcc::TxnResult result;
  result.revision = message.header().revision();
  result.succeeded = message.succeeded();
  for (const ResponseOp& op : message.responses()) {
    if (op.has_response_range()) {
      result.responses.emplace_back(FromWire(op.response_range()));
    } else if (op.has_response_put()) {
      result.responses.emplace_back(FromWire(op.response_put()));
    } else if (op.has_response_delete_range()) {
      result.responses.emplace_back(FromWire(op.response_delete_range()));
    } else {
      result.responses.emplace_back(std::make_unique<mvcc::TxnResult>(FromWire(op.response_txn())));
    }
  }
  return result;
}

mvcc::CompactResult FromWire(const etcdserverpb::CompactionResponse& message) {
  return {.revision = message.header().revision()};
}

mvcc::LeaseGrantResult FromWire(const etcdserverpb::LeaseGrantResponse& message) {
  return {.revision = message.header().revision()};
}

mvcc::LeaseRevokeResult FromWire(const etcdserverpb::LeaseRevokeResponse& message) {
  return {.revision = message.header().revision()};
}

// The store's error behind the text, when it is one about the request.
std::optional<StoreError> ErrorBehind(const absl::Status& status) {
  for (const StoreError error :
       {StoreError::kKeyNotFound, StoreError::kCompacted, StoreError::kFutureRevision,
        StoreError::kLeaseNotFound, StoreError::kLeaseExists, StoreError::kDuplicateKey}) {
    const absl::Status known = server::WireStatus(server::EtcdErrorOf(error));
    if (known.code() == status.code() && known.message() == status.message()) {
      return error;
    }
  }
  return std::nullopt;
}

template <typename Asked, typename Response>
bool Answered(const Asked& asked, const absl::StatusOr<Response>& response, Answer* answer) {
  using Result = decltype(FromWire(*response));
  if (response.ok()) {
    *answer = AnswerOf(asked, absl::StatusOr<Result>(FromWire(*response)));
    return true;
  }
  if (const auto error = ErrorBehind(response.status())) {
    *answer = AnswerOf(asked, absl::StatusOr<Result>(mvcc::MakeError(*error)));
    return true;
  }
  return false;
}

class Sending {
 public:
  Sending(server::EtcdClient* client, Answer* answer) : client_(client), answer_(answer) {}

  bool operator()(const mvcc::PutRequest& put) {
    return Answered(put, client_->Put(ToWire(put)), answer_);
  }

  bool operator()(const mvcc::DeleteRangeRequest& range) {
    return Answered(range, client_->DeleteRange(ToWire(range)), answer_);
  }

  bool operator()(const mvcc::TxnRequest& txn) {
    return Answered(txn, client_->Txn(ToWire(txn)), answer_);
  }

  bool operator()(const mvcc::CompactOp& op) {
    return Answered(op, client_->Compact(op.revision), answer_);
  }

  bool operator()(const mvcc::LeaseGrantOp& op) {
    return Answered(op, client_->LeaseGrant(kLeaseSeconds, mvcc::Raw(op.id)), answer_);
  }

  bool operator()(const mvcc::LeaseRevokeOp& op) {
    return Answered(op, client_->LeaseRevoke(mvcc::Raw(op.id)), answer_);
  }

  bool operator()(const mvcc::CheckpointOp& /*op*/) { return false; }

  bool operator()(const mvcc::SystemOp& /*op*/) { return false; }

 private:
  server::EtcdClient* const client_;
  Answer* const answer_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WireAsker>> WireAsker::Open(const std::string& endpoint) {
  ASSIGN_OR_RETURN(auto client, server::EtcdClient::Open(endpoint));
  return std::unique_ptr<WireAsker>(new WireAsker(std::move(client)));
}

bool WireAsker::Ask(const Request& request, Answer* answer) {
  if (const auto* const range = std::get_if<mvcc::RangeRequest>(&request)) {
    return Answered(*range, client_->Range(ToWire(*range)), answer);
  }
  if (std::holds_alternative<LeaseListing>(request)) {
    return ListLeases(answer);
  }
  return std::visit(Sending(client_.get(), answer), std::get<mvcc::Operation>(request));
}

bool WireAsker::ListLeases(Answer* answer) {
  const auto listed = client_->LeaseLeases();
  if (!listed.ok()) {
    return false;
  }
  std::vector<lease::LeaseStatus> leases;
  for (const auto& lease : listed->leases()) {
    const auto keys = client_->LeaseTimeToLive(lease.id(), /*keys=*/true);
    if (!keys.ok()) {
      return false;
    }
    leases.push_back(
        {.id = mvcc::LeaseId{lease.id()}, .keys = {keys->keys().begin(), keys->keys().end()}});
    std::sort(leases.back().keys.begin(), leases.back().keys.end());
  }
  std::sort(leases.begin(), leases.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  *answer = AnswerOf(leases);
  return true;
}

}  // namespace socle::linearizability
