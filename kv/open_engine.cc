#include "kv/open_engine.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/lmdb/lmdb_engine.h"
#include "kv/rocksdb/rocksdb_engine.h"

namespace socle::kv {
namespace {

struct KindRow {
  EngineKind kind;
  std::string_view name;
  std::string_view file;
};

constexpr std::array<KindRow, 3> kKinds = {{
    {EngineKind::kBolt, "bolt", "db"},
    {EngineKind::kLmdb, "lmdb", "db.lmdb"},
    {EngineKind::kRocksdb, "rocksdb", "db.rocksdb"},
}};

constexpr size_t kEngineFileBytesMax = 64;

const KindRow& RowOf(EngineKind kind) {
  return kKinds[static_cast<size_t>(kind)];
}

std::string EngineFileOf(const std::string& directory) {
  return directory + "/ENGINE";
}

// The one to name to people: an engine's directory is member/snap in it.
std::string DataDirectoryOf(std::string directory) {
  constexpr std::string_view kInside = "/member/snap";
  if (directory.ends_with(kInside)) {
    directory.resize(directory.size() - kInside.size());
  }
  return directory;
}

absl::StatusOr<std::string> ReadSmallFile(Env* env, const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(path, OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::string text(std::min<uint64_t>(size, kEngineFileBytesMax), '\0');
  RETURN_IF_ERROR(file->ReadAt(0, text));
  return text;
}

absl::Status RemoveIfThere(Env* env, const std::string& path) {
  ASSIGN_OR_RETURN(const bool exists, env->Exists(path));
  return exists ? env->Remove(path) : absl::OkStatus();
}

}  // namespace

std::string_view NameOf(EngineKind kind) {
  return RowOf(kind).name;
}

absl::StatusOr<EngineKind> EngineKindOf(std::string_view name) {
  for (const KindRow& row : kKinds) {
    if (row.name == name) {
      return row.kind;
    }
  }
  return absl::InvalidArgumentError(
      fmt::format("'{}' is no storage engine; there are bolt, lmdb and rocksdb", name));
}

EnginePlace PlaceIn(const std::string& directory, EngineKind kind) {
  return {.kind = kind, .path = fmt::format("{}/{}", directory, RowOf(kind).file)};
}

absl::StatusOr<std::optional<EngineKind>> FindEngine(Env* env, const std::string& directory) {
  const std::string path = EngineFileOf(directory);
  ASSIGN_OR_RETURN(const bool is_remembered, env->Exists(path));
  if (!is_remembered) {
    ASSIGN_OR_RETURN(const bool has_bolt, env->Exists(PlaceIn(directory, EngineKind::kBolt).path));
    return has_bolt ? std::optional(EngineKind::kBolt) : std::nullopt;
  }
  ASSIGN_OR_RETURN(std::string text, ReadSmallFile(env, path));
  if (text.ends_with('\n')) {
    text.pop_back();
  }
  const absl::StatusOr<EngineKind> kind = EngineKindOf(text);
  if (!kind.ok()) {
    return absl::DataLossError(
        fmt::format("{}: {}; write the name of the engine that made the files beside it", path,
                    MessageOf(kind.status())));
  }
  return *kind;
}

absl::Status RememberEngine(Env* env, const std::string& directory, EngineKind kind) {
  const std::string path = EngineFileOf(directory);
  const std::string unfinished = path + ".new";
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                     env->Open(unfinished, OpenMode::kReadWriteCreate));
    RETURN_IF_ERROR(file->Truncate(0));
    RETURN_IF_ERROR(file->WriteAt(0, fmt::format("{}\n", NameOf(kind))));
    RETURN_IF_ERROR(file->SyncData());
  }
  RETURN_IF_ERROR(env->Rename(unfinished, path));
  return env->SyncDir(directory);
}

absl::StatusOr<std::unique_ptr<Engine>> OpenEngine(Env* env, const std::string& directory,
                                                   std::optional<EngineKind> kind,
                                                   const EngineOptions& options) {
  ASSIGN_OR_RETURN(const std::optional<EngineKind> found, FindEngine(env, directory));
  if (found && kind && *found != *kind) {
    PROBE("open engine: another engine's directory is refused");
    return absl::FailedPreconditionError(fmt::format(
        "{} holds the storage engine {}, not {}: start with --backend={}, or convert it with "
        "'soclectl db convert {} --to {}'",
        directory, NameOf(*found), NameOf(*kind), NameOf(*found), DataDirectoryOf(directory),
        NameOf(*kind)));
  }
  const EngineKind chosen = found.value_or(kind.value_or(EngineKind::kBolt));
  if (options.page_checksums && chosen != EngineKind::kBolt) {
    return absl::InvalidArgumentError(
        fmt::format("{}: page checksums are of the storage engine bolt; {} has its own, or none",
                    directory, NameOf(chosen)));
  }
  // A new bolt directory looks like etcd's (law 1).
  if (!found && chosen != EngineKind::kBolt) {
    RETURN_IF_ERROR(RememberEngine(env, directory, chosen));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine,
                   OpenEngineAt(env, PlaceIn(directory, chosen), options));
  // Now locked: a conversion that held the lock may have given the directory to another engine.
  ASSIGN_OR_RETURN(const std::optional<EngineKind> still, FindEngine(env, directory));
  if (still != chosen) {
    return absl::FailedPreconditionError(
        fmt::format("{}: the storage engine was changed meanwhile; start again", directory));
  }
  return engine;
}

absl::StatusOr<std::unique_ptr<Engine>> OpenEngineAt(Env* env, const EnginePlace& place,
                                                     const EngineOptions& options) {
  if (place.kind == EngineKind::kBolt) {
    return OpenBolt(env, place.path,
                    {.freelist_type = options.freelist_type,
                     .map_size_bytes = options.map_size_bytes,
                     .page_checksums = options.page_checksums});
  }
  if (env != Env::Posix()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {} has its own file access and works on the machine's file system only",
                    place.path, NameOf(place.kind)));
  }
  if (place.kind == EngineKind::kLmdb) {
    return OpenLmdb(place.path, {.map_size_bytes = options.map_size_bytes});
  }
  return OpenRocksdb(place.path, {});
}

absl::Status RemoveEngineAt(Env* env, const EnginePlace& place) {
  switch (place.kind) {
    case EngineKind::kBolt:
      RETURN_IF_ERROR(RemoveIfThere(env, place.path + ".sums"));
      return RemoveIfThere(env, place.path);
    case EngineKind::kLmdb:
      RETURN_IF_ERROR(RemoveIfThere(env, place.path));
      return RemoveIfThere(env, place.path + "-lock");
    case EngineKind::kRocksdb:
      RETURN_IF_ERROR(DestroyRocksdb(place.path));
      return RemoveIfThere(env, place.path + ".lock");
  }
  return absl::OkStatus();
}

}  // namespace socle::kv
