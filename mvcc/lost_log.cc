#include "mvcc/lost_log.h"

#include <algorithm>
#include <vector>

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/wal/segment.h"
#include "mvcc/foreign_log.h"

namespace socle::mvcc {
namespace {

absl::StatusOr<bool> HasLog(Env* env, const std::string& directory) {
  ASSIGN_OR_RETURN(const bool exists, env->Exists(directory));
  if (!exists) {
    return false;
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> names, env->List(directory));
  return std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return kv::ParseSegmentName(name).has_value();
  });
}

}  // namespace

std::string LogDirectoryOf(const std::string& directory, const std::string& wal_directory) {
  return wal_directory.empty() ? directory + "/member/socle-wal" : wal_directory;
}

absl::Status RefuseLostLog(Env* env, const std::string& directory,
                           const std::string& wal_directory) {
  const std::string log = LogDirectoryOf(directory, wal_directory);
  ASSIGN_OR_RETURN(const bool is_there, HasLog(env, log));
  if (is_there) {
    return absl::OkStatus();
  }
  const std::string database = directory + "/member/snap/db";
  ASSIGN_OR_RETURN(const bool has_database, env->Exists(database));
  ASSIGN_OR_RETURN(const bool is_snapshot,
                   has_database ? IsSavedSnapshot(env, database) : absl::StatusOr<bool>(false));
  if (is_snapshot) {
    return absl::OkStatus();
  }
  PROBE("store: refused without its log");
  const std::string by_default = LogDirectoryOf(directory, {});
  ASSIGN_OR_RETURN(const bool is_elsewhere, HasLog(env, by_default));
  if (is_elsewhere) {
    return absl::FailedPreconditionError(
        fmt::format("the log of {} is in {}, not in {}: start without --wal-dir, or move all of "
                    "the log's files first",
                    directory, by_default, log));
  }
  return absl::FailedPreconditionError(fmt::format(
      "the log of {} is not in {}, and the newest writes may be nowhere else: give the --wal-dir "
      "that it had, or bring the log back. Without it, 'soclectl snapshot restore "
      "{}/member/snap/db "
      "--skip-hash-check --data-dir NEW' makes a store of what the pages hold",
      directory, log, directory));
}

}  // namespace socle::mvcc
