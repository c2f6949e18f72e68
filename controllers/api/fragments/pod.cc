#include "controllers/api/fragments/pod.h"

#include <string>

#include <fmt/format.h>

#include "controllers/api/fragments/container.h"
#include "controllers/api/fragments/meta.h"
#include "kv/base/bytes.h"

namespace socle::api {
namespace {

// Names are unique over containers and init containers.
void CheckContainerNames(const Json& spec, std::string_view path, Causes* causes) {
  StringSet seen;
  for (const std::string_view group : {"containers", "initContainers", "ephemeralContainers"}) {
    const JsonArray* containers = FindArray(spec, {group});
    for (size_t i = 0; containers != nullptr && i < containers->size(); ++i) {
      const std::string_view name = StringAt((*containers)[i], {"name"});
      if (!name.empty() && !seen.emplace(name).second) {
        causes->Duplicate(fmt::format("{}.{}[{}].name", path, group, i), Json(JsonView(name)));
      }
    }
  }
}

// Containers on the network of the host have the same port outside as inside.
void FillHostPorts(JsonObject* spec) {
  const Json* host_network = Find(*spec, "hostNetwork");
  if (host_network == nullptr || !host_network->is_bool() || !host_network->get_bool()) {
    return;
  }
  for (const std::string_view group : {"containers", "initContainers"}) {
    Json* containers = spec->if_contains(JsonView(group));
    JsonArray* list = containers == nullptr ? nullptr : containers->if_array();
    for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
      JsonObject* container = (*list)[i].if_object();
      Json* ports = container == nullptr ? nullptr : container->if_contains("ports");
      JsonArray* port_list = ports == nullptr ? nullptr : ports->if_array();
      for (size_t k = 0; port_list != nullptr && k < port_list->size(); ++k) {
        JsonObject* port = (*port_list)[k].if_object();
        const Json* number = port == nullptr ? nullptr : Find(*port, "containerPort");
        if (number != nullptr && Find(*port, "hostPort") == nullptr) {
          Set(port, "hostPort", *number);
        }
      }
    }
  }
}

Schema PodSecurityContext() {
  return Object()
      .Named("io.k8s.api.core.v1.PodSecurityContext")
      .Field("appArmorProfile", Free())
      .Field("fsGroup", Int64().Min(0))
      .Field("fsGroupChangePolicy", String())
      .Field("runAsGroup", Int64().Min(0))
      .Field("runAsNonRoot", Bool())
      .Field("runAsUser", Int64().Min(0))
      .Field("seLinuxChangePolicy", String())
      .Field("seLinuxOptions", Free())
      .Field("seccompProfile", Free())
      .Field("supplementalGroups", ListOf(Int64()))
      .Field("supplementalGroupsPolicy", String())
      .Field("sysctls", ListOf(Free()))
      .Field("windowsOptions", Free());
}

Schema SpreadConstraint() {
  return Object()
      .Named("io.k8s.api.core.v1.TopologySpreadConstraint")
      .Field("maxSkew", Int32().Required().Min(1))
      .Field("minDomains", Int32().Min(1))
      .Field("topologyKey", String().Required())
      .Field("whenUnsatisfiable", String().Required().Enum({"DoNotSchedule", "ScheduleAnyway"}))
      .Field("labelSelector", LabelSelectorSchema())
      .Field("matchLabelKeys", ListOf(String()))
      .Field("nodeAffinityPolicy", String())
      .Field("nodeTaintsPolicy", String());
}

void AddIdentityFields(Schema* spec) {
  spec->Field("hostname", String().Like(Format::kDnsLabel))
      .Field("subdomain", String().Like(Format::kDnsLabel))
      .Field("setHostnameAsFQDN", Bool())
      .Field("hostnameOverride", String())
      .Field("serviceAccountName", String().Like(Format::kDnsSubdomain))
      .Field("serviceAccount", String())
      .Field("automountServiceAccountToken", Bool())
      .Field("imagePullSecrets", ListOf(LocalObjectReference()).MergeKey("name"))
      .Field("securityContext", PodSecurityContext().Default(JsonObject()))
      .Field("hostAliases", ListOf(Object()
                                       .Field("ip", String().Required().Like(Format::kIpAddress))
                                       .Field("hostnames", ListOf(String())))
                                .MergeKey("ip"))
      .Field("dnsConfig", Free())
      .Field("dnsPolicy", String()
                              .Enum({"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"})
                              .Default("ClusterFirst"))
      .Field("enableServiceLinks", Bool())
      .Field("hostNetwork", Bool())
      .Field("hostPID", Bool())
      .Field("hostIPC", Bool())
      .Field("hostUsers", Bool())
      .Field("shareProcessNamespace", Bool())
      .Field("os", Object().Field("name", String().Required().Enum({"linux", "windows"})))
      .Field("runtimeClassName", String().Like(Format::kDnsSubdomain));
}

void AddSchedulingFields(Schema* spec) {
  spec->Field("nodeName", String("The node the pod is bound to.").Like(Format::kDnsSubdomain))
      .Field("nodeSelector", MapOf(String().Like(Format::kLabelValue), "Labels the node must have.")
                                 .KeysLike(Format::kQualifiedName))
      .Field("affinity", Affinity())
      .Field("tolerations", ListOf(Toleration()))
      .Field("schedulerName", String().Default("default-scheduler"))
      .Field("schedulingGates",
             ListOf(Object().Field("name", String().Required())).MergeKey("name").MapKey("name"))
      .Field("priority", Int32())
      .Field("priorityClassName", String())
      .Field("preemptionPolicy", String().Enum({"Never", "PreemptLowerPriority"}))
      .Field("overhead", ResourceList())
      .Field("topologySpreadConstraints", ListOf(SpreadConstraint()).MergeKey("topologyKey"))
      .Field("resourceClaims", ListOf(Free()))
      .Field("resources", ResourceRequirements())
      .Field("readinessGates",
             ListOf(Object()
                        .Named("io.k8s.api.core.v1.PodReadinessGate")
                        .Field("conditionType", String().Required().Like(Format::kQualifiedName))));
}

Schema ContainerStatus() {
  const Schema state =
      Object()
          .Named("io.k8s.api.core.v1.ContainerState")
          .Field("running", Object().Field("startedAt", Time()))
          .Field("waiting", Object().Field("reason", String()).Field("message", String()))
          .Field("terminated", Object()
                                   .Field("exitCode", Int32())
                                   .Field("signal", Int32())
                                   .Field("reason", String())
                                   .Field("message", String())
                                   .Field("startedAt", Time())
                                   .Field("finishedAt", Time())
                                   .Field("containerID", String()));
  return Object("What became of one container.")
      .Named("io.k8s.api.core.v1.ContainerStatus")
      .Field("name", String().Required())
      .Field("image", String())
      .Field("imageID", String())
      .Field("containerID", String())
      .Field("ready", Bool())
      .Field("started", Bool())
      .Field("restartCount", Int32().Min(0))
      .Field("state", state)
      .Field("lastState", state)
      .Field("allocatedResources", ResourceList())
      .Field("allocatedResourcesStatus", ListOf(Free()))
      .Field("resources", ResourceRequirements())
      .Field("stopSignal", String())
      .Field("user", Free())
      .Field("volumeMounts", ListOf(Free()));
}

}  // namespace

const Schema& PodSpec() {
  static const Schema& schema = *[] {
    Schema spec =
        Object("What runs in the pod, where, and how.").Named("io.k8s.api.core.v1.PodSpec");
    spec.Field(
            "containers",
            ListOf(Container(), "What runs; at least one.").Required().MinItems(1).MergeKey("name"))
        .Field("initContainers",
               ListOf(Container(), "What runs to its end before.").MergeKey("name"))
        .Field("ephemeralContainers", ListOf(Free()).MergeKey("name"))
        .Field("volumes", ListOf(Volume()).MergeKey("name").RetainKeys().MapKey("name"))
        .Field("restartPolicy", String("What happens to a container that ends.")
                                    .Enum({"Always", "OnFailure", "Never"})
                                    .Default("Always"))
        .Field("terminationGracePeriodSeconds",
               Int64("Between the wish to stop and the kill.").Min(0).Default(30))
        .Field("activeDeadlineSeconds", Int64().Min(1).Max(INT32_MAX))
        .Fill(&FillHostPorts)
        .Rule(&CheckContainerNames);
    AddIdentityFields(&spec);
    AddSchedulingFields(&spec);
    return new Schema(spec);
  }();
  return schema;
}

const Schema& PodTemplateSpec() {
  static const Schema& schema = *new Schema(Object("What new pods look like.")
                                                .Named("io.k8s.api.core.v1.PodTemplateSpec")
                                                .Field("metadata", ObjectMeta())
                                                .Field("spec", Schema(PodSpec()).Required()));
  return schema;
}

const Schema& PodStatus() {
  static const Schema& schema = *new Schema(
      Object("What is known of the pod.")
          .Named("io.k8s.api.core.v1.PodStatus")
          .Field("phase", String()
                              .Enum({"Pending", "Running", "Succeeded", "Failed", "Unknown"})
                              .Default("Pending"))
          .Field("conditions", ListOf(Condition()).MergeKey("type"))
          .Field("message", String())
          .Field("reason", String())
          .Field("nominatedNodeName", String())
          .Field("hostIP", String())
          .Field("hostIPs", ListOf(Object().Field("ip", String())))
          .Field("podIP", String())
          .Field("podIPs", ListOf(Object().Field("ip", String().Required())).MergeKey("ip"))
          .Field("startTime", Time())
          .Field("observedGeneration", Int64())
          .Field("qosClass", String())
          .Field("resize", String())
          .Field("resourceClaimStatuses", ListOf(Free()))
          .Field("initContainerStatuses", ListOf(ContainerStatus()))
          .Field("containerStatuses", ListOf(ContainerStatus()))
          .Field("ephemeralContainerStatuses", ListOf(ContainerStatus())));
  return schema;
}

}  // namespace socle::api
