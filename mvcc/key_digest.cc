#include "mvcc/key_digest.h"

#include <xxhash.h>

#include <algorithm>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "mvcc/restore.h"
#include "mvcc/revision.h"
#include "mvcc/schema.h"

namespace socle::mvcc {
namespace {

// Places of the fields in the stored form.
constexpr size_t kIndexAt = 0;
constexpr size_t kRevisionAt = 8;
constexpr size_t kFinishedAt = 16;
constexpr size_t kRecordsAt = 24;
constexpr size_t kSumAt = 32;
constexpr size_t kDigestBytes = 40;

}  // namespace

uint64_t KeyDigest::HashOf(std::string_view key, std::string_view value) {
  return XXH3_64bits_withSeed(key.data(), key.size(), XXH3_64bits(value.data(), value.size()));
}

std::string EncodeDigest(const PagesPoint& point, const KeyDigest& digest) {
  std::string out(kDigestBytes, '\0');
  PutBigEndian64(point.consistent_index, out.data() + kIndexAt);
  PutBigEndian64(static_cast<uint64_t>(point.revision), out.data() + kRevisionAt);
  PutBigEndian64(static_cast<uint64_t>(point.finished_compact), out.data() + kFinishedAt);
  PutBigEndian64(digest.records(), out.data() + kRecordsAt);
  PutBigEndian64(digest.sum(), out.data() + kSumAt);
  return out;
}

bool SpeaksOf(std::string_view stored, const PagesPoint& point) {
  return stored.size() == kDigestBytes &&
         GetBigEndian64(stored.data() + kIndexAt) == point.consistent_index &&
         static_cast<int64_t>(GetBigEndian64(stored.data() + kFinishedAt)) ==
             point.finished_compact &&
         static_cast<int64_t>(GetBigEndian64(stored.data() + kRevisionAt)) >= point.revision;
}

absl::Status CompareDigest(std::string_view stored, const PagesPoint& point,
                           const KeyDigest& found) {
  if (!SpeaksOf(stored, point)) {
    PROBE("key digest: void");
    return absl::OkStatus();
  }
  const uint64_t records = GetBigEndian64(stored.data() + kRecordsAt);
  const uint64_t sum = GetBigEndian64(stored.data() + kSumAt);
  if (records == found.records() && sum == found.sum()) {
    return absl::OkStatus();
  }
  PROBE("key digest: broken");
  return absl::DataLossError(
      fmt::format("the key bucket at revision {} holds {} records with digest {:016x}, but {} with "
                  "{:016x} were "
                  "written: compare with another copy, or restore a snapshot",
                  point.revision, found.records(), found.sum(), records, sum));
}

absl::Status CheckKeyDigest(const kv::ReadTxn& pages) {
  ASSIGN_OR_RETURN(const Restored bookkeeping, ReadBookkeeping(pages));
  KeyDigest found;
  int64_t revision =
      std::max(int64_t{1}, std::max(bookkeeping.finished_compact, bookkeeping.scheduled_compact));
  ASSIGN_OR_RETURN(const std::unique_ptr<kv::Cursor> cursor, pages.NewCursor("key"));
  for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
    found.Add(cursor->key(), cursor->value());
    if (const auto parsed = ParseRevisionKey(cursor->key())) {
      revision = std::max(revision, parsed->revision.main);
    }
  }
  RETURN_IF_ERROR(cursor->status());
  return CompareDigest(bookkeeping.key_digest,
                       {.consistent_index = bookkeeping.consistent_index,
                        .revision = revision,
                        .finished_compact = bookkeeping.finished_compact},
                       found);
}

}  // namespace socle::mvcc
