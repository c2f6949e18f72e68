#include "controllers/pdb/controller.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/api/timestamp.h"
#include "controllers/pdb/plan.h"
#include "kv/base/bytes.h"
#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"

namespace socle::pdb {
namespace {

using registry::Object;
using registry::ObjectRef;
using runtime::ReconcileResult;

constexpr std::string_view kSource = "controllermanager";
// A storm of pods that become ready is one count.
constexpr int64_t kIntervalNanos = 500 * kNanosPerMilli;

// No selector covers nothing, an empty one everything.
api::LabelSelector SelectorOf(const api::Json& budget) {
  absl::StatusOr<api::LabelSelector> selector =
      api::LabelSelector::FromJson(api::Find(budget, {"spec", "selector"}));
  return selector.ok() ? *std::move(selector) : api::LabelSelector::Nothing();
}

bool IsReady(const api::Json& pod) {
  const api::JsonArray* conditions = api::FindArray(pod, {"status", "conditions"});
  for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
    if (api::StringAt((*conditions)[i], {"type"}) == "Ready") {
      return api::StringAt((*conditions)[i], {"status"}) == "True";
    }
  }
  return false;
}

// Which budgets a pod concerns, without reading budgets for each change of a pod.
class Selectors {
 public:
  void Put(const Object& budget) {
    api::LabelSelector selector = SelectorOf(budget.Parse());
    MutexLock lock(&mu_);
    Entry& entry = by_namespace_[budget.ns][budget.name];
    // The list at the start may come after a change that is newer.
    if (entry.revision < budget.mod_revision) {
      entry = {.revision = budget.mod_revision, .selector = std::move(selector)};
    }
  }

  void Erase(const Object& budget) {
    MutexLock lock(&mu_);
    const auto at = by_namespace_.find(budget.ns);
    if (at == by_namespace_.end()) {
      return;
    }
    at->second.erase(budget.name);
    if (at->second.empty()) {
      by_namespace_.erase(at);
    }
  }

  // Keys of the budgets of its namespace whose selector matches the labels.
  std::vector<std::string> Matching(const Object& pod) const {
    MutexLock lock(&mu_);
    std::vector<std::string> keys;
    const auto at = by_namespace_.find(pod.ns);
    if (at != by_namespace_.end()) {
      for (const auto& [name, entry] : at->second) {
        if (entry.selector.MatchesSorted(pod.labels)) {
          keys.push_back(fmt::format("{}/{}", pod.ns, name));
        }
      }
    }
    return keys;
  }

  std::vector<std::string> Of(const std::string& ns) const {
    MutexLock lock(&mu_);
    std::vector<std::string> keys;
    const auto at = by_namespace_.find(ns);
    if (at != by_namespace_.end()) {
      for (const auto& [name, entry] : at->second) {
        keys.push_back(fmt::format("{}/{}", ns, name));
      }
    }
    return keys;
  }

 private:
  struct Entry {
    int64_t revision = 0;
    api::LabelSelector selector = api::LabelSelector::Nothing();
  };

  mutable Mutex mu_;
  StringMap<StringMap<Entry>> by_namespace_ ABSL_GUARDED_BY(mu_);
};

class PdbController final : public runtime::Controller, private runtime::Reconciler {
 public:
  PdbController(runtime::Runtime* runtime, PdbOptions options)
      : runtime_(runtime),
        budgets_(runtime->Served("policy", "poddisruptionbudgets")),
        pods_(runtime->Served("", "pods")),
        loop_(runtime::ControllerLoop::Start(
            runtime,
            {.name = "pdb", .workers = options.workers, .interval_min_nanos = kIntervalNanos},
            this)) {
    registry::ObjectCache* const cache = runtime_->cache();
    loop_->Keep(cache->Observe(budgets_->kind, [this](const registry::ChangeRef& change) {
      if (change->type == registry::ChangeType::kDeleted) {
        selectors_.Erase(*change->object);
      } else {
        selectors_.Put(*change->object);
        loop_->queue()->Add(runtime::KeyOf(*change->object));
      }
    }));
    loop_->Keep(cache->Observe(pods_->kind, [this](const registry::ChangeRef& change) {
      for (const Object* pod : {change->object.get(), change->previous.get()}) {
        if (pod != nullptr) {
          Enqueue(selectors_.Matching(*pod));
        }
      }
    }));
    for (const api::Kind& kind : runtime_->kinds().kinds()) {
      if (kind.scale.has_value() && kind.resource == kind.storage_resource) {
        loop_->Keep(cache->Observe(&kind, [this](const registry::ChangeRef& change) {
          Enqueue(selectors_.Of(change->object->ns));
        }));
      }
    }
    for (const ObjectRef& budget : cache->List({.kind = budgets_->kind})) {
      selectors_.Put(*budget);
      loop_->queue()->Add(runtime::KeyOf(*budget));
    }
  }

  std::string_view name() const override { return "pdb"; }

  runtime::LoopStats stats() const override { return loop_->stats(); }

 private:
  void Enqueue(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) {
      loop_->queue()->Add(key);
    }
  }

  absl::StatusOr<ReconcileResult> Reconcile(const std::string& key) override {
    const runtime::SplitKey split = runtime::Split(key);
    const ObjectRef object = runtime_->cache()->Get(*budgets_->kind, split.ns, split.name);
    if (object == nullptr || object->is_deleting) {
      return ReconcileResult{};
    }
    const api::Json budget = object->Parse();
    const int64_t now = runtime_->clock()->WallNanos();
    absl::StatusOr<Plan> plan = PlanBudget(BudgetOf(budget), PodsOf(*object, budget), now);
    if (!plan.ok()) {
      // Nothing may go while nobody knows how much there is to lose.
      runtime_->events()->Record(kSource, *object, runtime::EventType::kWarning,
                                 "CalculateExpectedPodCountFailed",
                                 fmt::format("Failed to calculate the number of expected pods: {}",
                                             MessageOf(plan.status())));
      plan = Plan{};
    }
    RETURN_IF_ERROR(WriteStatus(*object, *plan, now));
    ReconcileResult result;
    if (plan->look_again_nanos.has_value()) {
      result.again_after_nanos = std::max(*plan->look_again_nanos - now, kNanosPerMilli);
    }
    return result;
  }

  static Budget BudgetOf(const api::Json& budget) {
    Budget found{.min_available = api::Find(budget, {"spec", "minAvailable"}),
                 .max_unavailable = api::Find(budget, {"spec", "maxUnavailable"})};
    if (const api::JsonObject* disrupted = api::FindObject(budget, {"status", "disruptedPods"})) {
      for (const auto& [pod, when] : *disrupted) {
        if (when.is_string()) {
          found.disrupted.emplace(std::string(api::View(pod)),
                                  api::ParseTime(api::View(when.get_string())).value_or(0));
        }
      }
    }
    return found;
  }

  std::vector<CoveredPod> PodsOf(const Object& object, const api::Json& budget) const {
    std::vector<CoveredPod> covered;
    StringMap<std::optional<int64_t>> controllers;  // by uid; what each wants
    for (const ObjectRef& pod : runtime_->cache()->List(
             {.kind = pods_->kind, .ns = object.ns, .labels = SelectorOf(budget)})) {
      CoveredPod one{
          .name = pod->name, .is_ready = IsReady(pod->Parse()), .is_deleting = pod->is_deleting};
      if (const registry::OwnerReference* controller = pod->Controller()) {
        const auto [at, is_new] = controllers.try_emplace(controller->uid);
        if (is_new) {
          at->second = ReplicasOf(controller->uid);
        }
        one.controller_uid = controller->uid;
        one.controller_replicas = at->second;
      }
      covered.push_back(std::move(one));
    }
    return covered;
  }

  std::optional<int64_t> ReplicasOf(std::string_view uid) const {
    const ObjectRef owner = runtime_->cache()->ByUid(uid);
    if (owner == nullptr || !owner->kind->scale.has_value()) {
      return std::nullopt;
    }
    const api::Json document = owner->Parse();
    const api::Json* at = &document;
    for (const std::string_view member : owner->kind->scale->spec_replicas) {
      at = at == nullptr ? nullptr : api::Find(*at, {member});
    }
    return at == nullptr ? std::nullopt : api::AsInt(*at);
  }

  absl::Status WriteStatus(const Object& object, const Plan& plan, int64_t now) {
    const absl::Status written =
        runtime_->registry()
            ->Change(registry::PlaneContext("disruption-controller"),
                     {.target = {.served = budgets_, .ns = object.ns, .name = object.name},
                      .part = registry::ChangeRequest::Part::kStatus,
                      .uid = object.uid,
                      .expected_revision = object.mod_revision,
                      .change =
                          [&plan, now](api::Json* budget) {
                            SetStatus(plan, now, budget);
                            return absl::OkStatus();
                          }})
            .status();
    return registry::ReasonOf(written) == registry::Reason::kNotFound ? absl::OkStatus() : written;
  }

  static void SetStatus(const Plan& plan, int64_t now, api::Json* budget) {
    const int64_t generation = api::IntAt(*budget, {"metadata", "generation"}).value_or(0);
    api::JsonObject disrupted;
    for (const auto& [pod, when] : plan.disrupted) {
      api::Set(&disrupted, pod, api::Json(api::JsonView(api::FormatTime(when))));
    }
    const bool is_allowed = plan.disruptions_allowed > 0;
    const std::string_view status_text = is_allowed ? "True" : "False";
    std::string since = api::FormatTime(now);
    const api::JsonArray* before = api::FindArray(*budget, {"status", "conditions"});
    for (size_t i = 0; before != nullptr && i < before->size(); ++i) {
      if (api::StringAt((*before)[i], {"type"}) == "DisruptionAllowed" &&
          api::StringAt((*before)[i], {"status"}) == status_text) {
        since = api::StringAt((*before)[i], {"lastTransitionTime"});
      }
    }
    api::JsonArray conditions{
        api::JsonObject{{"type", "DisruptionAllowed"},
                        {"status", api::JsonView(status_text)},
                        {"observedGeneration", generation},
                        {"lastTransitionTime", api::JsonView(since)},
                        {"reason", is_allowed ? "SufficientPods" : "InsufficientPods"},
                        {"message", ""}}};
    api::JsonObject& status = api::EnsureObject(budget, {"status"});
    api::Set(&status, "observedGeneration", generation);
    api::Set(&status, "currentHealthy", plan.current_healthy);
    api::Set(&status, "desiredHealthy", plan.desired_healthy);
    api::Set(&status, "expectedPods", plan.expected_pods);
    api::Set(&status, "disruptionsAllowed", plan.disruptions_allowed);
    api::Set(&status, "conditions", std::move(conditions));
    if (disrupted.empty()) {
      status.erase("disruptedPods");
    } else {
      api::Set(&status, "disruptedPods", std::move(disrupted));
    }
  }

  runtime::Runtime* const runtime_;
  const api::ServedKind* const budgets_;
  const api::ServedKind* const pods_;
  Selectors selectors_;
  const std::unique_ptr<runtime::ControllerLoop> loop_;  // last: its workers use the others
};

}  // namespace

std::unique_ptr<runtime::Controller> StartPdb(runtime::Runtime* runtime, PdbOptions options) {
  return std::make_unique<PdbController>(runtime, options);
}

}  // namespace socle::pdb
