// Service: a name and address for a set of pods.
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/api/fragments/meta.h"
#include "controllers/api/kinds/kinds.h"

namespace socle::api {
namespace {

Json Text(const std::string& text) {
  return Json(JsonView(text));
}

// A port leads to the port of the same number unless it says where.
void FillPort(JsonObject* port) {
  const Json* number = Find(*port, "port");
  if (number != nullptr && Find(*port, "targetPort") == nullptr) {
    Set(port, "targetPort", *number);
  }
}

void FillSpec(JsonObject* spec) {
  if (StringAt(*spec, "type") != "ExternalName" &&
      Find(*spec, "internalTrafficPolicy") == nullptr) {
    Set(spec, "internalTrafficPolicy", "Cluster");
  }
}

Json PortsCell(const Json& service, int64_t) {
  std::vector<std::string> texts;
  const JsonArray* ports = FindArray(service, {"spec", "ports"});
  for (size_t i = 0; ports != nullptr && i < ports->size(); ++i) {
    const int64_t node_port = IntAt((*ports)[i], {"nodePort"}).value_or(0);
    texts.push_back(fmt::format("{}{}/{}", IntAt((*ports)[i], {"port"}).value_or(0),
                                node_port == 0 ? "" : fmt::format(":{}", node_port),
                                StringAt((*ports)[i], {"protocol"})));
  }
  return Text(texts.empty() ? "<none>" : fmt::format("{}", fmt::join(texts, ",")));
}

Json SelectorCell(const Json& service, int64_t) {
  std::vector<std::string> texts;
  const JsonObject* selector = FindObject(service, {"spec", "selector"});
  if (selector != nullptr) {
    for (const auto& label : *selector) {
      texts.push_back(fmt::format(
          "{}={}", View(label.key()),
          label.value().is_string() ? View(label.value().get_string()) : std::string_view()));
    }
  }
  return Text(texts.empty() ? "<none>" : fmt::format("{}", fmt::join(texts, ",")));
}

void ValidateService(const Json& service, const Json*, Causes* causes) {
  const std::string_view type = StringAt(service, {"spec", "type"});
  const JsonArray* ports = FindArray(service, {"spec", "ports"});
  const size_t count = ports == nullptr ? 0 : ports->size();
  if (count == 0 && type != "ExternalName" && StringAt(service, {"spec", "clusterIP"}) != "None") {
    causes->Required("spec.ports");
  }
  for (size_t i = 0; count > 1 && i < count; ++i) {
    if (StringAt((*ports)[i], {"name"}).empty()) {
      causes->Required(fmt::format("spec.ports[{}].name", i));
    }
  }
  if (type == "ExternalName" && StringAt(service, {"spec", "externalName"}).empty()) {
    causes->Required("spec.externalName");
  }
}

Schema ServiceSpec() {
  const Schema port = Object()
                          .Named("io.k8s.api.core.v1.ServicePort")
                          .Field("name", String().Like(Format::kDnsLabel))
                          .Field("protocol", String().Enum({"TCP", "UDP", "SCTP"}).Default("TCP"))
                          .Field("port", Int32().Required().Min(1).Max(65535))
                          .Field("targetPort", IntOrString())
                          .Field("nodePort", Int32().Min(0).Max(65535))
                          .Field("appProtocol", String())
                          .Fill(&FillPort);
  Schema spec =
      Object("Which pods, on which ports.")
          .Named("io.k8s.api.core.v1.ServiceSpec")
          .Field("type", String()
                             .Enum({"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"})
                             .Default("ClusterIP"))
          .Field("selector",
                 MapOf(String().Like(Format::kLabelValue)).KeysLike(Format::kQualifiedName))
          .Field("ports", ListOf(port).MergeKey("port").MapKey("port").MapKey("protocol"))
          .Field("clusterIP", String())
          .Field("clusterIPs", ListOf(String()))
          .Field("externalIPs", ListOf(String().Like(Format::kIpAddress)))
          .Field("externalName", String())
          .Field("sessionAffinity", String().Enum({"ClientIP", "None"}).Default("None"))
          .Field("sessionAffinityConfig", Free())
          .Field("ipFamilies", ListOf(String()))
          .Fill(&FillSpec);
  for (const std::string_view member :
       {"ipFamilyPolicy", "externalTrafficPolicy", "internalTrafficPolicy", "loadBalancerIP",
        "loadBalancerClass", "trafficDistribution"}) {
    spec.Field(member, String());
  }
  return spec.Field("loadBalancerSourceRanges", ListOf(String()))
      .Field("healthCheckNodePort", Int32())
      .Field("publishNotReadyAddresses", Bool())
      .Field("allocateLoadBalancerNodePorts", Bool());
}

}  // namespace

Kind ServiceKind() {
  return Kind{
      .group = "",
      .versions = {"v1"},
      .storage_version = "v1",
      .kind = "Service",
      .list_kind = "ServiceList",
      .resource = "services",
      .singular = "service",
      .storage_resource = "services",
      .short_names = {"svc"},
      .categories = {"all"},
      .subresources = {StatusOf("Service")},
      .columns = {NameColumn(),
                  {.name = "Type", .path = {"spec", "type"}},
                  {.name = "Cluster-IP", .path = {"spec", "clusterIP"}},
                  {.name = "External-IP",
                   .cell =
                       [](const Json& service, int64_t) {
                         const JsonArray* ips = FindArray(service, {"spec", "externalIPs"});
                         return ips == nullptr || ips->empty() ? Json("<none>") : ips->front();
                       }},
                  {.name = "Port(s)", .cell = &PortsCell},
                  AgeColumn(),
                  {.name = "Selector", .priority = 1, .cell = &SelectorCell}},
      .fields = FieldsWithNames(
          true, {{"spec.clusterIP", {"spec", "clusterIP"}}, {"spec.type", {"spec", "type"}}}),
      .name_format = Format::kDns1035Label,
      .has_status = true,
      .definition_prefix = "io.k8s.api.core",
      .schema = TopLevel("A name and address for a set of pods.")
                    .Field("spec", ServiceSpec().Default(JsonObject()))
                    .Field("status", Object()
                                         .Field("conditions", ListOf(Condition()).MergeKey("type"))
                                         .Field("loadBalancer", Free())
                                         .Default(JsonObject())),
      .validate = &ValidateService,
  };
}

}  // namespace socle::api
