#include "mvcc/hash.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/wal/crc32c.h"
#include "mvcc/errors.h"
#include "mvcc/schema.h"

namespace socle::mvcc {
namespace {

// The revisions that reads at `at` find, ascending, those up to `newest` only. `is_any` tells
// whether reads at `at` find anything at all.
std::vector<Revision> LiveAt(const IndexRoot& index, int64_t at, int64_t newest, bool* is_any) {
  std::vector<Revision> revisions;
  IndexIterator it(index);
  for (it.Seek(""); it.Valid(); it.Next()) {
    const auto item = it.entry().At(at);
    if (!item || item->is_tombstone()) {
      continue;
    }
    *is_any = true;
    if (item->main() <= newest) {
      revisions.push_back(item->revision());
    }
  }
  std::ranges::sort(revisions);
  return revisions;
}

// Revisions <= the compact revision that count: those still live at `revision`. When nothing is
// live there, etcd leaves out nothing; what it then finds in its pages is what the compaction kept.
std::vector<Revision> Survivors(const ReadState& state, int64_t revision) {
  const int64_t compacted = state.compact_revision;
  if (compacted < 0) {
    return {};
  }
  bool is_any = false;
  std::vector<Revision> survivors = LiveAt(state.index, revision, compacted, &is_any);
  if (!is_any) {
    PROBE("hash: nothing is live at the revision");
    survivors = LiveAt(state.index, compacted, compacted, &is_any);
  }
  return survivors;
}

bool IsSkipped(std::string_view bucket, std::string_view key) {
  return bucket == "meta" && (key == "term" || key == "consistent_index" ||
                              key == "storageVersion" || key.starts_with(kOwnKeyPrefix));
}

}  // namespace

absl::StatusOr<KvHash> HashKv(const ReadState& state, int64_t revision) {
  const int64_t compacted = state.compact_revision;
  if (revision > state.revision) {
    return MakeError(StoreError::kFutureRevision);
  }
  if (revision > 0 && revision < compacted) {
    return MakeError(StoreError::kCompacted);
  }
  const int64_t at = revision == 0 ? state.revision : revision;
  const std::vector<Revision> survivors = Survivors(state, at);
  auto survivor = survivors.begin();
  uint32_t crc = kv::Crc32c("key");
  RETURN_IF_ERROR(state.storage->Scan(
      kKeyBucket, state.seq, [&](std::string_view key, std::string_view value) -> absl::Status {
        const auto parsed = ParseRevisionKey(key);
        if (!parsed) {
          return absl::DataLossError(fmt::format(
              "a key of {} bytes in the key bucket is not a revision: run a check of the file",
              key.size()));
        }
        if (parsed->revision.main > at) {
          return absl::OkStatus();
        }
        if (parsed->revision.main <= compacted) {
          while (survivor != survivors.end() && *survivor < parsed->revision) {
            ++survivor;
          }
          if (survivor == survivors.end() || *survivor != parsed->revision) {
            return absl::OkStatus();
          }
        }
        crc = kv::Crc32c(value, kv::Crc32c(key, crc));
        return absl::OkStatus();
      }));
  return KvHash{.hash = crc,
                .current_revision = state.revision,
                .compact_revision = compacted,
                .hash_revision = at};
}

absl::StatusOr<uint32_t> HashBuckets(const kv::ReadTxn& pages) {
  ASSIGN_OR_RETURN(const std::vector<std::string> buckets, pages.Buckets());
  uint32_t crc = 0;
  for (const std::string& bucket : buckets) {
    crc = kv::Crc32c(bucket, crc);
    ASSIGN_OR_RETURN(const std::unique_ptr<kv::Cursor> cursor, pages.NewCursor(bucket));
    for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
      if (!IsSkipped(bucket, cursor->key())) {
        crc = kv::Crc32c(cursor->value(), kv::Crc32c(cursor->key(), crc));
      }
    }
    RETURN_IF_ERROR(cursor->status());
  }
  return crc;
}

}  // namespace socle::mvcc
