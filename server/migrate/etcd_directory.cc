#include "server/migrate/etcd_directory.h"

#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/bolt_engine.h"
#include "mvcc/schema.h"
#include "server/migrate/membership.h"

namespace socle::server {
namespace {

constexpr size_t kHexDigits = 16;

// SEQUENCE-INDEX.wal, TERM-INDEX.snap: two numbers of 16 hexadecimal digits.
struct NumberedName {
  uint64_t first = 0;
  uint64_t second = 0;
};

std::optional<uint64_t> ParseHex(std::string_view digits) {
  uint64_t number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size()
             ? std::optional(number)
             : std::nullopt;
}

std::optional<NumberedName> ParseName(std::string_view name, std::string_view suffix) {
  if (name.size() != 2 * kHexDigits + 1 + suffix.size() || name[kHexDigits] != '-' ||
      !name.ends_with(suffix)) {
    return std::nullopt;
  }
  const std::optional<uint64_t> first = ParseHex(name.substr(0, kHexDigits));
  const std::optional<uint64_t> second = ParseHex(name.substr(kHexDigits + 1, kHexDigits));
  if (!first.has_value() || !second.has_value()) {
    return std::nullopt;
  }
  return NumberedName{.first = *first, .second = *second};
}

// Paths of the segments, in order; law 2.
absl::StatusOr<std::vector<std::string>> ListSegments(Env* env, const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, env->List(directory));
  std::vector<std::string> paths;
  std::optional<uint64_t> previous;
  for (const std::string& name : names) {
    if (!name.ends_with(".wal")) {
      continue;  // segments prepared for later, broken ones that etcd set aside
    }
    const std::string path = fmt::format("{}/{}", directory, name);
    const std::optional<NumberedName> parsed = ParseName(name, ".wal");
    if (!parsed.has_value()) {
      return absl::DataLossError(fmt::format("{}: is no name of a log segment of etcd", path));
    }
    if (previous.has_value() && parsed->first != *previous + 1) {
      return absl::DataLossError(
          fmt::format("{}: follows segment {:016x}: what was between is missing", path, *previous));
    }
    previous = parsed->first;
    paths.push_back(path);
  }
  if (paths.empty()) {
    return absl::NotFoundError(fmt::format("{}: has no log segments of etcd", directory));
  }
  return paths;
}

absl::StatusOr<uint64_t> ReadApplied(const kv::ReadTxn& pages) {
  ASSIGN_OR_RETURN(const auto value, pages.Get("meta", mvcc::kConsistentIndexKey));
  if (!value.has_value()) {
    return 0;
  }
  if (value->size() != sizeof(uint64_t)) {
    return absl::DataLossError("meta/consistent_index is no number of 8 bytes");
  }
  return GetBigEndian64(value->data());
}

}  // namespace

absl::StatusOr<std::unique_ptr<EtcdDirectory>> EtcdDirectory::Open(Env* env,
                                                                   const Options& options) {
  std::unique_ptr<EtcdDirectory> opened(new EtcdDirectory);
  opened->snap_directory_ = options.directory + "/member/snap";
  opened->database_path_ = opened->snap_directory_ + "/db";
  const std::string wal =
      options.wal_directory.empty() ? options.directory + "/member/wal" : options.wal_directory;
  ASSIGN_OR_RETURN(const bool has_database, env->Exists(opened->database_path_));
  ASSIGN_OR_RETURN(const bool has_log, env->Exists(wal));
  if (!has_database || !has_log) {
    ASSIGN_OR_RETURN(const bool is_ours, env->Exists(options.directory + "/member/socle-wal"));
    if (is_ours) {
      return absl::FailedPreconditionError(
          fmt::format("{}: is a data directory of socle-kv already: socle-kv --data-dir {} starts "
                      "on it",
                      options.directory, options.directory));
    }
    return absl::NotFoundError(fmt::format(
        "{}: is no data directory of etcd: there is no {}", options.directory,
        has_database ? fmt::format("{} (--wal-dir names the log when it is elsewhere)", wal)
                     : opened->database_path_));
  }
  RETURN_IF_ERROR(opened->OpenDatabase(env, options.progress));
  RETURN_IF_ERROR(opened->ReadLog(env, wal, options.progress));
  RETURN_IF_ERROR(ExpectSoleVoter(env, opened->snap_directory_, opened->log_, opened->applied_));
  RETURN_IF_ERROR(opened->ExpectReach());
  RETURN_IF_ERROR(opened->ReadMember());
  return opened;
}

absl::Status EtcdDirectory::OpenDatabase(Env* env, const MigrateProgress& progress) {
  absl::StatusOr<std::unique_ptr<FileLock>> lock = env->LockShared(database_path_);
  if (!lock.ok()) {
    return absl::IsFailedPrecondition(lock.status())
               ? Annotate(lock.status(), "etcd must be stopped first")
               : lock.status();
  }
  lock_ = *std::move(lock);
  ASSIGN_OR_RETURN(engine_, kv::OpenBolt(env, database_path_, {.read_only = true}));
  if (progress) {
    progress("verifying the database");
  }
  RETURN_IF_ERROR(engine_->Check());
  ASSIGN_OR_RETURN(pages_, engine_->BeginRead());
  absl::StatusOr<uint64_t> applied = ReadApplied(*pages_);
  if (!applied.ok()) {
    return Annotate(applied.status(), database_path_);
  }
  applied_ = *applied;
  return absl::OkStatus();
}

absl::Status EtcdDirectory::ReadLog(Env* env, const std::string& directory,
                                    const MigrateProgress& progress) {
  ASSIGN_OR_RETURN(const std::vector<std::string> paths, ListSegments(env, directory));
  std::vector<EtcdSegment> segments;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(path, OpenMode::kReadOnly));
    ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    std::string_view bytes;
    if (size > 0) {
      ASSIGN_OR_RETURN(mappings_.emplace_back(), file->MapForReading(size));
      bytes = {mappings_.back()->data(), size};
    }
    segments.push_back({.name = path, .bytes = bytes});
  }
  ASSIGN_OR_RETURN(log_, ReadEtcdLog(segments, [&progress](uint64_t bytes) {
                     if (progress) {
                       progress(fmt::format("reading the log, {} MiB", bytes >> 20U));
                     }
                   }));
  return absl::OkStatus();
}

absl::Status EtcdDirectory::ExpectReach() const {
  const uint64_t first = log_.entries.empty() ? 0 : log_.entries.front().index;
  if (log_.last_index() < applied_) {
    return absl::DataLossError(
        fmt::format("{}: holds the log up to entry {}, but the log ends with entry {}: it lost its "
                    "end. What the database "
                    "has can be taken alone: soclectl snapshot restore --skip-hash-check {}",
                    database_path_, applied_, log_.last_index(), database_path_));
  }
  if (first > applied_ + 1) {
    return absl::DataLossError(
        fmt::format("{}: holds the log up to entry {}, and the log begins with "
                    "entry {}: what is between is missing",
                    database_path_, applied_, first));
  }
  return absl::OkStatus();
}

absl::Status EtcdDirectory::ReadMember() {
  member_.id = log_.member_id;
  const std::string key = fmt::format("{:x}", member_.id);
  ASSIGN_OR_RETURN(const auto record, pages_->Get("members", key));
  if (record.has_value()) {
    absl::StatusOr<MemberRecord> parsed = ParseMemberJson(*record);
    if (!parsed.ok()) {
      return Annotate(parsed.status(), fmt::format("{}: members/{}", database_path_, key));
    }
    member_ = *std::move(parsed);
  }
  return absl::OkStatus();
}

}  // namespace socle::server
