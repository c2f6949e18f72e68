// PlanBuilder: sets, pods and claims for tables of plans, in one line each.
#ifndef SOCLE_CONTROLLERS_INPLACESET_TESTING_PLAN_BUILDER_H_
#define SOCLE_CONTROLLERS_INPLACESET_TESTING_PLAN_BUILDER_H_

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/api/kind_registry.h"
#include "controllers/inplaceset/plan.h"
#include "kv/base/clock.h"

namespace socle::inplaceset {

inline constexpr int64_t kNow = 1'800'000'000 * kNanosPerSecond;

// The pod `web-<ordinal>`; ready and old ("r1") unless told otherwise.
struct PodRow {
  int64_t ordinal = 0;
  std::string revision = "r1";
  bool is_ready = true;
  bool is_deleting = false;
  workload::PodPhase phase = workload::PodPhase::kRunning;
  workload::LifecycleState state = workload::LifecycleState::kNormal;
  workload::InPlaceStage stage = workload::InPlaceStage::kIdle;
  int64_t ready_seconds = 3600;  // ago
  int64_t age_seconds = 3600;
  std::vector<std::pair<std::string, std::string>> labels = {};
  std::string waiting = {};  // reason of its container
  std::string node = "n1";
};

inline workload::PodFactsRef MakePod(const PodRow& row) {
  auto object = std::make_shared<registry::Object>();
  object->kind = api::KindRegistry::Builtin().ByResource({"", "v1", "pods"})->kind;
  object->ns = "default";
  object->name = PodName("web", row.ordinal);
  object->uid = fmt::format("uid-{}", row.ordinal);
  object->is_deleting = row.is_deleting;
  object->labels = row.labels;
  object->labels.emplace_back(kPodNameLabel, object->name);
  object->labels.emplace_back(kPodIndexLabel, fmt::format("{}", row.ordinal));
  std::sort(object->labels.begin(), object->labels.end());
  auto pod = std::make_shared<workload::PodFacts>();
  pod->object = object;
  pod->phase = row.phase;
  pod->node = row.node;
  pod->revision = row.revision;
  pod->is_deleting = row.is_deleting;
  pod->is_ready = row.is_ready;
  pod->ready_since_nanos = kNow - row.ready_seconds * kNanosPerSecond;
  pod->created_nanos = kNow - row.age_seconds * kNanosPerSecond;
  pod->lifecycle = row.state;
  pod->in_place.stage = row.stage;
  pod->is_specified_delete = object->HasLabel(workload::kSpecifiedDeleteLabel);
  workload::ContainerFacts& container = pod->containers.emplace_back();
  container.name = "app";
  container.waiting_reason = row.waiting;
  container.has_status = row.phase != workload::PodPhase::kFailed;
  return pod;
}

inline registry::ObjectRef MakeClaim(std::string_view name,
                                     std::vector<std::string> owner_uids = {},
                                     bool is_deleting = false) {
  auto claim = std::make_shared<registry::Object>();
  claim->ns = "default";
  claim->name = name;
  claim->uid = fmt::format("uid-{}", name);
  claim->is_deleting = is_deleting;
  for (const std::string& uid : owner_uids) {
    const bool is_set = uid == "uid-set";
    claim->owners.push_back(
        {.kind = is_set ? "InplaceSet" : "Pod", .name = is_set ? "web" : "web-0", .uid = uid});
  }
  return claim;
}

// A set `web` with these members of spec, and status.
inline SetSpec MakeSet(std::string_view members, std::string_view status = "{}") {
  auto object = std::make_shared<registry::Object>();
  object->kind =
      api::KindRegistry::Builtin().ByResource({"apps.kruise.io", "v1beta1", "inplacesets"})->kind;
  object->ns = "default";
  object->name = "web";
  object->uid = "uid-set";
  object->document = fmt::format(
      R"({{"kind":"InplaceSet","apiVersion":"apps.kruise.io/v1beta1","metadata":{{"name":"web",
          "namespace":"default","uid":"uid-set"}},"spec":{{"selector":{{"matchLabels":{{"app":"web"}}}},
          "template":{{}},{}}},"status":{}}})",
      members, status);
  return ReadSet(object);
}

// RollingUpdate parameters as a member of spec.
inline std::string Rolling(std::string_view members) {
  return fmt::format(R"("updateStrategy":{{"type":"RollingUpdate","rollingUpdate":{{{}}}}})",
                     members);
}

// From r1 to r2. PodChange::start of the plan points into what is gone: only whether it is null says something.
inline Plan PlanFor(const SetSpec& set, const std::vector<PodRow>& rows,
                    std::vector<registry::ObjectRef> claims = {}, PlanInput input = {}) {
  input.set = &set;
  input.current_revision = input.current_revision.empty() ? "r1" : input.current_revision;
  input.update_revision = input.update_revision.empty() ? "r2" : input.update_revision;
  input.now_nanos = input.now_nanos == 0 ? kNow : input.now_nanos;
  for (const PodRow& row : rows) {
    input.pods.push_back(MakePod(row));
  }
  for (registry::ObjectRef& claim : claims) {
    input.claims.insert_or_assign(claim->name, claim);
  }
  return MakePlan(input);
}

// The plan in short: +0:r1 creates, -0 deletes, ~0:Updating sets a state, >0 starts an update in place,
// =0 takes its step, !0 repairs.
inline std::vector<std::string> Short(const Plan& plan) {
  std::vector<std::string> words;
  for (const Creation& creation : plan.creations) {
    words.push_back(fmt::format("+{}:{}", creation.ordinal, creation.revision));
  }
  for (const PodChange& change : plan.changes) {
    if (change.start != nullptr) {
      words.push_back(fmt::format(">{}", change.ordinal));
    }
    if (change.advances) {
      words.push_back(fmt::format("={}", change.ordinal));
    }
    if (change.repairs) {
      words.push_back(fmt::format("!{}", change.ordinal));
    }
    if (change.state.has_value() && change.start == nullptr) {
      words.push_back(
          fmt::format("~{}:{}", change.ordinal, workload::LifecycleStateText(*change.state)));
    }
  }
  for (const PodDeletion& deletion : plan.deletions) {
    words.push_back(fmt::format("-{}", *OrdinalOf("web", deletion.pod->name())));
  }
  return words;
}

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_TESTING_PLAN_BUILDER_H_
