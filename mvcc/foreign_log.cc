#include "mvcc/foreign_log.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/bolt_engine.h"
#include "mvcc/lost_log.h"
#include "mvcc/schema.h"

namespace socle::mvcc {
namespace {

// Whether a segment begins as those of etcd do: behind the length of the frame stands a record of kind 4, a checksum.
absl::StatusOr<bool> IsEtcdSegment(Env* env, const std::string& path) {
  constexpr std::string_view kFirstRecord = "\x08\x04";
  constexpr uint64_t kFrameBytes = 8;
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(path, OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::string head(kFirstRecord.size(), '\0');
  if (size < kFrameBytes + head.size()) {
    return false;
  }
  RETURN_IF_ERROR(file->ReadAt(kFrameBytes, head));
  return head == kFirstRecord;
}

absl::StatusOr<bool> HasFileNamed(Env* env, const std::string& directory, std::string_view suffix) {
  ASSIGN_OR_RETURN(const bool exists, env->Exists(directory));
  if (!exists) {
    return false;
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> names, env->List(directory));
  return std::ranges::any_of(names,
                             [suffix](const std::string& name) { return name.ends_with(suffix); });
}

absl::Status RefuseLog(Env* env, const std::string& directory, const std::string& wal_directory) {
  for (const std::string& wal : {directory + "/member/wal", wal_directory}) {
    ASSIGN_OR_RETURN(const bool exists, wal.empty() ? false : env->Exists(wal));
    if (!exists) {
      continue;
    }
    ASSIGN_OR_RETURN(const std::vector<std::string> names, env->List(wal));
    for (const std::string& name : names) {
      if (!name.ends_with(".wal")) {
        continue;
      }
      ASSIGN_OR_RETURN(const bool is_etcd, IsEtcdSegment(env, fmt::format("{}/{}", wal, name)));
      if (is_etcd || wal != wal_directory) {
        return absl::FailedPreconditionError(fmt::format(
            "{} is the log of an etcd server; nothing was touched. With etcd stopped, take it over "
            "with 'soclectl import {}{} --data-dir {}.socle' and start on {}.socle",
            wal, directory, wal == wal_directory ? " --wal-dir " + wal : "", directory, directory));
      }
    }
  }
  return absl::OkStatus();
}

// Whether a database has etcd's buckets without the id that ours gets before any of them.
absl::StatusOr<bool> IsEtcdDatabase(const kv::ReadTxn& pages) {
  constexpr std::array<std::string_view, 3> kMarks = {"meta", "members", "cluster"};
  ASSIGN_OR_RETURN(const auto store_id, pages.Get("meta", kStoreIdKey));
  if (store_id.has_value()) {
    return false;
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> buckets, pages.Buckets());
  return std::ranges::any_of(kMarks, [&buckets](std::string_view mark) {
    return std::ranges::find(buckets, mark) != buckets.end();
  });
}

// What is no database that can be looked at now is left to those who open it: they say why.
absl::StatusOr<bool> HoldsEtcdDatabase(Env* env, const std::string& path) {
  const auto lock = env->LockShared(path);
  if (!lock.ok()) {
    return false;
  }
  const auto engine = kv::OpenBolt(env, path, {.read_only = true});
  if (!engine.ok()) {
    return false;
  }
  ASSIGN_OR_RETURN(const bool is_snapshot, IsSavedSnapshot(env, path));
  if (is_snapshot) {
    return false;
  }
  ASSIGN_OR_RETURN(const auto pages, (*engine)->BeginRead());
  return IsEtcdDatabase(*pages);
}

// etcd with --wal-dir: its log may be anywhere.
absl::Status RefuseDatabase(Env* env, const std::string& directory,
                            const std::string& wal_directory) {
  const std::string snap = directory + "/member/snap";
  const std::string database = snap + "/db";
  const std::string own_log = LogDirectoryOf(directory, wal_directory);
  ASSIGN_OR_RETURN(const bool has_database, env->Exists(database));
  ASSIGN_OR_RETURN(const bool has_own_log, HasFileNamed(env, own_log, ".wal"));
  if (!has_database || has_own_log) {
    return absl::OkStatus();
  }
  // Only etcd makes these. It keeps our id in a database that came back to it by a snapshot.
  ASSIGN_OR_RETURN(const bool has_snap_file, HasFileNamed(env, snap, ".snap"));
  ASSIGN_OR_RETURN(const bool is_etcd, has_snap_file ? true : HoldsEtcdDatabase(env, database));
  if (!is_etcd) {
    return absl::OkStatus();
  }
  PROBE("store: etcd's database without a log is refused");
  return absl::FailedPreconditionError(fmt::format(
      "{} is the database of an etcd server, and its log is elsewhere; nothing was touched. With "
      "etcd stopped, take it over with 'soclectl import {} --wal-dir DIR --data-dir {}.socle', DIR "
      "being etcd's --wal-dir, and start on {}.socle; where there is no log any more, 'soclectl "
      "snapshot restore --skip-hash-check {} --data-dir {}.socle' takes what the database has",
      database, directory, directory, directory, database, directory));
}

}  // namespace

absl::StatusOr<bool> IsSavedSnapshot(Env* env, const std::string& path) {
  constexpr uint64_t kSectorBytes = 512;
  constexpr uint64_t kDigestBytes = 32;
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(path, OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  return size % kSectorBytes == kDigestBytes;
}

absl::Status RefuseEtcdLog(Env* env, const std::string& directory,
                           const std::string& wal_directory) {
  RETURN_IF_ERROR(RefuseLog(env, directory, wal_directory));
  return RefuseDatabase(env, directory, wal_directory);
}

}  // namespace socle::mvcc
