#include "controllers/sidecarset/sidecar_set.h"

#include <algorithm>

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include "controllers/sidecarset/annotations.h"

namespace socle::sidecarset {
namespace {

using api::Json;
using api::JsonArray;
using api::LabelSelector;

LabelSelector SelectorOf(const Json* given) {
  absl::StatusOr<LabelSelector> selector = LabelSelector::FromJson(given);
  return selector.ok() ? *std::move(selector) : LabelSelector::Nothing();
}

LabelSelector NamespacesOf(const Json& document) {
  const std::string_view only = api::StringAt(document, {"spec", "namespace"});
  if (!only.empty()) {
    absl::StatusOr<LabelSelector> selector =
        LabelSelector::Parse(std::string(kNamespaceNameLabel) + "=" + std::string(only));
    return selector.ok() ? *std::move(selector) : LabelSelector::Nothing();
  }
  const Json* given = api::Find(document, {"spec", "namespaceSelector"});
  return given == nullptr ? LabelSelector::Everything() : SelectorOf(given);
}

void ParsePriority(const Json& strategy, UpdateStrategy* out) {
  const JsonArray* weights = api::FindArray(strategy, {"priorityStrategy", "weightPriority"});
  for (size_t i = 0; weights != nullptr && i < weights->size(); ++i) {
    const Json& term = (*weights)[i];
    out->weights.push_back({.weight = api::IntAt(term, {"weight"}).value_or(0),
                            .labels = SelectorOf(api::Find(term, {"matchSelector"}))});
  }
  const JsonArray* orders = api::FindArray(strategy, {"priorityStrategy", "orderPriority"});
  for (size_t i = 0; orders != nullptr && i < orders->size(); ++i) {
    out->order_keys.emplace_back(api::StringAt((*orders)[i], {"orderedKey"}));
  }
}

UpdateStrategy ParseStrategy(const Json& strategy) {
  UpdateStrategy out;
  out.is_rolling = api::StringAt(strategy, {"type"}) != "NotUpdate";
  out.is_paused = api::BoolAt(strategy, {"paused"});
  if (const Json* selector = api::Find(strategy, {"selector"})) {
    out.selector = SelectorOf(selector);
  }
  if (const Json* partition = api::Find(strategy, {"partition"})) {
    out.partition = *partition;
  }
  if (const Json* max_unavailable = api::Find(strategy, {"maxUnavailable"})) {
    out.max_unavailable = *max_unavailable;
  }
  ParsePriority(strategy, &out);
  const JsonArray* scatter = api::FindArray(strategy, {"scatterStrategy"});
  for (size_t i = 0; scatter != nullptr && i < scatter->size(); ++i) {
    out.scatter.push_back({.key = std::string(api::StringAt((*scatter)[i], {"key"})),
                           .value = std::string(api::StringAt((*scatter)[i], {"value"}))});
  }
  return out;
}

std::optional<PinnedRevision> ParsePinned(const Json& document) {
  const Json* given = api::Find(document, {"spec", "injectionStrategy", "revision"});
  if (given == nullptr) {
    return std::nullopt;
  }
  PinnedRevision pinned;
  pinned.name = api::StringAt(*given, {"revisionName"});
  pinned.custom_version = api::StringAt(*given, {"customVersion"});
  pinned.is_partial = api::StringAt(*given, {"policy"}) == "Partial";
  return pinned;
}

bool HasCleanup(const Json& document) {
  const JsonArray* finalizers = api::FindArray(document, {"metadata", "finalizers"});
  return finalizers != nullptr &&
         std::any_of(finalizers->begin(), finalizers->end(), [](const Json& finalizer) {
           return finalizer.is_string() && api::View(finalizer.get_string()) == kCleanupFinalizer;
         });
}

std::vector<std::string> ClaimsOf(const Json& data) {
  std::vector<std::string> claims;
  const auto add = [&](std::string_view list, std::string_view type) {
    const JsonArray* named = api::FindArray(data, {list});
    for (size_t i = 0; named != nullptr && i < named->size(); ++i) {
      claims.push_back(fmt::format("{}/{}", type, api::StringAt((*named)[i], {"name"})));
    }
  };
  add("containers", "container");
  add("initContainers", "container");
  add("volumes", "volume");
  const JsonArray* patches = api::FindArray(data, {"patchPodMetadata"});
  for (size_t i = 0; patches != nullptr && i < patches->size(); ++i) {
    const api::JsonObject* annotations = api::FindObject((*patches)[i], {"annotations"});
    if (annotations != nullptr) {
      for (const auto& annotation : *annotations) {
        claims.push_back(fmt::format("annotation/{}", api::View(annotation.key())));
      }
    }
  }
  std::sort(claims.begin(), claims.end());
  claims.erase(std::unique(claims.begin(), claims.end()), claims.end());
  return claims;
}

}  // namespace

SidecarSetRef SidecarSet::Parse(const Json& document, int64_t mod_revision) {
  static const Json& empty = *new Json(api::JsonObject());
  auto set = std::make_shared<SidecarSet>();
  const Json* spec = api::Find(document, {"spec"});
  const Json* strategy = api::Find(document, {"spec", "updateStrategy"});
  set->name = api::StringAt(document, {"metadata", "name"});
  set->uid = api::StringAt(document, {"metadata", "uid"});
  set->generation = api::IntAt(document, {"metadata", "generation"}).value_or(0);
  set->mod_revision = mod_revision;
  set->collision_count = api::IntAt(document, {"status", "collisionCount"}).value_or(0);
  set->is_deleting = api::Find(document, {"metadata", "deletionTimestamp"}) != nullptr;
  set->has_cleanup_finalizer = HasCleanup(document);
  set->selector = SelectorOf(api::Find(document, {"spec", "selector"}));
  set->namespaces = NamespacesOf(document);
  set->is_canary = api::StringAt(document, {"metadata", "labels", kCanaryLabel}) == "true";
  set->base = set->is_canary ? api::StringAt(document, {"metadata", "labels", kBaseLabel}) : "";
  set->strategy = ParseStrategy(strategy == nullptr ? empty : *strategy);
  set->is_injection_paused = api::BoolAt(document, {"spec", "injectionStrategy", "paused"});
  set->pinned = ParsePinned(document);
  set->custom_version = api::StringAt(document, {"spec", "customVersion"});
  if (set->custom_version.empty()) {
    set->custom_version = api::StringAt(document, {"metadata", "labels", kCustomVersionLabel});
  }
  set->history_limit = api::IntAt(document, {"spec", "revisionHistoryLimit"}).value_or(10);
  set->removes_on_deletion = api::StringAt(document, {"spec", "deletePolicy"}) == "Remove";
  const Json data = RevisionData(spec == nullptr ? empty : *spec);
  set->revision_text_ = api::CanonicalDump(data);
  set->claims_ = ClaimsOf(data);
  return set;
}

ContentRef SidecarSet::content() const {
  const MutexLock lock(&mu_);
  if (content_ == nullptr) {
    content_ = ParseContent(api::Literal(revision_text_));
  }
  return content_;
}

bool IsSystemNamespace(std::string_view ns) {
  return ns == "kube-system" || ns == "kube-public" || ns == "kube-node-lease";
}

bool SidecarSet::CoversNamespace(std::string_view ns, const api::SortedLabels& labels) const {
  if (!namespaces.MatchesSorted(labels)) {
    return false;
  }
  if (!IsSystemNamespace(ns)) {
    return true;
  }
  const std::vector<api::LabelRequirement>& terms = namespaces.requirements();
  return std::any_of(terms.begin(), terms.end(), [&](const api::LabelRequirement& term) {
    return term.key == kNamespaceNameLabel && term.op == api::LabelRequirement::Op::kIn &&
           std::find(term.values.begin(), term.values.end(), ns) != term.values.end();
  });
}

}  // namespace socle::sidecarset
