#include "server/migrate/membership.h"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/wal/crc32c.h"
#include "server/migrate/wire_field.h"

namespace socle::server {
namespace {

namespace json = boost::json;

absl::Status BrokenSnap(const std::string& name, std::string_view what) {
  return absl::DataLossError(fmt::format("{}: {}", name, what));
}

std::string Ids(const std::set<uint64_t>& ids) {
  std::string text;
  for (const uint64_t id : ids) {
    text += fmt::format("{}{:x}", text.empty() ? "" : ", ", id);
  }
  return text;
}

absl::StatusOr<std::optional<SnapFile>> ReadSnapFile(Env* env, const std::string& path) {
  ASSIGN_OR_RETURN(const bool exists, env->Exists(path));
  if (!exists) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(path, OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::string bytes(size, '\0');
  RETURN_IF_ERROR(file->ReadAt(0, bytes));
  ASSIGN_OR_RETURN(SnapFile snap, ParseSnapFile(path, bytes));
  return snap;
}

// The voters at the marker: of the marker itself since 3.5, else of the .snap file that belongs to it.
absl::StatusOr<EtcdVoters> VotersAt(Env* env, const std::string& snap_directory, const EtcdLog& log,
                                    const EtcdMarker& marker) {
  if (marker.index == 0) {
    return EtcdVoters();
  }
  const std::string path =
      fmt::format("{}/{:016x}-{:016x}.snap", snap_directory, marker.term, marker.index);
  ASSIGN_OR_RETURN(const std::optional<SnapFile> snap, ReadSnapFile(env, path));
  if (snap.has_value()) {
    if (snap->index != marker.index || snap->term != marker.term) {
      return BrokenSnap(path, fmt::format("holds index {} of term {}, not what its name says",
                                          snap->index, snap->term));
    }
    RETURN_IF_ERROR(ExpectNoV2Keys(path, snap->v2_store));
    return snap->voters;
  }
  if (marker.voters.has_value()) {
    return *marker.voters;
  }
  return absl::DataLossError(fmt::format("{}: is missing: {} refers to it, and it says who votes",
                                         path, log.Text(marker.place)));
}

}  // namespace

EtcdMarker NewestMarker(const EtcdLog& log, uint64_t committed) {
  EtcdMarker newest;
  for (const EtcdMarker& marker : log.markers) {
    if (marker.index <= committed && marker.index >= newest.index) {
      newest = marker;
    }
  }
  return newest;
}

absl::StatusOr<SnapFile> ParseSnapFile(const std::string& name, std::string_view bytes) {
  uint64_t crc = 0;
  std::string_view inner;
  WireField field;
  while (!bytes.empty()) {
    if (!ConsumeField(&bytes, &field) || field.number > 2 ||
        field.is_bytes != (field.number == 2)) {
      return BrokenSnap(name, "is no snapshot file of etcd");
    }
    if (field.is_bytes) {
      inner = field.bytes;
    } else {
      crc = field.varint;
    }
  }
  if (inner.empty() || kv::Crc32c(inner) != crc) {
    return BrokenSnap(
        name, fmt::format("its checksum is {:08x}, its bytes have {:08x}", crc, kv::Crc32c(inner)));
  }
  SnapFile snap;
  std::string_view metadata;
  while (!inner.empty()) {
    if (!ConsumeField(&inner, &field) || !field.is_bytes || field.number > 2) {
      return BrokenSnap(name, "its bytes are no snapshot");
    }
    if (field.number == 1) {
      snap.v2_store = field.bytes;
    } else {
      metadata = field.bytes;
    }
  }
  while (!metadata.empty()) {
    if (!ConsumeField(&metadata, &field) || field.number > 3 ||
        field.is_bytes != (field.number == 1)) {
      return BrokenSnap(name, "its metadata is none");
    }
    if (field.number == 1) {
      const std::optional<EtcdVoters> voters = ParseConfState(field.bytes);
      if (!voters.has_value()) {
        return BrokenSnap(name, "does not say who votes");
      }
      snap.voters = *voters;
    } else {
      (field.number == 2 ? snap.index : snap.term) = field.varint;
    }
  }
  return snap;
}

absl::Status ExpectNoV2Keys(const std::string& name, std::string_view v2_store) {
  if (v2_store.empty()) {
    return absl::OkStatus();
  }
  boost::system::error_code error;
  const json::value store = json::parse({v2_store.data(), v2_store.size()}, error);
  if (error) {
    return BrokenSnap(name, "the v2 store in it is no JSON");
  }
  const json::value* keys = store.find_pointer("/Root/Children/1/Children", error);
  if (keys != nullptr && keys->is_object() && !keys->get_object().empty()) {
    PROBE("import: keys of the v2 API are refused");
    return absl::FailedPreconditionError(
        fmt::format("{}: clients of the v2 API have {} keys in this directory, which are not kept "
                    "here: move them to "
                    "the v3 API, or remove them, first",
                    name, keys->get_object().size()));
  }
  return absl::OkStatus();
}

Membership::Membership(const EtcdVoters& voters)
    : voters_(voters.voters.begin(), voters.voters.end()),
      learners_(voters.learners.begin(), voters.learners.end()),
      is_joint_(voters.is_joint) {}

void Membership::Apply(const MemberChange& change) {
  switch (change.kind) {
    case MemberChange::Kind::kAdd:  // of a learner: it is promoted
      learners_.erase(change.member_id);
      voters_.insert(change.member_id);
      return;
    case MemberChange::Kind::kAddLearner:
      voters_.erase(change.member_id);
      learners_.insert(change.member_id);
      return;
    case MemberChange::Kind::kRemove:
      voters_.erase(change.member_id);
      learners_.erase(change.member_id);
      return;
    case MemberChange::Kind::kUpdate:
      return;
  }
}

absl::Status Membership::ExpectAlone(uint64_t member_id) const {
  constexpr const char* kCure =
      "what one of several members has is not all that was agreed on: save a snapshot of the "
      "running cluster "
      "(soclectl snapshot save) and restore that (soclectl snapshot restore), or remove the other "
      "members first (etcdctl member remove)";
  if (!voters_.contains(member_id)) {
    return absl::FailedPreconditionError(fmt::format(
        "member {:x}, whose directory it is, does not vote in its cluster (voters: {}): "
        "it was removed, or never became a full member",
        member_id, voters_.empty() ? "none" : Ids(voters_)));
  }
  if (voters_.size() > 1 || is_joint_) {
    PROBE("import: several voters are refused");
    return absl::FailedPreconditionError(
        fmt::format("the cluster has {} voters ({}); {}", voters_.size(), Ids(voters_), kCure));
  }
  if (!learners_.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("the cluster has a learner ({}); {}", Ids(learners_), kCure));
  }
  return absl::OkStatus();
}

absl::Status ExpectSoleVoter(Env* env, const std::string& snap_directory, const EtcdLog& log,
                             uint64_t applied) {
  const uint64_t committed = std::max(log.commit, applied);
  const EtcdMarker marker = NewestMarker(log, committed);
  if (marker.index > applied) {
    return absl::DataLossError(
        fmt::format("{}/db: holds the log up to entry {} only, the server had saved its state up "
                    "to {}: the file is "
                    "older than the log; was it replaced?",
                    snap_directory, applied, marker.index));
  }
  if (!log.entries.empty() && log.entries.front().index > marker.index + 1) {
    return absl::DataLossError(
        fmt::format("{}: the log begins with entry {}, and nothing says what was before: segments "
                    "between entry {} and it "
                    "are missing",
                    log.Text(log.entries.front().place), log.entries.front().index, marker.index));
  }
  ASSIGN_OR_RETURN(const EtcdVoters voters, VotersAt(env, snap_directory, log, marker));
  Membership members(voters);
  bool is_settled = false;
  for (const EtcdEntry& entry : log.entries) {
    if (entry.index > committed && !is_settled) {
      RETURN_IF_ERROR(members.ExpectAlone(log.member_id));
      is_settled = true;
    }
    if (entry.index <= marker.index || entry.type == EtcdEntryType::kNormal) {
      continue;
    }
    const absl::StatusOr<LogRequest> request = DecodeLogRequest(entry);
    if (!request.ok()) {
      return Annotate(request.status(),
                      fmt::format("{}: entry {}", log.Text(entry.place), entry.index));
    }
    members.Apply(std::get<MemberChange>(*request));
    if (is_settled) {
      RETURN_IF_ERROR(members.ExpectAlone(log.member_id));
    }
  }
  return members.ExpectAlone(log.member_id);
}

}  // namespace socle::server
