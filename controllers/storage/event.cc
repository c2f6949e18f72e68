#include "controllers/storage/event.h"

namespace socle::storage {

std::optional<Event> MakeEvent(bool is_delete, const ObjectView& now,
                               const std::optional<ObjectView>& previous) {
  if (!is_delete && now.create_revision == now.mod_revision) {
    return Event{.type = EventType::kAdded, .object = now, .previous = std::nullopt};
  }
  if (!previous) {
    return std::nullopt;
  }
  if (!is_delete) {
    return Event{.type = EventType::kModified, .object = now, .previous = previous};
  }
  Event event{.type = EventType::kDeleted, .object = *previous, .previous = previous};
  event.object.mod_revision = now.mod_revision;
  return event;
}

}  // namespace socle::storage
