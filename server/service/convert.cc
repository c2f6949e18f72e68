#include "server/service/convert.h"

#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

mvcc::Compare ToStore(const pb::Compare& compare) {
  mvcc::Compare out{
      .op = static_cast<mvcc::CompareOp>(compare.result()),
      .target = static_cast<mvcc::CompareTarget>(compare.target()),
      .key = compare.key(),
      .range_end = compare.range_end(),
      .value = {},
  };
  // A union member that does not fit the target reads as its zero, as in etcd.
  switch (compare.target()) {
    case pb::Compare::VERSION:
      out.number = compare.version();
      break;
    case pb::Compare::CREATE:
      out.number = compare.create_revision();
      break;
    case pb::Compare::MOD:
      out.number = compare.mod_revision();
      break;
    case pb::Compare::VALUE:
      out.value = compare.value();
      break;
    case pb::Compare::LEASE:
      out.number = compare.lease();
      break;
    default:
      break;
  }
  return out;
}

mvcc::RequestOp ToStore(const pb::RequestOp& op) {
  switch (op.request_case()) {
    case pb::RequestOp::kRequestRange:
      return server::ToStore(op.request_range());
    case pb::RequestOp::kRequestPut:
      return server::ToStore(op.request_put());
    case pb::RequestOp::kRequestDeleteRange:
      return server::ToStore(op.request_delete_range());
    case pb::RequestOp::kRequestTxn:
      return std::make_unique<mvcc::TxnRequest>(server::ToStore(op.request_txn()));
    case pb::RequestOp::REQUEST_NOT_SET:
      break;
  }
  return std::monostate{};
}

void FromStore(const mvcc::ResponseOp& op, pb::ResponseOp* out) {
  std::visit(
      [out](const auto& result) {
        using T = std::decay_t<decltype(result)>;
        if constexpr (std::is_same_v<T, mvcc::RangeResult>) {
          server::FromStore(result, out->mutable_response_range());
        } else if constexpr (std::is_same_v<T, mvcc::PutResult>) {
          server::FromStore(result, out->mutable_response_put());
        } else if constexpr (std::is_same_v<T, mvcc::DeleteRangeResult>) {
          server::FromStore(result, out->mutable_response_delete_range());
        } else {
          server::FromStore(*result, out->mutable_response_txn());
        }
      },
      op);
}

}  // namespace

mvcc::RangeRequest ToStore(const pb::RangeRequest& request) {
  return {
      .key = request.key(),
      .range_end = request.range_end(),
      .limit = request.limit(),
      .revision = request.revision(),
      .sort_order = static_cast<mvcc::SortOrder>(request.sort_order()),
      .sort_target = static_cast<mvcc::SortTarget>(request.sort_target()),
      .keys_only = request.keys_only(),
      .count_only = request.count_only(),
      .min_mod_revision = request.min_mod_revision(),
      .max_mod_revision = request.max_mod_revision(),
      .min_create_revision = request.min_create_revision(),
      .max_create_revision = request.max_create_revision(),
  };
}

mvcc::PutRequest ToStore(const pb::PutRequest& request) {
  return {
      .key = request.key(),
      .value = request.value(),
      .lease = mvcc::LeaseId{request.lease()},
      .prev_kv = request.prev_kv(),
      .ignore_value = request.ignore_value(),
      .ignore_lease = request.ignore_lease(),
  };
}

mvcc::DeleteRangeRequest ToStore(const pb::DeleteRangeRequest& request) {
  return {
      .key = request.key(),
      .range_end = request.range_end(),
      .prev_kv = request.prev_kv(),
  };
}

mvcc::TxnRequest ToStore(const pb::TxnRequest& request) {
  mvcc::TxnRequest out;
  out.compares.reserve(static_cast<size_t>(request.compare_size()));
  for (const pb::Compare& compare : request.compare()) {
    out.compares.push_back(ToStore(compare));
  }
  out.success.reserve(static_cast<size_t>(request.success_size()));
  for (const pb::RequestOp& op : request.success()) {
    out.success.push_back(ToStore(op));
  }
  out.failure.reserve(static_cast<size_t>(request.failure_size()));
  for (const pb::RequestOp& op : request.failure()) {
    out.failure.push_back(ToStore(op));
  }
  return out;
}

mvcc::WatchRequest ToStore(const pb::WatchCreateRequest& request) {
  mvcc::WatchRequest out{
      .key = request.key(),
      .range_end = request.range_end(),
      .start_revision = request.start_revision(),
      .watch_id = request.watch_id(),
      .progress_notify = request.progress_notify(),
      .prev_kv = request.prev_kv(),
      .fragment = request.fragment(),
  };
  for (const int filter : request.filters()) {
    out.no_put = out.no_put || filter == pb::WatchCreateRequest::NOPUT;
    out.no_delete = out.no_delete || filter == pb::WatchCreateRequest::NODELETE;
  }
  return out;
}

void FromStore(const mvcc::KeyValueView& kv, mvccpb::KeyValue* out) {
  out->set_key(kv.key.data(), kv.key.size());
  out->set_create_revision(kv.create_revision);
  out->set_mod_revision(kv.mod_revision);
  out->set_version(kv.version);
  out->set_value(kv.value.data(), kv.value.size());
  out->set_lease(mvcc::Raw(kv.lease));
}

void FromStore(const mvcc::RangeResult& result, pb::RangeResponse* out) {
  out->mutable_header()->set_revision(result.revision);
  out->mutable_kvs()->Reserve(static_cast<int>(result.kvs.size()));
  for (const mvcc::KeyValueView& kv : result.kvs) {
    FromStore(kv, out->add_kvs());
  }
  out->set_more(result.more);
  out->set_count(result.count);
}

void FromStore(const mvcc::PutResult& result, pb::PutResponse* out) {
  out->mutable_header()->set_revision(result.revision);
  if (result.prev_kv.has_value()) {
    FromStore(*result.prev_kv, out->mutable_prev_kv());
  }
}

void FromStore(const mvcc::DeleteRangeResult& result, pb::DeleteRangeResponse* out) {
  out->mutable_header()->set_revision(result.revision);
  out->set_deleted(result.deleted);
  out->mutable_prev_kvs()->Reserve(static_cast<int>(result.prev_kvs.size()));
  for (const mvcc::KeyValueView& kv : result.prev_kvs) {
    FromStore(kv, out->add_prev_kvs());
  }
}

void FromStore(const mvcc::TxnResult& result, pb::TxnResponse* out) {
  out->mutable_header()->set_revision(result.revision);
  out->set_succeeded(result.succeeded);
  out->mutable_responses()->Reserve(static_cast<int>(result.responses.size()));
  for (const mvcc::ResponseOp& op : result.responses) {
    FromStore(op, out->add_responses());
  }
}

}  // namespace socle::server
