#include "controllers/registry/testing/registry_fixture.h"

namespace socle::registry {
namespace {

using api::Find;
using api::IntAt;
using api::Json;
using api::StringAt;
using testing::HasSubstr;
using Part = ChangeRequest::Part;

class DeleteTest : public RegistryFixture {
 protected:
  // A pod on a node, which has 30 seconds to stop.
  void MakeBoundPod(std::string_view name) {
    Make("pods", PodText(name));
    ASSERT_OK(registry()->Bind({}, TargetOf("pods", name),
                               api::Literal(R"({"target":{"kind":"Node","name":"n"}})")));
  }

  bool Exists(std::string_view resource, std::string_view name) {
    return Stored(resource, name) != nullptr;
  }
};

TEST_F(DeleteTest, ARemovedObjectIsShownAsItWas) {
  Make("configmaps", R"({"metadata":{"name":"m"},"data":{"k":"v"}})");
  ASSERT_OK_AND_ASSIGN(const Written gone, TryDelete("configmaps", "m"));
  EXPECT_TRUE(gone.is_removed);
  EXPECT_EQ(StringAt(gone.Parse(), {"data", "k"}), "v");
  EXPECT_EQ(Find(gone.Parse(), {"metadata", "deletionTimestamp"}), nullptr);
  EXPECT_FALSE(Exists("configmaps", "m"));
  EXPECT_THAT(TryDelete("configmaps", "m"),
              IsRefused(Reason::kNotFound, "configmaps \"m\" not found"));
}

TEST_F(DeleteTest, PreconditionsMustHold) {
  Make("configmaps", R"({"metadata":{"name":"m"}})");
  const ObjectRef map = Stored("configmaps", "m");
  EXPECT_THAT(TryDelete("configmaps", "m", {.uid = "other"}),
              IsRefused(Reason::kConflict,
                        fmt::format("Operation cannot be fulfilled on configmaps \"m\": "
                                    "Precondition failed: UID in precondition: other, UID in "
                                    "object meta: {}",
                                    map->uid)));
  EXPECT_THAT(TryDelete("configmaps", "m", {.expected_revision = 1}),
              IsRefused(Reason::kConflict,
                        fmt::format("Operation cannot be fulfilled on configmaps \"m\": "
                                    "Precondition failed: ResourceVersion in precondition: 1, "
                                    "ResourceVersion in object meta: {}",
                                    map->mod_revision)));
  EXPECT_OK(
      TryDelete("configmaps", "m", {.uid = map->uid, .expected_revision = map->mod_revision}));
}

TEST_F(DeleteTest, HowLongAPodMayTakeFollowsFromItAndTheRequest) {
  struct Case {
    const char* name;
    bool is_bound;
    const char* phase;
    std::optional<int64_t> asked;
    int64_t grace;  // -1: removed at once
  };

  const Case cases[] = {
      {"default", true, "Running", std::nullopt, 30},
      {"asked for more", true, "Running", 90, 90},
      {"asked for less", true, "Pending", 5, 5},
      {"negative is one second", true, "Running", -7, 1},
      {"zero removes", true, "Running", 0, -1},
      {"not scheduled", false, "Pending", std::nullopt, -1},
      {"not scheduled, asked", false, "Pending", 20, -1},
      {"succeeded", true, "Succeeded", std::nullopt, -1},
      {"failed", true, "Failed", 20, -1},
  };
  int i = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string name = fmt::format("p{}", i++);
    if (c.is_bound) {
      MakeBoundPod(name);
    } else {
      Make("pods", PodText(name));
    }
    ASSERT_OK(TryPatch("pods", name, fmt::format(R"({{"status":{{"phase":"{}"}}}})", c.phase),
                       PatchType::kMerge, "status"));
    ASSERT_OK_AND_ASSIGN(const Written written,
                         TryDelete("pods", name, {.grace_period_seconds = c.asked}));
    EXPECT_EQ(written.is_removed, c.grace < 0);
    EXPECT_EQ(Exists("pods", name), c.grace >= 0);
    if (c.grace >= 0) {
      EXPECT_EQ(IntAt(written.Parse(), {"metadata", "deletionGracePeriodSeconds"}), c.grace);
    }
  }
}

TEST_F(DeleteTest, TheEndOfAPodOnlyComesNearer) {
  MakeBoundPod("p");
  ASSERT_OK(TryDelete("pods", "p"));
  const auto end = [this] {
    return std::string(StringAt(Show("pods", "p"), {"metadata", "deletionTimestamp"}));
  };
  EXPECT_EQ(end(), "2023-11-14T22:13:50Z");
  clock()->Advance(2 * kNanosPerSecond);
  ASSERT_OK_AND_ASSIGN(const Written longer, TryDelete("pods", "p", {.grace_period_seconds = 60}));
  EXPECT_TRUE(longer.is_unchanged);
  ASSERT_OK_AND_ASSIGN(const Written same, TryDelete("pods", "p"));
  EXPECT_TRUE(same.is_unchanged);
  ASSERT_OK(TryDelete("pods", "p", {.grace_period_seconds = 10}));
  // Ten seconds from the first request.
  EXPECT_EQ(end(), "2023-11-14T22:13:30Z");
  ASSERT_OK_AND_ASSIGN(const Written gone, TryDelete("pods", "p", {.grace_period_seconds = 0}));
  EXPECT_TRUE(gone.is_removed);
  EXPECT_FALSE(Exists("pods", "p"));
}

TEST_F(DeleteTest, AVeryLongGraceDoesNotOverflow) {
  MakeBoundPod("p");
  ASSERT_OK_AND_ASSIGN(const Written written,
                       TryDelete("pods", "p", {.grace_period_seconds = INT64_MAX}));
  EXPECT_THAT(std::string(StringAt(written.Parse(), {"metadata", "deletionTimestamp"})),
              testing::StartsWith("22"));
}

TEST_F(DeleteTest, FinalizersHoldAnObjectUntilTheLastIsGone) {
  Make("configmaps", R"({"metadata":{"name":"m","finalizers":["a/b","c/d"]}})");
  ASSERT_OK_AND_ASSIGN(const Written marked, TryDelete("configmaps", "m"));
  EXPECT_FALSE(marked.is_removed);
  EXPECT_EQ(StringAt(marked.Parse(), {"metadata", "deletionTimestamp"}), "2023-11-14T22:13:20Z");
  EXPECT_EQ(IntAt(marked.Parse(), {"metadata", "deletionGracePeriodSeconds"}), 0);
  clock()->Advance(kNanosPerSecond);
  ASSERT_OK_AND_ASSIGN(const Written again, TryDelete("configmaps", "m"));
  EXPECT_TRUE(again.is_unchanged);
  // The mark can't be taken off.
  ASSERT_OK(TryPatch("configmaps", "m",
                     R"({"metadata":{"deletionTimestamp":null,"finalizers":["c/d"]}})"));
  EXPECT_TRUE(Stored("configmaps", "m")->is_deleting);
  ASSERT_OK_AND_ASSIGN(const Written gone,
                       TryPatch("configmaps", "m", R"({"metadata":{"finalizers":[]}})"));
  EXPECT_TRUE(gone.is_removed);
  EXPECT_FALSE(Exists("configmaps", "m"));
}

TEST_F(DeleteTest, APodWithGraceAndFinalizersNeedsBothToPass) {
  Make("pods", PodText("p", R"("finalizers":["a/b"])"));
  ASSERT_OK(
      registry()->Bind({}, TargetOf("pods", "p"), api::Literal(R"({"target":{"name":"n"}})")));
  ASSERT_OK(TryDelete("pods", "p"));
  ASSERT_OK(TryPatch("pods", "p", R"({"metadata":{"finalizers":null}})"));
  EXPECT_TRUE(Exists("pods", "p"));
  ASSERT_OK(TryDelete("pods", "p", {.grace_period_seconds = 0}));
  EXPECT_FALSE(Exists("pods", "p"));

  Make("pods", PodText("q", R"("finalizers":["a/b"])"));
  ASSERT_OK(TryDelete("pods", "q", {.grace_period_seconds = 0}));
  EXPECT_TRUE(Exists("pods", "q"));
  ASSERT_OK(TryPatch("pods", "q", R"({"metadata":{"finalizers":null}})"));
  EXPECT_FALSE(Exists("pods", "q"));
}

TEST_F(DeleteTest, PropagationIsAFinalizer) {
  struct Case {
    const char* name;
    const char* before;
    Propagation propagation;
    const char* after;  // nullptr: removed
  };

  const Case cases[] = {
      {"default", "[]", Propagation::kDefault, nullptr},
      {"background", "[]", Propagation::kBackground, nullptr},
      {"foreground", "[]", Propagation::kForeground, R"(["foregroundDeletion"])"},
      {"orphan", R"(["a/b"])", Propagation::kOrphan, R"(["a/b","orphan"])"},
      {"orphan after all", R"(["foregroundDeletion"])", Propagation::kOrphan, R"(["orphan"])"},
      {"background takes both away", R"(["orphan","foregroundDeletion"])", Propagation::kBackground,
       nullptr},
      {"default keeps the wish of the object", R"(["orphan"])", Propagation::kDefault,
       R"(["orphan"])"},
  };
  int i = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string name = fmt::format("m{}", i++);
    Make("configmaps",
         fmt::format(R"({{"metadata":{{"name":"{}","finalizers":{}}}}})", name, c.before));
    ASSERT_OK(TryDelete("configmaps", name, {.propagation = c.propagation}));
    EXPECT_EQ(Exists("configmaps", name), c.after != nullptr);
    if (c.after != nullptr) {
      EXPECT_EQ(api::Dump(*Find(Show("configmaps", name), {"metadata", "finalizers"})), c.after);
    }
  }
}

TEST_F(DeleteTest, ANamespaceTerminatesUntilItIsFinalized) {
  Make("namespaces", R"({"metadata":{"name":"room"}})");
  ASSERT_OK_AND_ASSIGN(const Written marked, TryDelete("namespaces", "room"));
  EXPECT_FALSE(marked.is_removed);
  EXPECT_EQ(StringAt(marked.Parse(), {"status", "phase"}), "Terminating");
  // The main resource does not take the finalizer away.
  ASSERT_OK(TryPatch("namespaces", "room",
                     R"({"metadata":{"labels":{"a":"b"}},"spec":{"finalizers":[]}})"));
  EXPECT_EQ(api::Dump(*Find(Show("namespaces", "room"), {"spec", "finalizers"})),
            R"(["kubernetes"])");
  ASSERT_OK_AND_ASSIGN(const Written again, TryDelete("namespaces", "room"));
  EXPECT_TRUE(again.is_unchanged);
  ASSERT_OK_AND_ASSIGN(const Written gone,
                       TryPut("namespaces", "room", R"({"spec":{}})", "finalize"));
  EXPECT_TRUE(gone.is_removed);
  EXPECT_FALSE(Exists("namespaces", "room"));
}

TEST_F(DeleteTest, FinalizingAnActiveNamespaceDoesNotRemoveIt) {
  Make("namespaces", R"({"metadata":{"name":"room"}})");
  ASSERT_OK(TryPut("namespaces", "room", R"({"spec":{"finalizers":[]}})", "finalize"));
  EXPECT_TRUE(Exists("namespaces", "room"));
  ASSERT_OK_AND_ASSIGN(const Written gone, TryDelete("namespaces", "room"));
  EXPECT_TRUE(gone.is_removed);
}

TEST_F(DeleteTest, TheSystemsNamespacesStay) {
  EXPECT_THAT(TryDelete("namespaces", "default"),
              IsRefused(Reason::kForbidden,
                        "namespaces \"default\" is forbidden: this namespace may not be deleted"));
}

TEST_F(DeleteTest, ALabelProtectsFromDeletion) {
  const auto protect = [this](std::string_view resource, std::string_view name,
                              std::string_view how) {
    ASSERT_OK(TryPatch(resource, name,
                       fmt::format(R"({{"metadata":{{"labels":)"
                                   R"({{"policy.kruise.io/delete-protection":{}}}}}}})",
                                   how)));
  };
  Make("inplacesets", SetText("s"));
  protect("inplacesets", "s", "\"Always\"");
  EXPECT_THAT(TryDelete("inplacesets", "s"),
              IsRefused(Reason::kForbidden,
                        HasSubstr("the label policy.kruise.io/delete-protection=Always forbids")));
  protect("inplacesets", "s", "\"Cascading\"");
  EXPECT_THAT(TryDelete("inplacesets", "s"),
              IsRefused(Reason::kForbidden, HasSubstr("while it has 1 replicas")));
  ASSERT_OK(TryPut("inplacesets", "s", R"({"spec":{"replicas":0}})", "scale"));
  EXPECT_OK(TryDelete("inplacesets", "s"));

  Make("namespaces", R"({"metadata":{"name":"room"}})");
  protect("namespaces", "room", "\"Cascading\"");
  ASSERT_OK(registry()->Create({}, {.target = {.served = Served("pods"), .ns = "room"},
                                    .object = api::Literal(PodText("p"))}));
  ASSERT_OK(cache()->WaitUntilFresh());
  EXPECT_THAT(TryDelete("namespaces", "room"),
              IsRefused(Reason::kForbidden, HasSubstr("while it has 1 pods")));
  protect("namespaces", "room", "null");
  EXPECT_OK(TryDelete("namespaces", "room"));
}

TEST_F(DeleteTest, ADryRunRemovesNothing) {
  Make("configmaps", R"({"metadata":{"name":"m"}})");
  ASSERT_OK_AND_ASSIGN(
      const Written written,
      registry()->Delete({.is_dry_run = true}, {.target = TargetOf("configmaps", "m")}));
  EXPECT_TRUE(written.is_removed);
  EXPECT_TRUE(Exists("configmaps", "m"));
}

}  // namespace
}  // namespace socle::registry
