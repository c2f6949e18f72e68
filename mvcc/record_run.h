// RecordRun: the records of a range of revisions, read once and sorted by key: what a restore is
// made of.
//
//   key bucket ──┬─ revisions [a, b) ─ thread 1 ─► run 0, sorted by key ─┐   keys < k ─ thread 1 ─► leaves
//                ├─ revisions [b, c) ─ thread 2 ─► run 1                 ├─► merge by key
//                └─ …                                                    ┘   keys ≥ k ─ thread 2 ─► leaves
//
// Laws     1. Rows are ordered by key, then by revision. Revisions of run i lie below those of run
//             i + 1.
//          2. Nothing points into the pages afterwards.
// Threads  thread-compatible; runs are read and merged by several threads at a time, each run or
//          each range of keys by one.
// Memory   80 bytes and the key per record until the restore ends.
// Errors   DataLoss names the revision.
// Source   spec etcd 2.3, 2.4.
#ifndef SOCLE_MVCC_RECORD_RUN_H_
#define SOCLE_MVCC_RECORD_RUN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/engine.h"
#include "mvcc/key_digest.h"
#include "mvcc/key_entry.h"
#include "mvcc/record.h"
#include "mvcc/revision.h"

namespace socle::mvcc {

class RecordRun {
 public:
  struct Stored {
    HistoryItem item;
    int64_t create_revision = 0;
    int64_t version = 0;
    LeaseId lease = kNoLease;
    // What this revision made garbage, found by the merge; unset when nothing.
    HistoryItem superseded;
    bool supersedes = false;
  };

  // Reads every record with main revision in [from, to).
  absl::Status Read(const kv::ReadTxn& pages, int64_t from, int64_t to);
  void SortByKey();

  size_t rows() const { return rows_.size(); }

  std::string_view key(size_t row) const {
    return std::string_view(keys_).substr(rows_[row].key_at, rows_[row].key_size);
  }

  // Requires that no other thread works on rows of the same key.
  Stored* stored(size_t row) { return &stored_[rows_[row].ordinal]; }

  // The row will be asked for soon.
  void Prefetch(size_t row) const {
    if (row < rows_.size()) {
      __builtin_prefetch(&stored_[rows_[row].ordinal], 1);
    }
  }

  // First row with key >= `key`.
  size_t LowerBound(std::string_view key) const;

  // In order of revision.
  const std::vector<Stored>& by_revision() const { return stored_; }

  const KeyDigest& digest() const { return digest_; }

  // {-1, 0} when empty.
  Revision last() const { return last_; }

 private:
  struct Row {
    uint64_t prefix;  // of the key, behind what all keys of the run begin with
    uint64_t key_at;
    uint32_t key_size;
    uint32_t ordinal;
  };

  absl::Status AddRecord(std::string_view key, std::string_view value);

  std::vector<Row> rows_;
  std::vector<Stored> stored_;
  std::string keys_;
  size_t shared_ = 0;  // bytes that all keys begin with
  KeyDigest digest_;
  Revision last_{-1, 0};
};

// The revisions that the key bucket begins and ends with; nullopt when it is empty.
struct RevisionSpan {
  int64_t first = 0;
  int64_t last = 0;
};

absl::StatusOr<std::optional<RevisionSpan>> StoredRevisions(const kv::ReadTxn& pages);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_RECORD_RUN_H_
