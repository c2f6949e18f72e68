// Selection, TypeFor and ChangeEncodings: what a change is to whom.
#include <algorithm>
#include <atomic>
#include <utility>

#include "controllers/registry/object_cache.h"
#include "kv/base/mutex.h"

namespace socle::registry {

// Few: one per representation that is being watched.
struct ChangeEncodings::Slots {
  Mutex mu;
  std::vector<std::pair<uint64_t, std::shared_ptr<const std::string>>> made ABSL_GUARDED_BY(mu);
};

std::shared_ptr<const std::string> ChangeEncodings::Get(
    uint64_t id, absl::AnyInvocable<std::string() const> encode) const {
  std::shared_ptr<Slots> slots = std::atomic_load(&slots_);
  if (slots == nullptr) {
    auto fresh = std::make_shared<Slots>();
    // A loser of the race finds the winner's in `slots`.
    if (std::atomic_compare_exchange_strong(&slots_, &slots, fresh)) {
      slots = std::move(fresh);
    }
  }
  // Encoding under the lock: who comes meanwhile wants the same bytes.
  MutexLock lock(&slots->mu);
  for (const auto& [known, bytes] : slots->made) {
    if (known == id) {
      return bytes;
    }
  }
  slots->made.emplace_back(id, std::make_shared<const std::string>(encode()));
  return slots->made.back().second;
}

bool Selection::Matches(const Object& object) const {
  if (!ns.empty() && object.ns != ns) {
    return false;
  }
  if (!labels.is_everything() && !labels.MatchesSorted(object.labels)) {
    return false;
  }
  return std::all_of(fields.terms().begin(), fields.terms().end(), [&object](const auto& term) {
    return (object.FieldText(term.label) == term.value) != term.is_negated;
  });
}

std::optional<ChangeType> TypeFor(const Selection& selection, const Change& change) {
  if (change.object == nullptr) {
    return std::nullopt;
  }
  const bool is_in = change.type != ChangeType::kDeleted && selection.Matches(*change.object);
  const bool was_in = change.previous != nullptr && selection.Matches(*change.previous);
  if (is_in) {
    return was_in ? ChangeType::kModified : ChangeType::kAdded;
  }
  return was_in ? std::optional(ChangeType::kDeleted) : std::nullopt;
}

}  // namespace socle::registry
