// LmdbEngine: the Engine over one LMDB file, a bucket being a named database.
//
// Laws     1. LMDB's own sync discipline: a commit is durable when it returns (no MDB_NOSYNC, no
//             MDB_WRITEMAP).
//          2. Ascending keys are appended (MDB_APPEND), which fills pages whole.
//          3. Keys of up to 32768 bytes in order, above LMDB's 511: long_keys.h.
//          4. Snapshots are bolt images (kv/bolt/image_builder.h): two scans, no copy on disk.
// Threads  as Engine; a WriteTxn ends on the thread that began it.
// Memory   views point into the mapping and cost nothing.
// Errors   as Engine. ResourceExhausted when the map, the disk or the reader table is full: the
//          transaction is over, the engine goes on unless the commit itself failed. LMDB trusts its
//          file: broken pages may abort the process (known limit).
// Source   LMDB 0.9.24's lmdb.h. Its own file access, not Env: no fault injection below it.
#ifndef SOCLE_KV_LMDB_LMDB_ENGINE_H_
#define SOCLE_KV_LMDB_LMDB_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "kv/engine.h"

namespace socle::kv {

struct LmdbOptions {
  // Address range of the mapping: the largest size that the file can reach.
  uint64_t map_size_bytes = uint64_t{256} << 30U;
  uint32_t readers_max = 1024;
  uint32_t buckets_max = 1024;
};

// Opens the file, creating it when missing; LMDB puts `path`-lock beside it.
absl::StatusOr<std::unique_ptr<Engine>> OpenLmdb(const std::string& path,
                                                 const LmdbOptions& options);

}  // namespace socle::kv

#endif  // SOCLE_KV_LMDB_LMDB_ENGINE_H_
