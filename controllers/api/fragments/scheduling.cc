// Affinity and tolerations.
#include <string>

#include <fmt/format.h>

#include "controllers/api/fragments/meta.h"
#include "controllers/api/fragments/pod.h"
#include "controllers/api/label_selector.h"

namespace socle::api {
namespace {

void CheckNodeTerm(const Json& term, std::string_view path, Causes* causes) {
  if (const JsonArray* expressions = FindArray(term, {"matchExpressions"})) {
    CheckExpressions(*expressions, fmt::format("{}.matchExpressions", path), true, causes);
  }
  const JsonArray* fields = FindArray(term, {"matchFields"});
  for (size_t i = 0; fields != nullptr && i < fields->size(); ++i) {
    const std::string at = fmt::format("{}.matchFields[{}]", path, i);
    const std::string_view word = StringAt((*fields)[i], {"operator"});
    const std::string_view key = StringAt((*fields)[i], {"key"});
    const JsonArray* values = FindArray((*fields)[i], {"values"});
    if (word != "In" && word != "NotIn") {
      causes->Invalid(at + ".operator", Json(JsonView(word)), "not a valid selector operator");
    } else if (values == nullptr || values->size() != 1) {
      causes->Required(at + ".values",
                       "must be only one value when `operator` is 'In' or 'NotIn' for node field "
                       "selector");
    }
    if (key != "metadata.name") {
      causes->Invalid(at + ".key", Json(JsonView(key)), "not a valid field selector key");
    }
  }
}

void CheckToleration(const Json& toleration, std::string_view path, Causes* causes) {
  const std::string_view key = StringAt(toleration, {"key"});
  const std::string_view op = StringAt(toleration, {"operator"});
  const std::string_view value = StringAt(toleration, {"value"});
  const std::string_view effect = StringAt(toleration, {"effect"});
  if (key.empty() && op != "Exists") {
    causes->Invalid(fmt::format("{}.operator", path), Json(JsonView(op)),
                    "operator must be Exists when `key` is empty, which means \"match all values "
                    "and all keys\"");
  }
  if (Find(toleration, {"tolerationSeconds"}) != nullptr && effect != "NoExecute") {
    causes->Invalid(fmt::format("{}.effect", path), Json(JsonView(effect)),
                    "effect must be 'NoExecute' when `tolerationSeconds` is set");
  }
  if (op == "Exists" && !value.empty()) {
    causes->Invalid(fmt::format("{}.operator", path), toleration,
                    "value must be empty when `operator` is 'Exists'");
  }
}

Schema NodeSelectorTerm() {
  const Schema requirement = Object()
                                 .Named("io.k8s.api.core.v1.NodeSelectorRequirement")
                                 .Field("key", String().Required())
                                 .Field("operator", String().Required())
                                 .Field("values", ListOf(String()));
  return Object()
      .Named("io.k8s.api.core.v1.NodeSelectorTerm")
      .Field("matchExpressions", ListOf(requirement))
      .Field("matchFields", ListOf(requirement))
      .Rule(&CheckNodeTerm);
}

Schema NodeAffinity() {
  return Object()
      .Named("io.k8s.api.core.v1.NodeAffinity")
      .Field("requiredDuringSchedulingIgnoredDuringExecution",
             Object()
                 .Named("io.k8s.api.core.v1.NodeSelector")
                 .Field("nodeSelectorTerms", ListOf(NodeSelectorTerm()).Required().MinItems(1)))
      .Field("preferredDuringSchedulingIgnoredDuringExecution",
             ListOf(Object()
                        .Named("io.k8s.api.core.v1.PreferredSchedulingTerm")
                        .Field("weight", Int32().Required().Min(1).Max(100))
                        .Field("preference", NodeSelectorTerm().Required())));
}

Schema PodAffinity(std::string_view definition) {
  const Schema term = Object()
                          .Named("io.k8s.api.core.v1.PodAffinityTerm")
                          .Field("labelSelector", LabelSelectorSchema())
                          .Field("namespaceSelector", LabelSelectorSchema())
                          .Field("namespaces", ListOf(String()))
                          .Field("matchLabelKeys", ListOf(String()))
                          .Field("mismatchLabelKeys", ListOf(String()))
                          .Field("topologyKey", String().Required().Like(Format::kQualifiedName));
  return Object()
      .Named(definition)
      .Field("requiredDuringSchedulingIgnoredDuringExecution", ListOf(term))
      .Field("preferredDuringSchedulingIgnoredDuringExecution",
             ListOf(Object()
                        .Named("io.k8s.api.core.v1.WeightedPodAffinityTerm")
                        .Field("weight", Int32().Required().Min(1).Max(100))
                        .Field("podAffinityTerm", Schema(term).Required())));
}

}  // namespace

const Schema& Affinity() {
  static const Schema& schema =
      *new Schema(Object("Where the pod wants to run, and beside whom.")
                      .Named("io.k8s.api.core.v1.Affinity")
                      .Field("nodeAffinity", NodeAffinity())
                      .Field("podAffinity", PodAffinity("io.k8s.api.core.v1.PodAffinity"))
                      .Field("podAntiAffinity", PodAffinity("io.k8s.api.core.v1.PodAntiAffinity")));
  return schema;
}

const Schema& Toleration() {
  static const Schema& schema = *new Schema(
      Object("A taint that the pod bears.")
          .Named("io.k8s.api.core.v1.Toleration")
          .Field("key", String().Like(Format::kQualifiedName))
          .Field("operator", String().Enum({"Equal", "Exists"}))
          .Field("value", String().Like(Format::kLabelValue))
          .Field("effect", String().Enum({"NoSchedule", "PreferNoSchedule", "NoExecute"}))
          .Field("tolerationSeconds", Int64())
          .Rule(&CheckToleration));
  return schema;
}

}  // namespace socle::api
