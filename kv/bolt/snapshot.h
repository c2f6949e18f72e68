// Snapshot: the image of one commit, piece by piece.
//
// Laws     1. Page 0 holds the commit's meta, page 1 the same with txid - 1: whoever reads it opens
//             this commit.
//          2. Pages follow raw, in order, up to the high-water mark; free ones as they are.
//          3. A piece does not change while the sink has it, although commits write to free pages meanwhile:
//             whoever writes it and digests it sees the same bytes twice.
// Memory   one piece.
// Threads  the commit's pages must be pinned by an open reader.
// Source   spec etcd 3.2 (WriteTo).
#ifndef SOCLE_KV_BOLT_SNAPSHOT_H_
#define SOCLE_KV_BOLT_SNAPSHOT_H_

#include <functional>
#include <string_view>

#include <absl/status/status.h>

#include "kv/bolt/meta.h"

namespace socle::kv::bolt {

// `base` is the mapping's first byte.
absl::Status WriteImage(const Meta& meta, const char* base,
                        const std::function<absl::Status(std::string_view)>& sink);

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_SNAPSHOT_H_
