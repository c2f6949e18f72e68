// Validation of objects: tables of what is wrong and what is said of it.
// tidy: long because it is tables.
#include "controllers/api/validation.h"

#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/json_patch.h"
#include "controllers/api/kind_registry.h"

namespace socle::api {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kPod = R"({
  "apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"d"},
  "spec":{"containers":[{"name":"app","image":"nginx:1"}]}})";

constexpr std::string_view kSet = R"({
  "apiVersion":"apps.kruise.io/v1beta1","kind":"InplaceSet","metadata":{"name":"web","namespace":"d"},
  "spec":{"replicas":3,"serviceName":"web","selector":{"matchLabels":{"app":"web"}},
    "template":{"metadata":{"labels":{"app":"web"}},
                "spec":{"containers":[{"name":"app","image":"nginx:1"}]}}}})";

constexpr std::string_view kSidecars = R"({
  "apiVersion":"apps.kruise.io/v1beta1","kind":"SidecarSet","metadata":{"name":"logs"},
  "spec":{"selector":{"matchLabels":{"app":"web"}},"containers":[{"name":"log","image":"l:1"}]}})";

constexpr std::string_view kJob = R"({
  "apiVersion":"apps.kruise.io/v1beta1","kind":"BroadcastJob","metadata":{"name":"j","namespace":"d"},
  "spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"app","image":"x:1"}]}}}})";

const ServedKind* KindNamed(std::string_view kind) {
  for (const ServedKind& served : KindRegistry::Builtin().served()) {
    if (served.kind->kind == kind) {
      return &served;
    }
  }
  return nullptr;
}

// The base with a JSON patch (without its brackets), defaulted.
Json Changed(const ServedKind& served, std::string_view base, std::string_view patch) {
  Json object = Literal(base);
  const absl::Status status = ApplyJsonPatch(Literal("[" + std::string(patch) + "]"), &object);
  EXPECT_TRUE(status.ok()) << status;
  DefaultObject(served, &object);
  return object;
}

std::vector<std::string> Texts(const Causes& causes) {
  std::vector<std::string> texts;
  for (const Cause& cause : causes.items()) {
    texts.push_back(cause.field + ": " + cause.message);
  }
  return texts;
}

struct Case {
  const char* name;
  std::string_view patch;
  std::vector<std::string> causes;  // each the start of one
};

void Check(std::string_view kind, std::string_view base, const std::vector<Case>& cases) {
  const ServedKind* served = KindNamed(kind);
  ASSERT_NE(served, nullptr);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Json object = Changed(*served, base, c.patch);
    const std::vector<std::string> texts = Texts(ValidateCreate(*served, object));
    ASSERT_EQ(texts.size(), c.causes.size()) << ::testing::PrintToString(texts);
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_THAT(texts[i], ::testing::StartsWith(c.causes[i]));
    }
  }
}

TEST(Validation, OfPodsSaysWhatIsWrongAndWhere) {
  Check(
      "Pod", kPod,
      {
          {"good", "", {}},
          {"no containers",
           R"({"op":"replace","path":"/spec/containers","value":[]})",
           {"spec.containers: Required value"}},
          {"no spec", R"({"op":"remove","path":"/spec"})", {"spec: Required value"}},
          {"no image",
           R"({"op":"remove","path":"/spec/containers/0/image"})",
           {"spec.containers[0].image: Required value"}},
          {"empty name of a container",
           R"({"op":"replace","path":"/spec/containers/0/name","value":""})",
           {"spec.containers[0].name: Required value"}},
          {"bad name of a container",
           R"({"op":"replace","path":"/spec/containers/0/name","value":"A_b"})",
           {"spec.containers[0].name: Invalid value: \"A_b\": a lowercase RFC 1123 label must"}},
          {"two containers of one name",
           R"({"op":"add","path":"/spec/containers/-","value":{"name":"app","image":"x"}})",
           {"spec.containers[1].name: Duplicate value: \"app\""}},
          {"bad restart policy",
           R"({"op":"add","path":"/spec/restartPolicy","value":"Sometimes"})",
           {"spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", "
            "\"Never\", \"OnFailure\""}},
          {"negative grace",
           R"({"op":"add","path":"/spec/terminationGracePeriodSeconds","value":-1})",
           {"spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal "
            "to 0"}},
          {"port out of range",
           R"({"op":"add","path":"/spec/containers/0/ports","value":[{"containerPort":70000}]})",
           {"spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 "
            "and "
            "65535, inclusive"}},
          {"bad quantity",
           R"({"op":"add","path":"/spec/containers/0/resources","value":{"requests":{"cpu":"lots"}}})",
           {"spec.containers[0].resources.requests[cpu]: Invalid value: \"lots\": quantities must "
            "match "
            "the regular expression"}},
          {"request above limit",
           R"({"op":"add","path":"/spec/containers/0/resources","value":{"requests":{"cpu":"2"},"limits":{"cpu":"1"}}})",
           {"spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or "
            "equal to "
            "cpu limit of 1"}},
          {"bad label key",
           R"({"op":"add","path":"/metadata/labels","value":{"a b":"c"}})",
           {"metadata.labels: Invalid value: \"a b\": name part must consist"}},
          {"bad label value",
           R"({"op":"add","path":"/metadata/labels","value":{"a":"b c"}})",
           {"metadata.labels: Invalid value: \"b c\": a valid label must be an empty string"}},
          {"bad annotation key",
           R"({"op":"add","path":"/metadata/annotations","value":{"/x":"c"}})",
           {"metadata.annotations: Invalid value: \"/x\": prefix part must be non-empty"}},
          {"bad name",
           R"({"op":"replace","path":"/metadata/name","value":"P"})",
           {"metadata.name: Invalid value: \"P\": a lowercase RFC 1123 subdomain must"}},
          {"no name",
           R"({"op":"remove","path":"/metadata/name"})",
           {"metadata.name: Required value: name or generateName is required"}},
          {"generated name",
           R"({"op":"remove","path":"/metadata/name"},{"op":"add","path":"/metadata/generateName","value":"p-"})",
           {}},
          {"text for a number",
           R"({"op":"add","path":"/spec/priority","value":"high"})",
           {"spec.priority: Invalid value: \"high\": spec.priority in body must be of type "
            "integer"}},
          {"number beyond 32 bits",
           R"({"op":"add","path":"/spec/priority","value":3000000000})",
           {"spec.priority: Invalid value: 3000000000: spec.priority in body must be of type "
            "integer"}},
          {"object for a list",
           R"({"op":"replace","path":"/spec/containers","value":{}})",
           {"spec.containers: Invalid value: {}: spec.containers in body must be of type array"}},
          {"mount without volume",
           R"({"op":"add","path":"/spec/containers/0/volumeMounts","value":[{"name":"v","mountPath":"/x"}]})",
           {"spec.containers[0].volumeMounts[0].name: Not found: \"v\""}},
          {"two mounts on one path",
           R"({"op":"add","path":"/spec/volumes","value":[{"name":"v","emptyDir":{}}]},)"
           R"({"op":"add","path":"/spec/containers/0/volumeMounts","value":[{"name":"v","mountPath":"/x"},{"name":"v","mountPath":"/x"}]})",
           {"spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/x\": must be unique"}},
          {"two volumes of one name",
           R"({"op":"add","path":"/spec/volumes","value":[{"name":"v"},{"name":"v"}]})",
           {"spec.volumes[1].name: Duplicate value: \"v\""}},
          {"volume of two kinds",
           R"({"op":"add","path":"/spec/volumes","value":[{"name":"v","emptyDir":{},"hostPath":{"path":"/"}}]})",
           {"spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"}},
          {"toleration of everything by value",
           R"({"op":"add","path":"/spec/tolerations","value":[{"value":"x"}]})",
           {"spec.tolerations[0].operator: Invalid value: \"\": operator must be Exists when `key` "
            "is empty"}},
          {"toleration in time",
           R"({"op":"add","path":"/spec/tolerations","value":[{"key":"a","tolerationSeconds":5}]})",
           {"spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute'"}},
          {"probe without action",
           R"({"op":"add","path":"/spec/containers/0/livenessProbe","value":{}})",
           {"spec.containers[0].livenessProbe: Required value: must specify a handler type"}},
          {"probe with two actions",
           R"({"op":"add","path":"/spec/containers/0/livenessProbe","value":{"exec":{},"tcpSocket":{"port":1}}})",
           {"spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 "
            "handler type"}},
          {"probe of a bad port",
           R"({"op":"add","path":"/spec/containers/0/livenessProbe","value":{"httpGet":{"port":0}}})",
           {"spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 "
            "and 65535"}},
          {"env from two sources",
           R"({"op":"add","path":"/spec/containers/0/env","value":[{"name":"A","value":"b","valueFrom":{"fieldRef":{"fieldPath":"x"}}}]})",
           {"spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when "
            "`value`"}},
          {"env with a bad name",
           R"({"op":"add","path":"/spec/containers/0/env","value":[{"name":"1A"}]})",
           {"spec.containers[0].env[0].name: Invalid value: \"1A\": a valid environment variable "
            "name"}},
          {"node term with a bad operator",
           R"({"op":"add","path":"/spec/affinity","value":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"a","operator":"Is"}]}]}}}})",
           {"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
            "nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: \"Is\": not a valid "
            "selector operator"}},
          {"two controllers",
           R"({"op":"add","path":"/metadata/ownerReferences","value":[{"apiVersion":"v1","kind":"A","name":"a","uid":"1","controller":true},{"apiVersion":"v1","kind":"A","name":"b","uid":"2","controller":true}]})",
           {"metadata.ownerReferences: Invalid value: [{\"apiVersion\":\"v1\""}},
          {"null member is no member", R"({"op":"add","path":"/spec/nodeName","value":null})", {}},
          {"null element",
           R"({"op":"add","path":"/spec/containers/-","value":null})",
           {"spec.containers[1]: Invalid value: null: spec.containers[1] in body must be of type "
            "object"}},
      });
}

TEST(Validation, OfInplaceSetsSaysWhatIsWrongAndWhere) {
  const std::string strategy = R"({"op":"add","path":"/spec/updateStrategy","value":)";
  const std::string parallel =
      R"({"op":"add","path":"/spec/podManagementPolicy","value":"Parallel"},)";
  const std::string rolling = strategy + R"({"rollingUpdate":)";
  const std::string gate =
      R"({"op":"add","path":"/spec/template/spec/readinessGates","value":[{"conditionType":"InPlaceUpdateReady"}]},)";
  const std::string zero = rolling + R"({"maxUnavailable":0}}})";
  const std::string over = parallel + rolling + R"({"maxUnavailable":"110%"}}})";
  const std::string two = rolling + R"({"maxUnavailable":2}}})";
  const std::string two_parallel = parallel + two;
  const std::string in_place = rolling + R"({"podUpdatePolicy":"InPlaceIfPossible"}}})";
  const std::string in_place_gated = gate + in_place;
  const std::string bad_policy = rolling + R"({"podUpdatePolicy":"Fast"}}})";
  const std::string bad_type = strategy + R"({"type":"Never"}})";
  const std::string on_delete =
      strategy + R"({"type":"OnDelete","rollingUpdate":{"partition":1}}})";
  const std::string partition = rolling + R"({"partition":-1}}})";
  const std::string ready = rolling + R"({"minReadySeconds":301}}})";
  const std::string unordered =
      rolling +
      R"({"unorderedUpdate":{"priorityStrategy":{"orderPriority":[{"orderedKey":"a"}]}}}}})";
  const std::string both =
      parallel + rolling +
      R"({"unorderedUpdate":{"priorityStrategy":{"orderPriority":[{"orderedKey":"a"}],"weightPriority":[{"weight":1,"matchSelector":{}}]}}}}})";
  const std::string weight =
      parallel + rolling +
      R"({"unorderedUpdate":{"priorityStrategy":{"weightPriority":[{"weight":101,"matchSelector":{}}]}}}}})";
  const std::string at = "spec.updateStrategy.rollingUpdate";
  Check(
      "InplaceSet", kSet,
      {
          {"good", "", {}},
          {"no selector",
           R"({"op":"remove","path":"/spec/selector"})",
           {"spec.selector: Required value"}},
          {"empty selector",
           R"({"op":"replace","path":"/spec/selector","value":{}})",
           {"spec.selector: Invalid value: {}: empty selector is invalid for InplaceSet"}},
          {"selector that misses the template",
           R"({"op":"replace","path":"/spec/selector","value":{"matchLabels":{"app":"db"}}})",
           {"spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not "
            "match "
            "template `labels`"}},
          {"no template",
           R"({"op":"remove","path":"/spec/template"})",
           {"spec.template: Required value", "spec.template.metadata.labels: Invalid value: {}"}},
          {"template without containers",
           R"({"op":"replace","path":"/spec/template/spec/containers","value":[]})",
           {"spec.template.spec.containers: Required value"}},
          {"negative replicas",
           R"({"op":"replace","path":"/spec/replicas","value":-1})",
           {"spec.replicas: Invalid value: -1: must be greater than or equal to 0"}},
          {"negative partition", partition, {at + ".partition: Invalid value: -1"}},
          {"minReadySeconds too long",
           ready,
           {at + ".minReadySeconds: Invalid value: 301: must be between 0 and 300, inclusive"}},
          {"unknown strategy",
           bad_type,
           {"spec.updateStrategy.type: Unsupported value: \"Never\": supported values: "
            "\"OnDelete\", "
            "\"RollingUpdate\""}},
          {"rolling fields with OnDelete",
           on_delete,
           {at +
            ": Invalid value: {\"partition\":1}: only allowed for updateStrategy 'RollingUpdate'"}},
          {"maxUnavailable zero",
           zero,
           {at + ".maxUnavailable: Invalid value: 0: cannot be 0",
            at + ".maxUnavailable: Invalid value: 0: can only be 1 unless"}},
          {"maxUnavailable over all",
           over,
           {at + ".maxUnavailable: Invalid value: \"110%\": must not be greater than 100%"}},
          {"maxUnavailable two, ordered",
           two,
           {at + ".maxUnavailable: Invalid value: 2: can only be 1 unless podManagementPolicy is "
                 "Parallel"}},
          {"maxUnavailable two, parallel", two_parallel, {}},
          {"unknown update policy",
           bad_policy,
           {at + ".podUpdatePolicy: Unsupported value: \"Fast\": supported values: "
                 "\"InPlaceIfPossible\", "
                 "\"InPlaceOnly\", \"ReCreate\""}},
          {"in place without gate",
           in_place,
           {"spec.template.spec.readinessGates: Required value: must contain InPlaceUpdateReady"}},
          {"in place with gate", in_place_gated, {}},
          {"unordered update in order",
           unordered,
           {at + ".unorderedUpdate: Forbidden: can only work with Parallel"}},
          {"two priorities", both, {at + ".unorderedUpdate.priorityStrategy: Invalid value: "}},
          {"weight too heavy",
           weight,
           {at +
            ".unorderedUpdate.priorityStrategy.weightPriority[0].weight: Invalid value: 101: must "
            "be between 1 and 100, inclusive"}},
          {"unknown management",
           R"({"op":"add","path":"/spec/podManagementPolicy","value":"Any"})",
           {"spec.podManagementPolicy: Unsupported value: \"Any\""}},
          {"restart policy",
           R"({"op":"add","path":"/spec/template/spec/restartPolicy","value":"Never"})",
           {"spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: "
            "\"Always\""}},
          {"deadline",
           R"({"op":"add","path":"/spec/template/spec/activeDeadlineSeconds","value":5})",
           {"spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in"}},
          {"reserved ordinals",
           R"({"op":"add","path":"/spec/reserveOrdinals","value":[1,"3-5","7"]})",
           {}},
          {"negative ordinal",
           R"({"op":"add","path":"/spec/reserveOrdinals","value":[-1]})",
           {"spec.reserveOrdinals[0]: Invalid value: -1: must be greater than or equal to 0"}},
          {"ordinal range backwards",
           R"({"op":"add","path":"/spec/reserveOrdinals","value":["5-3"]})",
           {"spec.reserveOrdinals[0]: Invalid value: \"5-3\": start of the range must not be "
            "greater"}},
          {"ordinal text",
           R"({"op":"add","path":"/spec/reserveOrdinals","value":["a-b",""]})",
           {"spec.reserveOrdinals[0]: Invalid value: \"a-b\": must be a non-negative integer or a "
            "range",
            "spec.reserveOrdinals[1]: Invalid value: \"\": must be a non-negative integer or a "
            "range"}},
          {"retention",
           R"({"op":"add","path":"/spec/persistentVolumeClaimRetentionPolicy","value":{"whenDeleted":"Burn"}})",
           {"spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: \"Burn\""}},
          {"scale strategy in order",
           R"({"op":"add","path":"/spec/scaleStrategy","value":{"maxUnavailable":2}})",
           {"spec.scaleStrategy.maxUnavailable: Invalid value: 2: can only work with Parallel"}},
          {"name with a dot",
           R"({"op":"replace","path":"/metadata/name","value":"a.b"})",
           {"metadata.name: Invalid value: \"a.b\": a lowercase RFC 1123 label"}},
          {"claim without size",
           R"({"op":"add","path":"/spec/volumeClaimTemplates","value":[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"]}}]})",
           {"spec.volumeClaimTemplates[0].spec.resources[storage]: Required value"}},
      });
}

TEST(Validation, OfSidecarSetsSaysWhatIsWrongAndWhere) {
  Check(
      "SidecarSet", kSidecars,
      {
          {"good", "", {}},
          {"name with underscore",
           R"({"op":"replace","path":"/metadata/name","value":"a_b"})",
           {"metadata.name: Invalid value: \"a_b\": name must consist"}},
          {"namespace given to a cluster kind",
           R"({"op":"add","path":"/metadata/namespace","value":"d"})",
           {"metadata.namespace: Forbidden: not allowed on this type"}},
          {"empty selector",
           R"({"op":"replace","path":"/spec/selector","value":{}})",
           {"spec.selector: Invalid value: {}: empty selector"}},
          {"selector with a bad operator",
           R"({"op":"replace","path":"/spec/selector","value":{"matchExpressions":[{"key":"a","operator":"Gt","values":["1"]}]}})",
           {"spec.selector.matchExpressions[0].operator: Invalid value: \"Gt\": not a valid "
            "selector operator"}},
          {"no container",
           R"({"op":"replace","path":"/spec/containers","value":[]})",
           {"spec.containers: Required value: at least one container must be given"}},
          {"hot upgrade without empty image",
           R"({"op":"add","path":"/spec/containers/0/upgradeStrategy","value":{"upgradeType":"HotUpgrade"}})",
           {"spec.containers[0].upgradeStrategy.hotUpgradeEmptyImage: Required value"}},
          {"partition and selector",
           R"({"op":"add","path":"/spec/updateStrategy","value":{"partition":1,"selector":{"matchLabels":{"a":"b"}}}})",
           {"spec.updateStrategy.partition: Invalid value: 1: partition and selector can not be "
            "used together"}},
          {"native sidecar that would roll",
           R"({"op":"add","path":"/spec/initContainers","value":[{"name":"i","image":"x","restartPolicy":"Always"}]})",
           {"spec.initContainers[0].restartPolicy: Forbidden: sidecar init containers"}},
          {"canary that rolls and has no base",
           R"({"op":"add","path":"/metadata/labels","value":{"apps.kruise.io/sidecarset-canary":"true"}})",
           {"metadata.labels[apps.kruise.io/sidecarset-base]: Required value: a canary must name "
            "its base",
            "spec.updateStrategy.type: Invalid value: \"RollingUpdate\": a canary must be "
            "NotUpdate"}},
          {"resources twice",
           R"({"op":"add","path":"/spec/containers/0/resourcesPolicy","value":{"targetContainersMode":"sum","resourcesExpr":{"limits":{"cpu":"cpu*2"}}}},)"
           R"({"op":"add","path":"/spec/containers/0/resources","value":{"limits":{"cpu":"1"}}})",
           {"spec.containers[0].resourcesPolicy: Forbidden: may not be set together with "
            "resources"}},
          {"env from nowhere",
           R"({"op":"add","path":"/spec/containers/0/transferEnv","value":[{}]})",
           {"spec.containers[0].transferEnv[0]: Required value: sourceContainerName or",
            "spec.containers[0].transferEnv[0]: Required value: envName or envNames"}},
      });
}

TEST(Validation, OfBroadcastJobsSaysWhatIsWrongAndWhere) {
  Check(
      "BroadcastJob", kJob,
      {
          {"good", "", {}},
          {"restart always",
           R"({"op":"replace","path":"/spec/template/spec/restartPolicy","value":"Always"})",
           {"spec.template.spec.restartPolicy: Unsupported value: \"Always\": supported values: "
            "\"Never\", "
            "\"OnFailure\""}},
          {"deadline of a job that never ends",
           R"({"op":"add","path":"/spec/completionPolicy","value":{"type":"Never","activeDeadlineSeconds":5,"ttlSecondsAfterFinished":5}})",
           {"spec.completionPolicy.activeDeadlineSeconds: Forbidden: can only be set when type is "
            "Always",
            "spec.completionPolicy.ttlSecondsAfterFinished: Forbidden"}},
          {"label of the controller",
           R"({"op":"add","path":"/spec/template/metadata","value":{"labels":{"broadcastjob-name":"x"}}})",
           {"spec.template.metadata.labels[broadcastjob-name]: Forbidden"}},
          {"share over all",
           R"({"op":"add","path":"/spec/parallelism","value":"101%"})",
           {"spec.parallelism: Invalid value: \"101%\": must not be greater than 100%"}},
          {"share that is none",
           R"({"op":"add","path":"/spec/parallelism","value":"some"})",
           {"spec.parallelism: Invalid value: \"some\": a valid percent string"}},
      });
}

struct UpdateCase {
  const char* name;
  std::string_view kind;
  std::string_view base;
  std::string_view before;  // patches of the base
  std::string_view after;
  std::vector<std::string> causes;
};

TEST(Validation, OfUpdatesRefusesWhatMayNotChange) {
  constexpr std::string_view kConfig =
      R"({"metadata":{"name":"c","namespace":"d"},"data":{"a":"b"},"immutable":true})";
  constexpr std::string_view kClaim =
      R"({"metadata":{"name":"c","namespace":"d"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"2Gi"}}}})";
  const std::string gate =
      R"({"op":"add","path":"/spec/template/spec/readinessGates","value":[{"conditionType":"InPlaceUpdateReady"}]},)"
      R"({"op":"add","path":"/spec/updateStrategy","value":{"rollingUpdate":{"podUpdatePolicy":"InPlaceOnly"}}})";
  const std::string gate_image =
      gate +
      R"(,{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"nginx:2"})";
  const std::string gate_env =
      gate +
      R"(,{"op":"add","path":"/spec/template/spec/containers/0/env","value":[{"name":"A"}]})";
  const UpdateCase cases[] = {
      {"pod image",
       "Pod",
       kPod,
       "",
       R"({"op":"replace","path":"/spec/containers/0/image","value":"nginx:2"})",
       {}},
      {"pod env",
       "Pod",
       kPod,
       "",
       R"({"op":"add","path":"/spec/containers/0/env","value":[{"name":"A"}]})",
       {"spec: Forbidden: pod updates may not change fields other than"}},
      {"pod node",
       "Pod",
       kPod,
       "",
       R"({"op":"add","path":"/spec/nodeName","value":"n"})",
       {"spec: Forbidden: pod updates"}},
      {"pod toleration added",
       "Pod",
       kPod,
       "",
       R"({"op":"add","path":"/spec/tolerations","value":[{"key":"a"}]})",
       {}},
      {"pod toleration taken",
       "Pod",
       kPod,
       R"({"op":"add","path":"/spec/tolerations","value":[{"key":"a"}]})",
       "",
       {"spec.tolerations: Forbidden: existing toleration"}},
      {"pod deadline longer",
       "Pod",
       kPod,
       R"({"op":"add","path":"/spec/activeDeadlineSeconds","value":5})",
       R"({"op":"add","path":"/spec/activeDeadlineSeconds","value":6})",
       {"spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous"}},
      {"uid",
       "Pod",
       kPod,
       R"({"op":"add","path":"/metadata/uid","value":"1"})",
       R"({"op":"add","path":"/metadata/uid","value":"2"})",
       {"metadata.uid: Invalid value: \"2\": field is immutable"}},
      {"set scales and changes image",
       "InplaceSet",
       kSet,
       "",
       R"({"op":"replace","path":"/spec/replicas","value":9},)"
       R"({"op":"replace","path":"/spec/template/spec/containers/0/image","value":"nginx:2"})",
       {}},
      {"set service name",
       "InplaceSet",
       kSet,
       "",
       R"({"op":"replace","path":"/spec/serviceName","value":"other"})",
       {"spec: Forbidden: updates to statefulset spec for fields other than 'replicas', "
        "'ordinals'"}},
      {"set management policy",
       "InplaceSet",
       kSet,
       "",
       R"({"op":"add","path":"/spec/podManagementPolicy","value":"Parallel"})",
       {"spec: Forbidden"}},
      {"set selector",
       "InplaceSet",
       kSet,
       "",
       R"({"op":"replace","path":"/spec/selector","value":{"matchExpressions":[{"key":"app","operator":"Exists"}]}})",
       {"spec: Forbidden"}},
      {"in place only: image", "InplaceSet", kSet, gate, gate_image, {}},
      {"in place only: env",
       "InplaceSet",
       kSet,
       gate,
       gate_env,
       {"spec.updateStrategy.rollingUpdate.podUpdatePolicy: Invalid value: \"InPlaceOnly\": only "
        "images"}},
      {"fixed config map",
       "ConfigMap",
       kConfig,
       "",
       R"({"op":"replace","path":"/data/a","value":"c"})",
       {"data: Forbidden: field is immutable when `immutable` is set"}},
      {"claim grows",
       "PersistentVolumeClaim",
       kClaim,
       "",
       R"({"op":"replace","path":"/spec/resources/requests/storage","value":"3Gi"})",
       {}},
      {"claim shrinks",
       "PersistentVolumeClaim",
       kClaim,
       "",
       R"({"op":"replace","path":"/spec/resources/requests/storage","value":"1Gi"})",
       {"spec.resources.requests.storage: Forbidden: field can not be less than previous value"}},
      {"claim modes",
       "PersistentVolumeClaim",
       kClaim,
       "",
       R"({"op":"replace","path":"/spec/accessModes/0","value":"ReadOnlyMany"})",
       {"spec: Forbidden: spec is immutable after creation"}},
      {"secret type",
       "Secret",
       R"({"metadata":{"name":"s","namespace":"d"}})",
       "",
       R"({"op":"add","path":"/type","value":"x"})",
       {"type: Invalid value: \"x\": field is immutable"}},
      {"revision content",
       "ControllerRevision",
       R"({"metadata":{"name":"s","namespace":"d"},"data":{"a":1},"revision":1})",
       "",
       R"({"op":"replace","path":"/data/a","value":2})",
       {"data: Invalid value: {\"a\":2}: field is immutable"}},
      {"sidecar upgrade type",
       "SidecarSet",
       kSidecars,
       "",
       R"({"op":"add","path":"/spec/containers/0/upgradeStrategy","value":{"upgradeType":"HotUpgrade","hotUpgradeEmptyImage":"e"}})",
       {"spec.containers[0].upgradeStrategy.upgradeType: Invalid value: \"HotUpgrade\": field is "
        "immutable"}},
  };
  for (const UpdateCase& c : cases) {
    SCOPED_TRACE(c.name);
    const ServedKind* served = KindNamed(c.kind);
    const Json old = Changed(*served, c.base, c.before);
    const Json object = Changed(*served, c.base, c.after);
    const std::vector<std::string> texts = Texts(ValidateUpdate(*served, object, old));
    ASSERT_EQ(texts.size(), c.causes.size()) << ::testing::PrintToString(texts);
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_THAT(texts[i], ::testing::StartsWith(c.causes[i]));
    }
  }
}

TEST(Validation, FindsUnknownFieldsButNotInFreeParts) {
  const ServedKind* pod = KindNamed("Pod");
  const Json object = Literal(R"({"metadata":{"labels":{"any":"x"},"color":"red"},
      "spec":{"containers":[{"name":"a","imge":"x"}],"dnsConfig":{"anything":1}},"specs":{}})");
  EXPECT_THAT(UnknownFields(pod->schema, object),
              ElementsAre("metadata.color", "spec.containers[0].imge", "specs"));
  EXPECT_EQ(StrictDecodingMessage({"spec.foo"}, {"spec.bar"}),
            "strict decoding error: unknown field \"spec.foo\", duplicate field \"spec.bar\"");
}

TEST(Validation, StopsAtTheBoundOfCauses) {
  JsonArray containers;
  for (int i = 0; i < 1000; ++i) {
    containers.push_back(JsonObject());
  }
  Json object = Literal(kPod);
  EnsureObject(&object, {"spec"})["containers"] = containers;
  EXPECT_EQ(ValidateCreate(*KindNamed("Pod"), object).items().size(), kCausesMax);
}

TEST(Validation, ElementsOfASetDiffer) {
  const Schema schema = Object().Field("names", ListOf(String()).Set());
  Causes causes;
  ValidateAgainst(schema, Literal(R"({"names":["a","b","a"]})"), "", &causes);
  EXPECT_THAT(Texts(causes), ElementsAre("names[2]: Duplicate value: \"a\""));
}

}  // namespace
}  // namespace socle::api
