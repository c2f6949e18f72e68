#include "server/migrate/log_permission.h"

#include <algorithm>

namespace socle::server {

using etcdserverpb::DeleteRangeRequest;
using etcdserverpb::RequestOp;
using etcdserverpb::TxnRequest;

bool LogPermission::May(std::string_view key, std::string_view range_end,
                        RangeUnion AuthUser::*permitted) const {
  if (!state_->is_enabled()) {
    return true;
  }
  if (revision_ == 0 || revision_ < state_->revision() || user_ == nullptr) {
    return false;
  }
  return user_->is_root || (user_->*permitted).Covers(key, range_end);
}

bool LogPermission::MayWriteAll(const std::vector<std::string>& keys) const {
  return IsRoot() || std::all_of(keys.begin(), keys.end(),
                                 [this](const std::string& key) { return MayWrite(key, {}); });
}

bool LogPermission::May(const DeleteRangeRequest& request) const {
  return MayWrite(request.key(), request.range_end()) &&
         (!request.prev_kv() || MayRead(request.key(), request.range_end()));
}

bool LogPermission::May(const RequestOp& op) const {
  switch (op.request_case()) {
    case RequestOp::kRequestRange:
      return MayRead(op.request_range().key(), op.request_range().range_end());
    case RequestOp::kRequestPut:
      return MayWrite(op.request_put().key(), {});
    case RequestOp::kRequestDeleteRange:
      return May(op.request_delete_range());
    case RequestOp::kRequestTxn:
      return May(op.request_txn());
    case RequestOp::REQUEST_NOT_SET:
      return true;
  }
  return false;
}

bool LogPermission::May(const TxnRequest& request) const {
  return std::all_of(request.compare().begin(), request.compare().end(),
                     [this](const etcdserverpb::Compare& compare) {
                       return MayRead(compare.key(), compare.range_end());
                     }) &&
         std::all_of(request.success().begin(), request.success().end(),
                     [this](const RequestOp& op) { return May(op); }) &&
         std::all_of(request.failure().begin(), request.failure().end(),
                     [this](const RequestOp& op) { return May(op); });
}

}  // namespace socle::server
