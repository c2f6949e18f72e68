#include "server/migrate/replay.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "mvcc/errors.h"
#include "server/auth/tokens.h"
#include "server/service/convert.h"
#include "server/service/error_table.h"

namespace socle::server {
namespace {

using etcdserverpb::InternalRaftRequest;
using etcdserverpb::RequestOp;
using mvcc::LeaseId;

constexpr int64_t kNeverNanos = 3600 * kNanosPerSecond;

// What applying an entry may answer in a store that is in order: etcd had answered the same.
bool IsRefusal(const absl::Status& status) {
  using mvcc::StoreError;
  switch (mvcc::ErrorOf(status).value_or(StoreError::kStopped)) {
    case StoreError::kKeyNotFound:
    case StoreError::kCompacted:
    case StoreError::kFutureRevision:
    case StoreError::kLeaseNotFound:
    case StoreError::kLeaseExists:
    case StoreError::kLeaseTtlTooLarge:
      return true;
    default:
      return false;
  }
}

// What NOSPACE refuses; puts in nested transactions pass, as in etcd.
bool HasPut(const etcdserverpb::TxnRequest& txn) {
  const auto is_put = [](const RequestOp& op) { return op.has_request_put(); };
  return std::any_of(txn.success().begin(), txn.success().end(), is_put) ||
         std::any_of(txn.failure().begin(), txn.failure().end(), is_put);
}

bool IsAuthChange(const InternalRaftRequest& request) {
  return request.has_auth_enable() || request.has_auth_disable() || request.has_auth_user_add() ||
         request.has_auth_user_delete() || request.has_auth_user_change_password() ||
         request.has_auth_user_grant_role() || request.has_auth_user_revoke_role() ||
         request.has_auth_role_add() || request.has_auth_role_delete() ||
         request.has_auth_role_grant_permission() || request.has_auth_role_revoke_permission();
}

// Requests that only ask, or whose effect lives in memory (tokens).
bool KeepsNothing(const InternalRaftRequest& request) {
  return request.has_range() || request.has_authenticate() || request.has_auth_status() ||
         request.has_auth_user_get() || request.has_auth_user_list() ||
         request.has_auth_role_get() || request.has_auth_role_list() ||
         request.has_downgrade_version_test();
}

// Logs of 3.4 hold the password, later ones its hash in base64.
template <typename Request, typename Plain, typename Hashed>
absl::Status WithPassword(const Request& request, Plain plain, Hashed hashed) {
  if (!request.password().empty() && request.hashedpassword().empty()) {
    return plain(request.password());
  }
  std::string hash;
  if (!absl::Base64Unescape(request.hashedpassword(), &hash)) {
    PROBE("import: a password's hash that is no base64 is refused");
    return WireStatus(EtcdError::kAuthFailed);
  }
  return hashed(hash);
}

absl::Status ChangeAuth(const InternalRaftRequest& request, AuthStore* auth) {
  if (request.has_auth_enable()) {
    return auth->Enable();
  }
  if (request.has_auth_disable()) {
    return auth->Disable();
  }
  if (request.has_auth_user_add()) {
    const auto& add = request.auth_user_add();
    return WithPassword(
        add,
        [&](const std::string& password) {
          return auth->AddUser(add.name(), password, add.options());
        },
        [&](const std::string& hash) {
          return auth->AddHashedUser(add.name(), hash, add.options());
        });
  }
  if (request.has_auth_user_delete()) {
    return auth->DeleteUser(request.auth_user_delete().name());
  }
  if (request.has_auth_user_change_password()) {
    const auto& change = request.auth_user_change_password();
    return WithPassword(
        change,
        [&](const std::string& password) { return auth->ChangePassword(change.name(), password); },
        [&](const std::string& hash) { return auth->ChangeHash(change.name(), hash); });
  }
  if (request.has_auth_user_grant_role()) {
    const auto& grant = request.auth_user_grant_role();
    return auth->GrantRole(grant.user(), grant.role());
  }
  if (request.has_auth_user_revoke_role()) {
    const auto& revoke = request.auth_user_revoke_role();
    return auth->RevokeRole(revoke.name(), revoke.role());
  }
  if (request.has_auth_role_add()) {
    return auth->AddRole(request.auth_role_add().name());
  }
  if (request.has_auth_role_delete()) {
    return auth->DeleteRole(request.auth_role_delete().role());
  }
  if (request.has_auth_role_grant_permission()) {
    const auto& grant = request.auth_role_grant_permission();
    return grant.has_perm() ? auth->GrantLoggedPermission(grant.name(), grant.perm())
                            : WireStatus(EtcdError::kPermissionNotGiven);
  }
  const auto& revoke = request.auth_role_revoke_permission();
  return auth->RevokePermission(revoke.role(), revoke.key(), revoke.range_end());
}

}  // namespace

Replay::Replay(mvcc::Store* store, lease::Lessor* lessor, const EtcdLog* log, MemberRecord member)
    : store_(store),
      lessor_(lessor),
      log_(log),
      member_(std::move(member)),
      // No token is ever made here.
      auth_(store, std::make_unique<SimpleTokens>(kNeverNanos, Clock::Real())),
      alarms_(store) {}

Replay::~Replay() {
  WaitForAll();
}

absl::Status Replay::Load() {
  RETURN_IF_ERROR(auth_.Load());
  return alarms_.Load();
}

ReplayCounts Replay::counts() const {
  MutexLock lock(&mu_);
  return counts_;
}

void Replay::Note(const absl::Status& status, const EtcdEntry& entry) {
  if (status.ok()) {
    ++counts_.applied;
  } else if (IsRefusal(status)) {
    ++counts_.refused;
  } else if (failure_.ok()) {
    failure_ = Annotate(status, fmt::format("{}: entry {} can't be applied here",
                                            log_->Text(entry.place), entry.index));
  }
}

void Replay::Note(const absl::Status& status) {
  MutexLock lock(&mu_);
  Note(status, entry_);
}

void Replay::Refuse() {
  MutexLock lock(&mu_);
  ++counts_.refused;
}

void Replay::WaitForAll() {
  MutexLock lock(&mu_);
  while (under_way_ > 0) {
    changed_.Wait(&mu_);
  }
}

absl::Status Replay::Finish() {
  WaitForAll();
  MutexLock lock(&mu_);
  return failure_;
}

template <typename T>
mvcc::Callback<T> Replay::Begin() {
  MutexLock lock(&mu_);
  while (under_way_ >= kUnderWayMax || under_way_bytes_ >= kUnderWayBytesMax) {
    changed_.Wait(&mu_);
  }
  ++under_way_;
  under_way_bytes_ += entry_.payload.size();
  return [this, entry = entry_](const absl::StatusOr<T>& result) {
    MutexLock done_lock(&mu_);
    Note(result.status(), entry);
    --under_way_;
    under_way_bytes_ -= entry.payload.size();
    changed_.Signal();
  };
}

absl::Status Replay::Apply(const EtcdEntry& entry) {
  entry_ = entry;
  const absl::StatusOr<LogRequest> request = DecodeLogRequest(entry);
  if (!request.ok()) {
    return Annotate(request.status(),
                    fmt::format("{}: entry {}", log_->Text(entry.place), entry.index));
  }
  std::visit([this](const auto& what) { Do(what); }, *request);
  MutexLock lock(&mu_);
  return failure_;
}

void Replay::Do(const NothingToDo& /*nothing*/) {}

void Replay::Do(const MemberChange& change) {
  if (change.member_id != member_.id || change.member_json.empty()) {
    return;
  }
  absl::StatusOr<MemberRecord> record = ParseMemberJson(change.member_json);
  if (record.ok()) {
    member_.peer_urls = record->peer_urls;
    if (!record->name.empty()) {
      member_.name = record->name;
    }
  }
  Note(record.status());
}

void Replay::Do(const MemberAttributes& attributes) {
  if (attributes.member_id != member_.id) {
    return;
  }
  // The record but for its id and its peers.
  std::string record = attributes.json;
  const size_t brace = record.find('{');
  if (brace != std::string::npos) {
    record.insert(brace + 1, fmt::format("\"id\":{},", member_.id));
  }
  absl::StatusOr<MemberRecord> parsed = ParseMemberJson(record);
  if (parsed.ok()) {
    member_.name = parsed->name;
    member_.client_urls = parsed->client_urls;
  }
  Note(parsed.status());
}

void Replay::Do(const ClusterVersion& version) {
  store_->WriteSystem({{.bucket = "cluster", .key = "clusterVersion", .value = version.version}},
                      Begin<uint64_t>());
}

bool Replay::DoAuth(const InternalRaftRequest& request) {
  if (!IsAuthChange(request)) {
    return false;
  }
  const LogPermission permission(auth_.state(), request.header());
  // Whatever they answer: there is no failure but the store's own that etcd had not had.
  const absl::Status changed =
      permission.IsRoot() ? ChangeAuth(request, &auth_) : WireStatus(EtcdError::kPermissionDenied);
  if (changed.ok() || !store_->Health().ok()) {
    Note(changed);
  } else {
    Refuse();
  }
  return true;
}

void Replay::DoAlarm(const etcdserverpb::AlarmRequest& request) {
  const Alarm alarm = {.member_id = request.memberid(), .type = request.alarm()};
  if (request.action() == etcdserverpb::AlarmRequest::GET || alarm.type == etcdserverpb::NONE) {
    return;
  }
  // Begin's callback is of the store's kind; an alarm that was not there is a refusal of its own.
  mvcc::Callback<uint64_t> done = Begin<uint64_t>();
  Alarms::Done note = [done = std::move(done)](const absl::Status& status) mutable {
    done(status.ok() || absl::IsNotFound(status) ? absl::StatusOr<uint64_t>(0) : status);
  };
  if (request.action() == etcdserverpb::AlarmRequest::ACTIVATE) {
    alarms_.Activate(alarm, std::move(note));
  } else {
    alarms_.Deactivate(alarm, std::move(note));
  }
  WaitForAll();  // what follows is judged by it
}

bool Replay::DoServer(const InternalRaftRequest& request) {
  if (request.has_alarm()) {
    DoAlarm(request.alarm());
  } else if (request.has_cluster_version_set()) {
    Do(ClusterVersion{.version = request.cluster_version_set().ver()});
  } else if (request.has_cluster_member_attr_set()) {
    const auto& set = request.cluster_member_attr_set();
    if (set.member_id() == member_.id) {
      member_.name = set.member_attributes().name();
      member_.client_urls.assign(set.member_attributes().client_urls().begin(),
                                 set.member_attributes().client_urls().end());
    }
  } else if (request.has_downgrade_info_set()) {
    const auto& set = request.downgrade_info_set();
    store_->WriteSystem(
        {{.bucket = "cluster",
          .key = "downgrade",
          .value = fmt::format(R"({{"target-version":"{}","enabled":{}}})",
                               set.enabled() ? set.ver() : std::string(), set.enabled())}},
        Begin<uint64_t>());
  } else {
    return KeepsNothing(request);
  }
  return true;
}

bool Replay::MayUseLease(LeaseId id, const LogPermission& permission) {
  if (permission.IsRoot() || id == mvcc::kNoLease) {
    return true;
  }
  WaitForAll();  // so that its keys are those as of this entry
  const std::optional<lease::LeaseStatus> status = lessor_->TimeToLive(id, /*with_keys=*/true);
  return !status.has_value() || permission.MayWriteAll(status->keys);
}

bool Replay::DoLease(const InternalRaftRequest& request, const LogPermission& permission) {
  const bool is_corrupt = alarms_.IsActive(etcdserverpb::CORRUPT);
  if (request.has_lease_grant()) {
    const auto& grant = request.lease_grant();
    if (is_corrupt || alarms_.IsActive(etcdserverpb::NOSPACE) || grant.id() == 0) {
      Refuse();
      return true;
    }
    store_->LeaseGrant(LeaseId{grant.id()}, std::max(grant.ttl(), lease::kTtlMinSeconds),
                       Begin<mvcc::LeaseGrantResult>());
    return true;
  }
  if (request.has_lease_revoke()) {
    const LeaseId id{request.lease_revoke().id()};
    if (is_corrupt || !MayUseLease(id, permission)) {
      Refuse();
      return true;
    }
    store_->LeaseRevoke(id, Begin<mvcc::LeaseRevokeResult>());
    return true;
  }
  if (!request.has_lease_checkpoint()) {
    return false;
  }
  std::vector<mvcc::LeaseCheckpoint> checkpoints;
  for (const auto& checkpoint : request.lease_checkpoint().checkpoints()) {
    checkpoints.push_back(
        {.id = LeaseId{checkpoint.id()}, .remaining_ttl_seconds = checkpoint.remaining_ttl()});
  }
  store_->LeaseCheckpoints(std::move(checkpoints), Begin<int64_t>());
  return true;
}

void Replay::Do(const etcdserverpb::PutRequest& put, const LogPermission& permission) {
  const bool may = permission.MayWrite(put.key(), {}) &&
                   MayUseLease(LeaseId{put.lease()}, permission) &&
                   (!put.prev_kv() || permission.MayRead(put.key(), {}));
  if (!may || alarms_.IsActive(etcdserverpb::NOSPACE)) {
    Refuse();
    return;
  }
  store_->Put(ToStore(put), Begin<mvcc::PutResult>());
}

void Replay::Do(const etcdserverpb::TxnRequest& txn, const LogPermission& permission) {
  if (!permission.May(txn) || (HasPut(txn) && alarms_.IsActive(etcdserverpb::NOSPACE))) {
    Refuse();
    return;
  }
  store_->Txn(ToStore(txn), Begin<mvcc::TxnResult>());
}

void Replay::Do(const InternalRaftRequest& request) {
  if (DoAuth(request) || DoServer(request)) {
    return;
  }
  const LogPermission permission(auth_.state(), request.header());
  if (DoLease(request, permission)) {
    return;
  }
  const bool is_known = request.has_put() || request.has_delete_range() || request.has_txn() ||
                        request.has_compaction();
  if (is_known && alarms_.IsActive(etcdserverpb::CORRUPT)) {
    Refuse();
  } else if (request.has_put()) {
    Do(request.put(), permission);
  } else if (request.has_delete_range()) {
    if (!permission.May(request.delete_range())) {
      Refuse();
      return;
    }
    store_->DeleteRange(ToStore(request.delete_range()), Begin<mvcc::DeleteRangeResult>());
  } else if (request.has_txn()) {
    Do(request.txn(), permission);
  } else if (request.has_compaction()) {
    store_->Compact(request.compaction().revision(), /*physical=*/false,
                    Begin<mvcc::CompactResult>());
  } else {
    PROBE("import: an entry that asks for nothing known is refused");
    Note(absl::UnimplementedError("it asks for nothing that is known here"));
  }
}

}  // namespace socle::server
