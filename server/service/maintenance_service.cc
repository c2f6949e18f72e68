#include "server/service/maintenance_service.h"

#include <nmmintrin.h>

#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

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

uint32_t ExtendCrc32c(uint32_t crc, std::string_view bytes) {
  uint64_t state = ~crc;
  while (bytes.size() >= sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof(word));
    state = _mm_crc32_u64(state, word);
    bytes.remove_prefix(sizeof(word));
  }
  auto rest = static_cast<uint32_t>(state);
  for (const char c : bytes) {
    rest = _mm_crc32_u8(rest, static_cast<uint8_t>(c));
  }
  return ~rest;
}

bool IsSkippedByHash(std::string_view bucket, std::string_view key) {
  return bucket == "meta" &&
         (key == "term" || key == "consistent_index" || key == "storageVersion");
}

absl::StatusOr<uint32_t> HashOf(mvcc::Store& store) {
  ASSIGN_OR_RETURN(const std::unique_ptr<kv::ReadTxn> pages, store.CommitAndRead());
  ASSIGN_OR_RETURN(const std::vector<std::string> buckets, pages->Buckets());
  uint32_t crc = 0;
  for (const std::string& bucket : buckets) {
    crc = ExtendCrc32c(crc, bucket);
    ASSIGN_OR_RETURN(const std::unique_ptr<kv::Cursor> cursor, pages->NewCursor(bucket));
    for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
      if (!IsSkippedByHash(bucket, cursor->key())) {
        crc = ExtendCrc32c(ExtendCrc32c(crc, cursor->key()), cursor->value());
      }
    }
    RETURN_IF_ERROR(cursor->status());
  }
  return crc;
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
    response->add_errors(
        fmt::format("memberID:{} alarm:{} ", alarm.member_id, pb::AlarmType_Name(alarm.type)));
  }
  return absl::OkStatus();
}

void MaintenanceService::Defragment(const Caller& caller, pb::DefragmentResponse* /*response*/,
                                    Done done) {
  if (const absl::Status may = node_->guard().Root(caller); !may.ok()) {
    done(may);
    return;
  }
  node_->RunOnWorker(
      [this](Done answer) { answer(WireStatus(node_->store().CommitAndRead().status())); },
      std::move(done));
}

void MaintenanceService::Hash(const Caller& caller, pb::HashResponse* response, Done done) {
  if (const absl::Status may = node_->guard().Root(caller); !may.ok()) {
    done(may);
    return;
  }
  node_->RunOnWorker(
      [this, response](Done answer) {
        const absl::StatusOr<uint32_t> hash = HashOf(node_->store());
        if (hash.ok()) {
          response->set_hash(*hash);
          node_->FillHeader(response->mutable_header());
        }
        answer(WireStatus(hash.status()));
      },
      std::move(done));
}

absl::Status MaintenanceService::HashKv(const Caller& caller) const {
  RETURN_IF_ERROR(node_->guard().Root(caller));
  return absl::UnimplementedError("unknown method HashKV for service etcdserverpb.Maintenance");
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
  return std::make_unique<SnapshotStream>(&node_->store(), std::move(on_ready));
}

}  // namespace socle::server
