#include <utility>

#include "controllers/registry/testing/registry_fixture.h"
#include "controllers/storage/answer.h"

namespace socle::registry {
namespace {

using api::Find;
using api::IntAt;
using api::Json;
using api::StringAt;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::SizeIs;
using testing::StartsWith;

class CreateTest : public RegistryFixture {};

TEST_F(CreateTest, TheRegistryGivesIdentityTimeAndGeneration) {
  const Json set =
      Make("inplacesets",
           R"({"metadata":{"name":"a","uid":"mine","creationTimestamp":"2001-01-01T00:00:00Z",)"
           R"("generation":7,"selfLink":"/x","deletionTimestamp":"2001-01-01T00:00:00Z",)"
           R"("deletionGracePeriodSeconds":3},"spec":{"selector":{"matchLabels":{"app":"web"}},)"
           R"("template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":)"
           R"([{"name":"m","image":"i"}]}}}})")
          .Parse();
  EXPECT_THAT(std::string(StringAt(set, {"metadata", "uid"})),
              MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_EQ(StringAt(set, {"metadata", "creationTimestamp"}), "2023-11-14T22:13:20Z");
  EXPECT_EQ(IntAt(set, {"metadata", "generation"}), 1);
  EXPECT_EQ(StringAt(set, {"metadata", "namespace"}), "default");
  for (const char* member : {"selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    EXPECT_EQ(Find(set, {"metadata", member}), nullptr) << member;
  }
  const ObjectRef stored = Stored("inplacesets", "a");
  EXPECT_EQ(StringAt(set, {"metadata", "resourceVersion"}),
            fmt::format("{}", stored->mod_revision));
}

TEST_F(CreateTest, RefusesInTheWordsOfKubernetes) {
  Make("pods", PodText("there"));

  struct Case {
    const char* name;
    const char* resource;
    std::string object;
    Reason reason;
    const char* message;
  };

  const Case cases[] = {
      {"exists", "pods", PodText("there"), Reason::kAlreadyExists, "pods \"there\" already exists"},
      {"no object", "pods", "[]", Reason::kBadRequest, "the object is not a JSON object"},
      {"metadata of a wrong type", "pods", R"({"metadata":[]})", Reason::kBadRequest,
       "metadata is not a JSON object"},
      {"another version", "pods", R"({"apiVersion":"v2","kind":"Pod"})", Reason::kBadRequest,
       "the API version in the data (v2) does not match the expected API version (v1)"},
      {"another kind", "pods", R"({"apiVersion":"v1","kind":"Node"})", Reason::kBadRequest,
       "Node in version \"v1\" cannot be handled as a Pod"},
      {"another namespace", "pods", R"({"metadata":{"name":"a","namespace":"kube-system"}})",
       Reason::kBadRequest,
       "the namespace of the provided object does not match the namespace sent on the request"},
      {"a resourceVersion", "pods", R"({"metadata":{"name":"a","resourceVersion":"1"}})",
       Reason::kBadRequest, "resourceVersion should not be set on objects to be created"},
      {"no name", "configmaps", R"({"metadata":{}})", Reason::kInvalid,
       "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is "
       "required"},
      {"a bad spec", "pods", R"({"metadata":{"name":"a"},"spec":{}})", Reason::kInvalid,
       "Pod \"a\" is invalid: spec.containers: Required value"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(TryMake(c.resource, c.object), IsRefused(c.reason, c.message));
  }
}

TEST_F(CreateTest, AskedStrictlyAboutUnknownAndDoubleFieldsItRefusesOrWarns) {
  CreateRequest request{.target = TargetOf("configmaps"),
                        .object = api::Literal(R"({"metadata":{"name":"a"},"dta":{}})"),
                        .strictness = Strictness::kStrict,
                        .duplicate_fields = {"metadata.name"}};
  EXPECT_THAT(registry()->Create({}, request),
              IsRefused(Reason::kBadRequest,
                        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict "
                        "decoding error: unknown field \"dta\", duplicate field "
                        "\"metadata.name\""));
  request.strictness = Strictness::kWarn;
  ASSERT_OK_AND_ASSIGN(const Written written, registry()->Create({}, request));
  EXPECT_THAT(written.warnings,
              ElementsAre("unknown field \"dta\"", "duplicate field \"metadata.name\""));
  CreateRequest set{.target = TargetOf("broadcastjobs"),
                    .object = api::Literal(R"({"metadata":{"name":"a"},"x":1})"),
                    .strictness = Strictness::kStrict};
  EXPECT_THAT(registry()->Create({}, set),
              IsRefused(Reason::kBadRequest, "strict decoding error: unknown field \"x\""));
}

TEST_F(CreateTest, CompletesGeneratedNames) {
  const Json pod = Make("pods", R"({"metadata":{"generateName":"web-"},"spec":{"containers":)"
                                R"([{"name":"m","image":"i"}]}})")
                       .Parse();
  EXPECT_THAT(std::string(StringAt(pod, {"metadata", "name"})),
              MatchesRegex("web-[bcdfghjklmnpqrstvwxz2456789]{5}"));
}

TEST_F(CreateTest, TriesAnotherGeneratedNameWhenOneIsTaken) {
  // A registry with the same seed makes the same names: its first two are taken.
  const std::string text = R"({"metadata":{"generateName":"g-"}})";
  std::vector<std::string> taken;
  const auto make = [&](Registry* by) {
    auto written = by->Create({}, {.target = TargetOf("configmaps"), .object = api::Literal(text)});
    EXPECT_THAT(written, IsOk());
    return written.ok() ? std::string(StringAt(written->Parse(), {"metadata", "name"})) : "";
  };
  for (int i = 0; i < 2; ++i) {
    const auto fresh = Registry::Make(
        {.store = store(), .kinds = &kinds(), .cache = cache(), .clock = clock(), .seed = 99});
    taken.push_back(make(fresh.get()));
  }
  EXPECT_NE(taken[0], taken[1]);
  EXPECT_THAT(taken, Each(StartsWith("g-")));
}

TEST_F(CreateTest, ADryRunAnswersAsIfAndStoresNothing) {
  ASSERT_OK_AND_ASSIGN(const int64_t before, store()->CurrentRevision());
  const Json pod = Make("pods", PodText("a"), {.is_dry_run = true}).Parse();
  EXPECT_NE(StringAt(pod, {"metadata", "uid"}), "");
  EXPECT_EQ(Find(pod, {"metadata", "resourceVersion"}), nullptr);
  EXPECT_THAT(store()->CurrentRevision(), IsOkAndHolds(before));
  EXPECT_THAT(TryMake("pods", R"({"metadata":{"name":"a"},"spec":{}})", {.is_dry_run = true}),
              IsRefused(Reason::kInvalid, HasSubstr("spec.containers")));
  Make("pods", PodText("a"));
  EXPECT_THAT(TryMake("pods", PodText("a"), {.is_dry_run = true}),
              IsRefused(Reason::kAlreadyExists, "pods \"a\" already exists"));
}

TEST_F(CreateTest, StatusIsTakenFromThePlaneAndFromThoseWhoRegisterNodesOnly) {
  const std::string pod =
      R"({"metadata":{"name":"NAME"},"spec":{"containers":[{"name":"m","image":"i"}]},)"
      R"("status":{"phase":"Running"}})";
  const auto named = [&pod](std::string_view name) {
    std::string text = pod;
    return text.replace(text.find("NAME"), 4, name);
  };
  EXPECT_EQ(StringAt(Make("pods", named("a")).Parse(), {"status", "phase"}), "Pending");
  EXPECT_EQ(StringAt(Make("pods", named("b"), PlaneContext("t")).Parse(), {"status", "phase"}),
            "Running");
  EXPECT_EQ(
      StringAt(Make("nodes", R"({"metadata":{"name":"n"},"status":{"nodeInfo":{"machineID":"m"}}})")
                   .Parse(),
               {"status", "nodeInfo", "machineID"}),
      "m");
}

TEST_F(CreateTest, NamespacesMustBeThereAndStay) {
  const auto make = [this](std::string_view ns) {
    return registry()->Create({}, {.target = {.served = Served("pods"), .ns = std::string(ns)},
                                   .object = api::Literal(PodText("a"))});
  };
  EXPECT_THAT(make("room"), IsRefused(Reason::kNotFound, "namespaces \"room\" not found"));
  const Json room = Make("namespaces", R"({"metadata":{"name":"room"}})").Parse();
  EXPECT_EQ(api::Dump(*Find(room, {"spec", "finalizers"})), R"(["kubernetes"])");
  EXPECT_EQ(StringAt(room, {"status", "phase"}), "Active");
  // At once, though the cache may not show the namespace yet.
  EXPECT_OK(make("room"));
  ASSERT_OK(TryDelete("namespaces", "room"));
  ASSERT_OK(cache()->WaitUntilFresh());
  const auto refused = registry()->Create({}, {.target = {.served = Served("pods"), .ns = "room"},
                                               .object = api::Literal(PodText("b"))});
  EXPECT_THAT(refused, IsRefused(Reason::kForbidden,
                                 "pods \"b\" is forbidden: unable to create new content in "
                                 "namespace room because it is being terminated"));
  const ApiError error = ErrorOf(refused.status());
  ASSERT_THAT(error.causes, SizeIs(1));
  EXPECT_EQ(error.causes[0].reason, "NamespaceTerminating");
  EXPECT_EQ(error.causes[0].message, "namespace room is being terminated");
  EXPECT_EQ(error.causes[0].field, "metadata.namespace");
}

TEST_F(CreateTest, TheStoreKnowsANamespaceThatTheCacheDoesNotShowYet) {
  // A cache that lags for ever: that of another store.
  const TempDir elsewhere;
  mvcc::StoreOptions options;
  options.directory = elsewhere.path();
  options.map_size_bytes = uint64_t{1} << 30U;
  ASSERT_OK_AND_ASSIGN(const auto other, storage::EmbeddedStore::Open(std::move(options)));
  ASSERT_OK_AND_ASSIGN(const auto lagging, ObjectCache::Open(other.get(), &kinds()));
  const auto behind = Registry::Make(
      {.store = store(), .kinds = &kinds(), .cache = lagging.get(), .clock = clock(), .seed = 1});
  const CreateRequest pod{.target = TargetOf("pods"), .object = api::Literal(PodText("a"))};
  EXPECT_OK(behind->Create({}, pod));
  CreateRequest lost = pod;
  lost.target.ns = "room";
  EXPECT_THAT(behind->Create({}, lost), IsRefused(Reason::kNotFound, HasSubstr("\"room\"")));
}

TEST_F(CreateTest, SystemNamespacesAreThereAndEnsuringThemAgainChangesNothing) {
  ASSERT_OK_AND_ASSIGN(const int64_t before, store()->CurrentRevision());
  ASSERT_OK(EnsureSystemNamespaces(registry()));
  EXPECT_THAT(store()->CurrentRevision(), IsOkAndHolds(before));
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    EXPECT_NE(Stored("namespaces", name), nullptr) << name;
  }
}

TEST_F(CreateTest, PodsGetTolerationsAccountPriorityAndQuality) {
  const Json pod = Make("pods", PodText("a")).Parse();
  EXPECT_EQ(StringAt(pod, {"spec", "serviceAccountName"}), "default");
  EXPECT_EQ(IntAt(pod, {"spec", "priority"}), 0);
  EXPECT_EQ(StringAt(pod, {"status", "qosClass"}), "BestEffort");
  EXPECT_EQ(api::Dump(*Find(pod, {"spec", "tolerations"})),
            R"([{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute",)"
            R"("tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable",)"
            R"("operator":"Exists","effect":"NoExecute","tolerationSeconds":300}])");
  const Json own =
      Make("pods",
           R"({"metadata":{"name":"b"},"spec":{"containers":[{"name":"m","image":"i","resources":)"
           R"({"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"1000m"}}}],)"
           R"("tolerations":[{"operator":"Exists"}],"priorityClassName":"system-node-critical",)"
           R"("serviceAccountName":"me"}})")
          .Parse();
  EXPECT_EQ(StringAt(own, {"spec", "serviceAccountName"}), "me");
  EXPECT_EQ(IntAt(own, {"spec", "priority"}), 2'000'001'000);
  EXPECT_EQ(StringAt(own, {"status", "qosClass"}), "Guaranteed");
  EXPECT_EQ(Find(own, {"spec", "tolerations"})->get_array().size(), 1U);
  const Json burstable =
      Make("pods",
           R"({"metadata":{"name":"c"},"spec":{"containers":[{"name":"m","image":"i","resources":)"
           R"({"requests":{"cpu":"1"}}}]}})")
          .Parse();
  EXPECT_EQ(StringAt(burstable, {"status", "qosClass"}), "Burstable");
}

TEST_F(CreateTest, EventsGoByThemselvesAlsoWhenTheyAreCountedAgain) {
  const std::string event = R"({"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"a",)"
                            R"("namespace":"default"},"count":1})";
  Make("events", event);
  clock()->Advance(3000 * kNanosPerSecond);
  ASSERT_OK(TryPatch("events", "e", R"({"count":2})"));
  // An hour counts from the last time: shortly before, it is there.
  clock()->Advance(3000 * kNanosPerSecond);
  EXPECT_NE(Stored("events", "e"), nullptr);
  ASSERT_OK(cache()->WaitUntilFresh());
  storage::Answer<bool> gone;
  const Observation watching =
      cache()->Observe(Served("events")->kind, [&gone](const ChangeRef& change) {
        if (change->type == ChangeType::kDeleted) {
          gone.Give(true);
        }
      });
  clock()->Advance(2000 * kNanosPerSecond);
  EXPECT_TRUE(gone.Take());
  EXPECT_EQ(Stored("events", "e"), nullptr);
}

// Adds a container, as injection does, and refuses what is called "no".
class Injector final : public AdmissionPlugin {
 public:
  std::string_view name() const override { return "Injector"; }

  absl::Status Admit(const AdmissionRequest& request, Json* object) override {
    if (request.verb == Verb::kCreate && request.served->kind->resource == "pods") {
      api::EnsureObject(object, {"spec"})["containers"].get_array().push_back(
          api::Literal(R"({"name":"side","image":"s","resources":{"requests":{"cpu":"1"}}})"));
    }
    return absl::OkStatus();
  }

  absl::Status Check(const AdmissionRequest& request, const Json&) override {
    return request.name == "no" ? Forbidden("", "pods", "no", "it says so") : absl::OkStatus();
  }

  void Stored(const StoredWrite& write) override {
    MutexLock lock(&mu_);
    revisions_.push_back(write.mod_revision);
  }

  std::vector<int64_t> revisions() {
    MutexLock lock(&mu_);
    return revisions_;
  }

 private:
  Mutex mu_;
  std::vector<int64_t> revisions_ ABSL_GUARDED_BY(mu_);
};

class AdmittedTest : public RegistryFixture {
 protected:
  std::vector<std::unique_ptr<AdmissionPlugin>> MakeAdmission() override {
    std::vector<std::unique_ptr<AdmissionPlugin>> plugins;
    plugins.push_back(std::make_unique<Injector>());
    injector_ = static_cast<Injector*>(plugins.back().get());
    return plugins;
  }

  Injector* injector_ = nullptr;
};

TEST_F(AdmittedTest, WhatAPluginAddsHasDefaultsAndCountsForTheQuality) {
  const Json pod = Make("pods", PodText("a")).Parse();
  const api::JsonArray& containers = *api::FindArray(pod, {"spec", "containers"});
  ASSERT_EQ(containers.size(), 2U);
  EXPECT_EQ(StringAt(containers[1], {"terminationMessagePath"}), "/dev/termination-log");
  EXPECT_EQ(StringAt(pod, {"status", "qosClass"}), "Burstable");
}

TEST_F(AdmittedTest, APluginMayRefuseEveryWriteAndNothingIsStored) {
  EXPECT_THAT(TryMake("pods", PodText("no")),
              IsRefused(Reason::kForbidden, "pods \"no\" is forbidden: it says so"));
  EXPECT_EQ(Stored("pods", "no"), nullptr);
}

TEST_F(AdmittedTest, PluginsAreToldOfWritesBeforeTheyAreAnswered) {
  const size_t before = injector_->revisions().size();
  const Written made = Make("pods", PodText("a"));
  Make("pods", PodText("dry"), {.is_dry_run = true});
  ASSERT_OK_AND_ASSIGN(const Written same, TryPatch("pods", "a", "{}"));
  EXPECT_TRUE(same.is_unchanged);
  ASSERT_OK_AND_ASSIGN(const Written gone, TryDelete("pods", "a"));
  std::vector<int64_t> told = injector_->revisions();
  told.erase(told.begin(), told.begin() + static_cast<std::ptrdiff_t>(before));
  EXPECT_THAT(told, ElementsAre(made.mod_revision, gone.mod_revision));
}

}  // namespace
}  // namespace socle::registry
