#include "kv/bolt/commit.h"

#include <algorithm>
#include <string>
#include <vector>

#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/freelist_page.h"
#include "kv/bolt/page_writer.h"

namespace socle::kv::bolt {
namespace {

// Frees the freelist page of the commit before and finds a place for the new one.
absl::Status PlaceFreelist(Database* db, TxnPages* pages, Meta* next, PageSpan* place) {
  if (next->has_freelist()) {
    std::string_view extent;
    RETURN_IF_ERROR(pages->reader().ReadFreelist(next->freelist, &extent));
    RETURN_IF_ERROR(pages->FreeSpan({next->freelist, extent.size() / next->page_size}));
    next->freelist = kNoFreelist;
  }
  if (db->options().sync_freelist) {
    // Taking pages for it can only make the list shorter.
    const freelist::Freelist& free = *db->freelist();
    place->count = FreelistPageCount(free.free_pages() + free.pending_pages(), next->page_size);
    ASSIGN_OR_RETURN(place->first, pages->Allocate(place->count));
    next->freelist = place->first;
  }
  return absl::OkStatus();
}

// Everything free or pending below `end`.
std::vector<PageSpan> FreeBelow(const freelist::Freelist& freelist, PageId end) {
  std::vector<PageSpan> spans = freelist.FreeAndPendingSpans();
  while (!spans.empty() && spans.back().first >= end) {
    spans.pop_back();
  }
  if (!spans.empty() && spans.back().end() > end) {
    spans.back().count = end - spans.back().first;
  }
  return spans;
}

absl::Status WritePages(Database* db, const TxnPages& pages, PageSpan freelist_place, PageId end) {
  File* file = db->map()->file();
  std::vector<TxnPages::Placed> placed = pages.placed();
  std::sort(placed.begin(), placed.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  PageWriter* writer = db->page_writer();
  writer->Discard();
  for (const TxnPages::Placed& page : placed) {
    RETURN_IF_ERROR(writer->Add(page.id, *page.page));
  }
  RETURN_IF_ERROR(writer->Flush());
  if (freelist_place.count > 0) {
    const std::string image =
        FreelistPageImage(FreeBelow(*db->freelist(), end), freelist_place, pages.page_size());
    RETURN_IF_ERROR(file->WriteAt(Raw(freelist_place.first) * pages.page_size(), image));
    if (db->sums() != nullptr) {
      db->sums()->Stage(freelist_place.first, image);
    }
  }
  return absl::OkStatus();
}

absl::Status Announce(Database* db, const Meta& base, const Meta& next) {
  File* file = db->map()->file();
  if (db->sums() != nullptr) {
    RETURN_IF_ERROR(db->sums()->Announce(base, next));
  }
  RETURN_IF_ERROR(file->SyncData());
  const PageId page{Raw(next.txid) % 2};
  RETURN_IF_ERROR(file->WriteAt(Raw(page) * next.page_size, MetaPageImage(next, page)));
  return file->SyncData();
}

}  // namespace

absl::Status WriteCommit(Database* db, TxnPages* pages, const Meta& base, PageId root) {
  Meta next = base;
  next.txid = Next(base.txid);
  next.root = root;
  PageSpan freelist_place;
  RETURN_IF_ERROR(PlaceFreelist(db, pages, &next, &freelist_place));
  // A free tail that is withheld leaves the file; on disk it goes when nobody can reach it any more.
  next.high_water = db->freelist()->FreeTail(pages->high_water());

  RETURN_IF_ERROR(db->map()->Grow(next.file_bytes()));
  RETURN_IF_ERROR(WritePages(db, *pages, freelist_place, next.high_water));
  const absl::Status announced = Announce(db, base, next);
  if (!announced.ok()) {
    db->Fail(announced);
    return announced;
  }
  if (next.high_water < pages->high_water()) {
    PROBE("bolt: high-water mark lowered");
    db->freelist()->ForgetTail(next.high_water);
  }
  if (db->sums() != nullptr) {
    if (const absl::Status settled = db->sums()->Settle(next); !settled.ok()) {
      PROBE("bolt: sums not settled");
      LogWarning("page checksums: their head could not be written", {{"error", settled}});
    }
  }
  db->freelist()->Commit(next.txid);
  db->Publish(next);
  return absl::OkStatus();
}

}  // namespace socle::kv::bolt
