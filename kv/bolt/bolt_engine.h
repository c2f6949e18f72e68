// BoltEngine: the Engine over one file in the bbolt v2 format.
//
// Laws     1. Commit order: pages, sync, meta page, sync; the new meta is visible to readers only
//             after the second sync (bbolt shows it before: spec etcd 3.2).
//          2. A page that any open reader can see is never written.
//          3. The mapping never moves: one reserved address range for the life of the engine.
//          4. A file that is not ours, is newer, or is broken is refused and not changed.
// Threads  as Engine.
// Errors   Open: FailedPrecondition (locked), DataLoss (meta pages, freelist, truncated file),
//          InvalidArgument (not a bbolt file, version).
// Source   spec etcd 3.1 to 3.6; kv/bolt/FORMAT.md.
#ifndef SOCLE_KV_BOLT_BOLT_ENGINE_H_
#define SOCLE_KV_BOLT_BOLT_ENGINE_H_

#include <memory>
#include <string>

#include "freelist/freelist.h"
#include "kv/engine.h"
#include "kv/env/env.h"

namespace socle::kv {

struct BoltOptions {
  freelist::FreelistType freelist_type = freelist::FreelistType::kHashmap;
  // Writes the freelist with every commit instead of finding free pages by a walk at open. etcd never does.
  bool sync_freelist = false;
  // Only used when the file is created; an existing file says its own.
  uint32_t page_size = 4096;
  // Address range reserved for the mapping: the largest size that the file can reach in this process.
  uint64_t map_size_bytes = uint64_t{256} << 30U;
  // Checksums of the pages in PATH.sums: verified when a page is first read, and by Check. Made for the whole file
  // when they are missing or another program wrote the file. Costs a sync per commit. With read_only they are used
  // when they fit.
  bool page_checksums = false;
  bool read_only = false;  // no lock for others, no write transaction
};

// Opens the file, creating it when missing (unless read_only).
absl::StatusOr<std::unique_ptr<Engine>> OpenBolt(Env* env, const std::string& path,
                                                 const BoltOptions& options);

}  // namespace socle::kv

#endif  // SOCLE_KV_BOLT_BOLT_ENGINE_H_
