#include "controllers/registry/pod_defaults.h"

#include <algorithm>

#include "controllers/api/quantity.h"
#include "controllers/registry/metadata.h"

namespace socle::registry {
namespace {

using api::Find;
using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;
using api::StringAt;

constexpr int64_t kTolerationSeconds = 300;

bool Tolerates(const Json& toleration, std::string_view key) {
  const std::string_view effect = StringAt(toleration, {"effect"});
  const std::string_view own_key = StringAt(toleration, {"key"});
  return (effect.empty() || effect == "NoExecute") && (own_key.empty() || own_key == key);
}

void AddTolerations(JsonObject* spec) {
  for (const std::string_view key :
       {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    Json& tolerations = (*spec)["tolerations"];
    if (!tolerations.is_array()) {
      tolerations.emplace_array();
    }
    JsonArray& list = tolerations.get_array();
    if (std::none_of(list.begin(), list.end(),
                     [key](const Json& one) { return Tolerates(one, key); })) {
      list.push_back(JsonObject{{"key", JsonView(key)},
                                {"operator", "Exists"},
                                {"effect", "NoExecute"},
                                {"tolerationSeconds", kTolerationSeconds}});
    }
  }
}

int64_t PriorityOf(std::string_view class_name) {
  constexpr int64_t kSystemCritical = 2'000'000'000;
  if (class_name == "system-node-critical") {
    return kSystemCritical + 1000;
  }
  return class_name == "system-cluster-critical" ? kSystemCritical : 0;
}

// The amount, or nullptr when there is none or it is zero.
const Json* AmountAt(const Json& container, std::string_view side, std::string_view resource) {
  const Json* amount = Find(container, {"resources", side, resource});
  if (amount == nullptr) {
    return nullptr;
  }
  const absl::StatusOr<api::Quantity> parsed = api::Quantity::FromJson(*amount);
  return parsed.ok() && *parsed == api::Quantity::FromUnits(0) ? nullptr : amount;
}

bool IsSameAmount(const Json& a, const Json& b) {
  const absl::StatusOr<api::Quantity> left = api::Quantity::FromJson(a);
  const absl::StatusOr<api::Quantity> right = api::Quantity::FromJson(b);
  return left.ok() && right.ok() && *left == *right;
}

}  // namespace

std::string_view QosClassOf(const Json& pod) {
  bool has_any = false;
  bool is_guaranteed = true;
  for (const std::string_view group : {"containers", "initContainers"}) {
    const JsonArray* containers = api::FindArray(pod, {"spec", group});
    for (size_t i = 0; containers != nullptr && i < containers->size(); ++i) {
      for (const std::string_view resource : {"cpu", "memory"}) {
        const Json* limit = AmountAt((*containers)[i], "limits", resource);
        const Json* request = AmountAt((*containers)[i], "requests", resource);
        has_any = has_any || limit != nullptr || request != nullptr;
        // A limit alone is a request too.
        is_guaranteed = is_guaranteed && limit != nullptr &&
                        (request == nullptr || IsSameAmount(*limit, *request));
      }
    }
  }
  if (!has_any) {
    return "BestEffort";
  }
  return is_guaranteed ? "Guaranteed" : "Burstable";
}

absl::Status PodDefaults::Admit(const AdmissionRequest& request, Json* object) {
  if (request.verb != Verb::kCreate || !IsPod(*request.served->kind)) {
    return absl::OkStatus();
  }
  Json* spec = object->get_object().if_contains("spec");
  if (spec == nullptr || !spec->is_object()) {
    return absl::OkStatus();  // Validation will say so.
  }
  JsonObject& members = spec->get_object();
  if (StringAt(members, "serviceAccountName").empty()) {
    api::Set(&members, "serviceAccountName", "default");
  }
  if (Find(members, "priority") == nullptr) {
    api::Set(&members, "priority", PriorityOf(StringAt(members, "priorityClassName")));
  }
  if (StringAt(members, "preemptionPolicy").empty()) {
    api::Set(&members, "preemptionPolicy", "PreemptLowerPriority");
  }
  AddTolerations(&members);
  api::Set(&api::EnsureObject(object, {"status"}), "qosClass", Json(JsonView(QosClassOf(*object))));
  return absl::OkStatus();
}

}  // namespace socle::registry
