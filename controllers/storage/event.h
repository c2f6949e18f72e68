// Event: one change of one object, as a watch delivers it.
//
// Laws     1. kModified and kDeleted always carry the object as it was before.
//          2. A deleted object shows its last document, with the revision of the deletion as
//             mod_revision.
// Memory   as object_view.h; the batch holds the pins.
// Threads  values.
#ifndef SOCLE_CONTROLLERS_STORAGE_EVENT_H_
#define SOCLE_CONTROLLERS_STORAGE_EVENT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "controllers/storage/object_view.h"

namespace socle::storage {

enum class EventType { kAdded, kModified, kDeleted };

struct Event {
  EventType type = EventType::kAdded;
  ObjectView object;                   // mod_revision: when it happened
  std::optional<ObjectView> previous;  // mod_revision: of the write before
};

struct EventBatch {
  // Every event of the watch up to here has been delivered, this batch included.
  int64_t revision = 0;
  std::vector<Event> events;  // in the order of their revisions; those of one revision together
  std::vector<Pin> pins;

  // Nothing happened, it only says how far the watch has come.
  bool is_bookmark() const { return events.empty(); }
};

// An event from what etcd tells: `now` of a deletion has key and mod_revision only. nullopt when
// law 1 can't be kept, because the history before the event is compacted away.
std::optional<Event> MakeEvent(bool is_delete, const ObjectView& now,
                               const std::optional<ObjectView>& previous);

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_EVENT_H_
