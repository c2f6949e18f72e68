#include "controllers/api/fragments/container.h"

#include <string>

#include <fmt/format.h>

#include "controllers/api/fragments/meta.h"
#include "controllers/api/int_or_string.h"
#include "controllers/api/quantity.h"
#include "kv/base/bytes.h"

namespace socle::api {
namespace {

std::string ImageTag(std::string_view image) {
  const size_t digest = image.find('@');
  const std::string_view named = image.substr(0, digest);
  const size_t slash = named.rfind('/');
  const size_t colon = named.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    return std::string(named.substr(colon + 1));
  }
  return digest == std::string_view::npos ? "latest" : "";
}

void FillContainer(JsonObject* container) {
  if (StringAt(*container, "imagePullPolicy").empty()) {
    const bool is_latest = ImageTag(StringAt(*container, "image")) == "latest";
    Set(container, "imagePullPolicy", is_latest ? "Always" : "IfNotPresent");
  }
}

void FillHttpGet(JsonObject* action) {
  if (StringAt(*action, "path").empty()) {
    Set(action, "path", "/");
  }
  if (StringAt(*action, "scheme").empty()) {
    Set(action, "scheme", "HTTP");
  }
}

// A limit without a request is also the request.
void FillResources(JsonObject* resources) {
  const Json* limits = Find(*resources, "limits");
  if (limits == nullptr || !limits->is_object() || limits->get_object().empty()) {
    return;
  }
  JsonObject requests;
  if (const Json* given = Find(*resources, "requests"); given != nullptr && given->is_object()) {
    requests = given->get_object();
  }
  for (const auto& limit : limits->get_object()) {
    if (!requests.contains(limit.key())) {
      requests[limit.key()] = limit.value();
    }
  }
  Set(resources, "requests", std::move(requests));
}

void CheckResources(const Json& resources, std::string_view path, Causes* causes) {
  const JsonObject* requests = FindObject(resources, {"requests"});
  const JsonObject* limits = FindObject(resources, {"limits"});
  if (requests == nullptr || limits == nullptr) {
    return;
  }
  for (const auto& request : *requests) {
    const Json* limit = Find(*limits, View(request.key()));
    const absl::StatusOr<Quantity> wanted = Quantity::FromJson(request.value());
    const absl::StatusOr<Quantity> most = limit == nullptr ? wanted : Quantity::FromJson(*limit);
    if (wanted.ok() && most.ok() && *wanted > *most) {
      const std::string_view name = View(request.key());
      causes->Invalid(
          fmt::format("{}.requests", path), Json(JsonView(wanted->ToString())),
          fmt::format("must be less than or equal to {} limit of {}", name, most->ToString()));
    }
  }
}

void CheckPortNumberOrName(const Json& port, std::string_view path, Causes* causes) {
  if (const std::optional<int64_t> number = AsInt(port)) {
    if (*number < 1 || *number > 65535) {
      causes->Invalid(path, port, "must be between 1 and 65535, inclusive");
    }
  } else if (port.is_string()) {
    for (const std::string& problem : FormatProblems(Format::kPortName, View(port.get_string()))) {
      causes->Invalid(path, port, problem);
    }
  }
}

// Exactly one kind of action stands in a probe or hook.
void CheckOneAction(const Json& value, std::string_view path, Causes* causes) {
  int actions = 0;
  for (const std::string_view name : {"exec", "httpGet", "tcpSocket", "grpc", "sleep"}) {
    if (Find(value, {name}) == nullptr) {
      continue;
    }
    if (++actions > 1) {
      causes->Forbidden(fmt::format("{}.{}", path, name),
                        "may not specify more than 1 handler type");
    }
  }
  if (actions == 0) {
    causes->Required(path, "must specify a handler type");
  }
}

void CheckEnvVar(const Json& env, std::string_view path, Causes* causes) {
  const JsonObject* source = FindObject(env, {"valueFrom"});
  if (source == nullptr) {
    return;
  }
  const std::string at = fmt::format("{}.valueFrom", path);
  if (source->empty()) {
    causes->Invalid(at, "",
                    "must specify one of: `fieldRef`, `resourceFieldRef`, "
                    "`configMapKeyRef` or `secretKeyRef`");
  } else if (!StringAt(env, {"value"}).empty()) {
    causes->Invalid(at, "", "may not be specified when `value` is not empty");
  } else if (source->size() > 1) {
    causes->Invalid(at, "", "may not have more than one field specified at a time");
  }
}

// No two mounts of a container on one path.
void CheckMounts(const Json& mounts, std::string_view path, Causes* causes) {
  const JsonArray& list = mounts.get_array();
  StringSet seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string_view mount_path = StringAt(list[i], {"mountPath"});
    if (!mount_path.empty() && !seen.emplace(mount_path).second) {
      causes->Invalid(fmt::format("{}[{}].mountPath", path, i), Json(JsonView(mount_path)),
                      "must be unique");
    }
  }
}

Schema KeySelector(std::string_view definition) {
  return Object()
      .Named(definition)
      .Field("name", String())
      .Field("key", String().Required().Like(Format::kConfigKey))
      .Field("optional", Bool());
}

Schema EnvVarSource() {
  return Object()
      .Named("io.k8s.api.core.v1.EnvVarSource")
      .Field("fieldRef", Object()
                             .Named("io.k8s.api.core.v1.ObjectFieldSelector")
                             .Field("apiVersion", String().Default("v1"))
                             .Field("fieldPath", String().Required()))
      .Field("resourceFieldRef", Object()
                                     .Named("io.k8s.api.core.v1.ResourceFieldSelector")
                                     .Field("containerName", String())
                                     .Field("divisor", Amount())
                                     .Field("resource", String().Required()))
      .Field("configMapKeyRef", KeySelector("io.k8s.api.core.v1.ConfigMapKeySelector"))
      .Field("secretKeyRef", KeySelector("io.k8s.api.core.v1.SecretKeySelector"));
}

Schema EnvFrom() {
  const Schema source = Object().Field("name", String()).Field("optional", Bool());
  return Object()
      .Named("io.k8s.api.core.v1.EnvFromSource")
      .Field("prefix", String().Like(Format::kEnvName))
      .Field("configMapRef", source)
      .Field("secretRef", source);
}

Schema Handler(std::string_view definition) {
  const Schema port = IntOrString("A number, or the name of a container port.")
                          .Required()
                          .Rule(&CheckPortNumberOrName);
  return Object()
      .Named(definition)
      .Field("exec", Object().Field("command", ListOf(String())))
      .Field(
          "httpGet",
          Object()
              .Field("host", String())
              .Field("path", String())
              .Field("port", port)
              .Field("scheme", String().Enum({"HTTP", "HTTPS"}))
              .Field("httpHeaders",
                     ListOf(Object().Field("name", String().Required()).Field("value", String())))
              .Fill(&FillHttpGet))
      .Field("tcpSocket", Object().Field("host", String()).Field("port", port))
      .Rule(&CheckOneAction);
}

Schema Probe() {
  return Handler("io.k8s.api.core.v1.Probe")
      .Field(
          "grpc",
          Object().Field("port", Int32().Required().Min(1).Max(65535)).Field("service", String()))
      .Field("initialDelaySeconds", Int32().Min(0))
      .Field("periodSeconds", Int32().Min(0).Default(10))
      .Field("timeoutSeconds", Int32().Min(0).Default(1))
      .Field("successThreshold", Int32().Min(0).Default(1))
      .Field("failureThreshold", Int32().Min(0).Default(3))
      .Field("terminationGracePeriodSeconds", Int64().Min(1));
}

Schema Port() {
  return Object()
      .Named("io.k8s.api.core.v1.ContainerPort")
      .Field("containerPort", Int32().Required().Min(1).Max(65535))
      .Field("hostPort", Int32().Min(0).Max(65535))
      .Field("hostIP", String())
      .Field("name", String().Like(Format::kPortName))
      .Field("protocol", String().Enum({"TCP", "UDP", "SCTP"}).Default("TCP"));
}

Schema VolumeMount() {
  return Object()
      .Named("io.k8s.api.core.v1.VolumeMount")
      .Field("name", String().Required())
      .Field("mountPath", String().Required())
      .Field("readOnly", Bool())
      .Field("recursiveReadOnly", String())
      .Field("subPath", String())
      .Field("subPathExpr", String())
      .Field("mountPropagation", String().Enum({"None", "HostToContainer", "Bidirectional"}));
}

Schema SecurityContext() {
  return Object()
      .Named("io.k8s.api.core.v1.SecurityContext")
      .Field("allowPrivilegeEscalation", Bool())
      .Field("appArmorProfile", Free())
      .Field("capabilities",
             Object().Field("add", ListOf(String())).Field("drop", ListOf(String())))
      .Field("privileged", Bool())
      .Field("procMount", String())
      .Field("readOnlyRootFilesystem", Bool())
      .Field("runAsGroup", Int64().Min(0))
      .Field("runAsNonRoot", Bool())
      .Field("runAsUser", Int64().Min(0))
      .Field("seLinuxOptions", Free())
      .Field("seccompProfile", Free())
      .Field("windowsOptions", Free());
}

Schema Lifecycle() {
  const Schema handler = Handler("io.k8s.api.core.v1.LifecycleHandler")
                             .Field("sleep", Object().Field("seconds", Int64().Required().Min(0)));
  return Object()
      .Named("io.k8s.api.core.v1.Lifecycle")
      .Field("postStart", handler)
      .Field("preStop", handler)
      .Field("stopSignal", String());
}

}  // namespace

const Schema& ResourceList() {
  static const Schema& schema =
      *new Schema(MapOf(Amount().Min(0), "Amounts by resource: cpu, memory …")
                      .KeysLike(Format::kQualifiedName));
  return schema;
}

const Schema& ResourceRequirements() {
  static const Schema& schema =
      *new Schema(Object("What is guaranteed, and the most that may be used.")
                      .Named("io.k8s.api.core.v1.ResourceRequirements")
                      .Field("limits", ResourceList())
                      .Field("requests", ResourceList())
                      .Field("claims", ListOf(Free()))
                      .Fill(&FillResources)
                      .Rule(&CheckResources));
  return schema;
}

const Schema& EnvVar() {
  static const Schema& schema =
      *new Schema(Object()
                      .Named("io.k8s.api.core.v1.EnvVar")
                      .Field("name", String().Required().Like(Format::kEnvName))
                      .Field("value", String())
                      .Field("valueFrom", EnvVarSource())
                      .Rule(&CheckEnvVar));
  return schema;
}

const Schema& Container() {
  static const Schema& schema = *new Schema(
      Object("One process tree of a pod, from one image.")
          .Named("io.k8s.api.core.v1.Container")
          .Field("name", String("Unique in the pod.").Required().Like(Format::kDnsLabel))
          .Field("image", String("Where the image comes from.").Required())
          .Field("imagePullPolicy", String().Enum({"Always", "IfNotPresent", "Never"}))
          .Field("command", ListOf(String()))
          .Field("args", ListOf(String()))
          .Field("workingDir", String())
          .Field("env", ListOf(EnvVar()).MergeKey("name"))
          .Field("envFrom", ListOf(EnvFrom()))
          .Field("ports", ListOf(Port()).MergeKey("containerPort"))
          .Field("resources", Schema(ResourceRequirements()).Default(JsonObject()))
          .Field("resizePolicy", ListOf(Free()))
          .Field("restartPolicy", String("Always makes an init container a sidecar."))
          .Field("volumeMounts", ListOf(VolumeMount()).MergeKey("mountPath").Rule(&CheckMounts))
          .Field("volumeDevices", ListOf(Object()
                                             .Named("io.k8s.api.core.v1.VolumeDevice")
                                             .Field("name", String().Required())
                                             .Field("devicePath", String().Required()))
                                      .MergeKey("devicePath"))
          .Field("livenessProbe", Probe())
          .Field("readinessProbe", Probe())
          .Field("startupProbe", Probe())
          .Field("lifecycle", Lifecycle())
          .Field("securityContext", SecurityContext())
          .Field("stdin", Bool())
          .Field("stdinOnce", Bool())
          .Field("tty", Bool())
          .Field("terminationMessagePath", String().Default("/dev/termination-log"))
          .Field("terminationMessagePolicy",
                 String().Enum({"File", "FallbackToLogsOnError"}).Default("File"))
          .Fill(&FillContainer));
  return schema;
}

}  // namespace socle::api
