#include "freelist/pending_pages.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "kv/base/check.h"
#include "kv/base/probe.h"

namespace socle::freelist {
namespace {

constexpr TxnId kUnknownBirth{0};

}  // namespace

void PendingPages::Clear() {
  *this = PendingPages();
}

void PendingPages::Begin(TxnId txn) {
  if (open_txn_.has_value()) [[likely]] {
    CHECK_EQ(*open_txn_, txn);
    return;
  }
  CHECK_GT(Raw(txn), Raw(last_commit_));
  RememberLastBirths();
  open_txn_ = txn;
}

void PendingPages::NoteTaken(TxnId txn, PageSpan span) {
  Begin(txn);
  held_.Add(span, txn);
}

void PendingPages::NoteGrown(TxnId txn, PageSpan span) {
  Begin(txn);
  held_.Add(span, txn);
  if (!grown_.empty() && grown_.back().end() == span.first) {
    grown_.back().count += span.count;
  } else {
    grown_.push_back(span);
  }
}

std::vector<PageSpan> PendingPages::Free(TxnId txn, PageSpan span) {
  Begin(txn);
  CHECK(!index_.Overlaps(span));  // a double free
  std::vector<PageSpan> own;
  if (!held_.empty()) {
    for (const SpanMap::Piece& piece : held_.Extract(span)) {
      own.push_back(piece.span);
    }
  }
  // What lies between the own pieces was born earlier; what lies between known births has none.
  const auto make_pending = [this](PageSpan part, TxnId birth) {
    if (part.count > 0) {
      freed_.push_back({part, birth});
      index_.Add(part, birth);
    }
  };
  const auto free_older = [&](PageSpan part) {
    PageId next = part.first;
    if (!births_.empty()) {
      for (const SpanMap::Piece& piece : births_.Extract(part)) {
        make_pending({next, piece.span.first - next}, kUnknownBirth);
        make_pending(piece.span, piece.txn);
        next = piece.span.end();
      }
    }
    make_pending({next, part.end() - next}, kUnknownBirth);
  };
  PageId next = span.first;
  for (const PageSpan& piece : own) {
    if (next < piece.first) {
      free_older({next, piece.first - next});
    }
    next = piece.end();
  }
  if (next < span.end()) {
    free_older({next, span.end() - next});
  }
  return own;
}

void PendingPages::RememberLastBirths() {
  if (last_held_.empty()) {
    return;
  }
  Born born{last_commit_, {}};
  for (const SpanMap::Piece& piece : last_held_.Pieces()) {
    births_.Add(piece.span, last_commit_);
    born.spans.push_back(piece.span);
  }
  born_.push_back(std::move(born));
  last_held_.Clear();
}

void PendingPages::ForgetBirthsUpTo(std::optional<TxnId> oldest_reader) {
  if (!oldest_reader.has_value()) {
    births_.Clear();
    born_.clear();
    last_held_.Clear();
    return;
  }
  while (!born_.empty() && born_.front().txn <= *oldest_reader) {
    for (const PageSpan& span : born_.front().spans) {
      births_.Drop(span, born_.front().txn);
    }
    born_.pop_front();
  }
  if (last_commit_ <= *oldest_reader) {
    last_held_.Clear();
  } else {
    RememberLastBirths();
  }
}

void PendingPages::Merge(Gap* into, Gap* from) {
  const TxnId last = std::max(into->last_freed_in, from->last_freed_in);
  if (into->by_birth.size() < from->by_birth.size()) {
    std::swap(into->by_birth, from->by_birth);
  }
  for (auto& [birth, spans] : from->by_birth) {
    std::vector<PageSpan>& there = into->by_birth[birth];
    if (there.size() < spans.size()) {
      std::swap(there, spans);
    }
    there.insert(there.end(), spans.begin(), spans.end());
  }
  into->last_freed_in = last;
}

std::vector<PageSpan> PendingPages::Release(std::span<const TxnId> open_readers) {
  DCHECK(std::ranges::is_sorted(open_readers));
  if (!open_txn_.has_value()) {
    ForgetBirthsUpTo(open_readers.empty() ? std::nullopt : std::optional(open_readers.front()));
  }
  std::vector<PageSpan> released;
  std::deque<Gap> kept;
  std::optional<TxnId> kept_reader;  // the youngest reader that sees the last kept gap
  for (Gap& gap : gaps_) {
    const auto after = std::ranges::lower_bound(open_readers, gap.last_freed_in);
    auto gone = gap.by_birth.begin();
    if (after != open_readers.begin()) {
      gone = gap.by_birth.upper_bound(*std::prev(after));
      if (gone != gap.by_birth.end()) {
        PROBE("freelist: pages released between readers");
      }
    }
    for (auto it = gone; it != gap.by_birth.end(); ++it) {
      released.insert(released.end(), it->second.begin(), it->second.end());
    }
    gap.by_birth.erase(gone, gap.by_birth.end());
    if (gap.by_birth.empty()) {
      continue;
    }
    const TxnId reader = *std::prev(after);
    if (kept_reader == reader) {
      Merge(&kept.back(), &gap);
    } else {
      kept.push_back(std::move(gap));
      kept_reader = reader;
    }
  }
  gaps_ = std::move(kept);
  SortAndJoin(&released);
  if (pages() > 0 && !released.empty()) {
    for (const PageSpan& span : released) {
      index_.Extract(span);
    }
  }
  return released;
}

PendingPages::Undone PendingPages::Rollback(TxnId txn) {
  Undone undone;
  if (!open_txn_.has_value()) {
    return undone;
  }
  CHECK_EQ(*open_txn_, txn);
  for (const SpanMap::Piece& piece : held_.Pieces()) {
    undone.held.push_back(piece.span);
  }
  for (const SpanMap::Piece& piece : freed_) {
    index_.Extract(piece.span);
    if (piece.txn != kUnknownBirth) {
      births_.Add(piece.span, piece.txn);
    }
  }
  undone.grown = std::move(grown_);
  held_.Clear();
  grown_.clear();
  freed_.clear();
  open_txn_.reset();
  return undone;
}

void PendingPages::Commit(TxnId txn) {
  CHECK(!open_txn_.has_value() || *open_txn_ == txn);
  RememberLastBirths();  // of the commit before, when no Release came between
  if (!freed_.empty()) {
    Gap gap;
    gap.last_freed_in = txn;
    for (const SpanMap::Piece& piece : freed_) {
      gap.by_birth[piece.txn].push_back(piece.span);
    }
    gaps_.push_back(std::move(gap));
  }
  last_held_ = std::move(held_);
  last_commit_ = txn;
  held_.Clear();
  grown_.clear();
  freed_.clear();
  open_txn_.reset();
}

std::vector<PageSpan> PendingPages::Spans() const {
  std::vector<PageSpan> spans;
  for (const SpanMap::Piece& piece : index_.Pieces()) {
    spans.push_back(piece.span);
  }
  return spans;
}

void PendingPages::CheckInvariants() const {
  held_.CheckInvariants();
  births_.CheckInvariants();
  index_.CheckInvariants();
  uint64_t pages = 0;
  const auto check_pending = [this, &pages](PageSpan span) {
    for (PageId id = span.first; id != span.end(); id = id + 1) {
      CHECK(index_.Contains(id));
      CHECK(!births_.Contains(id));
      CHECK(!held_.Contains(id));
    }
    pages += span.count;
  };
  TxnId last{};
  for (const Gap& gap : gaps_) {
    CHECK_LT(Raw(last), Raw(gap.last_freed_in));
    last = gap.last_freed_in;
    CHECK(!gap.by_birth.empty());
    for (const auto& [birth, spans] : gap.by_birth) {
      CHECK_LT(Raw(birth), Raw(gap.last_freed_in));
      for (const PageSpan& span : spans) {
        check_pending(span);
      }
    }
  }
  for (const SpanMap::Piece& piece : freed_) {
    check_pending(piece.span);
  }
  CHECK_EQ(pages, index_.pages());
}

}  // namespace socle::freelist
