// Node: a machine that runs pods.
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/api/fragments/container.h"
#include "controllers/api/fragments/meta.h"
#include "controllers/api/kinds/kinds.h"
#include "kv/base/bytes.h"

namespace socle::api {
namespace {

constexpr std::string_view kRolePrefix = "node-role.kubernetes.io/";

Json StatusCell(const Json& node, int64_t) {
  std::vector<std::string> words;
  const JsonArray* conditions = FindArray(node, {"status", "conditions"});
  for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
    if (StringAt((*conditions)[i], {"type"}) == "Ready") {
      words.emplace_back(StringAt((*conditions)[i], {"status"}) == "True" ? "Ready" : "NotReady");
    }
  }
  if (words.empty()) {
    words.emplace_back("Unknown");
  }
  if (BoolAt(node, {"spec", "unschedulable"})) {
    words.emplace_back("SchedulingDisabled");
  }
  return Json(JsonView(fmt::format("{}", fmt::join(words, ","))));
}

Json RolesCell(const Json& node, int64_t) {
  std::vector<std::string_view> roles;
  if (const JsonObject* labels = FindObject(node, {"metadata", "labels"})) {
    for (const auto& label : *labels) {
      const std::string_view key = View(label.key());
      if (key.starts_with(kRolePrefix)) {
        roles.push_back(key.substr(kRolePrefix.size()));
      }
    }
  }
  return roles.empty() ? Json("<none>") : Json(JsonView(fmt::format("{}", fmt::join(roles, ","))));
}

Json AddressCell(const Json& node, std::string_view type) {
  const JsonArray* addresses = FindArray(node, {"status", "addresses"});
  for (size_t i = 0; addresses != nullptr && i < addresses->size(); ++i) {
    if (StringAt((*addresses)[i], {"type"}) == type) {
      return Json(JsonView(StringAt((*addresses)[i], {"address"})));
    }
  }
  return Json("<none>");
}

// Two taints with one key have different effects.
void CheckTaints(const Json& taints, std::string_view path, Causes* causes) {
  StringSet seen;
  const JsonArray& list = taints.get_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string id =
        fmt::format("{}:{}", StringAt(list[i], {"key"}), StringAt(list[i], {"effect"}));
    if (!seen.insert(id).second) {
      causes->Duplicate(fmt::format("{}[{}]", path, i), list[i]);
    }
  }
}

Column SystemColumn(std::string_view name, std::string_view member, int priority) {
  return {.name = name, .priority = priority, .path = {"status", "nodeInfo", member}};
}

Schema NodeSpec() {
  const Schema taint =
      Object("Keeps pods away that don't bear it.")
          .Named("io.k8s.api.core.v1.Taint")
          .Field("key", String().Required().Like(Format::kQualifiedName))
          .Field("value", String().Like(Format::kLabelValue))
          .Field("effect",
                 String().Required().Enum({"NoSchedule", "PreferNoSchedule", "NoExecute"}))
          .Field("timeAdded", Time());
  return Object("What is wanted of the node.")
      .Named("io.k8s.api.core.v1.NodeSpec")
      .Field("podCIDR", String())
      .Field("podCIDRs", ListOf(String()).MergeSet())
      .Field("providerID", String())
      .Field("unschedulable", Bool("New pods stay away."))
      .Field("taints", ListOf(taint).Rule(&CheckTaints))
      .Field("configSource", Free())
      .Field("externalID", String());
}

Schema NodeStatus() {
  Schema about = Object().Named("io.k8s.api.core.v1.NodeSystemInfo");
  for (const std::string_view member :
       {"architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion",
        "kubeletVersion", "machineID", "operatingSystem", "osImage", "systemUUID"}) {
    about.Field(member, String());
  }
  return Object("What is known of the node.")
      .Named("io.k8s.api.core.v1.NodeStatus")
      .Field(
          "addresses",
          ListOf(Object().Field("type", String().Required()).Field("address", String().Required()))
              .MergeKey("type"))
      .Field("allocatable", ResourceList())
      .Field("capacity", ResourceList())
      .Field("conditions", ListOf(Condition()).MergeKey("type"))
      .Field("config", Free())
      .Field("daemonEndpoints", Free())
      .Field("features", Free())
      .Field("runtimeHandlers", ListOf(Free()))
      .Field("images",
             ListOf(Object().Field("names", ListOf(String())).Field("sizeBytes", Int64())))
      .Field("nodeInfo", about)
      .Field("phase", String())
      .Field("volumesAttached", ListOf(Free()))
      .Field("volumesInUse", ListOf(String()));
}

}  // namespace

Kind NodeKind() {
  return Kind{
      .group = "",
      .versions = {"v1"},
      .storage_version = "v1",
      .kind = "Node",
      .list_kind = "NodeList",
      .resource = "nodes",
      .singular = "node",
      .storage_resource = "nodes",
      .short_names = {"no"},
      .is_namespaced = false,
      .subresources = {StatusOf("Node")},
      .columns =
          {NameColumn(),
           {.name = "Status",
            .description = "Ready or not, and whether pods may come.",
            .cell = &StatusCell},
           {.name = "Roles", .cell = &RolesCell},
           AgeColumn(),
           SystemColumn("Version", "kubeletVersion", 0),
           {.name = "Internal-IP",
            .priority = 1,
            .cell = [](const Json& node, int64_t) { return AddressCell(node, "InternalIP"); }},
           {.name = "External-IP",
            .priority = 1,
            .cell = [](const Json& node, int64_t) { return AddressCell(node, "ExternalIP"); }},
           SystemColumn("OS-Image", "osImage", 1),
           SystemColumn("Kernel-Version", "kernelVersion", 1),
           SystemColumn("Container-Runtime", "containerRuntimeVersion", 1)},
      .fields =
          FieldsWithNames(false, {{"spec.unschedulable", {"spec", "unschedulable"}, "false"}}),
      .has_status = true,
      .definition_prefix = "io.k8s.api.core",
      .schema = TopLevel("A machine that runs pods.")
                    .Field("spec", NodeSpec().Default(JsonObject()))
                    .Field("status", NodeStatus().Default(JsonObject())),
  };
}

}  // namespace socle::api
