#include "mvcc/event_block.h"

#include <cstring>
#include <utility>

#include "kv/base/bytes.h"
#include "kv/base/check.h"

namespace socle::mvcc {
namespace {

// Protobuf tags: field number * 8 + wire type.
constexpr uint64_t kEventsTag = 11 * 8 + 2;  // of WatchResponse
constexpr uint64_t kTypeTag = 1 * 8 + 0;     // of Event, as the next two
constexpr uint64_t kKvTag = 2 * 8 + 2;
constexpr uint64_t kPrevKvTag = 3 * 8 + 2;
constexpr uint64_t kDeleteType = 1;

// Appends the record as a field and lets the view point to what was appended.
void AppendPair(uint64_t tag, KeyValueView* kv, std::string* out, std::string* scratch) {
  scratch->clear();
  AppendRecord(*kv, scratch);
  AppendVarint(tag, out);
  AppendLengthPrefixed(*scratch, out);
  const std::string_view stored = std::string_view(*out).substr(out->size() - scratch->size());
  const auto copy = DecodeRecord(stored);
  CHECK(copy.has_value());
  kv->key = copy->key;
  kv->value = copy->value;
}

void MoveView(const char* from, const char* to, std::string_view* view) {
  if (!view->empty()) {
    *view = {to + (view->data() - from), view->size()};
  }
}

void MoveViews(const char* from, const char* to, WatchEvent* event) {
  MoveView(from, to, &event->kv.key);
  MoveView(from, to, &event->kv.value);
  if (event->prev_kv) {
    MoveView(from, to, &event->prev_kv->key);
    MoveView(from, to, &event->prev_kv->value);
  }
}

}  // namespace

EventBlock::EventBlock(std::vector<WatchEvent> events) : events_(std::move(events)) {
  std::string message;
  std::string scratch;
  // What one event may need beside keys and values: three tags and lengths, eight numbers.
  constexpr size_t kAroundBytes = 160;
  size_t bytes_max = 0;
  for (const WatchEvent& event : events_) {
    bytes_max += kAroundBytes + event.kv.key.size() + event.kv.value.size();
    bytes_max += event.prev_kv ? event.prev_kv->key.size() + event.prev_kv->value.size() : 0;
  }
  bytes_.reserve(bytes_max);  // views point into it from the first event on
  const char* const start = bytes_.data();
  for (WatchEvent& event : events_) {
    message.clear();
    // Room for both pairs at once, so that the views stay good until they are moved.
    message.reserve(kAroundBytes + event.kv.key.size() + event.kv.value.size() +
                    (event.prev_kv ? event.prev_kv->key.size() + event.prev_kv->value.size() : 0));
    if (event.is_delete) {
      AppendVarint(kTypeTag, &message);
      AppendVarint(kDeleteType, &message);
    }
    AppendPair(kKvTag, &event.kv, &message, &scratch);
    if (event.prev_kv) {
      AppendPair(kPrevKvTag, &*event.prev_kv, &message, &scratch);
    }
    const size_t at = bytes_.size();
    AppendVarint(kEventsTag, &bytes_);
    AppendLengthPrefixed(message, &bytes_);
    event.encoded = std::string_view(bytes_).substr(at);
    MoveViews(message.data(), bytes_.data() + bytes_.size() - message.size(), &event);
  }
  CHECK(bytes_.data() == start);
}

void EventList::Add(const EventBlockRef& block, uint32_t index) {
  if (!runs_.empty()) {
    Run& last = runs_.back();
    if (last.block == block && last.first + last.count == index) {
      ++last.count;
      return;
    }
  }
  runs_.push_back({block, index, 1});
}

size_t EventList::size() const {
  size_t size = 0;
  for (const Run& run : runs_) {
    size += run.count;
  }
  return size;
}

size_t EventList::encoded_bytes() const {
  size_t bytes = 0;
  for (const Run& run : runs_) {
    bytes += run.encoded().size();
  }
  return bytes;
}

size_t EventList::memory_bytes() const {
  size_t bytes = 0;
  for (const Run& run : runs_) {
    bytes += sizeof(Run) + run.encoded().size() + run.count * sizeof(WatchEvent);
  }
  return bytes;
}

std::vector<Pin> EventList::pins() const {
  std::vector<Pin> pins;
  pins.reserve(runs_.size());
  for (const Run& run : runs_) {
    pins.push_back(run.block);
  }
  return pins;
}

}  // namespace socle::mvcc
