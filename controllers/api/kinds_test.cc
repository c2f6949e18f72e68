// The descriptions of the kinds: lookup, versions, defaults, columns.
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/defaulting.h"
#include "controllers/api/kind_registry.h"
#include "controllers/api/timestamp.h"
#include "controllers/api/validation.h"

namespace socle::api {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ServedKind& Served(std::string_view group, std::string_view version, std::string_view kind) {
  const ServedKind* served = KindRegistry::Builtin().ByKind({group, version, kind});
  CHECK(served != nullptr);
  return *served;
}

std::string Defaulted(const ServedKind& served, std::string_view text) {
  Json object = Literal(text);
  DefaultObject(served, &object);
  const Json once = object;
  DefaultObject(served, &object);
  EXPECT_EQ(once, object) << "defaulting twice changes something";
  return Dump(object);
}

TEST(KindRegistry, FindsKindsByResourceAndByKind) {
  const KindRegistry& registry = KindRegistry::Builtin();
  EXPECT_EQ(registry.ByResource({"", "v1", "pods"})->kind->kind, "Pod");
  EXPECT_EQ(registry.ByResource({"", "v1", "pod"}), nullptr);
  EXPECT_EQ(registry.ByResource({"apps.kruise.io", "v1alpha1", "statefulsets"})->kind->kind,
            "StatefulSet");
  EXPECT_EQ(registry.ByKind({"apps.kruise.io", "v1beta1", "InplaceSet"})->ApiVersion(),
            "apps.kruise.io/v1beta1");
  EXPECT_EQ(registry.ByKind({"apps", "v1", "StatefulSet"}), nullptr);
  EXPECT_EQ(registry.Preferred("apps.kruise.io", "sidecarsets")->version, "v1beta1");
  EXPECT_THAT(registry.groups(),
              ElementsAre("", "apps", "coordination.k8s.io", "policy", "apps.kruise.io"));
  EXPECT_THAT(registry.VersionsOf("apps.kruise.io"), ElementsAre("v1beta1", "v1alpha1"));
}

TEST(KindRegistry, EveryKindIsWhole) {
  for (const ServedKind& served : KindRegistry::Builtin().served()) {
    const Kind& kind = *served.kind;
    SCOPED_TRACE(kind.kind);
    EXPECT_EQ(std::string(kind.kind) + "List", kind.list_kind);
    EXPECT_FALSE(kind.columns.empty());
    EXPECT_FALSE(kind.verbs.empty());
    EXPECT_FALSE(kind.definition_prefix.empty());
    EXPECT_EQ(kind.has_status, kind.HasSubresource("status"));
    EXPECT_EQ(kind.scale.has_value(), kind.HasSubresource("scale"));
    ASSERT_NE(served.schema.Member("metadata"), nullptr);
    EXPECT_EQ(kind.fields.front().label, "metadata.name");
    // Any object has as many cells as there are columns.
    EXPECT_EQ(RowCells(kind, JsonObject(), 0).size(), kind.columns.size());
    EXPECT_EQ(RowCells(kind, Json("text"), 0).size(), kind.columns.size());
  }
}

TEST(Defaulting, FillsAPod) {
  EXPECT_EQ(
      Defaulted(
          Served("", "v1", "Pod"),
          R"({"spec":{"containers":[{"name":"a","image":"nginx","resources":{"limits":{"cpu":"1"}},
                          "readinessProbe":{"httpGet":{"port":80}},"ports":[{"containerPort":80}]}],"nodeName":null}})"),
      R"({"spec":{"containers":[{"name":"a","image":"nginx",)"
      R"("resources":{"limits":{"cpu":"1"},"requests":{"cpu":"1"}},)"
      R"("readinessProbe":{"httpGet":{"port":80,"path":"/","scheme":"HTTP"},"failureThreshold":3,)"
      R"("periodSeconds":10,"successThreshold":1,"timeoutSeconds":1},)"
      R"("ports":[{"containerPort":80,"protocol":"TCP"}],)"
      R"("terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File",)"
      R"("imagePullPolicy":"Always"}],)"
      R"("dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler",)"
      R"("securityContext":{},"terminationGracePeriodSeconds":30,"enableServiceLinks":true},)"
      R"("status":{"phase":"Pending"}})");
}

TEST(Defaulting, ChoosesThePullPolicyByTheTag) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"nginx", "Always"},
      {"nginx:latest", "Always"},
      {"nginx:1.2", "IfNotPresent"},
      {"host:5000/nginx", "Always"},
      {"host:5000/nginx:1", "IfNotPresent"},
      {"nginx@sha256:abc", "IfNotPresent"}};
  for (const auto& [image, policy] : cases) {
    SCOPED_TRACE(image);
    Json pod = Literal(R"({"spec":{"containers":[{"name":"a"}]}})");
    pod.at("spec").at("containers").at(0).as_object()["image"] = JsonView(image);
    DefaultObject(Served("", "v1", "Pod"), &pod);
    EXPECT_EQ(StringAt(FindArray(pod, {"spec", "containers"})->front(), {"imagePullPolicy"}),
              policy);
  }
}

TEST(Defaulting, FillsAnInplaceSet) {
  EXPECT_EQ(
      Defaulted(Served("apps.kruise.io", "v1beta1", "InplaceSet"), R"({"spec":{"selector":{}}})"),
      R"({"spec":{"selector":{},"podManagementPolicy":"OrderedReady","replicas":1,)"
      R"("revisionHistoryLimit":10,"updateStrategy":{"type":"RollingUpdate",)"
      R"("rollingUpdate":{"partition":0,"maxUnavailable":1,"podUpdatePolicy":"ReCreate",)"
      R"("minReadySeconds":0}}},"status":{"availableReplicas":0,"currentReplicas":0,)"
      R"("readyReplicas":0,"replicas":0,"updatedReplicas":0}})");
  EXPECT_EQ(Defaulted(Served("apps.kruise.io", "v1beta1", "InplaceSet"),
                      R"({"spec":{"replicas":0,"updateStrategy":{"type":"OnDelete"}},"status":{}})")
                .find("rollingUpdate"),
            std::string::npos);
}

TEST(Defaulting, LeavesWrongTypesForValidation) {
  EXPECT_EQ(Defaulted(Served("", "v1", "ConfigMap"), R"({"data":7,"metadata":[]})"),
            R"({"data":7,"metadata":[]})");
  EXPECT_EQ(Defaulted(Served("", "v1", "Pod"), "[1]"), "[1]");
}

TEST(Defaulting, TurnsPlainSecretsIntoBytes) {
  EXPECT_EQ(Defaulted(Served("", "v1", "Secret"),
                      R"({"data":{"a":"eA=="},"stringData":{"b":"hello","c":"","d":"hi"}})"),
            R"({"data":{"a":"eA==","b":"aGVsbG8=","c":"","d":"aGk="},"type":"Opaque"})");
}

TEST(Versions, OlderOnesHideAndKeepWhatNewerOnesSay) {
  const ServedKind& alpha = Served("apps.kruise.io", "v1alpha1", "InplaceSet");
  const ServedKind& beta = Served("apps.kruise.io", "v1beta1", "InplaceSet");
  const Json stored = Literal(
      R"({"apiVersion":"apps.kruise.io/v1beta1","kind":"InplaceSet","metadata":{"name":"w"},
          "spec":{"replicas":3,"reserveOrdinals":[1],"lifecycle":{"preDelete":{}}}})");
  Json shown = stored;
  ToServed(alpha, &shown);
  EXPECT_EQ(Dump(shown), R"({"apiVersion":"apps.kruise.io/v1alpha1","kind":"InplaceSet",)"
                         R"("metadata":{"name":"w"},"spec":{"replicas":3}})");
  EXPECT_THAT(UnknownFields(alpha.schema, stored),
              ElementsAre("spec.reserveOrdinals", "spec.lifecycle"));
  EXPECT_THAT(UnknownFields(beta.schema, stored), IsEmpty());

  EnsureObject(&shown, {"spec"})["replicas"] = 5;
  ToStored(alpha, &stored, &shown);
  EXPECT_EQ(Dump(shown),
            R"({"apiVersion":"apps.kruise.io/v1beta1","kind":"InplaceSet","metadata":{"name":"w"},)"
            R"("spec":{"replicas":5,"lifecycle":{"preDelete":{}},"reserveOrdinals":[1]}})");
}

TEST(Versions, OneStoredObjectHasTwoNames) {
  const ServedKind& kruise = Served("apps.kruise.io", "v1beta1", "StatefulSet");
  EXPECT_EQ(kruise.kind->storage_resource, "inplacesets");
  Json object = Literal(R"({"apiVersion":"apps.kruise.io/v1beta1","kind":"InplaceSet"})");
  ToServed(kruise, &object);
  EXPECT_EQ(StringAt(object, {"kind"}), "StatefulSet");
}

std::string Row(std::string_view group, std::string_view version, std::string_view kind,
                std::string_view object) {
  const int64_t now = *ParseTime("2026-01-01T01:00:00Z");
  return Dump(RowCells(*Served(group, version, kind).kind, Literal(object), now));
}

TEST(Columns, OfPodsTellWhatHoldsThem) {
  struct Case {
    const char* name;
    std::string_view pod;
    std::string_view cells;  // Ready, Status, Restarts
  };

  constexpr Case kCases[] = {
      {"pending", R"({"spec":{"containers":[{},{}]},"status":{"phase":"Pending"}})",
       R"("0/2","Pending","0")"},
      {"creating",
       R"({"spec":{"containers":[{}]},"status":{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ContainerCreating"}}}]}})",
       R"("0/1","ContainerCreating","0")"},
      {"running",
       R"({"spec":{"containers":[{}]},"status":{"phase":"Running","containerStatuses":[{"ready":true,"restartCount":2,"state":{"running":{}},"lastState":{"terminated":{"finishedAt":"2026-01-01T00:55:00Z"}}}]}})",
       R"x("1/1","Running","2 (5m ago)")x"},
      {"crashing",
       R"({"spec":{"containers":[{}]},"status":{"phase":"Running","containerStatuses":[{"state":{"terminated":{"exitCode":3}}}]}})",
       R"("0/1","ExitCode:3","0")"},
      {"init",
       R"({"spec":{"containers":[{}],"initContainers":[{},{}]},"status":{"phase":"Pending","initContainerStatuses":[{"state":{"terminated":{"exitCode":0}}},{"state":{"running":{}}}]}})",
       R"("0/1","Init:1/2","0")"},
      {"init failed",
       R"({"spec":{"containers":[{}],"initContainers":[{}]},"status":{"phase":"Pending","initContainerStatuses":[{"state":{"terminated":{"exitCode":1,"reason":"Error"}}}]}})",
       R"("0/1","Init:Error","0")"},
      {"completed",
       R"({"spec":{"containers":[{}]},"status":{"phase":"Succeeded","containerStatuses":[{"state":{"terminated":{"reason":"Completed"}}}]}})",
       R"("0/1","Completed","0")"},
      {"one of two completed",
       R"({"spec":{"containers":[{},{}]},"status":{"phase":"Running","containerStatuses":[{"state":{"terminated":{"reason":"Completed"}}},{"ready":true,"state":{"running":{}}}]}})",
       R"("1/2","Running","0")"},
      {"evicted", R"({"spec":{"containers":[{}]},"status":{"phase":"Failed","reason":"Evicted"}})",
       R"("0/1","Evicted","0")"},
      {"going",
       R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"spec":{"containers":[{}]},"status":{"phase":"Running"}})",
       R"("0/1","Terminating","0")"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(
        Row("", "v1", "Pod", c.pod),
        "[null," + std::string(c.cells) + R"(,"<unknown>","<none>","<none>","<none>","<none>"])");
  }
}

TEST(Columns, OfOtherKinds) {
  EXPECT_EQ(
      Row("", "v1", "Node",
          R"({"metadata":{"name":"n","creationTimestamp":"2026-01-01T00:00:00Z",
                    "labels":{"node-role.kubernetes.io/worker":""}},"spec":{"unschedulable":true},
                    "status":{"conditions":[{"type":"Ready","status":"True"}],
                    "addresses":[{"type":"InternalIP","address":"10.0.0.1"}],
                    "nodeInfo":{"kubeletVersion":"v1"}}})"),
      R"(["n","Ready,SchedulingDisabled","worker","60m","v1","10.0.0.1","<none>",null,null,null])");
  EXPECT_EQ(Row("apps.kruise.io", "v1beta1", "InplaceSet",
                R"({"metadata":{"name":"w"},"spec":{"replicas":3,"template":{"spec":{"containers":[
                    {"name":"a","image":"x"},{"name":"b","image":"y"}]}}},
                    "status":{"replicas":2,"updatedReplicas":1,"readyReplicas":0}})"),
            R"(["w",3,2,1,0,"<unknown>","a,b","x,y"])");
  EXPECT_EQ(Row("", "v1", "Event",
                R"({"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"p"},"reason":"R",
                    "type":"Normal","message":"m","lastTimestamp":"2026-01-01T00:59:00Z","count":2,
                    "source":{"component":"c","host":"h"}})"),
            R"(["60s","Normal","R","pod/p",null,"c, h","m","<unknown>",2,"e"])");
  EXPECT_EQ(Row("", "v1", "Service",
                R"({"metadata":{"name":"s"},"spec":{"type":"ClusterIP","clusterIP":"None",
                    "ports":[{"port":80,"protocol":"TCP"},{"port":53,"nodePort":30053,"protocol":"UDP"}],
                    "selector":{"a":"b"}}})"),
            R"(["s","ClusterIP","None","<none>","80/TCP,53:30053/UDP","<unknown>","a=b"])");
  EXPECT_EQ(
      Row("apps", "v1", "ControllerRevision",
          R"({"metadata":{"name":"r","ownerReferences":[{"apiVersion":"apps.kruise.io/v1beta1",
                    "kind":"InplaceSet","name":"w","controller":true}]},"revision":4})"),
      R"(["r","inplaceset.apps.kruise.io/w",4,"<unknown>"])");
  EXPECT_EQ(
      Row("policy", "v1", "PodDisruptionBudget",
          R"({"metadata":{"name":"b"},"spec":{"minAvailable":"50%"},"status":{"disruptionsAllowed":1}})"),
      R"(["b","50%","N/A",1,"<unknown>"])");
}

TEST(Namespaces, CarryTheirNameAsALabel) {
  EXPECT_EQ(Defaulted(Served("", "v1", "Namespace"), R"({"metadata":{"name":"d"}})"),
            R"({"metadata":{"name":"d","labels":{"kubernetes.io/metadata.name":"d"}},)"
            R"("spec":{},"status":{"phase":"Active"}})");
}

}  // namespace
}  // namespace socle::api
