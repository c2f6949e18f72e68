#include "mvcc/record_run.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::mvcc {
namespace {

size_t SharedPrefix(std::string_view a, std::string_view b, size_t at_most) {
  const size_t end = std::min({a.size(), b.size(), at_most});
  size_t same = 0;
  while (same < end && a[same] == b[same]) {
    ++same;
  }
  return same;
}

// Eight bytes as a number that orders as they do; short ones are filled up with zeros.
uint64_t Prefix(std::string_view bytes) {
  if (bytes.size() >= sizeof(uint64_t)) {
    return GetBigEndian64(bytes.data());
  }
  std::array<char, sizeof(uint64_t)> padded{};
  std::copy(bytes.begin(), bytes.end(), padded.begin());
  return GetBigEndian64(padded.data());
}

absl::Status NotARevision(Revision before) {
  return absl::DataLossError(
      fmt::format("the entry after revision {}/{} in the key bucket is not a later revision",
                  before.main, before.sub));
}

}  // namespace

absl::Status RecordRun::AddRecord(std::string_view key, std::string_view value) {
  const auto parsed = ParseRevisionKey(key);
  if (!parsed || parsed->revision <= last_) {
    return NotARevision(last_);
  }
  last_ = parsed->revision;
  digest_.Add(key, value);
  const auto kv = DecodeRecord(value);
  if (!kv) {
    return absl::DataLossError(
        fmt::format("revision {}/{} does not hold a key-value record", last_.main, last_.sub));
  }
  Stored stored{.item = HistoryItem(last_, parsed->is_tombstone),
                .create_revision = kv->create_revision,
                .version = kv->version,
                .lease = parsed->is_tombstone ? kNoLease : kv->lease,
                .superseded = {}};
  if (kv->key.empty()) {
    // What `snapshot restore --bump-revision` leaves: only there to raise the revision.
    PROBE("restore: revision bump");
    stored.superseded = stored.item;
    stored.supersedes = true;
  } else {
    shared_ = rows_.empty() ? kv->key.size() : SharedPrefix(this->key(0), kv->key, shared_);
    rows_.push_back({.prefix = 0,
                     .key_at = keys_.size(),
                     .key_size = static_cast<uint32_t>(kv->key.size()),
                     .ordinal = static_cast<uint32_t>(stored_.size())});
    keys_.append(kv->key);
  }
  stored_.push_back(stored);
  return absl::OkStatus();
}

absl::Status RecordRun::Read(const kv::ReadTxn& pages, int64_t from, int64_t to) {
  ASSIGN_OR_RETURN(const std::unique_ptr<kv::Cursor> cursor, pages.NewCursor("key"));
  const RevisionKey end({to, 0});
  const bool is_last = to == std::numeric_limits<int64_t>::max();
  if (from == 0) {
    cursor->SeekToFirst();  // what is no revision at all may be there
  } else {
    last_ = {from - 1, std::numeric_limits<int64_t>::max()};
    cursor->Seek(RevisionKey({from, 0}).view());
  }
  constexpr int64_t kReserveMax = 1 << 17;
  const auto expected = static_cast<size_t>(std::min(to - from, kReserveMax));
  if (!is_last) {
    rows_.reserve(expected);
    stored_.reserve(expected);
  }
  for (; cursor->Valid() && (is_last || cursor->key() < end.view()); cursor->Next()) {
    RETURN_IF_ERROR(AddRecord(cursor->key(), cursor->value()));
    CHECK_LT(stored_.size(), std::numeric_limits<uint32_t>::max());
  }
  RETURN_IF_ERROR(cursor->status());
  if (stored_.empty()) {
    last_ = {-1, 0};
  }
  return absl::OkStatus();
}

void RecordRun::SortByKey() {
  for (size_t i = 0; i < rows_.size(); ++i) {
    rows_[i].prefix = Prefix(key(i).substr(shared_));
  }
  const std::string_view keys = keys_;
  const size_t shared = shared_;
  std::sort(rows_.begin(), rows_.end(), [keys, shared](const Row& a, const Row& b) {
    if (a.prefix != b.prefix) {
      return a.prefix < b.prefix;
    }
    const int order = keys.substr(a.key_at + shared, a.key_size - shared)
                          .compare(keys.substr(b.key_at + shared, b.key_size - shared));
    return order != 0 ? order < 0 : a.ordinal < b.ordinal;
  });
}

size_t RecordRun::LowerBound(std::string_view wanted) const {
  size_t low = 0;
  size_t high = rows_.size();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (key(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

absl::StatusOr<std::optional<RevisionSpan>> StoredRevisions(const kv::ReadTxn& pages) {
  ASSIGN_OR_RETURN(const std::unique_ptr<kv::Cursor> cursor, pages.NewCursor("key"));
  RevisionSpan span;
  cursor->SeekToFirst();
  if (!cursor->Valid()) {
    RETURN_IF_ERROR(cursor->status());
    return std::nullopt;
  }
  for (int64_t* const main : {&span.first, &span.last}) {
    const auto parsed = ParseRevisionKey(cursor->key());
    if (!parsed) {
      return NotARevision({-1, 0});
    }
    *main = parsed->revision.main;
    cursor->SeekToLast();
    if (!cursor->Valid()) {
      return cursor->status().ok() ? NotARevision({-1, 0}) : cursor->status();
    }
  }
  return span;
}

}  // namespace socle::mvcc
