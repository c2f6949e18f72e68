#include "mvcc/foreign_log.h"

#include <memory>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include "kv/base/status_macros.h"

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

}  // namespace

absl::Status RefuseEtcdLog(Env* env, const std::string& directory,
                           const std::string& wal_directory) {
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

}  // namespace socle::mvcc
