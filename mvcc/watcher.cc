#include "mvcc/watcher.h"

#include <utility>

#include "kv/base/check.h"
#include "mvcc/range.h"

namespace socle::mvcc {
namespace {

// Takes the watcher out; the last one gets its place.
void TakeOut(Watcher* watcher, std::vector<Watcher*>* watchers) {
  CHECK(watchers->at(watcher->slot) == watcher);
  watchers->back()->slot = watcher->slot;
  (*watchers)[watcher->slot] = watchers->back();
  watchers->pop_back();
}

void PutIn(Watcher* watcher, std::vector<Watcher*>* watchers) {
  watcher->slot = watchers->size();
  watchers->push_back(watcher);
}

}  // namespace

void WatcherIndex::Add(Watcher* watcher) {
  if (watcher->range_end.empty()) {
    PutIn(watcher, &by_key_[watcher->key]);
    return;
  }
  const KeyInterval range = IntervalOf(watcher->key, watcher->range_end);
  IntervalNode* node = by_interval_.Find(range.begin, range.end, range.is_open);
  if (node == nullptr) {
    auto interval = std::make_unique<WatchedInterval>();
    interval->begin = range.begin;
    interval->end = range.is_open ? std::string_view() : range.end;
    interval->is_open = range.is_open;
    interval->slot = intervals_.size();
    node = interval.get();
    by_interval_.Insert(node);
    intervals_.push_back(std::move(interval));
  }
  watcher->interval = static_cast<WatchedInterval*>(node);
  PutIn(watcher, &watcher->interval->watchers);
}

void WatcherIndex::Remove(Watcher* watcher) {
  if (!watcher->range_end.empty()) {
    RemoveRange(watcher);
    return;
  }
  const auto at = by_key_.find(watcher->key);
  CHECK(at != by_key_.end());
  TakeOut(watcher, &at->second);
  if (at->second.empty()) {
    by_key_.erase(at);
  }
}

void WatcherIndex::RemoveRange(Watcher* watcher) {
  WatchedInterval* const interval = std::exchange(watcher->interval, nullptr);
  TakeOut(watcher, &interval->watchers);
  if (!interval->watchers.empty()) {
    return;
  }
  by_interval_.Remove(interval);
  const size_t slot = interval->slot;
  std::swap(intervals_[slot], intervals_.back());
  intervals_[slot]->slot = slot;
  intervals_.pop_back();
}

}  // namespace socle::mvcc
