#include "controllers/sidecarset/whitelist.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include "controllers/api/label_selector.h"
#include "controllers/sidecarset/annotations.h"
#include "controllers/sidecarset/name_pattern.h"

namespace socle::sidecarset {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr std::string_view kConfigKey = "SidecarSet_PatchPodMetadata_WhiteList";

std::vector<NamePattern> AllowedBy(const Json& whitelist, const JsonObject* set_labels) {
  std::vector<NamePattern> allowed;
  const JsonArray* rules = api::FindArray(whitelist, {"rules"});
  for (size_t i = 0; rules != nullptr && i < rules->size(); ++i) {
    const Json* given = api::Find((*rules)[i], {"selector"});
    const absl::StatusOr<api::LabelSelector> selector = api::LabelSelector::FromJson(given);
    if (given != nullptr && (!selector.ok() || !selector->Matches(set_labels))) {
      continue;
    }
    const JsonArray* patterns = api::FindArray((*rules)[i], {"allowedAnnotationKeyExprs"});
    for (size_t j = 0; patterns != nullptr && j < patterns->size(); ++j) {
      const Json& text = (*patterns)[j];
      absl::StatusOr<NamePattern> pattern =
          NamePattern::Parse(text.is_string() ? api::View(text.get_string()) : "(");
      if (pattern.ok()) {
        allowed.push_back(*std::move(pattern));
      }
    }
  }
  return allowed;
}

}  // namespace

registry::ObjectRef FindWhitelist(const api::KindRegistry& kinds,
                                  const registry::ObjectCache& cache) {
  const api::ServedKind* served = kinds.Preferred("", "configmaps");
  return served == nullptr ? nullptr
                           : cache.Get(*served->kind, "kruise-system", "kruise-configuration");
}

void CheckWhitelist(const Json& set, const Json& config_map, api::Causes* causes) {
  const Json* text = api::Find(config_map, {"data", kConfigKey});
  if (text == nullptr || !text->is_string()) {
    return;
  }
  const absl::StatusOr<Json> whitelist = api::ParseJson(api::View(text->get_string()));
  const std::vector<NamePattern> allowed =
      whitelist.ok() ? AllowedBy(*whitelist, api::FindObject(set, {"metadata", "labels"}))
                     : std::vector<NamePattern>();
  const JsonArray* patches = api::FindArray(set, {"spec", "patchPodMetadata"});
  for (size_t i = 0; patches != nullptr && i < patches->size(); ++i) {
    const JsonObject* annotations = api::FindObject((*patches)[i], {"annotations"});
    if (annotations == nullptr) {
      continue;
    }
    for (const auto& annotation : *annotations) {
      const std::string_view key = api::View(annotation.key());
      if (std::none_of(allowed.begin(), allowed.end(),
                       [&](const NamePattern& pattern) { return pattern.Matches(key); })) {
        causes->Forbidden(fmt::format("spec.patchPodMetadata[{}].annotations[{}]", i, key),
                          "the whitelist does not allow it");
      }
    }
  }
}

}  // namespace socle::sidecarset
