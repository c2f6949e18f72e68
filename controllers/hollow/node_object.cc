#include "controllers/hollow/node_object.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "controllers/api/timestamp.h"

namespace socle::hollow {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;

Json Text(std::string_view text) {
  return Json(JsonView(text));
}

struct HealthyCondition {
  std::string_view type;
  std::string_view status;
  std::string_view reason;
  std::string_view message;
};

constexpr std::array<HealthyCondition, 4> kHealthy = {
    {{"MemoryPressure", "False", "KubeletHasSufficientMemory",
      "kubelet has sufficient memory available"},
     {"DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"},
     {"PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"},
     {"Ready", "True", "KubeletReady", "hollow kubelet is posting ready status"}}};

const Json* FindCondition(const Json& node, std::string_view type) {
  const JsonArray* conditions = api::FindArray(node, {"status", "conditions"});
  for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
    if (api::StringAt((*conditions)[i], {"type"}) == type) {
      return &(*conditions)[i];
    }
  }
  return nullptr;
}

bool ReportCondition(const HealthyCondition& healthy, std::string_view now, bool is_heartbeat,
                     JsonArray* conditions) {
  Json* found = nullptr;
  for (Json& condition : *conditions) {
    if (condition.is_object() && api::StringAt(condition, {"type"}) == healthy.type) {
      found = &condition;
    }
  }
  if (found == nullptr) {
    conditions->emplace_back(JsonObject{{"type", JsonView(healthy.type)}});
    found = &conditions->back();
  }
  JsonObject& condition = found->get_object();
  const bool has_turned = api::StringAt(condition, "status") != healthy.status;
  if (has_turned) {
    api::Set(&condition, "status", Text(healthy.status));
    api::Set(&condition, "lastTransitionTime", Text(now));
    api::Set(&condition, "reason", Text(healthy.reason));
    api::Set(&condition, "message", Text(healthy.message));
  }
  if (has_turned || is_heartbeat) {
    api::Set(&condition, "lastHeartbeatTime", Text(now));
  }
  return has_turned || is_heartbeat;
}

JsonObject ResourcesOf(const NodeShape& shape) {
  return JsonObject{{"cpu", JsonView(shape.cpu)},
                    {"memory", JsonView(shape.memory)},
                    {"ephemeral-storage", JsonView(shape.ephemeral_storage)},
                    {"pods", fmt::format("{}", shape.pods)}};
}

JsonObject AboutNode(std::string_view name) {
  return JsonObject{{"architecture", "amd64"},
                    {"bootID", JsonView(name)},
                    {"containerRuntimeVersion", "hollow://1.0.0"},
                    {"kernelVersion", "hollow"},
                    {"kubeProxyVersion", "v1.20.2"},
                    {"kubeletVersion", "v1.20.2"},
                    {"machineID", JsonView(name)},
                    {"operatingSystem", "linux"},
                    {"osImage", "Hollow"},
                    {"systemUUID", JsonView(name)}};
}

JsonArray AddressesOf(std::string_view name, uint32_t number) {
  const auto address = [](std::string_view type, std::string_view text) {
    return Json(JsonObject{{"type", JsonView(type)}, {"address", JsonView(text)}});
  };
  return JsonArray{address("InternalIP", NodeAddress(number)), address("Hostname", name)};
}

// Sets what is missing; true when it was.
bool Fill(JsonObject* object, std::string_view name, Json value) {
  if (api::Find(*object, name) != nullptr) {
    return false;
  }
  api::Set(object, name, std::move(value));
  return true;
}

std::optional<std::array<uint32_t, 4>> ParseAddress(std::string_view text) {
  std::array<uint32_t, 4> parts{};
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parts[i]);
    if (error != std::errc() || parts[i] > 255) {
      return std::nullopt;
    }
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    const bool is_last = i + 1 == parts.size();
    if (is_last != text.empty() || (!is_last && text.front() != '.')) {
      return std::nullopt;
    }
    text.remove_prefix(is_last ? 0 : 1);
  }
  return parts;
}

}  // namespace

std::string NodeAddress(uint32_t number) {
  return fmt::format("172.{}.{}.{}", 16 + (number / 65'536) % 16, (number / 256) % 256,
                     number % 256);
}

std::string PodRange(uint32_t number) {
  return fmt::format("10.{}.{}.0/24", (number / 256) % 256, number % 256);
}

std::string PodAddress(uint32_t number, uint32_t slot) {
  return fmt::format("10.{}.{}.{}", (number / 256) % 256, number % 256, slot % kPodAddresses);
}

std::optional<uint32_t> NumberOfRange(std::string_view pod_range) {
  constexpr std::string_view kWidth = "/24";
  if (!pod_range.ends_with(kWidth)) {
    return std::nullopt;
  }
  pod_range.remove_suffix(kWidth.size());
  const auto parts = ParseAddress(pod_range);
  if (!parts.has_value() || (*parts)[0] != 10 || (*parts)[3] != 0) {
    return std::nullopt;
  }
  return (*parts)[1] * 256 + (*parts)[2];
}

std::optional<uint32_t> SlotOfAddress(uint32_t number, std::string_view address) {
  const auto parts = ParseAddress(address);
  if (!parts.has_value() || (*parts)[0] != 10 ||
      (*parts)[1] * 256 + (*parts)[2] != number % kNodesMax) {
    return std::nullopt;
  }
  return (*parts)[3];
}

Json NewNode(std::string_view name, uint32_t number, const NodeShape& shape, int64_t now_wall) {
  JsonObject labels{{"kubernetes.io/hostname", JsonView(name)},
                    {"kubernetes.io/os", "linux"},
                    {"kubernetes.io/arch", "amd64"},
                    {"node.kubernetes.io/instance-type", "hollow"},
                    {JsonView(kHollowLabel), "true"}};
  if (shape.zones > 0) {
    labels["topology.kubernetes.io/zone"] =
        fmt::format("zone-{}", number % static_cast<uint32_t>(shape.zones));
  }
  for (const auto& [key, value] : shape.labels) {
    labels[JsonView(key)] = JsonView(value);
  }
  Json node =
      JsonObject{{"kind", "Node"},
                 {"apiVersion", "v1"},
                 {"metadata", JsonObject{{"name", JsonView(name)}, {"labels", std::move(labels)}}},
                 {"spec", JsonObject{{"podCIDR", PodRange(number)},
                                     {"podCIDRs", JsonArray{Json(PodRange(number))}},
                                     {"providerID", fmt::format("hollow://{}", name)}}}};
  ReportNode(number, shape, now_wall, /*is_heartbeat=*/true, &node);
  return node;
}

bool ReportNode(uint32_t number, const NodeShape& shape, int64_t now_wall, bool is_heartbeat,
                Json* node) {
  const std::string name(api::StringAt(*node, {"metadata", "name"}));
  JsonObject& status = api::EnsureObject(node, {"status"});
  const JsonObject resources = ResourcesOf(shape);
  const Json* capacity = api::Find(status, "capacity");
  const Json allocatable = capacity == nullptr ? Json(resources) : *capacity;
  bool is_changed = Fill(&status, "capacity", resources);
  is_changed |= Fill(&status, "allocatable", allocatable);
  is_changed |= Fill(&status, "addresses", AddressesOf(name, number));
  is_changed |= Fill(&status, "nodeInfo", AboutNode(name));
  is_changed |= Fill(&status, "daemonEndpoints",
                     JsonObject{{"kubeletEndpoint", JsonObject{{"Port", 10'250}}}});
  Json& conditions = status["conditions"];
  if (!conditions.is_array()) {
    conditions = JsonArray();
  }
  const std::string now = api::FormatTime(now_wall);
  for (const HealthyCondition& healthy : kHealthy) {
    is_changed |= ReportCondition(healthy, now, is_heartbeat, &conditions.get_array());
  }
  return is_changed;
}

bool IsReported(const Json& node) {
  for (const HealthyCondition& healthy : kHealthy) {
    const Json* condition = FindCondition(node, healthy.type);
    if (condition == nullptr || api::StringAt(*condition, {"status"}) != healthy.status) {
      return false;
    }
  }
  for (const std::string_view member : {"capacity", "allocatable", "addresses", "nodeInfo"}) {
    if (api::Find(node, {"status", member}) == nullptr) {
      return false;
    }
  }
  return true;
}

Json NewLease(std::string_view name, std::string_view node_uid, int64_t duration_seconds,
              int64_t now_wall) {
  const std::string now = api::FormatMicroTime(now_wall);
  return JsonObject{{"kind", "Lease"},
                    {"apiVersion", "coordination.k8s.io/v1"},
                    {"metadata", JsonObject{{"name", JsonView(name)},
                                            {"namespace", JsonView(kLeaseNamespace)},
                                            {"ownerReferences",
                                             JsonArray{JsonObject{{"apiVersion", "v1"},
                                                                  {"kind", "Node"},
                                                                  {"name", JsonView(name)},
                                                                  {"uid", JsonView(node_uid)}}}}}},
                    {"spec", JsonObject{{"holderIdentity", JsonView(name)},
                                        {"leaseDurationSeconds", duration_seconds},
                                        {"renewTime", JsonView(now)}}}};
}

void RenewLease(std::string_view name, int64_t duration_seconds, int64_t now_wall, Json* lease) {
  JsonObject& spec = api::EnsureObject(lease, {"spec"});
  api::Set(&spec, "holderIdentity", Text(name));
  api::Set(&spec, "leaseDurationSeconds", duration_seconds);
  api::Set(&spec, "renewTime", Text(api::FormatMicroTime(now_wall)));
}

}  // namespace socle::hollow
