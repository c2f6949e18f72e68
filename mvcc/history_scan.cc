#include "mvcc/history_scan.h"

#include <absl/status/status.h>

#include "kv/base/status_macros.h"
#include "mvcc/schema.h"

namespace socle::mvcc {
namespace {

// Decides, entry by entry, what belongs to the piece of history that was asked for.
class Piece {
 public:
  Piece(const HistoryBounds& bounds, const std::function<void(const ChangeEvent&)>& visit)
      : bounds_(bounds), visit_(visit) {}

  // False when the walk is to end before this entry.
  absl::StatusOr<bool> Take(std::string_view key, std::string_view value) {
    const auto parsed = ParseRevisionKey(key);
    if (!parsed) {
      return absl::DataLossError(
          fmt::format("a key of {} bytes in the key bucket is not a revision", key.size()));
    }
    const int64_t main = parsed->revision.main;
    if (main > bounds_.to) {
      return false;
    }
    if (main != last_) {
      if (revisions_ == bounds_.revisions_max || bytes_ >= bounds_.bytes_max) {
        is_cut_ = true;
        return false;
      }
      ++revisions_;
      last_ = main;
    }
    bytes_ += value.size();
    const auto kv = DecodeRecord(value);
    if (!kv) {
      return absl::DataLossError(fmt::format("revision {}/{} does not hold a key-value record",
                                             main, parsed->revision.sub));
    }
    ChangeEvent event{.revision = main, .is_delete = parsed->is_tombstone, .kv = *kv};
    if (event.is_delete) {
      event.kv = {.key = kv->key, .mod_revision = main, .value = {}};
    }
    visit_(event);
    return true;
  }

  int64_t done() const { return is_cut_ ? last_ : bounds_.to; }

 private:
  const HistoryBounds& bounds_;
  const std::function<void(const ChangeEvent&)>& visit_;
  int64_t last_ = -1;
  int64_t revisions_ = 0;
  size_t bytes_ = 0;
  bool is_cut_ = false;
};

}  // namespace

absl::StatusOr<int64_t> ScanHistory(const ReadState& state, const HistoryBounds& bounds,
                                    const std::function<void(const ChangeEvent&)>& visit) {
  Piece piece(bounds, visit);
  const RevisionKey start({bounds.from, 0});
  ASSIGN_OR_RETURN(const auto cursor, state.storage->pages->NewCursor("key"));
  for (cursor->Seek(start.view()); cursor->Valid(); cursor->Next()) {
    const kv::EntryView entry = cursor->Keep();
    ASSIGN_OR_RETURN(const bool goes_on, piece.Take(entry.key, entry.value));
    if (!goes_on) {
      return piece.done();
    }
  }
  RETURN_IF_ERROR(cursor->status());
  // Pending revisions are all newer than those in the pages. Deletions are compaction's, below
  // every read.
  for (const auto& buffer : {state.storage->sealed, state.storage->active}) {
    if (buffer == nullptr) {
      continue;
    }
    kv::PendingBuffer::Iterator it(*buffer, kKeyBucket);
    for (it.Seek(start.view()); it.Valid(); it.Next()) {
      const kv::PendingEntry entry = it.entry();
      if (entry.is_delete || entry.seq > state.seq) {
        continue;
      }
      ASSIGN_OR_RETURN(const bool goes_on, piece.Take(entry.key, entry.value));
      if (!goes_on) {
        return piece.done();
      }
    }
  }
  return piece.done();
}

}  // namespace socle::mvcc
