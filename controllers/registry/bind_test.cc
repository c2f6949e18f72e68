#include <atomic>

#include "controllers/registry/testing/registry_fixture.h"
#include "kv/base/thread.h"

namespace socle::registry {
namespace {

using api::IntAt;
using api::Json;
using api::StringAt;
using testing::HasSubstr;
using testing::SizeIs;

class BindTest : public RegistryFixture {
 protected:
  absl::StatusOr<Written> TryBind(std::string_view pod, std::string_view binding) {
    return registry()->Bind({}, TargetOf("pods", pod), api::Literal(binding));
  }
};

TEST_F(BindTest, APodGetsItsNodeAndTheAnnotationsOfTheBinding) {
  Make("pods", PodText("p", R"("annotations":{"a":"1"})"));
  ASSERT_OK(TryBind("p", R"({"metadata":{"name":"p","annotations":{"b":"2"}},)"
                         R"("target":{"kind":"Node","name":"n1"}})"));
  const Json pod = Show("pods", "p");
  EXPECT_EQ(StringAt(pod, {"spec", "nodeName"}), "n1");
  EXPECT_EQ(api::Dump(*api::Find(pod, {"metadata", "annotations"})), R"({"a":"1","b":"2"})");
  EXPECT_EQ(api::Dump(*api::Find(pod, {"status", "conditions"})),
            R"([{"type":"PodScheduled","status":"True",)"
            R"("lastTransitionTime":"2023-11-14T22:13:20Z"}])");
}

TEST_F(BindTest, RefusesInTheWordsOfKubernetes) {
  Make("pods", PodText("free"));
  Make("pods", PodText("bound"));
  ASSERT_OK(TryBind("bound", R"({"target":{"name":"n1"}})"));
  Make("pods", PodText("going", R"("finalizers":["a/b"])"));
  ASSERT_OK(TryDelete("pods", "going"));
  Make("pods", R"({"metadata":{"name":"gated"},"spec":{"schedulingGates":[{"name":"g"}],)"
               R"("containers":[{"name":"m","image":"i"}]}})");

  struct Case {
    const char* name;
    const char* pod;
    const char* binding;
    Reason reason;
    const char* message;
  };

  const char* const good = R"({"target":{"name":"n2"}})";
  const Case cases[] = {
      {"nothing there", "x", good, Reason::kNotFound, "pods \"x\" not found"},
      {"bound", "bound", good, Reason::kConflict,
       "Operation cannot be fulfilled on pods/binding \"bound\": pod bound is already assigned to "
       "node \"n1\""},
      {"being deleted", "going", good, Reason::kConflict,
       "Operation cannot be fulfilled on pods/binding \"going\": pod going is being deleted, "
       "cannot be assigned to a host"},
      {"gated", "gated", good, Reason::kConflict, "pod gated has non-empty .spec.schedulingGates"},
      {"another name", "free", R"({"metadata":{"name":"x"},"target":{"name":"n2"}})",
       Reason::kBadRequest, "name in URL does not match name in Binding object"},
      {"another uid", "free", R"({"metadata":{"uid":"x"},"target":{"name":"n2"}})",
       Reason::kConflict, "UID in precondition: x"},
      {"no target", "free", "{}", Reason::kInvalid,
       "Binding \"free\" is invalid: target.name: Required value"},
      {"no node", "free", R"({"target":{"kind":"Pod","name":"n"}})", Reason::kInvalid,
       "target.kind: Unsupported value: \"Pod\""},
      {"no name of a node", "free", R"({"target":{"name":"A B"}})", Reason::kInvalid,
       "target.name: Invalid value"},
      {"no binding", "free", "[]", Reason::kBadRequest, "the binding is not a JSON object"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(TryBind(c.pod, c.binding), IsRefused(c.reason, HasSubstr(c.message)));
  }
}

class EvictTest : public BindTest {
 protected:
  absl::StatusOr<Written> TryEvict(std::string_view pod, std::string_view eviction = "{}",
                                   bool is_dry_run = false) {
    return registry()->Evict({.is_dry_run = is_dry_run}, TargetOf("pods", pod),
                             api::Literal(eviction));
  }

  void MakePod(std::string_view name, std::string_view phase = "Running", bool is_ready = true) {
    Make("pods", PodText(name, R"("labels":{"app":"web"})"));
    ASSERT_OK(TryBind(name, R"({"target":{"name":"n1"}})"));
    ASSERT_OK(TryPatch("pods", name,
                       fmt::format(R"({{"status":{{"phase":"{}","conditions":)"
                                   R"([{{"type":"Ready","status":"{}"}}]}}}})",
                                   phase, is_ready ? "True" : "False"),
                       PatchType::kMerge, "status"));
  }

  // With a status as the budget's controller would write it.
  void MakeBudget(std::string_view name, int allowed, std::string_view more = "{}") {
    Make("poddisruptionbudgets",
         fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{"minAvailable":1,"selector":)"
                     R"({{"matchLabels":{{"app":"web"}}}}}}}})",
                     name));
    ASSERT_OK(TryPatch("poddisruptionbudgets", name, fmt::format(R"({{"spec":{}}})", more)));
    ASSERT_OK(TryPatch("poddisruptionbudgets", name,
                       fmt::format(R"({{"status":{{"observedGeneration":9,"disruptionsAllowed":{},)"
                                   R"("desiredHealthy":2,"currentHealthy":{}}}}})",
                                   allowed, allowed + 2),
                       PatchType::kMerge, "status"));
  }
};

TEST_F(EvictTest, WithoutABudgetItIsADeletion) {
  MakePod("p");
  ASSERT_OK_AND_ASSIGN(const Written marked, TryEvict("p"));
  EXPECT_EQ(IntAt(marked.Parse(), {"metadata", "deletionGracePeriodSeconds"}), 30);
  MakePod("q");
  ASSERT_OK(TryEvict("q", R"({"deleteOptions":{"gracePeriodSeconds":0}})"));
  EXPECT_EQ(Stored("pods", "q"), nullptr);
}

TEST_F(EvictTest, ABudgetIsChargedForEachPodUntilItIsSpent) {
  MakeBudget("b", 1);
  MakePod("p1");
  MakePod("p2");
  ASSERT_OK(TryEvict("p1"));
  EXPECT_TRUE(Stored("pods", "p1")->is_deleting);
  const Json budget = Show("poddisruptionbudgets", "b");
  EXPECT_EQ(IntAt(budget, {"status", "disruptionsAllowed"}), 0);
  EXPECT_EQ(StringAt(budget, {"status", "disruptedPods", "p1"}), "2023-11-14T22:13:20Z");
  const auto refused = TryEvict("p2");
  EXPECT_THAT(refused,
              IsRefused(Reason::kTooManyRequests,
                        "Cannot evict pod as it would violate the pod's disruption budget."));
  const ApiError error = ErrorOf(refused.status());
  EXPECT_EQ(error.retry_after_seconds, 10);
  ASSERT_THAT(error.causes, SizeIs(1));
  EXPECT_EQ(error.causes[0].reason, "DisruptionBudget");
  EXPECT_EQ(error.causes[0].message,
            "The disruption budget b needs 2 healthy pods and has 3 currently");
  EXPECT_FALSE(Stored("pods", "p2")->is_deleting);
}

TEST_F(EvictTest, OfManyAtOnceOnlyAsManyGoAsTheBudgetAllows) {
  MakeBudget("b", 3);
  constexpr int kPods = 8;
  for (int i = 0; i < kPods; ++i) {
    MakePod(fmt::format("p{}", i));
  }
  std::atomic<int> allowed = 0;
  {
    std::vector<Thread> threads;
    for (int i = 0; i < kPods; ++i) {
      threads.emplace_back("evictor", [this, i, &allowed] {
        const auto evicted = TryEvict(fmt::format("p{}", i));
        if (evicted.ok()) {
          ++allowed;
        } else {
          EXPECT_THAT(evicted, IsRefused(Reason::kTooManyRequests, testing::_));
        }
      });
    }
  }
  EXPECT_EQ(allowed, 3);
  int deleting = 0;
  for (int i = 0; i < kPods; ++i) {
    deleting += Stored("pods", fmt::format("p{}", i))->is_deleting ? 1 : 0;
  }
  EXPECT_EQ(deleting, 3);
  EXPECT_EQ(Show("poddisruptionbudgets", "b").at("status").at("disruptedPods").get_object().size(),
            3U);
}

TEST_F(EvictTest, WhatNoBudgetCanForbid) {
  MakeBudget("b", 0);

  struct Case {
    const char* name;
    const char* phase;
    bool is_deleting;
  };

  const Case cases[] = {{"pending", "Pending", false},
                        {"succeeded", "Succeeded", false},
                        {"failed", "Failed", false},
                        {"going", "Running", true}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    MakePod(c.name, c.phase);
    if (c.is_deleting) {
      ASSERT_OK(TryDelete("pods", c.name));
    }
    EXPECT_OK(TryEvict(c.name));
  }
  MakePod("p");
  EXPECT_THAT(TryEvict("p"), IsRefused(Reason::kTooManyRequests, testing::_));
}

TEST_F(EvictTest, APodThatIsNotReadyCostsABudgetThatIsMetNothing) {
  MakeBudget("b", 0);
  MakePod("p", "Running", false);
  EXPECT_OK(TryEvict("p"));
}

TEST_F(EvictTest, ABudgetThatIsNotMetForbidsUnlessItDoesNotCare) {
  MakeBudget("b", 0);
  ASSERT_OK(TryPatch("poddisruptionbudgets", "b", R"({"status":{"currentHealthy":1}})",
                     PatchType::kMerge, "status"));
  MakePod("p", "Running", false);
  EXPECT_THAT(TryEvict("p"), IsRefused(Reason::kTooManyRequests, testing::_));
  ASSERT_OK(TryPatch("poddisruptionbudgets", "b",
                     R"({"spec":{"unhealthyPodEvictionPolicy":"AlwaysAllow"}})"));
  EXPECT_OK(TryEvict("p"));
}

TEST_F(EvictTest, RefusesInTheWordsOfKubernetes) {
  MakePod("p");
  EXPECT_THAT(TryEvict("x"), IsRefused(Reason::kNotFound, "pods \"x\" not found"));
  EXPECT_THAT(TryEvict("p", R"({"metadata":{"name":"q"}})"),
              IsRefused(Reason::kBadRequest, "name in URL does not match name in Eviction object"));
  EXPECT_THAT(TryEvict("p", R"({"deleteOptions":{"preconditions":{"uid":"x"}}})"),
              IsRefused(Reason::kConflict, HasSubstr("UID in precondition: x")));
  MakeBudget("b", 5);
  ASSERT_OK(TryPatch("poddisruptionbudgets", "b", R"({"status":{"observedGeneration":0}})",
                     PatchType::kMerge, "status"));
  const auto unseen = TryEvict("p");
  EXPECT_THAT(unseen, IsRefused(Reason::kTooManyRequests, testing::_));
  EXPECT_EQ(ErrorOf(unseen.status()).causes.at(0).message,
            "The disruption budget b is still being processed by the server.");
  MakeBudget("c", 5);
  EXPECT_THAT(TryEvict("p"),
              IsRefused(Reason::kInternal,
                        "This pod has more than one PodDisruptionBudget, which the eviction "
                        "subresource does not support."));
}

TEST_F(EvictTest, ADryRunChargesAndDeletesNothing) {
  MakeBudget("b", 1);
  MakePod("p");
  ASSERT_OK_AND_ASSIGN(const int64_t before, store()->CurrentRevision());
  EXPECT_OK(TryEvict("p", "{}", true));
  EXPECT_OK(TryEvict("p", R"({"deleteOptions":{"dryRun":["All"]}})"));
  EXPECT_THAT(store()->CurrentRevision(), IsOkAndHolds(before));
}

}  // namespace
}  // namespace socle::registry
