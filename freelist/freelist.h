// Freelist: which pages of a bolt file may be handed out.
//
// Laws     1. A page is in exactly one of {used, pending, free}.
//          2. A page freed by transaction T becomes free only when no open reader can see it: no
//             reader older than T is open, or none lies between its allocation and its freeing
//             (reader gaps).
//          3. Allocate is deterministic: the lowest-addressed span of the shortest sufficient
//             length class (hashmap), or the lowest-addressed sufficient run (array).
//          4. Rollback of T leaves exactly the state before T.
//          5. While a tail is withheld, its pages are handed out only when none below suffices,
//             lowest address first.
// Threads  confined to the committer; no locks.
// Memory   hashmap: proportional to free spans, not pages; array: 8 bytes per free page; both:
//          pending pages.
// Errors   none: misuse (double free, freeing a meta page) is a broken invariant and aborts. Ids
//          read from a file are validated by kv/bolt before they get here.
// Source   spec etcd 3.4, 3.5; bbolt#141, bbolt#1179.
#ifndef SOCLE_FREELIST_FREELIST_H_
#define SOCLE_FREELIST_FREELIST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "freelist/page_id.h"

namespace socle::freelist {

enum class FreelistType { kHashmap, kArray };

// What Withhold takes for an end that no page reaches.
inline constexpr PageId kNothingWithheld{~uint64_t{0}};

class Freelist {
 public:
  virtual ~Freelist() = default;

  // Replaces everything by these free spans: ascending, disjoint; neighbours may touch. No page is
  // pending after.
  virtual void Load(std::span<const PageSpan> free_spans) = 0;

  // Takes `count` neighbouring pages for transaction `txn`, or nullopt when no free span is long
  // enough: the caller then extends the file and says so with NoteAllocated. Requires count > 0.
  virtual std::optional<PageId> Allocate(TxnId txn, uint64_t count) = 0;

  // Pages taken from above the high-water mark by `txn`: remembered so that law 2's gaps know their
  // birth.
  virtual void NoteAllocated(TxnId txn, PageSpan span) = 0;

  // Transaction `txn` no longer uses `span`. Pages that `txn` itself allocated were seen by no
  // reader and are free again at once; the others become pending. Requires: span is used, and above
  // the meta pages.
  virtual void Free(TxnId txn, PageSpan span) = 0;

  // Moves every pending page that law 2 allows to free. `open_readers` holds the transaction ids
  // that open readers read at, ascending, duplicates allowed; a reader at R sees the pages of every
  // transaction up to R. Called at the start of each write transaction.
  virtual void ReleasePending(std::span<const TxnId> open_readers) = 0;

  // Undoes Allocate, NoteAllocated and Free of `txn`, the latest one. Pages from above the
  // high-water mark are forgotten (the caller lowers the mark back).
  virtual void Rollback(TxnId txn) = 0;

  // `txn` is committed: its allocations can no longer be rolled back.
  virtual void Commit(TxnId txn) = 0;

  // From now on law 5 holds for the pages at and above `first`; kNothingWithheld ends it. O(free
  // spans) when free pages change sides. Requires that no transaction is open.
  virtual void Withhold(PageId first) = 0;

  // Where the run of withheld free pages begins that ends before `end`; `end` when there is none.
  virtual PageId FreeTail(PageId end) const = 0;

  // The file ends before `first` now. Requires: every page from there on is free and withheld.
  virtual void ForgetTail(PageId first) = 0;

  virtual uint64_t free_pages() const = 0;
  virtual uint64_t pending_pages() const = 0;

  // All free and pending pages as ascending, disjoint, non-touching spans: what a synced freelist
  // page stores.
  virtual std::vector<PageSpan> FreeAndPendingSpans() const = 0;
  // Free pages only, in the same form.
  virtual std::vector<PageSpan> FreeSpans() const = 0;

  // True when the page is free or pending.
  virtual bool IsFreed(PageId id) const = 0;

  // Aborts when the inner structures disagree with each other. O(n).
  virtual void CheckInvariants() const = 0;
};

std::unique_ptr<Freelist> NewFreelist(FreelistType type);

// "hashmap" / "map" and "array", as --backend-bbolt-freelist-type has them; nullopt for anything
// else.
std::optional<FreelistType> ParseFreelistType(std::string_view name);

}  // namespace socle::freelist

#endif  // SOCLE_FREELIST_FREELIST_H_
