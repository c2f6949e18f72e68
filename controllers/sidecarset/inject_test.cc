// What a pod looks like after injection, and what hashes depend on.
#include "controllers/sidecarset/inject.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/sidecarset/annotations.h"
#include "controllers/sidecarset/sidecar_set.h"
#include "kv/testing/status_matchers.h"

namespace socle::sidecarset {
namespace {

using api::Json;
using api::Literal;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int64_t kNow = 1'700'000'000'000'000'000;

Injection Of(std::string_view name, std::string_view spec) {
  return {.set = std::string(name),
          .content = ParseContent(Literal(spec)),
          .revision = fmt::format("{}-rev", name)};
}

Json Injected(const std::vector<Injection>& sets, std::string_view pod) {
  Json object = Literal(pod);
  EXPECT_OK(Inject(sets, kNow, &object));
  Json again = object;
  EXPECT_OK(Inject(sets, kNow, &again));
  EXPECT_EQ(again, object) << "law 1: injecting twice changes something";
  return object;
}

std::vector<std::string> Names(const Json& root, api::JsonPath path,
                               std::string_view key = "name") {
  std::vector<std::string> names;
  if (const api::JsonArray* list = api::FindArray(root, path)) {
    for (const Json& element : *list) {
      names.emplace_back(api::StringAt(element, {key}));
    }
  }
  return names;
}

const Json& Container(const Json& pod, std::string_view name,
                      std::string_view list = "containers") {
  static const Json none;
  for (const Json& container : *api::FindArray(pod, {"spec", list})) {
    if (api::StringAt(container, {"name"}) == name) {
      return container;
    }
  }
  ADD_FAILURE() << "no container " << name;
  return none;
}

// The value of the variable; "-" when there is none.
std::string Env(const Json& container, std::string_view name) {
  for (const Json& variable : *api::FindArray(container, {"env"})) {
    if (api::StringAt(variable, {"name"}) == name) {
      return std::string(api::StringAt(variable, {"value"}));
    }
  }
  return "-";
}

constexpr std::string_view kPod = R"json({
  "metadata": {"name": "p", "labels": {"source": "app"}, "annotations": {"from": "app"}},
  "spec": {
    "initContainers": [{"name": "setup", "image": "setup:1"}],
    "containers": [
      {"name": "app", "image": "app:1",
       "env": [{"name": "A", "value": "1"}, {"name": "DIR", "value": "d"}],
       "volumeMounts": [
         {"name": "work", "mountPath": "/work", "subPathExpr": "x/$(DIR)/$$(A)"},
         {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
       "volumeDevices": [{"name": "disk", "devicePath": "/dev/disk"}]}],
    "volumes": [{"name": "work", "emptyDir": {}}],
    "imagePullSecrets": [{"name": "mine"}]
  }
})json";

TEST(SidecarSetInject, LeavesAPodWithoutSetsAlone) {  // E1
  EXPECT_EQ(Injected({}, kPod), Literal(kPod));
}

TEST(SidecarSetInject,
     PutsContainersAroundThoseOfTheApp) {  // E2
  const Json pod = Injected({Of("a",
                                R"({"containers": [
            {"name": "a1", "image": "a1:1"},
            {"name": "a2", "image": "a2:1", "podInjectPolicy": "AfterAppContainer"},
            {"name": "a3", "image": "a3:1", "podInjectPolicy": "BeforeAppContainer"}]})"),
                             Of("b",
                                R"({"containers": [{"name": "b1", "image": "b1:1"}],
                   "initContainers": [{"name": "z", "image": "z:1"},
                                      {"name": "m", "image": "m:1"}],
                   "imagePullSecrets": [{"name": "mine"}, {"name": "theirs"}]})")},
                            kPod);
  EXPECT_THAT(Names(pod, {"spec",
                          "contain"
                          "ers"}),
              ElementsAre("a1", "a3", "b1", "app", "a2"));
  EXPECT_THAT(Names(pod, {"spec",
                          "initCon"
                          "tainer"
                          "s"}),
              ElementsAre("setup", "m", "z"));
  EXPECT_THAT(Names(pod, {"spec",
                          "imagePu"
                          "llSecre"
                          "ts"}),
              ElementsAre("mine",
                          "their"
                          "s"));
  for (const char* name : {"a1", "a2", "a3", "b1"}) {
    EXPECT_EQ(Env(Container(pod, name),
                  "IS_"
                  "INJECT"
                  "ED"),
              "true")
        << name;
  }
  EXPECT_EQ(Env(Container(pod, "z",
                          "init"
                          "Cont"
                          "aine"
                          "rs"),
                "IS_"
                "INJECTE"
                "D"),
            "true");
  EXPECT_EQ(Env(Container(pod,
                          "ap"
                          "p"),
                "IS_"
                "INJECTE"
                "D"),
            "-");
  EXPECT_EQ(AnnotationOf(pod, kInjectedListAnnotation), "a,b");
}

TEST(SidecarSetInject, WritesHashesWithWhatTheyAreOf) {
  const Injection set = Of("a", R"({"containers": [{"name": "a1", "image": "a1:1"}]})");
  const Json pod = Injected({set}, kPod);
  const Json hash = Literal(AnnotationOf(pod, kHashAnnotation));
  EXPECT_EQ(api::StringAt(hash, {"a", "hash"}), set.content->hash);
  EXPECT_EQ(api::StringAt(hash, {"a",
                                 "sidecar"
                                 "SetNam"
                                 "e"}),
            "a");
  EXPECT_EQ(api::StringAt(hash, {"a",
                                 "control"
                                 "lerRevi"
                                 "sion"}),
            "a-rev");
  EXPECT_EQ(api::StringAt(hash, {"a",
                                 "updateT"
                                 "imestam"
                                 "p"}),
            "2023-11-"
            "14T22:13:"
            "20Z");
  EXPECT_EQ(api::FindArray(hash, {"a",
                                  "sidecar"
                                  "List"})
                ->at(0),
            Json("a1"));
  const InjectionMarks without = ParseMarks(AnnotationOf(pod, kHashWithoutImageAnnotation));
  EXPECT_EQ(without.at("a").hash, set.content->hash_without_image);
}

TEST(SidecarSetInject, ContainersOfPodsHaveDefaultsAndNothingOfASet) {
  const Json pod = Injected({Of("a",
                                R"({"containers": [
      {"name": "a1", "image": "a1:1", "podInjectPolicy": "AfterAppContainer",
       "upgradeStrategy": {"upgradeType": "ColdUpgrade"}, "shareVolumePolicy": {"type": "disabled"},
       "transferEnv": []}]})")},
                            kPod);
  const Json& container = Container(pod, "a1");
  EXPECT_EQ(api::StringAt(container, {"imagePu"
                                      "llPolic"
                                      "y"}),
            "IfNotPresen"
            "t");
  EXPECT_EQ(api::StringAt(container, {"termina"
                                      "tionMes"
                                      "sagePat"
                                      "h"}),
            "/dev/"
            "termination-"
            "log");
  for (const char* member : {"podInjectP"
                             "olicy",
                             "upgradeStr"
                             "ategy",
                             "shareVolum"
                             "ePolicy",
                             "transferEn"
                             "v"}) {
    EXPECT_EQ(api::Find(container, {member}), nullptr) << member;
  }
}

TEST(SidecarSetInject, AContainerOfTheSameNameBecomesTheSidecarWhereItStands) {
  const Json pod = Injected({Of("a",
                                R"({"containers": [{"name": "new", "image": "n:1"},
                                           {"name": "app", "image": "side:1"}]})")},
                            kPod);
  EXPECT_THAT(Names(pod, {"spec",
                          "contain"
                          "ers"}),
              ElementsAre("new", "app"));
  EXPECT_EQ(api::StringAt(Container(pod,
                                    "ap"
                                    "p"),
                          {"imag"
                           "e"}),
            "side:1");
}

TEST(SidecarSetInject, AddsOnlyVolumesThatItsContainersMount) {
  const Json pod = Injected({Of("a",
                                R"({
      "containers": [{"name": "a1", "image": "a1:1",
                      "volumeMounts": [{"name": "logs", "mountPath": "/logs"},
                                       {"name": "work", "mountPath": "/w"}]}],
      "volumes": [{"name": "logs", "emptyDir": {}}, {"name": "unused", "emptyDir": {}},
                  {"name": "work", "hostPath": {"path": "/x"}}]})")},
                            kPod);
  EXPECT_THAT(Names(pod, {"spec",
                          "volum"
                          "es"}),
              ElementsAre("work", "logs"));
  EXPECT_NE(api::Find(pod.at("s"
                             "p"
                             "e"
                             "c")
                          .at("volumes")
                          .at(0),
                      {"emptyDi"
                       "r"}),
            nullptr)
      << "the "
         "pod's "
         "own "
         "volume "
         "stays";
}

TEST(SidecarSetInject,
     ItemsOfDownwardVolumesOfOneNameArePutTogether) {  // E3
  const Json pod = Injected({Of("a",
                                R"({
      "containers": [{"name": "a1", "image": "a1:1",
                      "volumeMounts": [{"name": "me", "mountPath": "/me"}]}],
      "volumes": [{"name": "me", "downwardAPI": {"items": [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.name"}},
        {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}}]}}]})")},
                            R"({"metadata": {"name": "p"}, "spec": {
      "containers": [{"name": "app", "image": "app:1"}],
      "volumes": [{"name": "me", "downwardAPI": {"items": [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]}})");
  const Json& volume = pod.at("spec")
                           .at("volu"
                               "mes")
                           .at(0);
  EXPECT_THAT(Names(volume,
                    {"downwar"
                     "dAPI",
                     "items"},
                    "path"),
              ElementsAre("labels",
                          "annotati"
                          "ons"));
  EXPECT_EQ(api::StringAt(volume.at("downwardAPI").at("items").at(0), {"fieldRe"
                                                                       "f",
                                                                       "fieldPa"
                                                                       "th"}),
            "metadata."
            "labels");
}

TEST(SidecarSetInject,
     SharesMountsWithTheVariablesThatTheirPathsNeed) {  // E3
  const Json pod = Injected({Of("a",
                                R"({"containers": [
      {"name": "shares", "image": "s:1", "shareVolumePolicy": {"type": "enabled"},
       "shareVolumeDevicePolicy": {"type": "enabled"},
       "volumeMounts": [{"name": "own", "mountPath": "/own"}]},
      {"name": "does-not", "image": "s:1"}], "volumes": [{"name": "own", "emptyDir": {}}]})")},
                            kPod);
  const Json& shares = Container(pod,
                                 "shar"
                                 "es");
  EXPECT_THAT(Names(shares,
                    {"volumeM"
                     "ounts"},
                    "mountPat"
                    "h"),
              ElementsAre("/own", "/work"))
      << "but not "
         "the "
         "token of "
         "the "
         "service "
         "account";
  EXPECT_THAT(Names(shares,
                    {"volum"
                     "eDevi"
                     "ces"},
                    "device"
                    "Path"),
              ElementsAre("/dev/"
                          "disk"));
  EXPECT_EQ(Env(shares, "DIR"), "d");
  EXPECT_EQ(Env(shares, "A"), "-") << "$$(A) is "
                                      "an "
                                      "escape";
  EXPECT_THAT(Names(Container(pod,
                              "does"
                              "-no"
                              "t"),
                    {"volumeM"
                     "ount"
                     "s"}),
              IsEmpty());
}

TEST(SidecarSetInject, SidecarsDoNotShareWithEachOther) {
  const Json pod = Injected({Of("a",
                                R"({"containers": [{"name": "a1", "image": "a:1",
             "env": [{"name": "SECRET", "value": "x"}],
             "volumeMounts": [{"name": "own", "mountPath": "/own"}]}],
             "volumes": [{"name": "own", "emptyDir": {}}]})"),
                             Of("b",
                                R"({"containers": [{"name": "b1", "image": "b:1",
             "shareVolumePolicy": {"type": "enabled"},
             "transferEnv": [{"sourceContainerName": "a1", "envName": "SECRET"}]}]})")},
                            kPod);
  EXPECT_THAT(Names(Container(pod, "b1"),
                    {"volumeM"
                     "ounts"},
                    "mountPat"
                    "h"),
              ElementsAre("/work"));
  EXPECT_EQ(Env(Container(pod, "b1"), "SECRET"), "-");
}

TEST(SidecarSetInject,
     TransfersVariables) {  // E4

  struct Case {
    const char* name;
    const char* transfer;
    const char* a;
    const char* dir;
  };

  const Case cases[] = {
      {"by name", R"({"sourceContainerName": "app", "envName": "A"})", "1", "-"},
      {"several", R"({"sourceContainerName": "app", "envNames": ["A", "DIR", "NONE"]})", "1", "d"},
      {"by label",
       R"({"sourceContainerNameFrom": {"fieldRef": {"fieldPath": "metadata.labels['source']"}},
           "envName": "A"})",
       "1", "-"},
      {"by "
       "annotation",
       R"({"sourceContainerNameFrom": {"fieldRef": {"fieldPath": "metadata.annotations['from']"}},
           "envName": "DIR"})",
       "-", "d"},
      {"label that "
       "is not "
       "there",
       R"({"sourceContainerNameFrom": {"fieldRef": {"fieldPath": "metadata.labels['none']"}},
           "envName": "A"})",
       "-", "-"},
      {"container "
       "that is "
       "not there",
       R"({"sourceContainerName": "none", "envName": "A"})", "-", "-"},
      {"nonsense",
       R"({"sourceContainerNameFrom": {"fieldRef": {"fieldPath": "metadata"}},
           "envName": "A"})",
       "-", "-"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Json pod = Injected({Of("a", fmt::format(
                                           R"({{"containers": [{{"name": "s", "image": "s:1",
                                   "transferEnv": [{}]}}]}})",
                                           c.transfer))},
                              kPod);
    EXPECT_EQ(Env(Container(pod, "s"), "A"), c.a);
    EXPECT_EQ(Env(Container(pod, "s"), "DIR"), c.dir);
  }
}

TEST(SidecarSetInject, AVariableOfTheSidecarWinsOverATransferredOne) {
  const Json pod = Injected({Of("a",
                                R"({"containers": [{"name": "s", "image": "s:1",
      "env": [{"name": "A", "value": "mine"}],
      "transferEnv": [{"sourceContainerName": "app", "envName": "A"}]}]})")},
                            kPod);
  EXPECT_EQ(Env(Container(pod, "s"), "A"), "mine");
}

TEST(SidecarSetInject,
     PatchesAnnotationsByPolicy) {  // E7
  const Json pod = Injected({Of("a",
                                R"({
      "containers": [{"name": "s", "image": "s:1"}],
      "patchPodMetadata": [
        {"annotations": {"kept": "new", "fresh": "new"}, "patchPolicy": "Retain"},
        {"annotations": {"over": "new"}, "patchPolicy": "Overwrite"},
        {"annotations": {"json": "{\"b\":2}", "first": "{\"x\":1}", "text": "{\"b\":2}"},
         "patchPolicy": "MergePatchJson"}]})")},
                            R"({"metadata": {"name": "p", "annotations": {
        "kept": "old", "over": "old", "json": "{\"a\":1,\"b\":1}", "text": "no JSON"}},
      "spec": {"containers": [{"name": "app", "image": "app:1"}]}})");
  EXPECT_EQ(AnnotationOf(pod, "kept"), "old");
  EXPECT_EQ(AnnotationOf(pod, "fresh"), "new");
  EXPECT_EQ(AnnotationOf(pod, "over"), "new");
  EXPECT_EQ(Literal(AnnotationOf(pod,
                                 "jso"
                                 "n")),
            Literal(R"({"a":1,"b":2})"));
  EXPECT_EQ(AnnotationOf(pod, "first"), R"({"x":1})");
  EXPECT_EQ(AnnotationOf(pod, "text"), "no JSON");
}

TEST(SidecarSetInject,
     AHotSidecarComesAsTwoContainers) {  // E17
  const Json pod = Injected({Of("a",
                                R"({"containers": [{"name": "hot", "image": "hot:1",
      "upgradeStrategy": {"upgradeType": "HotUpgrade", "hotUpgradeEmptyImage": "empty:1"}}]})")},
                            kPod);
  EXPECT_THAT(Names(pod, {"spec",
                          "contain"
                          "ers"}),
              ElementsAre("hot-1", "hot-2", "app"));
  EXPECT_EQ(api::StringAt(Container(pod,
                                    "hot-"
                                    "1"),
                          {"imag"
                           "e"}),
            "hot:1");
  EXPECT_EQ(api::StringAt(Container(pod,
                                    "hot-"
                                    "2"),
                          {"imag"
                           "e"}),
            "empty:1");
  EXPECT_EQ(AnnotationOf(pod,
                         "version."
                         "sidecars"
                         "et."
                         "kruise."
                         "io/"
                         "hot-1"),
            "1");
  EXPECT_EQ(AnnotationOf(pod,
                         "versiona"
                         "lt."
                         "sidecars"
                         "et."
                         "kruise."
                         "io/"
                         "hot-1"),
            "0");
  EXPECT_EQ(AnnotationOf(pod,
                         "version."
                         "sidecars"
                         "et."
                         "kruise."
                         "io/"
                         "hot-2"),
            "0");
  EXPECT_EQ(AnnotationOf(pod,
                         "versiona"
                         "lt."
                         "sidecars"
                         "et."
                         "kruise."
                         "io/"
                         "hot-2"),
            "1");
  EXPECT_EQ(AnnotationOf(pod, kWorkingContainersAnnotation), R"({"hot":"hot-1"})");
  std::string version_from;
  for (const Json& variable : *api::FindArray(Container(pod,
                                                        "hot-"
                                                        "2"),
                                              {"en"
                                               "v"})) {
    if (api::StringAt(variable, {"nam"
                                 "e"}) ==
        "SIDECARSET"
        "_VERSION_"
        "ALT") {
      version_from = api::StringAt(variable, {"val"
                                              "ueF"
                                              "ro"
                                              "m",
                                              "fie"
                                              "ldR"
                                              "ef",
                                              "fie"
                                              "ldP"
                                              "at"
                                              "h"});
    }
  }
  EXPECT_EQ(version_from,
            "metadata."
            "annotations["
            "'versionalt."
            "sidecarset."
            "kruise.io/"
            "hot-2']");
}

TEST(SidecarSetInject, AnExpressionThatCanNotBeEvaluatedFailsTheCreate) {
  Json pod = Literal(kPod);
  const Injection set = Of("a",
                           R"({"containers": [{"name": "s", "image": "s:1",
      "resourcesPolicy": {"targetContainersMode": "sum", "targetContainersNameRegex": ".*",
                          "resourcesExpr": {"requests": {"cpu": "1/cpu"}}}}]})");
  EXPECT_EQ(Inject({set}, kNow, &pod).code(), absl::StatusCode::kInvalidArgument);
}

// ------------------------------------------------------------------------------- hashes (E22)

TEST(SidecarSetHash, DependsOnValuesAloneAndIsTheSameForEver) {
  const ContentRef one = ParseContent(Literal(
      R"({"containers": [{"name": "a", "image": "i:1", "env": [{"name": "X", "value": "1"}]}]})"));
  const ContentRef same = ParseContent(Literal(
      R"({"containers": [{"env": [{"value": "1", "name": "X"}], "image": "i:1", "name": "a"}],
          "volumes": [{"name": "v", "emptyDir": {}}]})"));
  EXPECT_EQ(one->hash, same->hash);
  EXPECT_EQ(one->hash_without_image, same->hash_without_image);
  // What is stored with pods must still be understood after an upgrade of the plane.
  EXPECT_EQ(one->hash, "w2z999bz7f9x59fc6vzc58v4wv8d59db");
}

TEST(SidecarSetHash, AnImageChangesOnlyTheFirst) {
  const ContentRef one =
      ParseContent(Literal(R"({"containers": [{"name": "a", "image": "i:1"}]})"));
  const ContentRef image =
      ParseContent(Literal(R"({"containers": [{"name": "a", "image": "i:2"}]})"));
  const ContentRef more =
      ParseContent(Literal(R"({"containers": [{"name": "a", "image": "i:1", "tty": true}]})"));
  EXPECT_NE(one->hash, image->hash);
  EXPECT_EQ(one->hash_without_image, image->hash_without_image);
  EXPECT_NE(one->hash, more->hash);
  EXPECT_NE(one->hash_without_image, more->hash_without_image);
}

TEST(SidecarSetHash,
     InitContainersCountOnlyWhenOneOfThemStays) {  // E15
  const auto hash = [](std::string_view image, std::string_view policy) {
    return ParseContent(Literal(fmt::format(
                            R"({{"containers": [{{"name": "a", "image": "i:1"}}],
        "initContainers": [{{"name": "init", "image": "{}" {}}}]}})",
                            image, policy)))
        ->hash;
  };
  EXPECT_EQ(hash("x:1", ""), hash("x:2", ""));
  EXPECT_NE(hash("x:1", R"(, "restartPolicy": "Always")"),
            hash("x:2", R"(, "restartPolicy": "Always")"));
}

TEST(SidecarSetAnnotations, TheInjectedListIsFoundInAStoredDocument) {
  EXPECT_THAT(ScanInjectedList(
                  R"({"metadata":{"annotations":{"kruise.io/sidecarset-injected-list":"a,b-2"}}})"),
              ElementsAre("a", "b-2"));
  EXPECT_THAT(ScanInjectedList(R"({"metadata":{}})"), IsEmpty());
  EXPECT_THAT(ScanInjectedList(R"({"kruise.io/sidecarset-injected-list":"a)"), IsEmpty());
  EXPECT_THAT(ParseInjectedList(",,a,"), ElementsAre("a"));
}

TEST(SidecarSetAnnotations, MarksOfAnyFormAreRead) {
  EXPECT_THAT(ParseMarks("no "
                         "JSON"),
              IsEmpty());
  EXPECT_THAT(ParseMarks("[1]"), IsEmpty());
  EXPECT_EQ(ParseMarks(R"({"old":"abc"})").at("old").hash, "abc") << "the form "
                                                                     "of "
                                                                     "v0.1.0";
  EXPECT_THAT(ParseMarks(R"({"a":{"hash":1,"sidecarList":[1,"x"]}})").at("a").containers,
              ElementsAre("x"));
  EXPECT_THAT(ParseUpdateState(R"({"a":{"lastContainerStatuses":{"c":{"imageID":"sha"}}}})")
                  .at("a")
                  .at("c"),
              "sha");
}

}  // namespace
}  // namespace socle::sidecarset
