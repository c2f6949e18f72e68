#include "mvcc/index_merge.h"

#include <algorithm>
#include <utility>

namespace socle::mvcc {

IndexMerge::IndexMerge(std::vector<RecordRun>* runs, std::optional<std::string> from,
                       std::optional<std::string> to, const Index& index)
    : runs_(runs), built_(index) {
  for (size_t i = 0; i < runs->size(); ++i) {
    const RecordRun& run = (*runs)[i];
    const size_t row = from ? run.LowerBound(*from) : 0;
    const size_t end = to ? run.LowerBound(*to) : run.rows();
    if (row < end) {
      heads_.push_back({.key = run.key(row), .run = i, .row = row, .end = end});
    }
  }
  std::make_heap(heads_.begin(), heads_.end(), IsLater);
}

RecordRun::Stored* IndexMerge::TakeFirst() {
  Head head = heads_.front();
  RecordRun& run = (*runs_)[head.run];
  RecordRun::Stored* const stored = run.stored(head.row);
  if (++head.row == head.end) {
    std::pop_heap(heads_.begin(), heads_.end(), IsLater);
    heads_.pop_back();
    return stored;
  }
  head.key = run.key(head.row);
  run.Prefetch(head.row + 2);  // Rows lie in order of keys, what was stored in order of revisions.
  // Down from the front, to its place among the others.
  size_t at = 0;
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= heads_.size()) {
      break;
    }
    if (child + 1 < heads_.size() && IsLater(heads_[child], heads_[child + 1])) {
      ++child;
    }
    if (!IsLater(head, heads_[child])) {
      break;
    }
    heads_[at] = heads_[child];
    at = child;
  }
  heads_[at] = head;
  return stored;
}

void IndexMerge::Run() {
  while (!heads_.empty()) {
    const std::string_view key = heads_.front().key;
    history_.clear();
    do {
      history_.push_back(TakeFirst());
    } while (!heads_.empty() && heads_.front().key == key);
    AddHistory(key);
  }
}

void IndexMerge::AddHistory(std::string_view key) {
  KeyEntry* const entry = built_.AppendKey(key);
  RecordRun::Stored* newest = nullptr;
  for (RecordRun::Stored* const stored : history_) {
    const bool is_tombstone = stored->item.is_tombstone();
    const bool was_live = newest != nullptr && entry->is_live();
    if (newest != nullptr && is_tombstone && !was_live) {
      continue;  // law 1
    }
    if (newest != nullptr) {
      if (entry->history == nullptr) {
        entry->history = History::New(built_.birth(), static_cast<uint32_t>(history_.size()));
      }
      entry->history->items()[entry->history->used++] = entry->newest;
      ++entry->older_count;
    }
    if (was_live) {
      stored->superseded = entry->newest;
      stored->supersedes = true;
    }
    if (!is_tombstone) {
      const bool is_told = stored->create_revision != 0;
      const int64_t begun = was_live ? entry->create_revision : stored->item.main();
      entry->create_revision = is_told ? stored->create_revision : begun;
      entry->version = is_told ? stored->version : (was_live ? entry->version + 1 : 1);
    }
    entry->newest = stored->item;
    newest = stored;
  }
  if (newest->lease != kNoLease) {
    attachments_.push_back({.key = entry->key(), .lease = newest->lease});
  }
}

}  // namespace socle::mvcc
