// PendingPages: what the transactions did to pages, and which freed pages open readers may still
// see.
//
// Laws     1. A page born in transaction B and freed in F is seen by the readers at B, B + 1 … F -
//             1. It is released when no open reader is among them, whatever older or newer readers
//             exist.
//          2. A birth is remembered only while some open reader is older than it. Forgotten,
//             unknown and older births count as 0: no open reader is older, and new readers start
//             at the last commit, so the answer of law 1 is the same.
//          3. Readers that law 2 did not expect (opened in the past) only delay a release.
//          4. At most one transaction is open; its pages are released by no one before it commits.
// Threads  thread-compatible.
// Memory   pending spans, plus spans allocated since the oldest open reader that are still used.
// Source   spec etcd 3.4.
#ifndef SOCLE_FREELIST_PENDING_PAGES_H_
#define SOCLE_FREELIST_PENDING_PAGES_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include <absl/container/btree_map.h>

#include "freelist/page_id.h"
#include "freelist/span_map.h"

namespace socle::freelist {

class PendingPages {
 public:
  // Back to nothing known.
  void Clear();

  // `txn` now holds `span`: taken from the free pages, or from above the high-water mark.
  void NoteTaken(TxnId txn, PageSpan span);
  void NoteGrown(TxnId txn, PageSpan span);

  // `txn` frees `span`. Returns the pages that `txn` held itself: free at once. The others are
  // pending now.
  std::vector<PageSpan> Free(TxnId txn, PageSpan span);

  // Takes out and returns the pages that no reader of `open_readers` (ascending) can see, ascending
  // and joined.
  std::vector<PageSpan> Release(std::span<const TxnId> open_readers);

  struct Undone {
    std::vector<PageSpan> held;   // all that the transaction held: free again …
    std::vector<PageSpan> grown;  // … except these, which are no longer part of the file
  };

  // Forgets what the open transaction did. Cost: what it held and freed.
  Undone Rollback(TxnId txn);
  void Commit(TxnId txn);

  uint64_t pages() const { return index_.pages(); }

  bool Contains(PageId id) const { return index_.Contains(id); }

  // Ascending; neighbours may touch.
  std::vector<PageSpan> Spans() const;

  // How many births are remembered, in spans (law 2).
  uint64_t birth_spans() const { return births_.size() + last_held_.size(); }

  void CheckInvariants() const;

 private:
  // Pages freed by transactions between which no reader lies, so that they stay or go by their
  // birth alone.
  struct Gap {
    TxnId last_freed_in{};
    absl::btree_map<TxnId, std::vector<PageSpan>> by_birth;
  };

  struct Born {
    TxnId txn{};
    std::vector<PageSpan> spans;
  };

  void Begin(TxnId txn);
  void RememberLastBirths();
  void ForgetBirthsUpTo(std::optional<TxnId> oldest_reader);
  static void Merge(Gap* into, Gap* from);

  // The open transaction.
  std::optional<TxnId> open_txn_;
  SpanMap held_;                       // allocated by it and not freed again
  std::vector<PageSpan> grown_;        // from above the high-water mark, whether still held or not
  std::vector<SpanMap::Piece> freed_;  // with the birth

  // Committed ones.
  SpanMap last_held_;  // of the last commit: becomes births only if some reader is older
  TxnId last_commit_{};
  SpanMap births_;         // used pages that some open reader may be too old to see
  std::deque<Born> born_;  // the same by transaction, ascending; may name pages freed since
  std::deque<Gap> gaps_;   // ascending
  SpanMap index_;          // all pending pages, those of the open transaction too, with their birth
};

}  // namespace socle::freelist

#endif  // SOCLE_FREELIST_PENDING_PAGES_H_
