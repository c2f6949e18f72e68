#include "server/service/maintenance_service.h"

#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/log.h"
#include "kv/base/status_macros.h"
#include "server/service/error_table.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

void AddAlarm(const Alarm& alarm, pb::AlarmResponse* response) {
  pb::AlarmMember* member = response->add_alarms();
  member->set_memberid(alarm.member_id);
  member->set_alarm(alarm.type);
}

// "3.5" or "3.5.0", as semver; false when it is neither.
bool ParseTarget(std::string_view text, int* major, int* minor) {
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, *major);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') {
    return false;
  }
  const auto second = std::from_chars(first.ptr + 1, end, *minor);
  if (second.ec != std::errc()) {
    return false;
  }
  if (second.ptr == end) {
    return true;
  }
  int patch = 0;
  const auto third = std::from_chars(second.ptr + 1, end, patch);
  return *second.ptr == '.' && third.ec == std::errc() && third.ptr == end;
}

}  // namespace

void MaintenanceService::Alarm(const Caller& caller, const pb::AlarmRequest& request,
                               pb::AlarmResponse* response, Done done) {
  const bool only_asks = request.action() == pb::AlarmRequest::GET;
  const Guard& guard = node_->guard();
  if (const absl::Status may = only_asks ? guard.AnyUser(caller) : guard.Root(caller); !may.ok()) {
    done(may);
    return;
  }
  const server::Alarm alarm{.member_id = request.memberid(), .type = request.alarm()};
  const bool activates = request.action() == pb::AlarmRequest::ACTIVATE &&
                         (alarm.type == pb::NOSPACE || alarm.type == pb::CORRUPT);
  const bool deactivates = request.action() == pb::AlarmRequest::DEACTIVATE;
  if (!activates && !deactivates) {
    if (only_asks) {
      for (const server::Alarm& active : node_->alarms().List(alarm.type)) {
        AddAlarm(active, response);
      }
    }
    node_->FillHeader(response->mutable_header());
    done(absl::OkStatus());
    return;
  }
  auto answer = [this, response, alarm,
                 done = std::move(done)](const absl::Status& status) mutable {
    if (status.ok()) {
      AddAlarm(alarm, response);
    }
    node_->FillHeader(response->mutable_header());
    // Disarming what is not armed answers with an empty list.
    done(absl::IsNotFound(status) ? absl::OkStatus() : WireStatus(status));
  };
  if (activates) {
    node_->alarms().Activate(alarm, std::move(answer));
  } else {
    node_->alarms().Deactivate(alarm, std::move(answer));
  }
}

absl::Status MaintenanceService::Status(const Caller& caller, pb::StatusResponse* response) const {
  RETURN_IF_ERROR(node_->guard().AnyUser(caller));
  const mvcc::StoreStats stats = node_->store().Stats();
  response->mutable_header()->set_revision(stats.current_revision);
  node_->FillIds(response->mutable_header());
  response->set_version(std::string(kServerVersion));
  response->set_dbsize(static_cast<int64_t>(stats.db_size_bytes));
  response->set_dbsizeinuse(static_cast<int64_t>(stats.db_in_use_bytes));
  response->set_leader(node_->identity().member.id);
  response->set_raftindex(stats.log_index);
  response->set_raftappliedindex(stats.log_index);
  response->set_raftterm(node_->identity().raft_term);
  response->set_storageversion(std::string(kStorageVersion));
  response->set_dbsizequota(node_->quota().bytes());
  response->mutable_downgradeinfo();
  for (const server::Alarm& alarm : node_->alarms().List(pb::NONE)) {
    // Go's text of the message, which leaves out a member 0: so is one raised for nobody in particular.
    const std::string member =
        alarm.member_id == 0 ? std::string() : fmt::format("memberID:{} ", alarm.member_id);
    response->add_errors(fmt::format("{}alarm:{} ", member, pb::AlarmType_Name(alarm.type)));
  }
  return absl::OkStatus();
}

void MaintenanceService::Defragment(const Caller& caller, pb::DefragmentResponse* /*response*/,
                                    Done done) {
  if (const absl::Status may = node_->guard().Root(caller); !may.ok()) {
    done(may);
    return;
  }
  ServiceTimes* const times = node_->times();
  times->defragmenting.fetch_add(1, std::memory_order_relaxed);
  node_->store().Shrink([times, timed = std::make_unique<Timed>(&times->defragment),
                         done = std::move(done)](const absl::StatusOr<uint64_t>& shrunk) mutable {
    timed.reset();
    times->defragmenting.fetch_sub(1, std::memory_order_relaxed);
    done(WireStatus(shrunk.status()));
  });
}

void MaintenanceService::Hash(const Caller& caller, pb::HashResponse* response, Done done) {
  if (const absl::Status may = node_->guard().Root(caller); !may.ok()) {
    done(may);
    return;
  }
  node_->RunOnWorker(
      [this, response](Done answer) {
        const Timed timed(&node_->times()->hash);
        const absl::StatusOr<uint32_t> hash = node_->store().Hash();
        if (hash.ok()) {
          response->set_hash(*hash);
          node_->FillHeader(response->mutable_header());
        }
        answer(WireStatus(hash.status()));
      },
      std::move(done), WorkerPool::Weight::kLong);
}

void MaintenanceService::HashKv(const Caller& caller, const pb::HashKVRequest& request,
                                pb::HashKVResponse* response, Done done) {
  if (const absl::Status may = node_->guard().Root(caller); !may.ok()) {
    done(may);
    return;
  }
  node_->RunOnWorker(
      [this, revision = request.revision(), response](Done answer) {
        const Timed timed(&node_->times()->hash_kv);
        const absl::StatusOr<mvcc::KvHash> hash = node_->store().HashKv(revision);
        if (hash.ok()) {
          response->set_hash(hash->hash);
          response->set_compact_revision(hash->compact_revision);
          response->set_hash_revision(hash->hash_revision);
          response->mutable_header()->set_revision(hash->current_revision);
          node_->FillHeader(response->mutable_header());
        }
        answer(WireStatus(hash.status()));
      },
      std::move(done), WorkerPool::Weight::kLong);
}

absl::Status MaintenanceService::MoveLeader(const Caller& caller,
                                            const pb::MoveLeaderRequest& request) const {
  RETURN_IF_ERROR(node_->guard().Root(caller));
  return request.targetid() == node_->identity().member.id
             ? absl::OkStatus()
             : WireStatus(EtcdError::kBadLeaderTransferee);
}

absl::Status MaintenanceService::Downgrade(const Caller& caller,
                                           const pb::DowngradeRequest& request,
                                           pb::DowngradeResponse* response) const {
  RETURN_IF_ERROR(node_->guard().Root(caller));
  if (request.action() == pb::DowngradeRequest::CANCEL) {
    response->set_version(std::string(kClusterVersion));
    node_->FillHeader(response->mutable_header());
    return absl::OkStatus();
  }
  int major = 0;
  int minor = 0;
  if (!ParseTarget(request.version(), &major, &minor)) {
    return WireStatus(EtcdError::kWrongDowngradeFormat);
  }
  if (major != 3 || minor != 5) {
    return WireStatus(EtcdError::kInvalidDowngradeTarget);
  }
  return WireStatus(EtcdError::kNotCapable);
}

absl::StatusOr<std::unique_ptr<SnapshotStream>> MaintenanceService::Snapshot(
    const Caller& caller, std::function<void()> on_ready) {
  RETURN_IF_ERROR(node_->guard().Root(caller));
  absl::StatusOr<std::unique_ptr<SnapshotStream>> stream =
      SnapshotStream::Start(&node_->store(), std::move(on_ready), &node_->times()->snapshot);
  if (!stream.ok()) {
    LogError("a snapshot is refused", {{"error", stream.status()}});
    return WireStatus(stream.status());
  }
  return stream;
}

}  // namespace socle::server
