// PodDisruptionBudget: how many pods of a set may be away at will.
#include "controllers/api/fragments/kruise.h"
#include "controllers/api/fragments/meta.h"
#include "controllers/api/kinds/kinds.h"

namespace socle::api {
namespace {

void CheckSpec(const Json& spec, std::string_view path, Causes* causes) {
  if (Find(spec, {"minAvailable"}) != nullptr && Find(spec, {"maxUnavailable"}) != nullptr) {
    causes->Invalid(path, spec, "minAvailable and maxUnavailable cannot be both set");
  }
}

Json ShareCell(const Json& budget, std::string_view member) {
  const Json* share = Find(budget, {"spec", member});
  return share == nullptr ? Json("N/A") : *share;
}

}  // namespace

Kind PodDisruptionBudgetKind() {
  return Kind{
      .group = "policy",
      .versions = {"v1", "v1beta1"},
      .storage_version = "v1",
      .kind = "PodDisruptionBudget",
      .list_kind = "PodDisruptionBudgetList",
      .resource = "poddisruptionbudgets",
      .singular = "poddisruptionbudget",
      .storage_resource = "poddisruptionbudgets",
      .short_names = {"pdb"},
      .subresources = {StatusOf("PodDisruptionBudget")},
      .columns = {NameColumn(),
                  {.name = "Min Available",
                   .cell = [](const Json& budget,
                              int64_t) { return ShareCell(budget, "minAvailable"); }},
                  {.name = "Max Unavailable",
                   .cell = [](const Json& budget,
                              int64_t) { return ShareCell(budget, "maxUnavailable"); }},
                  {.name = "Allowed Disruptions",
                   .type = "integer",
                   .path = {"status", "disruptionsAllowed"}},
                  AgeColumn()},
      .fields = FieldsWithNames(true),
      .has_generation = true,
      .has_status = true,
      .definition_prefix = "io.k8s.api.policy",
      .schema =
          TopLevel("How many pods of a set may be away at will.")
              .Field("spec", Object()
                                 .Field("minAvailable",
                                        Share("How many pods must stay, or what share of them."))
                                 .Field("maxUnavailable",
                                        Share("How many pods may be away, or what share of them."))
                                 .Field("selector", LabelSelectorSchema())
                                 .Field("unhealthyPodEvictionPolicy",
                                        String().Enum({"IfHealthyBudget", "AlwaysAllow"}))
                                 .Rule(&CheckSpec)
                                 .Default(JsonObject()))
              .Field("status", Object()
                                   .Field("observedGeneration", Int64())
                                   .Field("disruptedPods", MapOf(Time()))
                                   .Field("disruptionsAllowed", Int32().Min(0).Default(0))
                                   .Field("currentHealthy", Int32().Min(0).Default(0))
                                   .Field("desiredHealthy", Int32().Min(0).Default(0))
                                   .Field("expectedPods", Int32().Min(0).Default(0))
                                   .Field("conditions", ListOf(Condition()).MergeKey("type"))
                                   .Default(JsonObject())),
  };
}

}  // namespace socle::api
