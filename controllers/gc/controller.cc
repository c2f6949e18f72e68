#include "controllers/gc/controller.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/gc/plan.h"
#include "controllers/registry/stored_key.h"
#include "controllers/runtime/write_batch.h"
#include "kv/base/bytes.h"
#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::gc {
namespace {

using registry::ChangeRef;
using registry::ChangeType;
using registry::Object;
using registry::ObjectRef;
using registry::OwnerReference;
using registry::Reason;
using runtime::ReconcileResult;

constexpr size_t kWritesPerBatch = 512;
// A key of the queue is the key of an object in the store, or this and a uid: dependents of that owner.
constexpr std::string_view kDependentsOf = "uid:";
// A thousand dependents that go one after the other are a few looks at their owner.
constexpr int64_t kIntervalNanos = 50 * kNanosPerMilli;

bool HasSameOwners(const Object& a, const Object& b) {
  return std::equal(a.owners.begin(), a.owners.end(), b.owners.begin(), b.owners.end(),
                    [](const OwnerReference& x, const OwnerReference& y) {
                      return x.uid == y.uid && x.blocks_deletion == y.blocks_deletion;
                    });
}

bool NeedsALook(const Object& object) {
  return !object.owners.empty() || IsGoingInForeground(object) || IsOrphaning(object);
}

// Removes elements of the list at metadata.<member>; the list too when nothing is left.
void EraseFromMetadata(std::string_view member,
                       const std::function<bool(const api::Json& element)>& is_unwanted,
                       api::Json* object) {
  api::JsonObject& metadata = api::EnsureObject(object, {"metadata"});
  api::Json* list = metadata.if_contains(api::JsonView(member));
  if (list == nullptr || !list->is_array()) {
    return;
  }
  api::JsonArray kept;
  for (const api::Json& element : list->get_array()) {
    if (!is_unwanted(element)) {
      kept.push_back(element);
    }
  }
  if (kept.empty()) {
    metadata.erase(api::JsonView(member));
  } else {
    *list = std::move(kept);
  }
}

class GarbageCollector final : public runtime::Controller, private runtime::Reconciler {
 public:
  GarbageCollector(runtime::Runtime* runtime, GcOptions options)
      : runtime_(runtime),
        keys_(runtime->kinds()),
        loop_(runtime::ControllerLoop::Start(
            runtime,
            {.name = "gc", .workers = options.workers, .interval_min_nanos = kIntervalNanos},
            this)) {
    loop_->Keep(runtime_->cache()->Observe(nullptr,
                                           [this](const ChangeRef& change) { OnChange(*change); }));
    for (const api::Kind& kind : runtime_->kinds().kinds()) {
      for (const ObjectRef& object : runtime_->cache()->List({.kind = &kind})) {
        if (NeedsALook(*object)) {
          Look(*object);
        }
      }
    }
  }

  std::string_view name() const override { return "gc"; }

  runtime::LoopStats stats() const override { return loop_->stats(); }

 private:
  // One pass over dependents asks for each owner once.
  using Known = StringMap<OwnerState>;

  void Look(const Object& object) {
    loop_->queue()->Add(registry::ObjectKey(*object.kind, object.ns, object.name));
  }

  // Owners that wait for their dependents, and have one less to wait for.
  void LookAtOwners(const Object& object) {
    for (const OwnerReference& owner : object.owners) {
      const ObjectRef present = runtime_->cache()->ByUid(owner.uid);
      if (present != nullptr && IsGoingInForeground(*present)) {
        Look(*present);
      }
    }
  }

  // On the cache's feeder thread.
  void OnChange(const registry::Change& change) {
    const Object& object = *change.object;
    if (change.type == ChangeType::kDeleted) {
      if (!runtime_->cache()->OwnedBy(nullptr, object.uid).empty()) {
        loop_->queue()->Add(fmt::format("{}{}", kDependentsOf, object.uid));
      }
      LookAtOwners(object);
      return;
    }
    if (change.previous != nullptr) {
      const Object& before = *change.previous;
      if (HasSameOwners(before, object) && before.is_deleting == object.is_deleting &&
          before.finalizers == object.finalizers) {
        return;
      }
      LookAtOwners(before);
    }
    if (NeedsALook(object)) {
      Look(object);
    }
  }

  absl::StatusOr<ReconcileResult> Reconcile(const std::string& key) override {
    if (key.starts_with(kDependentsOf)) {
      RETURN_IF_ERROR(JudgeAll(
          runtime_->cache()->OwnedBy(nullptr, std::string_view(key).substr(kDependentsOf.size()))));
      return ReconcileResult{};
    }
    const auto parsed = keys_.Parse(key);
    CHECK(parsed.has_value());  // ObjectKey has made it.
    const ObjectRef object = runtime_->cache()->Get(*parsed->kind, parsed->ns, parsed->name);
    if (object == nullptr) {
      return ReconcileResult{};
    }
    if (IsOrphaning(*object)) {
      RETURN_IF_ERROR(Orphan(*object));
    } else if (IsGoingInForeground(*object)) {
      RETURN_IF_ERROR(AdvanceForeground(*object));
    } else {
      RETURN_IF_ERROR(JudgeAll({object}));
    }
    return ReconcileResult{};
  }

  absl::Status AdvanceForeground(const Object& object) {
    const std::vector<ObjectRef> dependents = runtime_->cache()->OwnedBy(nullptr, object.uid);
    const bool is_blocked = std::any_of(
        dependents.begin(), dependents.end(),
        [&object](const ObjectRef& dependent) { return BlocksOwner(*dependent, object.uid); });
    if (!is_blocked) {
      return RemoveFinalizer(object, kForegroundFinalizer);
    }
    return JudgeAll(dependents);
  }

  absl::Status Orphan(const Object& object) {
    std::vector<std::pair<ObjectRef, Verdict>> verdicts;
    for (ObjectRef& dependent : runtime_->cache()->OwnedBy(nullptr, object.uid)) {
      verdicts.emplace_back(std::move(dependent),
                            Verdict{.act = Verdict::Act::kStrip, .strip = {object.uid}});
    }
    bool is_done = true;
    RETURN_IF_ERROR(Execute(verdicts, &is_done));
    if (!is_done) {
      return absl::AbortedError("dependents changed while they were orphaned");
    }
    return RemoveFinalizer(object, kOrphanFinalizer);
  }

  absl::Status JudgeAll(const std::vector<ObjectRef>& objects) {
    std::vector<std::pair<ObjectRef, Verdict>> verdicts;
    Known known;
    for (const ObjectRef& object : objects) {
      std::vector<OwnerState> owners;
      owners.reserve(object->owners.size());
      for (const OwnerReference& owner : object->owners) {
        ASSIGN_OR_RETURN(const OwnerState state, StateOf(*object, owner, &known));
        owners.push_back(state);
      }
      Verdict verdict =
          Judge(*object, owners, !runtime_->cache()->OwnedBy(nullptr, object->uid).empty());
      if (verdict.act != Verdict::Act::kKeep) {
        verdicts.emplace_back(object, std::move(verdict));
      }
    }
    bool is_done = true;
    return Execute(verdicts, &is_done);
  }

  static OwnerState PresentState(const Object& owner) {
    return IsGoingInForeground(owner) ? OwnerState::kGoing : OwnerState::kPresent;
  }

  absl::StatusOr<OwnerState> StateOf(const Object& object, const OwnerReference& reference,
                                     Known* known) {
    const ObjectRef present = runtime_->cache()->ByUid(reference.uid);
    if (present != nullptr && present->name == reference.name &&
        (present->ns.empty() || present->ns == object.ns) &&
        runtime::RefersTo(runtime_->kinds(), reference, *present->kind)) {
      return PresentState(*present);
    }
    const api::ServedKind* served = KindOf(reference);
    if (served == nullptr || (served->kind->is_namespaced && object.ns.empty())) {
      return OwnerState::kPresent;
    }
    registry::Target target{.served = served, .name = reference.name};
    if (served->kind->is_namespaced) {
      target.ns = object.ns;
    }
    const auto [at, is_new] = known->try_emplace(
        fmt::format("{} {}", registry::ObjectKey(*served->kind, target.ns, target.name),
                    reference.uid),
        OwnerState::kGone);
    if (is_new) {
      const absl::StatusOr<ObjectRef> stored = runtime_->registry()->Get(target);
      if (!stored.ok() && registry::ReasonOf(stored.status()) != Reason::kNotFound) {
        return stored.status();
      }
      if (stored.ok() && (*stored)->uid == reference.uid) {
        at->second = PresentState(**stored);
      }
    }
    return at->second;
  }

  // By group and kind; the version may be one that is not served any more.
  const api::ServedKind* KindOf(const OwnerReference& reference) const {
    for (const api::ServedKind& served : runtime_->kinds().served()) {
      if (served.kind->kind == reference.kind && served.version == served.kind->storage_version &&
          runtime::RefersTo(runtime_->kinds(), reference, *served.kind)) {
        return &served;
      }
    }
    return nullptr;
  }

  const api::ServedKind* StoredForm(const api::Kind& kind) const {
    const api::ServedKind* served =
        runtime_->kinds().ByResource({kind.group, kind.storage_version, kind.resource});
    CHECK(served != nullptr);
    return served;
  }

  registry::Target TargetOf(const Object& object) const {
    return {.served = StoredForm(*object.kind), .ns = object.ns, .name = object.name};
  }

  void Begin(const Object& object, const Verdict& verdict, registry::Done done) {
    const registry::WriteContext context = registry::PlaneContext("generic-garbage-collector");
    if (verdict.act == Verdict::Act::kDelete) {
      runtime_->registry()->Delete(context,
                                   {.target = TargetOf(object),
                                    .propagation = verdict.propagation,
                                    .uid = object.uid,
                                    .expected_revision = object.mod_revision},
                                   std::move(done));
      return;
    }
    runtime_->registry()->Change(context,
                                 {.target = TargetOf(object),
                                  .part = registry::ChangeRequest::Part::kWhole,
                                  .uid = object.uid,
                                  .change =
                                      [uids = verdict.strip](api::Json* document) {
                                        EraseFromMetadata(
                                            "ownerReferences",
                                            [&uids](const api::Json& owner) {
                                              return std::find(uids.begin(), uids.end(),
                                                               api::StringAt(owner, {"uid"})) !=
                                                     uids.end();
                                            },
                                            document);
                                        return absl::OkStatus();
                                      }},
                                 std::move(done));
  }

  // `is_done`: every verdict was carried out; those that came too late are looked at again.
  absl::Status Execute(const std::vector<std::pair<ObjectRef, Verdict>>& verdicts, bool* is_done) {
    absl::Status first_error;
    for (size_t begin = 0; begin < verdicts.size(); begin += kWritesPerBatch) {
      const size_t end = std::min(begin + kWritesPerBatch, verdicts.size());
      runtime::WriteBatch batch;
      for (size_t i = begin; i < end; ++i) {
        Begin(*verdicts[i].first, verdicts[i].second, batch.Add());
      }
      size_t i = begin;
      for (const absl::StatusOr<registry::Written>& result : batch.Wait()) {
        const Object& object = *verdicts[i++].first;
        const std::optional<Reason> reason = registry::ReasonOf(result.status());
        if (reason == Reason::kConflict) {
          *is_done = false;
          Look(object);
        } else if (!result.ok() && reason != Reason::kNotFound) {
          first_error.Update(Annotate(result.status(), object.name));
        }
      }
    }
    return first_error;
  }

  absl::Status RemoveFinalizer(const Object& object, std::string_view finalizer) {
    const absl::Status removed =
        runtime_->registry()
            ->Change(registry::PlaneContext("generic-garbage-collector"),
                     {.target = TargetOf(object),
                      .part = registry::ChangeRequest::Part::kWhole,
                      .uid = object.uid,
                      .change =
                          [finalizer](api::Json* document) {
                            EraseFromMetadata(
                                "finalizers",
                                [finalizer](const api::Json& one) {
                                  return one.is_string() &&
                                         api::View(one.get_string()) == finalizer;
                                },
                                document);
                            return absl::OkStatus();
                          }})
            .status();
    const std::optional<Reason> reason = registry::ReasonOf(removed);
    // Gone, or another object under the name: there is nothing left to free.
    return reason == Reason::kNotFound || reason == Reason::kConflict ? absl::OkStatus() : removed;
  }

  runtime::Runtime* const runtime_;
  const registry::StoredKeys keys_;
  const std::unique_ptr<runtime::ControllerLoop> loop_;  // last: its workers use the others
};

}  // namespace

std::unique_ptr<runtime::Controller> StartGc(runtime::Runtime* runtime, GcOptions options) {
  return std::make_unique<GarbageCollector>(runtime, options);
}

}  // namespace socle::gc
