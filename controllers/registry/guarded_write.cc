// The loop of a guarded write: read, decide, submit, again on conflict.
#include <utility>

#include "controllers/registry/registry_impl.h"
#include "controllers/storage/errors.h"

namespace socle::registry {

void RegistryImpl::Start(std::unique_ptr<GuardedWrite> write) {
  const Target& target = write->target;
  if (target.name.empty() || (target.served->kind->is_namespaced && target.ns.empty())) {
    write->done(BadRequest("the request names no object"));
    return;
  }
  write->key = ObjectKey(*target.served->kind, target.ns, target.name);
  if (options_.store->reads_wait()) {
    Begin(std::move(write));
    return;
  }
  write->is_in_lane = true;
  const std::string key = write->key;
  lanes_.Enter(key, [this, write = std::move(write)]() mutable { Begin(std::move(write)); });
}

void RegistryImpl::Begin(std::unique_ptr<GuardedWrite> write) {
  if (write->known != nullptr) {
    // The guard finds out when it is not the newest.
    const ObjectRef known = std::exchange(write->known, nullptr);
    Step(std::move(write), storage::ObjectView{.key = known->name,
                                               .document = known->document,
                                               .create_revision = known->create_revision,
                                               .mod_revision = known->mod_revision});
    return;
  }
  const absl::StatusOr<storage::GetResult> got = options_.store->Get({.key = write->key});
  if (!got.ok()) {
    Finish(std::move(write), got.status());
  } else if (!got->object && write->when_missing != nullptr) {
    write->done = [when_missing = std::move(write->when_missing), done = std::move(write->done)](
                      const absl::StatusOr<Written>&) mutable { when_missing(std::move(done)); };
    Finish(std::move(write), Written{});  // Its lane is free for the creation.
  } else {
    Step(std::move(write), got->object);
  }
}

void RegistryImpl::Finish(std::unique_ptr<GuardedWrite> write, absl::StatusOr<Written> result) {
  // Before done: after it, the registry may be gone, unless another turn is under way.
  Turn next = write->is_in_lane ? lanes_.Leave(write->key) : nullptr;
  write->done(std::move(result));
  write.reset();
  if (next != nullptr) {
    KeyLanes::RunTurn(std::move(next));
  }
}

void RegistryImpl::Step(std::unique_ptr<GuardedWrite> write,
                        const std::optional<storage::ObjectView>& current) {
  const api::Kind& kind = *write->target.served->kind;
  if (!current) {
    absl::Status missing = NotFound(kind.group, kind.resource, write->target.name);
    Finish(std::move(write), std::move(missing));
    return;
  }
  if (++write->tries > kTriesMax) {
    absl::Status conflict =
        Conflict(kind.group, kind.resource, write->target.name, kModifiedDetail);
    Finish(std::move(write), std::move(conflict));
    return;
  }
  absl::StatusOr<Decision> decision = write->decide(*current);
  if (!decision.ok()) {
    Finish(std::move(write), decision.status());
    return;
  }
  if (decision->act == Decision::Act::kNothing || write->context.is_dry_run) {
    Written written{.kind = kind.storing_kind,
                    .document = std::move(decision->document),
                    .create_revision = current->create_revision,
                    .mod_revision = current->mod_revision,
                    .is_unchanged = decision->act == Decision::Act::kNothing,
                    .is_removed = decision->act == Decision::Act::kRemove,
                    .warnings = std::move(write->warnings)};
    if (written.is_unchanged) {
      written.document = current->document;
    }
    Finish(std::move(write), std::move(written));
    return;
  }
  Replace(std::move(write), *std::move(decision), *current);
}

void RegistryImpl::Replace(std::unique_ptr<GuardedWrite> write, Decision decision,
                           const storage::ObjectView& current) {
  const api::Kind& kind = *write->target.served->kind;
  const bool is_removal = decision.act == Decision::Act::kRemove;
  storage::Write submitted{
      .kind = is_removal ? storage::WriteKind::kDelete : storage::WriteKind::kUpdate,
      .key = write->key,
      .expected_revision = current.mod_revision};
  if (!is_removal) {
    submitted.document = decision.document;
    submitted.ttl_seconds = TtlOf(kind);
  }
  Written written{.kind = kind.storing_kind,
                  .document = std::move(decision.document),
                  .create_revision = current.create_revision,
                  .is_removed = is_removal};
  options_.store->Submit(
      std::move(submitted), [this, write = std::move(write), written = std::move(written)](
                                const storage::WriteResult& result) mutable {
        if (result.ok()) {
          written.mod_revision = result.revision;
          written.warnings = std::move(write->warnings);
          TellStored(written);
          Finish(std::move(write), std::move(written));
        } else if (storage::ErrorOf(result.status) == storage::StorageError::kConflict) {
          Step(std::move(write), result.current);
        } else {
          Finish(std::move(write), result.status);
        }
      });
}

}  // namespace socle::registry
