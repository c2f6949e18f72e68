#include "server/ops/call_subject.h"

#include <algorithm>
#include <array>

#include "etcd/election.pb.h"
#include "etcd/lock.pb.h"
#include "etcd/rpc.pb.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

// The static type is known by the method: a transport parses nothing else for it.
template <typename Message>
const Message& As(const google::protobuf::MessageLite& message) {
  return static_cast<const Message&>(message);
}

void Add(const CallRange& range, CallSubject* subject) {
  ++subject->ranges_total;
  if (subject->ranges.size() < CallSubject::kRangesMax) {
    subject->ranges.push_back(range);
  }
}

void AddRange(const pb::RangeRequest& range, CallSubject* subject) {
  Add({.verb = CallVerb::kRange, .key = range.key(), .range_end = range.range_end()}, subject);
}

void AddPut(const pb::PutRequest& put, CallSubject* subject) {
  Add({.verb = CallVerb::kPut,
       .key = put.key(),
       .range_end = {},
       .value_bytes = put.value().size()},
      subject);
  subject->writes = true;
  subject->lease = put.lease() != 0 ? put.lease() : subject->lease;
}

void AddDelete(const pb::DeleteRangeRequest& erase, CallSubject* subject) {
  Add({.verb = CallVerb::kDelete, .key = erase.key(), .range_end = erase.range_end()}, subject);
  subject->writes = true;
}

using Ops = google::protobuf::RepeatedPtrField<pb::RequestOp>;

// How deep was judged when the message was parsed, and is judged again by the store.
bool HasWrites(const Ops& ops) {
  return std::any_of(ops.begin(), ops.end(), [](const pb::RequestOp& op) {
    return op.has_request_put() || op.has_request_delete_range() ||
           (op.has_request_txn() &&
            (HasWrites(op.request_txn().success()) || HasWrites(op.request_txn().failure())));
  });
}

void AddTxn(const pb::TxnRequest& txn, const pb::TxnResponse* response, CallSubject* subject);

// `response`: of the transaction they are of, whose branch they are; null: not known.
void AddOps(const Ops& ops, const pb::TxnResponse* response, CallSubject* subject) {
  for (int i = 0; i < ops.size(); ++i) {
    const pb::RequestOp& op = ops[i];
    if (op.has_request_range()) {
      AddRange(op.request_range(), subject);
    } else if (op.has_request_put()) {
      AddPut(op.request_put(), subject);
    } else if (op.has_request_delete_range()) {
      AddDelete(op.request_delete_range(), subject);
    } else if (op.has_request_txn()) {
      const bool is_known = response != nullptr && i < response->responses_size();
      AddTxn(op.request_txn(), is_known ? &response->responses(i).response_txn() : nullptr,
             subject);
    }
  }
}

void AddTxn(const pb::TxnRequest& txn, const pb::TxnResponse* response, CallSubject* subject) {
  for (const pb::Compare& compare : txn.compare()) {
    Add({.verb = CallVerb::kCompare, .key = compare.key(), .range_end = compare.range_end()},
        subject);
  }
  if (response == nullptr || response->succeeded()) {
    AddOps(txn.success(), response, subject);
  }
  if (response == nullptr || !response->succeeded()) {
    AddOps(txn.failure(), response, subject);
  }
}

void AddWholeTxn(const pb::TxnRequest& txn, const pb::TxnResponse* response, CallSubject* subject) {
  AddTxn(txn, response, subject);
  subject->writes = HasWrites(txn.success()) || HasWrites(txn.failure());
  if (response != nullptr) {
    subject->succeeded = response->succeeded();
  }
}

// Without an id in the request the server picks one, and may make the time longer.
void AddGrant(const pb::LeaseGrantRequest& request, const pb::LeaseGrantResponse* response,
              CallSubject* subject) {
  subject->lease = response != nullptr ? response->id() : request.id();
  subject->ttl = response != nullptr ? response->ttl() : request.ttl();
}

void AddAuth(RpcMethod method, const google::protobuf::MessageLite& request, CallSubject* subject) {
  switch (method) {
    case RpcMethod::kAuthenticate:
      subject->user = As<pb::AuthenticateRequest>(request).name();
      return;
    case RpcMethod::kUserAdd:
      subject->user = As<pb::AuthUserAddRequest>(request).name();
      return;
    case RpcMethod::kUserGet:
      subject->user = As<pb::AuthUserGetRequest>(request).name();
      return;
    case RpcMethod::kUserDelete:
      subject->user = As<pb::AuthUserDeleteRequest>(request).name();
      return;
    case RpcMethod::kUserChangePassword:
      subject->user = As<pb::AuthUserChangePasswordRequest>(request).name();
      return;
    case RpcMethod::kUserGrantRole:
      subject->user = As<pb::AuthUserGrantRoleRequest>(request).user();
      subject->role = As<pb::AuthUserGrantRoleRequest>(request).role();
      return;
    case RpcMethod::kUserRevokeRole:
      subject->user = As<pb::AuthUserRevokeRoleRequest>(request).name();
      subject->role = As<pb::AuthUserRevokeRoleRequest>(request).role();
      return;
    case RpcMethod::kRoleAdd:
      subject->role = As<pb::AuthRoleAddRequest>(request).name();
      return;
    case RpcMethod::kRoleGet:
      subject->role = As<pb::AuthRoleGetRequest>(request).role();
      return;
    case RpcMethod::kRoleDelete:
      subject->role = As<pb::AuthRoleDeleteRequest>(request).role();
      return;
    case RpcMethod::kRoleGrantPermission: {
      const auto& grant = As<pb::AuthRoleGrantPermissionRequest>(request);
      subject->role = grant.name();
      subject->action = authpb::Permission::Type_Name(grant.perm().permtype());
      Add({.verb = CallVerb::kRange,
           .key = grant.perm().key(),
           .range_end = grant.perm().range_end()},
          subject);
      return;
    }
    case RpcMethod::kRoleRevokePermission: {
      const auto& revoke = As<pb::AuthRoleRevokePermissionRequest>(request);
      subject->role = revoke.role();
      Add({.verb = CallVerb::kRange, .key = revoke.key(), .range_end = revoke.range_end()},
          subject);
      return;
    }
    default:
      return;
  }
}

// Locks and elections name what they stand for; a key is made below it.
void AddContest(RpcMethod method, const google::protobuf::MessageLite& request,
                CallSubject* subject) {
  const auto add = [subject](CallVerb verb, std::string_view key, int64_t lease) {
    Add({.verb = verb, .key = key, .range_end = {}}, subject);
    subject->lease = lease;
  };
  switch (method) {
    case RpcMethod::kLock:
      add(CallVerb::kPut, As<v3lockpb::LockRequest>(request).name(),
          As<v3lockpb::LockRequest>(request).lease());
      return;
    case RpcMethod::kUnlock:
      add(CallVerb::kDelete, As<v3lockpb::UnlockRequest>(request).key(), 0);
      return;
    case RpcMethod::kCampaign:
      add(CallVerb::kPut, As<v3electionpb::CampaignRequest>(request).name(),
          As<v3electionpb::CampaignRequest>(request).lease());
      return;
    case RpcMethod::kProclaim:
      add(CallVerb::kPut, As<v3electionpb::ProclaimRequest>(request).leader().key(),
          As<v3electionpb::ProclaimRequest>(request).leader().lease());
      return;
    case RpcMethod::kResign:
      add(CallVerb::kDelete, As<v3electionpb::ResignRequest>(request).leader().key(),
          As<v3electionpb::ResignRequest>(request).leader().lease());
      return;
    case RpcMethod::kLeader:
    case RpcMethod::kObserve:
      add(CallVerb::kRange, As<v3electionpb::LeaderRequest>(request).name(), 0);
      return;
    default:
      return;
  }
}

void AddWatch(const pb::WatchRequest& watch, CallSubject* subject) {
  if (watch.has_create_request()) {
    Add({.verb = CallVerb::kWatch,
         .key = watch.create_request().key(),
         .range_end = watch.create_request().range_end()},
        subject);
  }
}

}  // namespace

std::string_view NameOf(CallVerb verb) {
  static constexpr std::array<std::string_view, 5> kNames = {"range", "put", "delete", "watch",
                                                             "compare"};
  return kNames[static_cast<size_t>(verb)];
}

bool IsAuthMethod(RpcMethod method) {
  return method >= RpcMethod::kAuthEnable && method <= RpcMethod::kRoleRevokePermission;
}

bool AlwaysWrites(RpcMethod method) {
  static constexpr std::array kWriters = {
      RpcMethod::kPut,          RpcMethod::kDeleteRange,  RpcMethod::kCompact,
      RpcMethod::kLeaseGrant,   RpcMethod::kLeaseRevoke,  RpcMethod::kMemberAdd,
      RpcMethod::kMemberRemove, RpcMethod::kMemberUpdate, RpcMethod::kMemberPromote,
      RpcMethod::kDefragment,   RpcMethod::kMoveLeader,   RpcMethod::kAuthEnable,
      RpcMethod::kAuthDisable,  RpcMethod::kLock,         RpcMethod::kUnlock,
      RpcMethod::kCampaign,     RpcMethod::kProclaim,     RpcMethod::kResign};
  return std::find(kWriters.begin(), kWriters.end(), method) != kWriters.end() ||
         (method >= RpcMethod::kUserAdd && IsAuthMethod(method) && method != RpcMethod::kUserGet &&
          method != RpcMethod::kRoleGet);
}

CallSubject SubjectOf(RpcMethod method, const google::protobuf::MessageLite& request,
                      const google::protobuf::MessageLite* response) {
  CallSubject subject;
  switch (method) {
    case RpcMethod::kRange:
    case RpcMethod::kRangeStream:
      AddRange(As<pb::RangeRequest>(request), &subject);
      break;
    case RpcMethod::kPut:
      AddPut(As<pb::PutRequest>(request), &subject);
      break;
    case RpcMethod::kDeleteRange:
      AddDelete(As<pb::DeleteRangeRequest>(request), &subject);
      break;
    case RpcMethod::kTxn:
      AddWholeTxn(As<pb::TxnRequest>(request), static_cast<const pb::TxnResponse*>(response),
                  &subject);
      break;
    case RpcMethod::kCompact:
      subject.revision = As<pb::CompactionRequest>(request).revision();
      break;
    case RpcMethod::kWatch:
      AddWatch(As<pb::WatchRequest>(request), &subject);
      break;
    case RpcMethod::kLeaseGrant:
      AddGrant(As<pb::LeaseGrantRequest>(request),
               static_cast<const pb::LeaseGrantResponse*>(response), &subject);
      break;
    case RpcMethod::kLeaseRevoke:
      subject.lease = As<pb::LeaseRevokeRequest>(request).id();
      break;
    case RpcMethod::kLeaseKeepAlive:
      subject.lease = As<pb::LeaseKeepAliveRequest>(request).id();
      break;
    case RpcMethod::kLeaseTimeToLive:
      subject.lease = As<pb::LeaseTimeToLiveRequest>(request).id();
      break;
    case RpcMethod::kAlarm: {
      const auto& alarm = As<pb::AlarmRequest>(request);
      subject.action = pb::AlarmRequest::AlarmAction_Name(alarm.action());
      subject.writes = alarm.action() != pb::AlarmRequest::GET;
      break;
    }
    case RpcMethod::kDowngrade: {
      const auto& downgrade = As<pb::DowngradeRequest>(request);
      subject.action = pb::DowngradeRequest::DowngradeAction_Name(downgrade.action());
      subject.writes = downgrade.action() != pb::DowngradeRequest::VALIDATE;
      break;
    }
    default:
      AddAuth(method, request, &subject);
      AddContest(method, request, &subject);
      break;
  }
  subject.writes = subject.writes || AlwaysWrites(method);
  return subject;
}

int64_t CountOf(RpcMethod method, const google::protobuf::MessageLite& response) {
  switch (method) {
    case RpcMethod::kDeleteRange:
      return As<pb::DeleteRangeResponse>(response).deleted();
    case RpcMethod::kTxn:
      return As<pb::TxnResponse>(response).responses_size();
    default:
      return 0;
  }
}

}  // namespace socle::server
