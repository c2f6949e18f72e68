#include "mvcc/old_ways.h"

#include <map>
#include <string>

namespace socle::mvcc {

void CopyPending(const kv::BackendSnapshot& storage, kv::BucketId bucket) {
  std::map<std::string, std::string> copy;
  for (const kv::PendingBuffer* buffer : {storage.active.get(), storage.sealed.get()}) {
    if (buffer == nullptr) {
      continue;
    }
    kv::PendingBuffer::Iterator it(*buffer, bucket);
    for (it.SeekToFirst(); it.Valid(); it.Next()) {
      const kv::PendingEntry entry = it.entry();
      copy.emplace(entry.key, entry.value);
    }
  }
}

uint64_t WalkIndex(const IndexRoot& root) {
  uint64_t revisions = 0;
  IndexIterator it(root);
  for (it.Seek({}); it.Valid(); it.Next()) {
    const KeyEntry& entry = it.entry();
    revisions += entry.is_live() ? 1 : 0;
    for (uint32_t i = 0; i < entry.older_count; ++i) {
      revisions += entry.Older(i).is_tombstone() ? 0 : 1;
    }
  }
  return revisions;
}

}  // namespace socle::mvcc
