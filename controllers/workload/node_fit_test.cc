#include "controllers/workload/node_fit.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/json.h"
#include "controllers/api/kind_registry.h"
#include "controllers/workload/raw_member.h"
#include "kv/base/clock.h"

namespace socle::workload {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A node with 4 CPUs, 8 GiB and 10 pods, with what `spec` and `labels` say.
NodeFacts Node(const std::string& spec = "{}", api::SortedLabels labels = {}) {
  registry::Object object;
  object.kind = api::KindRegistry::Builtin().Preferred("", "nodes")->kind;
  object.name = "n1";
  object.labels = std::move(labels);
  object.document =
      R"({"kind":"Node","apiVersion":"v1","metadata":{"name":"n1"},"spec":)" + spec +
      R"(,"status":{"allocatable":{"cpu":"4","memory":"8Gi","pods":"10","gpu.io/x":"2"}}})";
  return FactsOf(object);
}

PodRequirements Pod(std::string_view spec) {
  return RequirementsOf(api::Literal(spec), "default");
}

constexpr std::string_view kPlain = R"({"containers":[{"name":"a"}]})";

TEST(NodeFit, ReadsWhatANodeOffers) {
  const NodeFacts node =
      Node(R"({"unschedulable":true,"taints":[{"key":"k","value":"v","effect":"NoExecute"},
               {"key":"x","effect":"Nonsense"}]})");
  EXPECT_TRUE(node.is_unschedulable);
  ASSERT_EQ(node.taints.size(), 1U);
  EXPECT_EQ(node.taints[0].effect, TaintEffect::kNoExecute);
  EXPECT_EQ(node.allocatable.milli_cpu, 4000);
  EXPECT_EQ(node.allocatable.memory_bytes, int64_t{8} << 30U);
  EXPECT_EQ(node.allocatable.pods, 10);
  EXPECT_EQ(node.allocatable.Other("gpu.io/x"), 2);
}

TEST(NodeFit, AnswersInTheWordsOfKubeScheduler) {
  const struct {
    const char* name;
    const char* node_spec;
    api::SortedLabels labels;
    const char* pod_spec;
    std::vector<std::string> reasons;
  } kCases[] = {
      {"plain", "{}", {}, R"({"containers":[{"name":"a"}]})", {}},
      {"cordoned",
       R"({"unschedulable":true})",
       {},
       R"({"containers":[{"name":"a"}]})",
       {"node(s) were unschedulable"}},
      {"cordoned, tolerated",
       R"({"unschedulable":true})",
       {},
       R"({"containers":[{"name":"a"}],"tolerations":[
           {"key":"node.kubernetes.io/unschedulable","operator":"Exists"}]})",
       {}},
      {"tainted",
       R"({"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]})",
       {},
       R"({"containers":[{"name":"a"}]})",
       {"node(s) had taint {k: v}, that the pod didn't tolerate"}},
      {"taint of another value",
       R"({"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]})",
       {},
       R"({"containers":[{"name":"a"}],"tolerations":[{"key":"k","value":"w"}]})",
       {"node(s) had taint {k: v}, that the pod didn't tolerate"}},
      {"taint of another effect",
       R"({"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]})",
       {},
       R"({"containers":[{"name":"a"}],
           "tolerations":[{"key":"k","value":"v","effect":"NoExecute"}]})",
       {"node(s) had taint {k: v}, that the pod didn't tolerate"}},
      {"everything tolerated",
       R"({"taints":[{"key":"k","effect":"NoExecute"}],"unschedulable":true})",
       {},
       R"({"containers":[{"name":"a"}],"tolerations":[{"operator":"Exists"}]})",
       {}},
      {"preferred taints keep nobody away",
       R"({"taints":[{"key":"k","effect":"PreferNoSchedule"}]})",
       {},
       R"({"containers":[{"name":"a"}]})",
       {}},
      {"selector",
       "{}",
       {{"zone", "a"}},
       R"({"containers":[{"name":"a"}],"nodeSelector":{"zone":"b"}})",
       {"node(s) didn't match Pod's node affinity/selector"}},
      {"selector matches",
       "{}",
       {{"disk", "ssd"}, {"zone", "a"}},
       R"({"containers":[{"name":"a"}],"nodeSelector":{"zone":"a","disk":"ssd"}})",
       {}},
      {"all that lack",
       "{}",
       {},
       R"({"containers":[{"name":"a","resources":{"requests":
           {"cpu":"5","memory":"9Gi","gpu.io/x":"3","tpu.io/x":"1"}}}]})",
       {"Insufficient cpu", "Insufficient memory", "Insufficient gpu.io/x",
        "Insufficient tpu.io/x"}},
      {"the taint comes before resources",
       R"({"taints":[{"key":"k","effect":"NoSchedule"}]})",
       {},
       R"({"containers":[{"name":"a","resources":{"requests":{"cpu":"5"}}}]})",
       {"node(s) had taint {k: }, that the pod didn't tolerate"}},
  };

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(Fits(Node(c.node_spec, c.labels), NodeUse(), Pod(c.pod_spec)), c.reasons);
  }
}

TEST(NodeFit, MatchesRequiredNodeTerms) {
  const struct {
    const char* name;
    const char* terms;
    bool matches;
  } kCases[] = {
      {"name", R"([{"matchFields":[{"key":"metadata.name","operator":"In","values":["n1"]}]}])",
       true},
      {"other name",
       R"([{"matchFields":[{"key":"metadata.name","operator":"In","values":["n2"]}]}])", false},
      {"not that name",
       R"([{"matchFields":[{"key":"metadata.name","operator":"NotIn","values":["n1"]}]}])", false},
      {"in", R"([{"matchExpressions":[{"key":"zone","operator":"In","values":["a","b"]}]}])", true},
      {"not in", R"([{"matchExpressions":[{"key":"zone","operator":"NotIn","values":["a"]}]}])",
       false},
      {"greater", R"([{"matchExpressions":[{"key":"cores","operator":"Gt","values":["7"]}]}])",
       true},
      {"less", R"([{"matchExpressions":[{"key":"cores","operator":"Lt","values":["8"]}]}])", false},
      {"exists", R"([{"matchExpressions":[{"key":"cores","operator":"Exists"}]}])", true},
      {"any of two",
       R"([{"matchExpressions":[{"key":"no","operator":"Exists"}]},
           {"matchExpressions":[{"key":"zone","operator":"Exists"}]}])",
       true},
      {"all of one",
       R"([{"matchExpressions":[{"key":"no","operator":"Exists"},
                                {"key":"zone","operator":"Exists"}]}])",
       false},
      {"an empty term matches nothing", "[{}]", false},
      {"no term matches nothing", "[]", false},
  };

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    const PodRequirements pod =
        Pod(std::string(R"({"containers":[],"affinity":{"nodeAffinity":{)") +
            R"("requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":)" + c.terms +
            "}}}}");
    EXPECT_EQ(MatchesNodeTerms(Node("{}", {{"cores", "8"}, {"zone", "a"}}), pod), c.matches);
  }
}

TEST(NodeFit, KnowsTheOnlyNodesOfAPinnedPod) {
  const std::string begin =
      R"({"containers":[],"affinity":{"nodeAffinity":{)"
      R"("requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[)";
  const std::string pinned =
      R"({"matchFields":[{"key":"metadata.name","operator":"In","values":["n7"]}]})";
  const std::string open = R"({"matchExpressions":[{"key":"zone","operator":"Exists"}]})";
  EXPECT_THAT(Pod(begin + pinned + "]}}}}").OnlyNodes(), ::testing::Optional(ElementsAre("n7")));
  EXPECT_EQ(Pod(begin + pinned + "," + open + "]}}}}").OnlyNodes(), std::nullopt);
  EXPECT_EQ(Pod(kPlain).OnlyNodes(), std::nullopt);
}

TEST(NodeFit, WeighsPreferredTerms) {
  const PodRequirements pod = Pod(
      R"({"containers":[],"affinity":{"nodeAffinity":{
          "preferredDuringSchedulingIgnoredDuringExecution":[
          {"weight":30,"preference":{"matchExpressions":[{"key":"zone","operator":"Exists"}]}},
          {"weight":12,"preference":{"matchExpressions":[{"key":"disk","operator":"Exists"}]}},
          {"weight":50,"preference":{"matchExpressions":[{"key":"no","operator":"Exists"}]}}]}}})");
  EXPECT_EQ(PreferredWeight(Node("{}", {{"disk", "x"}, {"zone", "a"}}), pod), 42);
}

TEST(NodeFit, CountsWhatIsInUse) {
  const PodRequirements pod = Pod(
      R"({"containers":[{"name":"a","resources":{"requests":{"cpu":"1500m"}},
          "ports":[{"containerPort":80,"hostPort":80}]}]})");
  NodeUse use;
  use.used.milli_cpu = 2500;
  use.used.pods = 9;
  EXPECT_THAT(Fits(Node(), use, pod), IsEmpty());
  use.used.milli_cpu = 2501;
  use.used.pods = 10;
  EXPECT_THAT(Fits(Node(), use, pod), ElementsAre("Too many pods", "Insufficient cpu"));
  use.ports = {{.ip = "10.0.0.1", .protocol = "TCP", .port = 80}};
  EXPECT_THAT(Fits(Node(), use, pod),
              ElementsAre("node(s) didn't have free ports for the requested pod ports"));
  use.ports = {{.ip = "", .protocol = "UDP", .port = 80}};
  EXPECT_FALSE(HasPortConflict(use, pod));
}

TEST(Resources, OfAPodAreTheLargerOfRunningAndStarting) {
  const struct {
    const char* name;
    const char* spec;
    int64_t milli_cpu;
  } kCases[] = {
      {"sum of containers",
       R"({"containers":[{"resources":{"requests":{"cpu":"1"}}},
                         {"resources":{"requests":{"cpu":"500m"}}}]})",
       1500},
      {"one init container needs more",
       R"({"containers":[{"resources":{"requests":{"cpu":"1"}}}],
           "initContainers":[{"resources":{"requests":{"cpu":"2"}}},
                             {"resources":{"requests":{"cpu":"3"}}}]})",
       3000},
      {"a sidecar counts with both",
       R"({"containers":[{"resources":{"requests":{"cpu":"1"}}}],
           "initContainers":[{"restartPolicy":"Always","resources":{"requests":{"cpu":"2"}}},
                             {"resources":{"requests":{"cpu":"3"}}}]})",
       5000},
      {"a sidecar beside the containers",
       R"({"containers":[{"resources":{"requests":{"cpu":"4"}}}],
           "initContainers":[{"resources":{"requests":{"cpu":"3"}}},
                             {"restartPolicy":"Always","resources":{"requests":{"cpu":"2"}}}]})",
       6000},
      {"overhead",
       R"({"containers":[{"resources":{"requests":{"cpu":"1"}}}],"overhead":{"cpu":"250m"}})",
       1250},
      {"of the pod as a whole",
       R"({"containers":[{"resources":{"requests":{"cpu":"1"}}}],
           "resources":{"requests":{"cpu":"7"}}})",
       7000},
  };

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    const PodRequests requests = RequestsOf(api::Literal(c.spec));
    EXPECT_EQ(requests.requests.milli_cpu, c.milli_cpu);
    EXPECT_EQ(requests.requests.pods, 1);
  }
}

TEST(Resources, ScoresCountSomethingForContainersThatAskNothing) {
  const PodRequests requests = RequestsOf(
      api::Literal(R"({"containers":[{"name":"a"},{"resources":{"requests":{"cpu":"1"}}}]})"));
  EXPECT_EQ(requests.requests.milli_cpu, 1000);
  EXPECT_EQ(requests.requests.memory_bytes, 0);
  EXPECT_EQ(requests.scored_milli_cpu, 1100);
  EXPECT_EQ(requests.scored_memory_bytes, int64_t{400} << 20U);
}

TEST(Resources, AddAndSubtractUndoEachOther) {
  const api::Json amounts =
      api::Literal(R"({"cpu":"100m","memory":"1Ki","z.io/a":"2","a.io/z":"3"})");
  Resources sum = ParseResources(&amounts);
  const Resources one = sum;
  sum.Add(one);
  EXPECT_EQ(sum.Other("z.io/a"), 4);
  sum.Subtract(one);
  EXPECT_EQ(sum, one);
}

TEST(Tolerations, SayWhenAPodMustLeave) {
  const int64_t now = 1'000 * kNanosPerSecond;

  const struct {
    const char* name;
    const char* taints;
    const char* tolerations;
    std::optional<int64_t> seconds_from_now;
  } kCases[] = {
      {"no taint", "[]", "[]", std::nullopt},
      {"only NoSchedule", R"([{"key":"k","effect":"NoSchedule"}])", "[]", std::nullopt},
      {"not tolerated", R"([{"key":"k","effect":"NoExecute"}])", "[]", 0},
      {"tolerated for ever", R"([{"key":"k","effect":"NoExecute"}])",
       R"([{"key":"k","operator":"Exists"}])", std::nullopt},
      {"for a while, since it was added",
       R"([{"key":"k","effect":"NoExecute","timeAdded":"1970-01-01T00:16:30Z"}])",
       R"([{"key":"k","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}])", 290},
      {"the while is over",
       R"([{"key":"k","effect":"NoExecute","timeAdded":"1970-01-01T00:00:00Z"}])",
       R"([{"key":"k","operator":"Exists","tolerationSeconds":300}])", 0},
      {"the shortest of two", R"([{"key":"k","effect":"NoExecute"}])",
       R"([{"key":"k","operator":"Exists","tolerationSeconds":300},
           {"operator":"Exists","tolerationSeconds":20}])",
       20},
      {"two taints, the earlier one",
       R"([{"key":"k","effect":"NoExecute"},{"key":"l","effect":"NoExecute"}])",
       R"([{"key":"k","operator":"Exists","tolerationSeconds":300},
           {"key":"l","operator":"Exists","tolerationSeconds":60}])",
       60},
      {"negative is at once", R"([{"key":"k","effect":"NoExecute"}])",
       R"([{"key":"k","operator":"Exists","tolerationSeconds":-5}])", 0},
  };

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    const api::Json taints = api::Literal(c.taints);
    const api::Json tolerations = api::Literal(c.tolerations);
    const std::optional<int64_t> due =
        EvictionTime(ParseTaints(&taints), ParseTolerations(&tolerations), now);
    EXPECT_EQ(due.has_value(), c.seconds_from_now.has_value());
    EXPECT_EQ(due.value_or(now) - now, c.seconds_from_now.value_or(0) * kNanosPerSecond);
  }
}

TEST(RawMember, FindsWhatAParseFinds) {
  constexpr std::string_view kText =
      R"({"a":"x\"}\\","b":{"c":[1,{"d":"]"}],"e":{"f":-1.5e3}},"g":null,"status":{"x":true}})";
  EXPECT_EQ(RawMember(kText, {"a"}), R"("x\"}\\")");
  EXPECT_EQ(RawMember(kText, {"b", "c"}), R"([1,{"d":"]"}])");
  EXPECT_EQ(RawMember(kText, {"b", "e", "f"}), "-1.5e3");
  EXPECT_EQ(RawMember(kText, {"status", "x"}), "true");
  EXPECT_EQ(RawMember(kText, {"c"}), "");
  EXPECT_EQ(RawMember(kText, {"a", "b"}), "");
  EXPECT_TRUE(ParseMember(kText, {"g"}).is_null());
  EXPECT_EQ(api::IntAt(ParseMember(kText, {"b"}), {"missing"}), std::nullopt);
}

TEST(RawMember, OfTextThatIsCutShortIsEmptyOrAPrefix) {
  constexpr std::string_view kText = R"({"a":"x\"y","b":{"c":[1,"\\"]},"d":12})";
  for (size_t size = 0; size < kText.size(); ++size) {
    SCOPED_TRACE(size);
    const std::string_view cut = kText.substr(0, size);
    EXPECT_TRUE(RawMember(cut, {"b"}).empty() || RawMember(cut, {"b"}) == R"({"c":[1,"\\"]})");
  }
}

}  // namespace
}  // namespace socle::workload
