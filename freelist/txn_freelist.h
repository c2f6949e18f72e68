// TxnFreelist: the half that both freelists share. What transactions do and what readers see is
// PendingPages; a withheld tail is here; which other pages are free right now is the subclass.
// Threads  confined to the committer.
#ifndef SOCLE_FREELIST_TXN_FREELIST_H_
#define SOCLE_FREELIST_TXN_FREELIST_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "freelist/freelist.h"
#include "freelist/page_id.h"
#include "freelist/pending_pages.h"
#include "freelist/span_map.h"

namespace socle::freelist {

class TxnFreelist : public Freelist {
 public:
  void Load(std::span<const PageSpan> free_spans) final;
  std::optional<PageId> Allocate(TxnId txn, uint64_t count) final;
  void NoteAllocated(TxnId txn, PageSpan span) final;
  void Free(TxnId txn, PageSpan span) final;
  void ReleasePending(std::span<const TxnId> open_readers) final;
  void Rollback(TxnId txn) final;
  void Commit(TxnId txn) final;
  void Withhold(PageId first) final;
  PageId FreeTail(PageId end) const final;
  void ForgetTail(PageId first) final;

  uint64_t free_pages() const final { return free_pages_; }

  uint64_t pending_pages() const final { return pending_.pages(); }

  std::vector<PageSpan> FreeAndPendingSpans() const final;
  std::vector<PageSpan> FreeSpans() const final;
  bool IsFreed(PageId id) const final;
  void CheckInvariants() const final;

 private:
  // Every span given to these is non-empty and above the meta pages; lists are ascending and do not
  // touch.

  // Makes exactly `spans` free.
  virtual void ResetFree(std::span<const PageSpan> spans) = 0;
  // Aborts when a page is free already.
  virtual void InsertFree(std::span<const PageSpan> spans) = 0;
  virtual std::optional<PageId> TakeFree(uint64_t count) = 0;
  // Requires: all pages of `span` are free.
  virtual void CutFree(PageSpan span) = 0;
  // Any page of it.
  virtual bool IsFree(PageSpan span) const = 0;
  virtual std::vector<PageSpan> ListFree() const = 0;
  // Checks the inner structures and returns the number of free pages.
  virtual uint64_t CheckFree() const = 0;

  void GiveBack(std::span<const PageSpan> spans);
  // Adds ascending free spans to the side that each belongs to, or takes one out of it.
  void Insert(std::span<const PageSpan> spans);
  void Cut(PageSpan span);
  bool HasFree(PageSpan span) const;
  std::vector<PageSpan> AllFree() const;

  uint64_t free_pages_ = 0;
  PendingPages pending_;
  PageId withheld_from_ = kNothingWithheld;
  SpanMap withheld_;  // free pages from there on; the subclass has those below
};

}  // namespace socle::freelist

#endif  // SOCLE_FREELIST_TXN_FREELIST_H_
