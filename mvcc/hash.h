// Hash: the two checksums by which etcd members compare themselves, byte for byte etcd's.
//
//   HashKv  CRC-32C of "key", then revision key and stored record of every revision <= R that a
//           store compacted at the compact revision still holds, in order
//   Hash    CRC-32C of every bucket in the order of names: name, then each key and value
//
// Laws     1. HashKv depends on the history only: a compaction that is under way, or a tombstone
//             that this server keeps at the compact revision and older ones drop, changes nothing.
//          2. HashKv reads one view and blocks nobody.
//          3. Hash leaves out the keys of `meta` that differ between equal stores: etcd's three,
//             and ours.
// Threads  pure functions.
// Memory   HashKv: 16 bytes per live key that was last changed up to the compact revision.
// Errors   kCompacted, kFutureRevision; DataLoss for broken pages.
// Source   spec etcd 1.7, trap 26; etcd#18089.
#ifndef SOCLE_MVCC_HASH_H_
#define SOCLE_MVCC_HASH_H_

#include <cstdint>

#include <absl/status/statusor.h>

#include "kv/engine.h"
#include "mvcc/read_view.h"
#include "mvcc/request.h"

namespace socle::mvcc {

// `revision`: 0 is the current one.
absl::StatusOr<KvHash> HashKv(const ReadState& state, int64_t revision);

absl::StatusOr<uint32_t> HashBuckets(const kv::ReadTxn& pages);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_HASH_H_
