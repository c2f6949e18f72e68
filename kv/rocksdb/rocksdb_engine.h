// RocksdbEngine: the Engine over one RocksDB directory, a bucket being a column family.
//
// Laws     1. A commit is one write batch over all column families with sync: atomic and durable.
//          2. Buckets come and go with their commit: the catalog in the default column family, part
//             of the batch, says which column families are buckets; one that it does not name is
//             dropped at open (database.h).
//          3. Every commit has one RocksDB snapshot, which all its readers share.
//          4. Snapshots in the other sense are bolt images (kv/bolt/image_builder.h): two scans.
// Threads  as Engine.
// Memory   block cache and write buffers as the options say; what a ReadTxn returns is copied and
//          lives with it: give each reader its own (Share).
// Errors   as Engine. After a failed commit writing has stopped, as RocksDB itself does.
// Source   RocksDB 7.8; its guide "Setup Options and Basic Tuning". Its own file access, not Env.
#ifndef SOCLE_KV_ROCKSDB_ROCKSDB_ENGINE_H_
#define SOCLE_KV_ROCKSDB_ROCKSDB_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "kv/engine.h"

namespace socle::kv {

struct RocksdbOptions {
  uint64_t block_cache_bytes = uint64_t{64} << 20U;
  // Of all buckets together, before they are written as tables.
  uint64_t write_buffer_bytes = uint64_t{64} << 20U;
};

// Opens the directory, creating it when missing; `path`.lock beside it keeps others out.
absl::StatusOr<std::unique_ptr<Engine>> OpenRocksdb(const std::string& path,
                                                    const RocksdbOptions& options);

// Removes the directory and the database in it; OK when there is none. Requires that it is closed.
absl::Status DestroyRocksdb(const std::string& path);

}  // namespace socle::kv

#endif  // SOCLE_KV_ROCKSDB_ROCKSDB_ENGINE_H_
