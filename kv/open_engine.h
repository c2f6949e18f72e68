// OpenEngine: which engine a directory holds, and opening it.
//
//   engine    files in the directory                    ENGINE
//   bolt      db                                        missing, or "bolt"
//   lmdb      db.lmdb, db.lmdb-lock                     "lmdb"
//   rocksdb   db.rocksdb/, db.rocksdb.lock              "rocksdb"
//
// Laws     1. A directory without the file ENGINE that has a `db` is bolt's: earlier versions and
//             etcd make such ones, and so does this one.
//          2. A directory is opened with its own engine or not at all; a new one gets the engine
//             that was asked for, bolt when none was.
//          3. ENGINE is durable before the engine makes its first file.
// Threads  thread-safe.
// Errors   FailedPrecondition when the directory has another engine than asked for; DataLoss when
//          ENGINE says what is not known; InvalidArgument for LMDB and RocksDB on another Env than
//          the machine's.
#ifndef SOCLE_KV_OPEN_ENGINE_H_
#define SOCLE_KV_OPEN_ENGINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "freelist/freelist.h"
#include "kv/engine.h"
#include "kv/env/env.h"

namespace socle::kv {

enum class EngineKind { kBolt, kLmdb, kRocksdb };

// "bolt", "lmdb", "rocksdb".
std::string_view NameOf(EngineKind kind);
absl::StatusOr<EngineKind> EngineKindOf(std::string_view name);

struct EngineOptions {
  // Of bolt.
  freelist::FreelistType freelist_type = freelist::FreelistType::kHashmap;
  // Of bolt; refused with another engine.
  bool page_checksums = false;
  // Of bolt and LMDB: the largest size that the file can reach in this process.
  uint64_t map_size_bytes = uint64_t{256} << 30U;
};

// Where an engine has its file, or its directory.
struct EnginePlace {
  EngineKind kind = EngineKind::kBolt;
  std::string path;
};

EnginePlace PlaceIn(const std::string& directory, EngineKind kind);

// The engine whose data the directory holds; nullopt when it holds none yet.
absl::StatusOr<std::optional<EngineKind>> FindEngine(Env* env, const std::string& directory);

// Makes the directory an engine's, durably. Requires an existing directory.
absl::Status RememberEngine(Env* env, const std::string& directory, EngineKind kind);

// Opens the engine of the directory, which must exist (law 2).
absl::StatusOr<std::unique_ptr<Engine>> OpenEngine(Env* env, const std::string& directory,
                                                   std::optional<EngineKind> kind,
                                                   const EngineOptions& options);

// Opens, or creates, an engine at a place without looking at ENGINE.
absl::StatusOr<std::unique_ptr<Engine>> OpenEngineAt(Env* env, const EnginePlace& place,
                                                     const EngineOptions& options);
// Removes what OpenEngineAt made there; OK when there is nothing. Requires that it is closed.
absl::Status RemoveEngineAt(Env* env, const EnginePlace& place);

}  // namespace socle::kv

#endif  // SOCLE_KV_OPEN_ENGINE_H_
