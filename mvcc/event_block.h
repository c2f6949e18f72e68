// EventBlock: changes encoded once, for however many watchers and streams get them.
//
//   bytes:   82 len  Event{type kv prev_kv}   82 len  Event{…}   …      fields `events` (11) of WatchResponse
//            └──────── event 0 ───────────┘   └─── event 1 …
//
// Laws     1. An event's bytes are the canonical protobuf of field 11 of etcdserverpb.WatchResponse: a
//             run of events is sent as it lies.
//          2. A block holds copies: it pins no page, no pending buffer and no read view.
// Threads  immutable; EventList is a value.
// Memory   views of an event point into its block. An EventList holds its blocks.
// Source   spec etcd 1.1 (field numbers), 1.5.
#ifndef SOCLE_MVCC_EVENT_BLOCK_H_
#define SOCLE_MVCC_EVENT_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/inlined_vector.h>

#include "mvcc/record.h"
#include "mvcc/request.h"

namespace socle::mvcc {

struct WatchEvent {
  bool is_delete = false;
  KeyValueView kv;  // of a delete: key and mod_revision only
  std::optional<KeyValueView> prev_kv;
  std::string_view encoded;  // tag, length, message
};

class EventBlock {
 public:
  // Copies what the views of `events` show; `encoded` is filled in.
  explicit EventBlock(std::vector<WatchEvent> events);
  EventBlock(const EventBlock&) = delete;
  EventBlock& operator=(const EventBlock&) = delete;

  const std::vector<WatchEvent>& events() const { return events_; }

  // The bytes of `count` events from `first` on. Requires count > 0.
  std::string_view Encoded(size_t first, size_t count) const {
    const std::string_view from = events_[first].encoded;
    const std::string_view last = events_[first + count - 1].encoded;
    return {from.data(), static_cast<size_t>(last.data() + last.size() - from.data())};
  }

  size_t memory_bytes() const { return bytes_.size() + events_.size() * sizeof(WatchEvent); }

 private:
  std::string bytes_;
  std::vector<WatchEvent> events_;
};

using EventBlockRef = std::shared_ptr<const EventBlock>;

// The events of one response: runs of events of shared blocks.
class EventList {
 public:
  struct Run {
    EventBlockRef block;
    uint32_t first = 0;
    uint32_t count = 0;

    std::string_view encoded() const { return block->Encoded(first, count); }
  };

  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = WatchEvent;
    using difference_type = std::ptrdiff_t;
    using pointer = const WatchEvent*;
    using reference = const WatchEvent&;

    Iterator() = default;

    Iterator(const Run* run, uint32_t at) : run_(run), at_(at) {}

    reference operator*() const { return run_->block->events()[run_->first + at_]; }

    pointer operator->() const { return &**this; }

    Iterator& operator++() {
      if (++at_ == run_->count) {
        ++run_;
        at_ = 0;
      }
      return *this;
    }

    Iterator operator++(int) {
      const Iterator old = *this;
      ++*this;
      return old;
    }

    bool operator==(const Iterator&) const = default;

   private:
    const Run* run_ = nullptr;
    uint32_t at_ = 0;
  };

  // Adds event `index` of the block; runs grow when events follow each other.
  void Add(const EventBlockRef& block, uint32_t index);

  Iterator begin() const { return {runs_.data(), 0}; }

  Iterator end() const { return {runs_.data() + runs_.size(), 0}; }

  bool empty() const { return runs_.empty(); }

  size_t size() const;

  const WatchEvent& front() const { return *begin(); }

  const WatchEvent& back() const {
    const Run& last = runs_.back();
    return last.block->events()[last.first + last.count - 1];
  }

  const WatchEvent& operator[](size_t index) const {
    return *std::next(begin(), static_cast<std::ptrdiff_t>(index));
  }

  const absl::InlinedVector<Run, 1>& runs() const { return runs_; }

  size_t encoded_bytes() const;
  // What a queue counts for it: the events' memory as if it were not shared.
  size_t memory_bytes() const;
  // What keeps the views of the events alive.
  std::vector<Pin> pins() const;

 private:
  absl::InlinedVector<Run, 1> runs_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_EVENT_BLOCK_H_
