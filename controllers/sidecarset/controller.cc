#include "controllers/sidecarset/controller.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <absl/base/thread_annotations.h>
#include <fmt/format.h>

#include "controllers/sidecarset/annotations.h"
#include "controllers/sidecarset/apply.h"
#include "controllers/sidecarset/events.h"
#include "controllers/sidecarset/plan.h"
#include "controllers/sidecarset/pod_edits.h"
#include "controllers/sidecarset/pod_index.h"
#include "controllers/sidecarset/pod_state.h"
#include "controllers/sidecarset/sidecar_set.h"
#include "controllers/sidecarset/status.h"
#include "controllers/workload/document_edits.h"
#include "controllers/workload/pod_facts.h"
#include "controllers/workload/revisions.h"
#include "kv/base/bytes.h"
#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"

namespace socle::sidecarset {
namespace {

using api::Json;
using registry::ChangeRef;
using registry::ChangeRequest;
using registry::ObjectRef;
using runtime::ReconcileResult;

// A pass looks at every pod of a set: passes over big sets come less often.
constexpr int64_t kPauseNanosPerPod = 2 * kNanosPerMicro;
constexpr int64_t kPauseMaxNanos = kNanosPerSecond;
constexpr int64_t kPauseMinNanos = kNanosPerMilli;

// What the passes over one set remember, by uid; worth nothing but time.
struct KnownPod {
  int64_t mod_revision = 0;
  PodState state;
};

struct KnownPods {
  std::string content;  // of the hot containers by which the states were read
  StringMap<KnownPod> by_uid;
};

struct Gathered {
  std::vector<ObjectRef> objects;
  std::vector<PlanPod> pods;  // of the objects, in their order
};

std::vector<ObjectRef> Pick(const Gathered& gathered, const std::vector<size_t>& indexes) {
  std::vector<ObjectRef> picked;
  picked.reserve(indexes.size());
  std::transform(indexes.begin(), indexes.end(), std::back_inserter(picked),
                 [&](size_t index) { return gathered.objects[index]; });
  return picked;
}

class SidecarSetController final : public runtime::Controller, public runtime::Reconciler {
 public:
  SidecarSetController(runtime::Runtime* runtime, SidecarSetOptions options)
      : runtime_(runtime),
        options_(std::move(options)),
        sets_(runtime->Served("apps.kruise.io", "sidecarsets")),
        index_([this](std::string_view set, size_t members) { Enqueue(set, members); }) {
    loop_ = runtime::ControllerLoop::Start(
        runtime, {.name = "sidecarset", .workers = options_.workers}, this);
    loop_->Keep(index_.Start(*runtime));
    loop_->Keep(
        runtime->cache()->Observe(runtime->Served("", "namespaces")->kind,
                                  [this](const ChangeRef& change) { OnNamespace(*change); }));
    loop_->Keep(runtime::EnqueueChanges(runtime, *sets_->kind, loop_->queue()));
  }

  std::string_view name() const override { return "sidecarset"; }

  runtime::LoopStats stats() const override { return loop_->stats(); }

  absl::StatusOr<ReconcileResult> Reconcile(const std::string& key) override {
    const ObjectRef object = runtime_->cache()->Get(*sets_->kind, "", key);
    if (object == nullptr) {
      const MutexLock lock(&mu_);
      known_.erase(key);
      return ReconcileResult{};
    }
    const SidecarSetRef set = SidecarSet::Parse(object->Parse(), object->mod_revision);
    if (set->is_deleting) {
      RETURN_IF_ERROR(Remove(object, *set));
      return ReconcileResult{};
    }
    if (set->removes_on_deletion && !set->has_cleanup_finalizer) {
      RETURN_IF_ERROR(ChangeSet(*object, ChangeRequest::Part::kMain, [](Json* document) {
        return workload::AddFinalizer(kCleanupFinalizer, document);
      }));
    }
    RETURN_IF_ERROR(Follow(object, *set));
    return ReconcileResult{};
  }

 private:
  void Enqueue(std::string_view set, size_t members) {
    const int64_t pause =
        std::min(kPauseMaxNanos, static_cast<int64_t>(members) * kPauseNanosPerPod);
    if (pause < kPauseMinNanos) {
      loop_->queue()->Add(set);
    } else {
      loop_->queue()->AddAfter(set, pause);
    }
  }

  // Labels of namespaces decide which pods match.
  void OnNamespace(const registry::Change& change) {
    if (change.object == nullptr || change.previous == nullptr ||
        change.object->labels == change.previous->labels) {
      return;
    }
    for (const ObjectRef& set : runtime_->cache()->List({.kind = sets_->kind})) {
      loop_->queue()->Add(set->name);
    }
  }

  template <typename Edit>
  absl::Status ChangeSet(const registry::Object& set, ChangeRequest::Part part, Edit edit) {
    ChangeRequest request{
        .target = {.served = sets_, .name = set.name}, .part = part, .uid = set.uid};
    request.change = [edit = std::move(edit)](Json* document) {
      return edit(document) ? absl::OkStatus() : absl::CancelledError("nothing to change");
    };
    const absl::Status status =
        runtime_->registry()
            ->Change(registry::PlaneContext("sidecarset-controller"), std::move(request))
            .status();
    return registry::ReasonOf(status) == registry::Reason::kNotFound ? absl::OkStatus() : status;
  }

  // The set's pods, with what is known of them. Pods that the set has not injected, and ones that have
  // ended or are going, are left out.
  Gathered Gather(const SidecarSet& set, const Content& content) {
    KnownPods known;
    {
      const MutexLock lock(&mu_);
      known = std::move(known_[set.name]);
    }
    // States depend on the set only where it has hot containers.
    const std::string shape = content.has_hot ? content.hash : std::string();
    KnownPods next{.content = shape};
    Gathered gathered;
    const api::Kind& pods = *runtime_->Served("", "pods")->kind;
    for (const std::string& key : index_.PodsOf(set.name)) {
      const runtime::SplitKey split = runtime::Split(key);
      const ObjectRef object = runtime_->cache()->Get(pods, split.ns, split.name);
      if (object == nullptr) {
        continue;
      }
      const auto found = known.by_uid.find(object->uid);
      std::optional<PodState> state;
      if (known.content == shape && found != known.by_uid.end() &&
          found->second.mod_revision == object->mod_revision) {
        state = found->second.state;
      } else {
        state = ReadPodState(workload::ReadPod(object), set.name, content);
      }
      if (!state.has_value()) {
        continue;
      }
      next.by_uid.insert_or_assign(object->uid,
                                   KnownPod{.mod_revision = object->mod_revision, .state = *state});
      if (state->is_active) {
        gathered.pods.push_back({.state = *state, .object = object.get()});
        gathered.objects.push_back(object);
      }
    }
    const MutexLock lock(&mu_);
    known_[set.name] = std::move(next);
    return gathered;
  }

  bool Matches(const SidecarSet& set, const registry::Object& pod) const {
    if (!set.selector.MatchesSorted(pod.labels)) {
      return false;
    }
    const ObjectRef ns =
        runtime_->cache()->Get(*runtime_->Served("", "namespaces")->kind, "", pod.ns);
    const api::SortedLabels by_name = {{std::string(kNamespaceNameLabel), pod.ns}};
    return set.CoversNamespace(pod.ns, ns == nullptr ? by_name : ns->labels);
  }

  // Only pods that the set still selects are upgraded and counted.
  Gathered Matched(const SidecarSet& set, Gathered all) const {
    Gathered matched;
    for (size_t i = 0; i < all.objects.size(); ++i) {
      if (Matches(set, *all.objects[i])) {
        matched.objects.push_back(std::move(all.objects[i]));
        matched.pods.push_back(all.pods[i]);
      }
    }
    return matched;
  }

  absl::StatusOr<workload::Revision> SyncRevision(const registry::Object& object,
                                                  const SidecarSet& set, int64_t* collisions,
                                                  std::vector<workload::Revision>* history) {
    workload::RevisionForm form{.owner = &object,
                                .ns = options_.revision_namespace,
                                .labels = {{std::string(kSetNameLabel), set.name}},
                                .data = api::Literal(set.revision_text())};
    if (!set.custom_version.empty()) {
      form.labels.emplace_back(kCustomVersionLabel, set.custom_version);
    }
    *history = workload::RevisionsOf(*runtime_, object);
    return workload::SyncRevision(runtime_, form, history, collisions);
  }

  absl::Status DropRevisions(const SidecarSet& set, const Gathered& pods,
                             const std::vector<workload::Revision>& history) {
    if (static_cast<int64_t>(history.size()) <= set.history_limit) {
      return absl::OkStatus();
    }
    absl::flat_hash_set<uint64_t> used;
    for (const PlanPod& pod : pods.pods) {
      used.insert(pod.state.revision);
    }
    StringSet in_use = {history.back().name};
    for (const workload::Revision& revision : history) {
      const bool is_pinned =
          set.pinned.has_value() &&
          (set.pinned->name == revision.name ||
           (!set.pinned->custom_version.empty() &&
            revision.object->Label(kCustomVersionLabel) == set.pinned->custom_version));
      if (is_pinned || used.contains(Fingerprint(revision.name))) {
        in_use.insert(revision.name);
      }
    }
    // The limit counts the revisions in use, too (7.6 E16).
    const int64_t unused_max =
        std::max<int64_t>(set.history_limit - static_cast<int64_t>(in_use.size()), 0);
    return workload::DropRevisions(runtime_, history,
                                   workload::RevisionsToDrop(history, in_use, unused_max));
  }

  absl::Status Follow(const ObjectRef& object, const SidecarSet& set) {
    const ContentRef content = set.content();
    const Gathered all = Gather(set, *content);
    const Gathered pods = Matched(set, all);
    int64_t collisions = set.collision_count;
    std::vector<workload::Revision> history;
    ASSIGN_OR_RETURN(const workload::Revision revision,
                     SyncRevision(*object, set, &collisions, &history));
    const Plan plan = MakePlan({.strategy = &set.strategy,
                                .hash = Fingerprint(content->hash),
                                .hash_without_image = Fingerprint(content->hash_without_image),
                                .pods = pods.pods});
    const SetStatus status{.counts = plan.counts,
                           .generation = set.generation,
                           .latest_revision = revision.name,
                           .collision_count = collisions};
    Json document = object->Parse();
    if (PutStatus(status, &document)) {
      RETURN_IF_ERROR(ChangeSet(*object, ChangeRequest::Part::kStatus,
                                [status](Json* now) { return PutStatus(status, now); }));
    }
    const SetForm form{.name = set.name,
                       .content = content,
                       .revision = revision.name,
                       .version = fmt::format("{}", set.mod_revision)};
    SetEvents events(runtime_->events(), object.get());
    const absl::Status upgraded = Upgrade(plan, pods, form, &events);
    if (!upgraded.ok()) {
      events.WriteFailed(upgraded);
      return upgraded;
    }
    return DropRevisions(set, all, history);
  }

  absl::Status Upgrade(const Plan& plan, const Gathered& pods, const SetForm& form,
                       SetEvents* events) {
    const int64_t now = runtime_->clock()->WallNanos();
    if (!plan.refused.empty()) {
      events->NotUpgradable(form.revision);
    }
    RETURN_IF_ERROR(EditPods(runtime_, Pick(pods, plan.refused), ChangeRequest::Part::kStatus,
                             [&](Json* pod) { return SetUpgradable(form.name, false, now, pod); }));
    RETURN_IF_ERROR(EditPods(runtime_, Pick(pods, plan.readmitted), ChangeRequest::Part::kStatus,
                             [&](Json* pod) { return SetUpgradable(form.name, true, now, pod); }));
    RETURN_IF_ERROR(EditPods(runtime_, Pick(pods, plan.flips), ChangeRequest::Part::kMain,
                             [&](Json* pod) { return FlipPod(form, pod); }));
    if (!plan.upgrades.empty()) {
      events->Upgrading(form.revision);
    }
    return EditPods(runtime_, Pick(pods, plan.upgrades), ChangeRequest::Part::kMain,
                    [&](Json* pod) { return UpgradePod(form, now, pod); });
  }

  // The end of a set: with deletePolicy Remove its containers go first.
  absl::Status Remove(const ObjectRef& object, const SidecarSet& set) {
    if (!set.has_cleanup_finalizer) {
      return absl::OkStatus();
    }
    if (set.removes_on_deletion) {
      const ContentRef content = set.content();
      const Gathered gathered = Gather(set, *content);
      std::vector<RemovalPod> pods;
      for (size_t i = 0; i < gathered.pods.size(); ++i) {
        const bool is_stripped = !gathered.pods[i].state.has_sidecars;
        pods.push_back(
            {.pod = gathered.pods[i],
             .shows_removed = is_stripped && ShowsRemoved(gathered.objects[i]->Parse())});
      }
      const RemovalPlan plan = MakeRemovalPlan(set.strategy, pods);
      const SetForm form{.name = set.name, .content = content};
      if (!plan.strip_containers.empty()) {
        SetEvents(runtime_->events(), object.get()).Removing();
      }
      RETURN_IF_ERROR(EditPods(runtime_, Pick(gathered, plan.strip_containers),
                               ChangeRequest::Part::kWhole,
                               [&](Json* pod) { return StripContainers(form, pod); }));
      RETURN_IF_ERROR(EditPods(runtime_, Pick(gathered, plan.strip_annotations),
                               ChangeRequest::Part::kWhole,
                               [&](Json* pod) { return StripAnnotations(form, pod); }));
      if (!plan.is_done) {
        return absl::OkStatus();
      }
    }
    return ChangeSet(*object, ChangeRequest::Part::kMain,
                     [](Json* document) { return RemoveFinalizer(kCleanupFinalizer, document); });
  }

  static bool RemoveFinalizer(std::string_view finalizer, Json* document) {
    if (api::FindArray(*document, {"metadata", "finalizers"}) == nullptr) {
      return false;
    }
    api::JsonObject& metadata = api::EnsureObject(document, {"metadata"});
    api::JsonArray& finalizers = metadata.at("finalizers").get_array();
    const auto found = std::find(finalizers.begin(), finalizers.end(), Text(finalizer));
    if (found == finalizers.end()) {
      return false;
    }
    finalizers.erase(found);
    if (finalizers.empty()) {
      metadata.erase("finalizers");
    }
    return true;
  }

  runtime::Runtime* const runtime_;
  const SidecarSetOptions options_;
  const api::ServedKind* const sets_;

  Mutex mu_;
  StringMap<KnownPods> known_ ABSL_GUARDED_BY(mu_);  // by set

  PodIndex index_;
  std::unique_ptr<runtime::ControllerLoop> loop_;  // last: its workers use the others
};

}  // namespace

std::unique_ptr<runtime::Controller> StartSidecarSet(runtime::Runtime* runtime,
                                                     SidecarSetOptions options) {
  return std::make_unique<SidecarSetController>(runtime, std::move(options));
}

}  // namespace socle::sidecarset
