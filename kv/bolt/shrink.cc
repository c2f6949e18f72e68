#include "kv/bolt/shrink.h"

#include <algorithm>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/commit.h"
#include "kv/bolt/tree_edit.h"
#include "kv/bolt/txn_pages.h"

namespace socle::kv::bolt {
namespace {

// One step may have to copy a path before it comes to a leaf.
constexpr uint64_t kPagesMin = 16;
// Leaves that one step looks at: some milliseconds of a walk that finds nothing to do.
constexpr uint64_t kVisitsMax = 2'000;
// The file is cut in slices: giving back much at once makes the file system's journal busy, and
// syncs of other files wait for it.
constexpr uint64_t kCutBytesMax = uint64_t{16} << 20U;
// Passes without gain before it is over: what readers held during one, the next may get.
constexpr uint32_t kFruitlessMax = 2;

uint64_t PagesInUse(const Meta& base, const freelist::Freelist& freelist) {
  return Raw(base.high_water) - freelist.free_pages() - freelist.pending_pages();
}

// What steps and the commits between them write before what they replace is free.
uint64_t RoomFor(uint64_t used, uint64_t pages_max) {
  return std::min(used / 16 + 8, 2 * pages_max);
}

// What is worth another pass.
uint64_t WorthwhilePages(uint64_t pages) {
  return pages / 64 + 8;
}

}  // namespace

absl::StatusOr<ShrinkProgress> Shrinker::Step(uint64_t bytes_max) {
  ASSIGN_OR_RETURN(const Meta base, db_->BeginWrite());
  absl::StatusOr<ShrinkProgress> progress =
      StepFrom(base, std::max(bytes_max / base.page_size, kPagesMin));
  db_->EndWrite();
  if (progress.ok()) {
    progress->total_bytes = db_->Size().total_bytes;
  }
  return progress;
}

absl::StatusOr<ShrinkProgress> Shrinker::StepFrom(const Meta& base, uint64_t pages_max) {
  if (!in_pass_) {
    BeginPass(base, pages_max);
  }
  ASSIGN_OR_RETURN(const uint64_t written, MoveSome(base, pages_max));
  ASSIGN_OR_RETURN(const bool is_cut, CutFile());
  ShrinkProgress progress{.state = ShrinkProgress::State::kMore};
  progress.written_bytes = written * base.page_size;
  if (written == 0 && is_walk_over_ && !is_cut) {
    progress.state = EndPass(base);
  }
  return progress;
}

void Shrinker::BeginPass(const Meta& base, uint64_t pages_max) {
  const uint64_t used = PagesInUse(base, *db_->freelist());
  line_ = PageId{used + RoomFor(used, pages_max)};
  db_->freelist()->Withhold(line_);
  pages_at_begin_ = Raw(base.high_water);
  used_at_begin_ = used;
  at_.clear();
  is_walk_over_ = false;
  is_freelist_moved_ = false;
  in_pass_ = true;
}

absl::StatusOr<uint64_t> Shrinker::MoveSome(const Meta& base, uint64_t pages_max) {
  const TxnId txn = Next(base.txid);
  TxnPages pages(db_->ReaderOf(base), db_->freelist(), db_->pool(), txn,
                 {.pages_max = db_->map()->map_bytes() / base.page_size});
  TreeEdit root(&pages, RefOf(base.root));
  MoveWalk walk{.line = line_,
                .pages_max = pages_max,
                .visits_max = kVisitsMax,
                .at = at_,
                .is_over = is_walk_over_};
  absl::Status status = walk.is_over ? absl::OkStatus() : root.Move(&walk, 0);
  uint64_t written = 0;
  if (status.ok() && (root.modified() || (walk.is_over && IsCommitUseful(base)))) {
    is_freelist_moved_ = is_freelist_moved_ || walk.is_over;
    const absl::StatusOr<PageId> place = pages.Place(root.root());
    status = place.ok() ? WriteCommit(db_, &pages, base, *place) : place.status();
    written = pages.placed().size() + 1;
  }
  if (!status.ok()) {
    db_->freelist()->Rollback(txn);
    return status;
  }
  if (written == 0) {
    db_->freelist()->Rollback(txn);
  }
  at_ = std::move(walk.at);
  is_walk_over_ = walk.is_over;
  return written;
}

bool Shrinker::IsCommitUseful(const Meta& base) const {
  const bool is_freelist_above = base.has_freelist() && base.freelist >= line_;
  return db_->freelist()->FreeTail(base.high_water) < base.high_water ||
         (is_freelist_above && !is_freelist_moved_) ||
         (db_->map()->IsWorthCutting(base.file_bytes()) && !db_->IsOlderMetaWithin(base));
}

absl::StatusOr<bool> Shrinker::CutFile() {
  FileMap* map = db_->map();
  const uint64_t needed = db_->FileBytesNeeded();
  if (!map->IsWorthCutting(needed)) {
    return false;
  }
  PROBE("bolt: file cut");
  RETURN_IF_ERROR(
      map->Cut(std::max(needed, map->file_bytes() - std::min(map->file_bytes(), kCutBytesMax))));
  return true;
}

ShrinkProgress::State Shrinker::EndPass(const Meta& base) {
  const freelist::Freelist& freelist = *db_->freelist();
  // The last commit's pages were released: what is pending is seen by readers.
  const bool is_seen = base.high_water > line_ && freelist.pending_pages() > 0;
  if (is_seen || db_->map()->IsWorthCutting(base.file_bytes())) {
    PROBE("bolt: shrinking waits for readers");
    return ShrinkProgress::State::kBlocked;
  }
  in_pass_ = false;
  const uint64_t used = PagesInUse(base, freelist);
  const uint64_t pages = Raw(base.high_water);
  const uint64_t cut = pages_at_begin_ - std::min(pages_at_begin_, pages);
  const uint64_t packed = used_at_begin_ - std::min(used_at_begin_, used);
  const uint64_t worthwhile = WorthwhilePages(pages_at_begin_);
  fruitless_ = cut + packed >= worthwhile ? 0 : fruitless_ + 1;
  if (pages > used + worthwhile && fruitless_ < kFruitlessMax) {
    PROBE("bolt: another pass of shrinking");
    return ShrinkProgress::State::kMore;
  }
  fruitless_ = 0;
  db_->freelist()->Withhold(freelist::kNothingWithheld);
  return ShrinkProgress::State::kDone;
}

}  // namespace socle::kv::bolt
