#include "lease/deadline_heap.h"

#include "kv/base/check.h"

namespace socle::lease {

void DeadlineHeap::Place(size_t position, Slot slot) {
  slots_[position] = slot;
  slot.entry->position_ = position;
}

void DeadlineHeap::SiftUp(size_t position) {
  const Slot slot = slots_[position];
  while (position > 0) {
    const size_t parent = (position - 1) / 2;
    if (slots_[parent].queued_at <= slot.queued_at) {
      break;
    }
    Place(position, slots_[parent]);
    position = parent;
  }
  Place(position, slot);
}

void DeadlineHeap::SiftDown(size_t position) {
  const Slot slot = slots_[position];
  for (;;) {
    size_t child = 2 * position + 1;
    if (child >= slots_.size()) {
      break;
    }
    if (child + 1 < slots_.size() && slots_[child + 1].queued_at < slots_[child].queued_at) {
      ++child;
    }
    if (slot.queued_at <= slots_[child].queued_at) {
      break;
    }
    Place(position, slots_[child]);
    position = child;
  }
  Place(position, slot);
}

void DeadlineHeap::Set(Entry* entry, int64_t due) {
  entry->due_ = due;
  if (!entry->is_queued()) {
    slots_.push_back({due, entry});
    SiftUp(slots_.size() - 1);
    return;
  }
  Slot& slot = slots_[entry->position_];
  if (due < slot.queued_at) {
    slot.queued_at = due;
    SiftUp(entry->position_);
  }
}

void DeadlineHeap::Remove(Entry* entry) {
  if (!entry->is_queued()) {
    return;
  }
  const size_t position = entry->position_;
  entry->position_ = Entry::kNowhere;
  const Slot last = slots_.back();
  slots_.pop_back();
  if (position == slots_.size()) {
    return;
  }
  Place(position, last);
  SiftUp(position);
  SiftDown(last.entry->position_);
}

DeadlineHeap::Entry* DeadlineHeap::PopDue(int64_t now) {
  while (!slots_.empty() && slots_.front().queued_at < slots_.front().entry->due_) {
    slots_.front().queued_at = slots_.front().entry->due_;
    SiftDown(0);
  }
  if (slots_.empty() || slots_.front().queued_at > now) {
    return nullptr;
  }
  Entry* const entry = slots_.front().entry;
  Remove(entry);
  return entry;
}

void DeadlineHeap::CheckInvariants() const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    CHECK_EQ(slots_[i].entry->position_, i);
    CHECK_LE(slots_[i].queued_at, slots_[i].entry->due_);
    CHECK(i == 0 || slots_[(i - 1) / 2].queued_at <= slots_[i].queued_at);
  }
}

}  // namespace socle::lease
