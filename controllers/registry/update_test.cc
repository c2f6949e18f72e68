#include <atomic>
#include <memory>
#include <utility>

#include "controllers/registry/testing/registry_fixture.h"
#include "kv/base/thread.h"

namespace socle::registry {
namespace {

using api::BoolAt;
using api::IntAt;
using api::Json;
using api::StringAt;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using Part = ChangeRequest::Part;

class UpdateTest : public RegistryFixture {
 protected:
  void MakeMap(std::string_view name = "m") {
    Make("configmaps", fmt::format(R"({{"metadata":{{"name":"{}"}},"data":{{"k":"1"}}}})", name));
  }
};

TEST_F(UpdateTest, PutsTheObjectInThePlaceOfTheOldOne) {
  MakeMap();
  const Json before = Show("configmaps", "m");
  ASSERT_OK_AND_ASSIGN(const Written written, TryPut("configmaps", "m", R"({"data":{"l":"2"}})"));
  EXPECT_FALSE(written.is_created);
  const Json after = Show("configmaps", "m");
  EXPECT_EQ(api::Dump(*api::Find(after, {"data"})), R"({"l":"2"})");
  for (const char* member : {"uid", "creationTimestamp", "name", "namespace"}) {
    EXPECT_EQ(StringAt(after, {"metadata", member}), StringAt(before, {"metadata", member}))
        << member;
  }
  EXPECT_NE(StringAt(after, {"metadata", "resourceVersion"}),
            StringAt(before, {"metadata", "resourceVersion"}));
}

TEST_F(UpdateTest, AChangeThatChangesNothingWritesNothing) {
  MakeMap();
  Make("pods", PodText("p"));
  Make("inplacesets", SetText("s"));
  ASSERT_OK_AND_ASSIGN(const int64_t before, store()->CurrentRevision());

  struct Case {
    const char* name;
    absl::StatusOr<Written> result;
  };

  Case cases[] = {
      {"put of what is there", TryPut("configmaps", "m", R"({"data":{"k":"1"}})")},
      {"put of what was read", TryPut("pods", "p", api::Dump(Show("pods", "p")))},
      {"put without the defaults", TryPut("inplacesets", "s", SetText("s"))},
      {"empty merge patch", TryPatch("configmaps", "m", "{}")},
      {"patch to the same", TryPatch("pods", "p", R"({"metadata":{"labels":null}})")},
      {"empty JSON patch", TryPatch("pods", "p", "[]", PatchType::kJson)},
      {"the same status",
       TryPatch("pods", "p", R"({"status":{"phase":"Pending"}})", PatchType::kMerge, "status")},
      {"scale to the same", TryPut("inplacesets", "s", R"({"spec":{"replicas":1}})", "scale")},
      {"change by the plane", TryChange("pods", "p", Part::kWhole, [](Json*) {})},
  };
  for (Case& c : cases) {
    SCOPED_TRACE(c.name);
    ASSERT_THAT(c.result, IsOk());
    EXPECT_TRUE(c.result->is_unchanged);
    EXPECT_LE(c.result->mod_revision, before);
  }
  EXPECT_THAT(store()->CurrentRevision(), IsOkAndHolds(before));
}

TEST_F(UpdateTest, RefusesInTheWordsOfKubernetes) {
  MakeMap();
  Make("inplacesets", SetText("s"));
  ASSERT_OK(TryPatch("configmaps", "m", R"({"data":{"k":"2"}})"));

  struct Case {
    const char* name;
    const char* resource;
    const char* object;
    const char* object_name;
    const char* object_text;
    const char* subresource;
    Reason reason;
    const char* message;
  };

  const Case cases[] = {
      {"nothing there", "configmaps", "", "x", "{}", "", Reason::kNotFound,
       "configmaps \"x\" not found"},
      {"another name", "configmaps", "", "m", R"({"metadata":{"name":"n"}})", "",
       Reason::kBadRequest, "the name of the object (n) does not match the name on the URL (m)"},
      {"another uid", "configmaps", "", "m", R"({"metadata":{"uid":"other"}})", "",
       Reason::kConflict, "Precondition failed: UID in precondition: other, UID in object meta: "},
      {"an old revision", "configmaps", "", "m", R"({"metadata":{"resourceVersion":"1"}})", "",
       Reason::kConflict,
       "Operation cannot be fulfilled on configmaps \"m\": the object has been modified; please "
       "apply your changes to the latest version and try again"},
      {"no revision at all", "configmaps", "", "m", R"({"metadata":{"resourceVersion":"x"}})", "",
       Reason::kBadRequest, "metadata.resourceVersion: Invalid value: \"x\""},
      {"an old revision on scale", "inplacesets", "", "s",
       R"({"metadata":{"resourceVersion":"1"},"spec":{"replicas":5}})", "scale", Reason::kConflict,
       "Operation cannot be fulfilled on inplacesets.apps.kruise.io \"s\": the object has been "
       "modified"},
      {"negative replicas", "inplacesets", "", "s", R"({"spec":{"replicas":-1}})", "scale",
       Reason::kInvalid,
       "Scale.autoscaling \"s\" is invalid: spec.replicas: Invalid value: -1: must be greater "
       "than or equal to 0"},
      {"what may not change", "inplacesets", "", "s",
       R"({"spec":{"selector":{"matchLabels":{"app":"web"}},"serviceName":"x","template":)"
       R"({"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"main",)"
       R"("image":"nginx:1"}]}}}})",
       "", Reason::kInvalid, "InplaceSet.apps.kruise.io \"s\" is invalid: spec: Forbidden: "},
      {"no such subresource", "configmaps", "", "m", "{}", "status", Reason::kNotFound,
       "configmaps/status \"m\" not found"},
      {"another kind", "configmaps", "", "m", R"({"kind":"Secret"})", "", Reason::kBadRequest,
       "Secret in version \"v1\" cannot be handled as a ConfigMap"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(TryPut(c.resource, c.object_name, c.object_text, c.subresource),
                IsRefused(c.reason, HasSubstr(c.message)));
  }
}

TEST_F(UpdateTest, OnlyKindsThatAllowItAreCreatedByPut) {
  ASSERT_OK_AND_ASSIGN(const Written lease,
                       TryPut("leases", "l", R"({"spec":{"holderIdentity":"me"}})"));
  EXPECT_TRUE(lease.is_created);
  EXPECT_EQ(StringAt(lease.Parse(), {"metadata", "name"}), "l");
  EXPECT_THAT(TryPut("leases", "l", R"({"spec":{"holderIdentity":"you"}})"),
              IsRefused(Reason::kInvalid,
                        "Lease.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: "
                        "Invalid value: 0: must be specified for an update"));
  EXPECT_THAT(TryPut("leases", "k", R"({"metadata":{"resourceVersion":"5"}})"),
              IsRefused(Reason::kNotFound, "leases.coordination.k8s.io \"k\" not found"));
}

TEST_F(UpdateTest, TheMainResourceKeepsStatusAndTheStatusSubresourceKeepsTheRest) {
  Make("pods", PodText("p"));
  ASSERT_OK(
      TryPatch("pods", "p", R"({"metadata":{"labels":{"a":"b"}},"status":{"phase":"Running"}})"));
  Json pod = Show("pods", "p");
  EXPECT_EQ(StringAt(pod, {"metadata", "labels", "a"}), "b");
  EXPECT_EQ(StringAt(pod, {"status", "phase"}), "Pending");
  ASSERT_OK(TryPatch("pods", "p",
                     R"({"metadata":{"labels":{"a":"c","d":"e"}},"spec":{"nodeName":"n"},"x":1,)"
                     R"("status":{"phase":"Running"}})",
                     PatchType::kMerge, "status"));
  const Json after = Show("pods", "p");
  EXPECT_EQ(StringAt(after, {"status", "phase"}), "Running");
  EXPECT_EQ(*api::Find(after, {"spec"}), *api::Find(pod, {"spec"}));
  EXPECT_EQ(api::Dump(*api::Find(after, {"metadata", "labels"})), R"({"a":"b"})");
  EXPECT_EQ(api::Find(after, {"x"}), nullptr);
  EXPECT_THAT(
      TryPatch("pods", "p", R"({"status":{"phase":"Dancing"}})", PatchType::kMerge, "status"),
      IsRefused(Reason::kInvalid, HasSubstr("status.phase: Unsupported value")));
}

TEST_F(UpdateTest, GenerationCountsChangesOfSpecOnly) {
  Make("inplacesets", SetText("s"));
  const auto generation = [this] {
    return IntAt(Show("inplacesets", "s"), {"metadata", "generation"});
  };
  EXPECT_EQ(generation(), 1);
  ASSERT_OK(TryPatch("inplacesets", "s", R"({"metadata":{"labels":{"a":"b"},"generation":9}})"));
  ASSERT_OK(
      TryPatch("inplacesets", "s", R"({"status":{"replicas":1}})", PatchType::kMerge, "status"));
  EXPECT_EQ(generation(), 1);
  ASSERT_OK(TryPatch("inplacesets", "s", R"({"spec":{"replicas":2}})"));
  EXPECT_EQ(generation(), 2);
  ASSERT_OK(TryPatch("inplacesets", "s", R"({"spec":{"replicas":2}})"));
  EXPECT_EQ(generation(), 2);
  ASSERT_OK(TryPut("inplacesets", "s", R"({"spec":{"replicas":4}})", "scale"));
  EXPECT_EQ(generation(), 3);
}

TEST_F(UpdateTest, ATemplateThatDoesNotChangeGetsNoNewDefaults) {
  // As an older version of the plane would have stored it: without defaults.
  const std::string key = ObjectKey(*Served("inplacesets")->kind, "default", "old");
  Make("inplacesets", SetText("old"));
  const ObjectRef made = Stored("inplacesets", "old");
  Json bare = made->Parse();
  api::EnsureObject(&bare, {"spec", "template", "spec"}).erase("dnsPolicy");
  ASSERT_OK(store()
                ->Run({.kind = storage::WriteKind::kUpdate,
                       .key = key,
                       .document = EncodeStored(*made->kind, bare),
                       .expected_revision = made->mod_revision})
                .status);
  ASSERT_OK(TryPatch("inplacesets", "old", R"({"spec":{"replicas":3}})"));
  EXPECT_EQ(api::Find(Show("inplacesets", "old"), {"spec", "template", "spec", "dnsPolicy"}),
            nullptr);
  ASSERT_OK(TryPatch("inplacesets", "old",
                     R"({"spec":{"template":{"metadata":{"annotations":{"a":"b"}}}}})"));
  EXPECT_EQ(StringAt(Show("inplacesets", "old"), {"spec", "template", "spec", "dnsPolicy"}),
            "ClusterFirst");
}

TEST_F(UpdateTest, AWriteThroughAnOlderVersionKeepsWhatItCanNotSay) {
  Make("inplacesets", SetText("s", R"("reserveOrdinals":[1])"));
  ASSERT_OK(TryPatch("inplacesets", "s", R"({"status":{"updatedReadyReplicas":1}})",
                     PatchType::kMerge, "status"));
  EXPECT_EQ(api::Find(Show("inplacesets.v1alpha1", "s"), {"spec", "reserveOrdinals"}), nullptr);
  // The older version can't say it, so it can't change it either.
  ASSERT_OK(
      TryPatch("inplacesets.v1alpha1", "s", R"({"spec":{"replicas":5,"reserveOrdinals":[7]}})"));
  ASSERT_OK(TryPatch("inplacesets.v1alpha1", "s", R"({"status":{"replicas":5}})", PatchType::kMerge,
                     "status"));
  const Json set = Show("inplacesets.v1beta1", "s");
  EXPECT_EQ(IntAt(set, {"spec", "replicas"}), 5);
  EXPECT_EQ(api::Dump(*api::Find(set, {"spec", "reserveOrdinals"})), "[1]");
  EXPECT_EQ(IntAt(set, {"status", "replicas"}), 5);
  EXPECT_EQ(IntAt(set, {"status", "updatedReadyReplicas"}), 1);
  const ObjectRef stored = Stored("inplacesets", "s");
  EXPECT_THAT(stored->document, testing::StartsWith(R"({"kind":"InplaceSet","apiVersion":)"
                                                    R"("apps.kruise.io/v1beta1","metadata":{)"));
}

TEST_F(UpdateTest, BothNamesOfASetAreOneObject) {
  Make("statefulsets", SetText("s"));
  ASSERT_OK(TryPatch("inplacesets", "s", R"({"spec":{"replicas":2}})"));
  ASSERT_OK(TryPatch("statefulsets.v1alpha1", "s", R"({"metadata":{"labels":{"a":"b"}}})"));
  const Json set = Show("statefulsets", "s");
  EXPECT_EQ(StringAt(set, {"kind"}), "StatefulSet");
  EXPECT_EQ(IntAt(set, {"spec", "replicas"}), 2);
  EXPECT_THAT(TryMake("inplacesets", SetText("s")),
              IsRefused(Reason::kAlreadyExists, "inplacesets.apps.kruise.io \"s\" already exists"));
  ASSERT_OK(TryDelete("statefulsets", "s"));
  EXPECT_EQ(Stored("inplacesets", "s"), nullptr);
}

TEST_F(UpdateTest, UnknownMembersOfKindsWithVersionsAreNotStored) {
  Make("inplacesets", SetText("s", R"("bogus":1)"));
  ASSERT_OK(TryPatch("inplacesets", "s", R"({"spec":{"replicas":2,"bogus":2}})"));
  EXPECT_THAT(Stored("inplacesets", "s")->document, testing::Not(HasSubstr("bogus")));
}

TEST_F(UpdateTest, PatchesOfAllThreeTypes) {
  Make("pods", PodText("p"));
  ASSERT_OK(TryPatch("pods", "p", R"({"spec":{"containers":[{"name":"main","image":"nginx:2"}]}})",
                     PatchType::kStrategic));
  EXPECT_EQ(StringAt(Show("pods", "p").at("spec").at("containers").at(0), {"image"}), "nginx:2");
  ASSERT_OK(TryPatch("pods", "p",
                     R"([{"op":"test","path":"/spec/containers/0/image","value":"nginx:2"},)"
                     R"({"op":"replace","path":"/spec/containers/0/image","value":"nginx:3"}])",
                     PatchType::kJson));
  EXPECT_EQ(StringAt(Show("pods", "p").at("spec").at("containers").at(0), {"image"}), "nginx:3");
  ASSERT_OK(TryPatch("pods", "p", R"({"metadata":{"annotations":{"a":"b"}}})"));
  EXPECT_EQ(StringAt(Show("pods", "p"), {"metadata", "annotations", "a"}), "b");
}

TEST_F(UpdateTest, RefusesPatchesInTheWordsOfKubernetes) {
  Make("pods", PodText("p"));
  Make("inplacesets", SetText("s"));

  struct Case {
    const char* name;
    const char* resource;
    const char* object;
    const char* patch;
    PatchType type;
    Reason reason;
    const char* message;
  };

  const Case cases[] = {
      {"nothing there", "pods", "x", "{}", PatchType::kMerge, Reason::kNotFound,
       "pods \"x\" not found"},
      {"strategic on a kind without", "inplacesets", "s", "{}", PatchType::kStrategic,
       Reason::kUnsupportedMediaType,
       "the body of the request was in an unknown format - accepted media types include: "
       "application/json-patch+json, application/merge-patch+json"},
      {"a test that fails", "pods", "p", R"([{"op":"test","path":"/kind","value":"Node"}])",
       PatchType::kJson, Reason::kInvalid,
       "the server rejected our request due to an error in our request"},
      {"no list of operations", "pods", "p", R"({"op":"test"})", PatchType::kJson,
       Reason::kBadRequest, ""},
      {"no object", "pods", "p", "[]", PatchType::kMerge, Reason::kBadRequest,
       "the patch is not a JSON object"},
      {"the whole document away", "pods", "p", R"([{"op":"replace","path":"","value":3}])",
       PatchType::kJson, Reason::kBadRequest, "the object is not a JSON object"},
      {"another name", "pods", "p", R"({"metadata":{"name":"q"}})", PatchType::kMerge,
       Reason::kInvalid, "Pod \"p\" is invalid: metadata.name: Invalid value: \"q\": field is "},
      {"an old revision", "pods", "p", R"({"metadata":{"resourceVersion":"1"}})", PatchType::kMerge,
       Reason::kConflict, "the object has been modified"},
      {"what may not change", "pods", "p", R"({"spec":{"nodeName":"n"}})", PatchType::kMerge,
       Reason::kInvalid, "spec: Forbidden: pod updates may not change fields other than"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(TryPatch(c.resource, c.object, c.patch, c.type),
                IsRefused(c.reason, HasSubstr(c.message)));
  }
}

TEST_F(UpdateTest, StrictPatchesNameUnknownFieldsAndOthersWarn) {
  MakeMap();
  PatchRequest request{.target = TargetOf("configmaps", "m"),
                       .patch = api::Literal(R"({"dta":1})"),
                       .strictness = Strictness::kStrict};
  EXPECT_THAT(registry()->Patch({}, request),
              IsRefused(Reason::kBadRequest, HasSubstr("unknown field \"dta\"")));
  request.strictness = Strictness::kWarn;
  ASSERT_OK_AND_ASSIGN(const Written written, registry()->Patch({}, request));
  EXPECT_THAT(written.warnings, ElementsAre("unknown field \"dta\""));
}

TEST_F(UpdateTest, ScaleShowsAndSetsReplicas) {
  Make("inplacesets", SetText("s", R"("replicas":3)"));
  ASSERT_OK_AND_ASSIGN(Json scale, ScaleOf(*Served("inplacesets"), *Stored("inplacesets", "s")));
  EXPECT_EQ(StringAt(scale, {"kind"}), "Scale");
  EXPECT_EQ(StringAt(scale, {"apiVersion"}), "autoscaling/v1");
  EXPECT_EQ(IntAt(scale, {"spec", "replicas"}), 3);
  EXPECT_EQ(StringAt(scale, {"status", "selector"}), "app=web");
  // What was read may be put back, through either name, once.
  api::EnsureObject(&scale, {"spec"})["replicas"] = 5;
  ASSERT_OK_AND_ASSIGN(const Written written,
                       TryPut("statefulsets", "s", api::Dump(scale), "scale"));
  EXPECT_EQ(IntAt(written.Parse(), {"spec", "replicas"}), 5);
  api::EnsureObject(&scale, {"spec"})["replicas"] = 6;
  EXPECT_THAT(TryPut("inplacesets", "s", api::Dump(scale), "scale"),
              IsRefused(Reason::kConflict, HasSubstr("the object has been modified")));
  ASSERT_OK(TryPatch("inplacesets", "s", R"({"spec":{"replicas":7}})", PatchType::kMerge, "scale"));
  EXPECT_EQ(IntAt(Show("inplacesets", "s"), {"spec", "replicas"}), 7);
  ASSERT_OK(TryPatch("inplacesets", "s", R"({"status":{"labelSelector":"a=b","replicas":2}})",
                     PatchType::kMerge, "status"));
  ASSERT_OK_AND_ASSIGN(scale, ScaleOf(*Served("inplacesets"), *Stored("inplacesets", "s")));
  EXPECT_EQ(StringAt(scale, {"status", "selector"}), "a=b");
  EXPECT_EQ(IntAt(scale, {"status", "replicas"}), 2);
  Make("pods", PodText("p"));
  EXPECT_THAT(ScaleOf(*Served("pods"), *Stored("pods", "p")),
              IsRefused(Reason::kNotFound, "pods/scale \"p\" not found"));
}

TEST_F(UpdateTest, AnObjectThatIsBeingDeletedGetsNoNewFinalizers) {
  Make("configmaps", R"({"metadata":{"name":"m","finalizers":["a/b"]}})");
  ASSERT_OK(TryDelete("configmaps", "m"));
  EXPECT_THAT(
      TryPatch("configmaps", "m", R"({"metadata":{"finalizers":["a/b","c/d"]}})"),
      IsRefused(Reason::kInvalid,
                "ConfigMap \"m\" is invalid: metadata.finalizers: Forbidden: no new finalizers "
                "can be added if the object is being deleted, found new finalizers "
                "[]string{\"c/d\"}"));
  ASSERT_OK_AND_ASSIGN(const Written gone,
                       TryPatch("configmaps", "m", R"({"metadata":{"finalizers":null}})"));
  EXPECT_TRUE(gone.is_removed);
  EXPECT_EQ(Stored("configmaps", "m"), nullptr);
}

TEST_F(UpdateTest, ADryRunStoresNothing) {
  MakeMap();
  ASSERT_OK_AND_ASSIGN(const int64_t before, store()->CurrentRevision());
  ASSERT_OK_AND_ASSIGN(
      const Written written,
      registry()->Patch({.is_dry_run = true}, {.target = TargetOf("configmaps", "m"),
                                               .patch = api::Literal(R"({"data":{"k":"2"}})")}));
  EXPECT_EQ(StringAt(written.Parse(), {"data", "k"}), "2");
  EXPECT_THAT(store()->CurrentRevision(), IsOkAndHolds(before));
}

TEST_F(UpdateTest, OnlyThePlaneChangesTheWhole) {
  Make("pods", PodText("p"));
  EXPECT_THAT(registry()->Change({}, {.target = TargetOf("pods", "p"),
                                      .part = Part::kWhole,
                                      .change = [](Json*) { return absl::OkStatus(); }}),
              IsRefused(Reason::kForbidden,
                        "pods \"p\" is forbidden: only the plane may change the whole object"));
  ASSERT_OK(TryChange("pods", "p", Part::kWhole, [](Json* pod) {
    EXPECT_NE(StringAt(*pod, {"metadata", "resourceVersion"}), "");
    api::EnsureObject(pod, {"metadata"})["uid"] = "stolen";
    api::EnsureObject(pod, {"spec"})["hostname"] = "h";
    api::EnsureObject(pod, {"status"})["phase"] = "Running";
  }));
  const Json pod = Show("pods", "p");
  EXPECT_EQ(StringAt(pod, {"spec", "hostname"}), "h");
  EXPECT_EQ(StringAt(pod, {"status", "phase"}), "Running");
  EXPECT_NE(StringAt(pod, {"metadata", "uid"}), "stolen");
  EXPECT_THAT(TryChange("pods", "p", Part::kWhole,
                        [](Json* changed) { api::EnsureObject(changed, {"spec"})["os"] = 3; }),
              IsRefused(Reason::kInvalid, HasSubstr("spec.os")));
}

TEST_F(UpdateTest, AChangeEndsAsItsFunctionSays) {
  MakeMap();
  const auto change = [this](absl::Status status, int64_t expected = 0, std::string uid = {}) {
    return registry()->Change(PlaneContext("t"), {.target = TargetOf("configmaps", "m"),
                                                  .uid = std::move(uid),
                                                  .expected_revision = expected,
                                                  .change = [status](Json* object) {
                                                    api::EnsureObject(object, {"data"})["k"] =
                                                        "changed";
                                                    return status;
                                                  }});
  };
  ASSERT_OK_AND_ASSIGN(const Written same, change(absl::CancelledError("")));
  EXPECT_TRUE(same.is_unchanged);
  EXPECT_THAT(change(Forbidden("", "x", "y", "z")), IsRefused(Reason::kForbidden, HasSubstr("z")));
  EXPECT_THAT(change(absl::OkStatus(), 1), IsRefused(Reason::kConflict, HasSubstr("modified")));
  EXPECT_THAT(change(absl::OkStatus(), 0, "other"),
              IsRefused(Reason::kConflict, HasSubstr("UID in precondition: other")));
  EXPECT_EQ(StringAt(Show("configmaps", "m"), {"data", "k"}), "1");
  EXPECT_OK(change(absl::OkStatus(), Stored("configmaps", "m")->mod_revision));
  EXPECT_EQ(StringAt(Show("configmaps", "m"), {"data", "k"}), "changed");
}

TEST_F(UpdateTest, ConcurrentChangesOfOneObjectAllCount) {
  MakeMap();
  constexpr int kThreads = 4;
  constexpr int kEach = 50;
  {
    std::vector<Thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back("changer", [this] {
        for (int i = 0; i < kEach; ++i) {
          EXPECT_OK(TryChange("configmaps", "m", Part::kMain, [](Json* object) {
            api::JsonObject& map = api::EnsureObject(object, {"data"});
            const int64_t k = std::stoll(std::string(StringAt(map, "k")));
            map["k"] = fmt::format("{}", k + 1).c_str();
          }));
        }
      });
    }
  }
  EXPECT_EQ(StringAt(Show("configmaps", "m"), {"data", "k"}),
            fmt::format("{}", 1 + kThreads * kEach));
}

TEST_F(UpdateTest, ManyChangesUnderWayAtOnceAllCountAndTheRegistryWaitsForThem) {
  MakeMap();
  auto counted = std::make_shared<std::atomic<int>>(0);
  constexpr int kChanges = 500;
  for (int i = 0; i < kChanges; ++i) {
    registry()->Change(PlaneContext("t"),
                       {.target = TargetOf("configmaps", "m"),
                        .change =
                            [](Json* object) {
                              api::JsonObject& map = api::EnsureObject(object, {"data"});
                              const int64_t k = std::stoll(std::string(StringAt(map, "k")));
                              map["k"] = fmt::format("{}", k + 1).c_str();
                              return absl::OkStatus();
                            }},
                       [counted](const absl::StatusOr<Written>& written) {
                         EXPECT_THAT(written, IsOk());
                         ++*counted;
                       });
  }
  registry_.reset();
  EXPECT_EQ(*counted, kChanges);
  const std::string key = ObjectKey(*Served("configmaps")->kind, "default", "m");
  ASSERT_OK_AND_ASSIGN(const storage::GetResult got, store()->Get({.key = key}));
  EXPECT_THAT(std::string(got.object->document), HasSubstr(R"("k":"501")"));
}

TEST_F(UpdateTest, APodCanBeChangedThroughStatusWhileItsLabelsChange) {
  Make("pods", PodText("p"));
  {
    Thread labels("labels", [this] {
      for (int i = 0; i < 30; ++i) {
        EXPECT_OK(
            TryPatch("pods", "p", fmt::format(R"({{"metadata":{{"labels":{{"l{}":""}}}}}})", i)));
      }
    });
    for (int i = 0; i < 30; ++i) {
      EXPECT_OK(TryPatch("pods", "p", fmt::format(R"({{"status":{{"podIP":"10.0.0.{}"}}}})", i + 1),
                         PatchType::kMerge, "status"));
    }
  }
  EXPECT_THAT(Stored("pods", "p")->labels, SizeIs(30));
  EXPECT_EQ(StringAt(Show("pods", "p"), {"status", "podIP"}), "10.0.0.30");
}

TEST_F(UpdateTest, WhenAWriterOutsideCameFirstTheChangeIsDecidedAgainOnItsObject) {
  MakeMap();
  const auto write_outside = [this](const char* value) {
    const ObjectRef map = Stored("configmaps", "m");
    Json object = map->Parse();
    api::EnsureObject(&object, {"data"})["outside"] = value;
    ASSERT_OK(store()
                  ->Run({.kind = storage::WriteKind::kUpdate,
                         .key = ObjectKey(*map->kind, "default", "m"),
                         .document = EncodeStored(*map->kind, object),
                         .expected_revision = map->mod_revision})
                  .status);
  };
  int calls = 0;
  ASSERT_OK(TryChange("configmaps", "m", Part::kMain, [&](Json* object) {
    if (++calls == 1) {
      write_outside("yes");
    }
    api::EnsureObject(object, {"data"})["k"] = "changed";
  }));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(api::Dump(*api::Find(Show("configmaps", "m"), {"data"})),
            R"({"k":"changed","outside":"yes"})");

  // Who has named a revision is told instead.
  ChangeRequest pinned{.target = TargetOf("configmaps", "m"),
                       .expected_revision = Stored("configmaps", "m")->mod_revision};
  pinned.change = [&](Json* object) {
    write_outside("later");
    api::EnsureObject(object, {"data"})["k"] = "again";
    return absl::OkStatus();
  };
  EXPECT_THAT(registry()->Change(PlaneContext("t"), pinned),
              IsRefused(Reason::kConflict, HasSubstr("the object has been modified")));
  EXPECT_EQ(api::Dump(*api::Find(Show("configmaps", "m"), {"data"})),
            R"({"k":"changed","outside":"later"})");
}

TEST_F(UpdateTest, WithARevisionOneOfTwoWins) {
  MakeMap();
  const int64_t revision = Stored("configmaps", "m")->mod_revision;
  const auto put = [&](std::string_view value) {
    return TryPut("configmaps", "m",
                  fmt::format(R"({{"metadata":{{"resourceVersion":"{}"}},"data":{{"k":"{}"}}}})",
                              revision, value));
  };
  EXPECT_OK(put("a"));
  EXPECT_THAT(put("b"), IsRefused(Reason::kConflict, HasSubstr(kModifiedDetail.data())));
  EXPECT_EQ(StringAt(Show("configmaps", "m"), {"data", "k"}), "a");
}

}  // namespace
}  // namespace socle::registry
