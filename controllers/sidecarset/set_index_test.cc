// Which sets a pod gets, which sets get into each other's way, and which report of a write is the newer one.
#include "controllers/sidecarset/set_index.h"

#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/sidecarset/conflicts.h"
#include "controllers/sidecarset/selectors.h"
#include "controllers/sidecarset/write_order.h"
#include "kv/base/random.h"
#include "kv/testing/seed.h"

namespace socle::sidecarset {
namespace {

using api::Json;
using api::Literal;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

SidecarSetRef Set(std::string_view name, std::string_view spec, std::string_view labels = "{}") {
  return SidecarSet::Parse(
      Literal(fmt::format(R"({{"metadata": {{"name": "{}", "labels": {}}}, "spec": {}}})", name,
                          labels, spec)),
      1);
}

std::vector<std::string> Names(const std::vector<SidecarSetRef>& sets) {
  std::vector<std::string> names;
  for (const SidecarSetRef& set : sets) {
    names.push_back(set->name);
  }
  return names;
}

std::vector<std::string> Match(const SetIndex& index, std::string_view ns, std::string_view labels,
                               api::SortedLabels ns_labels = {}) {
  const Json pod_labels = Literal(labels);
  ns_labels.emplace_back("kubernetes.io/metadata.name", ns);
  std::sort(ns_labels.begin(), ns_labels.end());
  return Names(
      index.Match({.ns = ns, .ns_labels = &ns_labels, .labels = &pod_labels.get_object()}));
}

TEST(SetIndex, FindsSetsByEveryKindOfTerm) {
  SetIndex index;
  index.Put(Set("by-label", R"({"selector": {"matchLabels": {"app": "web"}}})"));
  index.Put(Set("in", R"({"selector": {"matchExpressions": [
      {"key": "app", "operator": "In", "values": ["web", "db", "web"]}]}})"));
  index.Put(Set("exists", R"({"selector": {"matchExpressions": [
      {"key": "app", "operator": "Exists"}]}})"));
  index.Put(Set("not-in", R"({"selector": {"matchExpressions": [
      {"key": "app", "operator": "NotIn", "values": ["db"]}]}})"));
  index.Put(Set("both", R"({"selector": {"matchLabels": {"app": "web", "tier": "front"}}})"));
  index.Put(Set("paused", R"({"selector": {"matchLabels": {"app": "web"}},
                              "injectionStrategy": {"paused": true}})"));  // E5
  EXPECT_THAT(Match(index, "default", R"({"app": "web"})"),
              ElementsAre("by-label", "exists", "in", "not-in"));
  EXPECT_THAT(Match(index, "default", R"({"app": "web", "tier": "front"})"),
              ElementsAre("both", "by-label", "exists", "in", "not-in"));
  EXPECT_THAT(Match(index, "default", R"({"app": "db"})"), ElementsAre("exists", "in"));
  EXPECT_THAT(Match(index, "default", "{}"), ElementsAre("not-in"));
}

TEST(SetIndex, NamespacesNarrowWhatMatches) {  // E18
  SetIndex index;
  const char* selector = R"("selector": {"matchLabels": {"app": "web"}})";
  index.Put(Set("all", fmt::format("{{{}}}", selector)));
  index.Put(Set("one", fmt::format(R"({{{}, "namespace": "a"}})", selector)));
  index.Put(Set("labelled",
                fmt::format(R"({{{}, "namespaceSelector": {{"matchLabels": {{"env": "prod"}}}}}})",
                            selector)));
  index.Put(Set("system", fmt::format(R"({{{}, "namespaceSelector": {{"matchExpressions": [
      {{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["kube-system"]}}]}}}})",
                                      selector)));
  index.Put(Set("whole-namespace", R"({"selector": {}, "namespaceSelector": {"matchLabels": {
      "kubernetes.io/metadata.name": "b"}}})"));
  EXPECT_THAT(Match(index, "a", R"({"app": "web"})"), ElementsAre("all", "one"));
  EXPECT_THAT(Match(index, "b", R"({"app": "web"})"), ElementsAre("all", "whole-namespace"));
  EXPECT_THAT(Match(index, "b", "{}"), ElementsAre("whole-namespace"));
  EXPECT_THAT(Match(index, "c", R"({"app": "web"})", {{"env", "prod"}}),
              ElementsAre("all", "labelled"));
  EXPECT_THAT(Match(index, "kube-system", R"({"app": "web"})"), ElementsAre("system"));
  EXPECT_THAT(Match(index, "kube-public", R"({"app": "web"})"), IsEmpty());
}

TEST(SetIndex, ACanaryReplacesItsBaseForThePodsThatItMatches) {  // E8
  SetIndex index;
  index.Put(Set("base", R"({"selector": {"matchLabels": {"app": "web"}}})"));
  index.Put(Set("a-canary", R"({"selector": {"matchLabels": {"app": "web", "canary": "yes"}}})",
                R"({"apps.kruise.io/sidecarset-canary": "true",
                    "apps.kruise.io/sidecarset-base": "base"})"));
  index.Put(Set("z", R"({"selector": {"matchLabels": {"app": "web"}}})"));
  EXPECT_THAT(Match(index, "d", R"({"app": "web"})"), ElementsAre("base", "z"));
  EXPECT_THAT(Match(index, "d", R"({"app": "web", "canary": "yes"})"), ElementsAre("z", "a-canary"))
      << "canaries come last";
}

TEST(SetIndex, PutReplacesAndRemoveRemoves) {
  SetIndex index;
  index.Put(Set("a", R"({"selector": {"matchLabels": {"app": "web"}},
                         "containers": [{"name": "x"}]})"));
  index.Put(Set("a", R"({"selector": {"matchLabels": {"app": "db"}},
                         "containers": [{"name": "y"}]})"));
  EXPECT_THAT(Match(index, "d", R"({"app": "web"})"), IsEmpty());
  EXPECT_THAT(Match(index, "d", R"({"app": "db"})"), ElementsAre("a"));
  EXPECT_THAT(Names(index.Rivals(*Set("b", R"({"containers": [{"name": "y"}]})"))),
              ElementsAre("a"));
  EXPECT_THAT(index.Rivals(*Set("b", R"({"containers": [{"name": "x"}]})")), IsEmpty());
  index.Remove("a");
  EXPECT_THAT(Match(index, "d", R"({"app": "db"})"), IsEmpty());
  EXPECT_EQ(index.size(), 0U);
  EXPECT_EQ(index.Get("a"), nullptr);
}

std::string RandomSelector(Random* random) {
  std::vector<std::string> terms;
  const uint64_t count = 1 + random->Below(3);
  for (uint64_t i = 0; i < count; ++i) {
    const char* const ops[] = {"In", "NotIn", "Exists", "DoesNotExist"};
    const std::string op = ops[random->Below(4)];
    const bool has_values = op == "In" || op == "NotIn";
    terms.push_back(fmt::format(R"({{"key": "k{}", "operator": "{}"{}}})", random->Below(3), op,
                                has_values ? fmt::format(R"(, "values": ["v{}", "v{}"])",
                                                         random->Below(3), random->Below(3))
                                           : std::string()));
  }
  return fmt::format(R"({{"matchExpressions": [{}]}})", fmt::join(terms, ","));
}

std::string RandomSpec(Random* random) {
  return fmt::format(R"({{"selector": {}, "containers": [{{"name": "c{}"}}]}})",
                     RandomSelector(random), random->Below(2));
}

// The labels number `n` of all that k0 - k2 can be: absent or one of so many values each.
std::string LabelsNumber(int n, int values = 3) {
  std::vector<std::string> labels;
  for (int key = 0; key < 3; ++key, n /= values + 1) {
    if (n % (values + 1) != 0) {
      labels.push_back(fmt::format(R"("k{}": "v{}")", key, n % (values + 1) - 1));
    }
  }
  return fmt::format("{{{}}}", fmt::join(labels, ","));
}

TEST(SetIndex, AgreesWithAskingEverySet) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  SetIndex index;
  std::map<std::string, SidecarSetRef> all;
  for (int step = 0; step < 400; ++step) {
    const std::string name = fmt::format("s{}", random.Below(40));
    if (random.OneIn(5)) {
      index.Remove(name);
      all.erase(name);
    } else {
      all[name] = Set(name, RandomSpec(&random));
      index.Put(all[name]);
    }
    const std::string labels = LabelsNumber(static_cast<int>(random.Below(64)));
    const Json parsed = Literal(labels);
    std::vector<std::string> expected;
    for (const auto& [known, set] : all) {
      if (set->selector.Matches(&parsed.get_object())) {
        expected.push_back(known);
      }
    }
    ASSERT_EQ(Match(index, "d", labels), expected) << labels;
    // Nobody who may share a pod is missed among the rivals.
    const SidecarSetRef newcomer = Set("newcomer", RandomSpec(&random));
    const std::vector<std::string> rivals = Names(index.Rivals(*newcomer));
    for (const auto& [known, set] : all) {
      if (set->claims() == newcomer->claims() && CanOverlap(set->selector, newcomer->selector)) {
        ASSERT_THAT(rivals, Contains(known));
      }
    }
  }
}

TEST(Selectors, OverlapExactlyWhenSomeLabelsSatisfyBoth) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  for (int step = 0; step < 500; ++step) {
    const Json a_text = Literal(RandomSelector(&random));
    const Json b_text = Literal(RandomSelector(&random));
    const api::LabelSelector a = *api::LabelSelector::FromJson(&a_text);
    const api::LabelSelector b = *api::LabelSelector::FromJson(&b_text);
    bool overlap = false;
    // A key that only has to differ from all three values may have a fourth.
    for (int n = 0; n < 125 && !overlap; ++n) {
      const Json labels = Literal(LabelsNumber(n, 4));
      overlap = a.Matches(&labels.get_object()) && b.Matches(&labels.get_object());
    }
    EXPECT_EQ(CanOverlap(a, b), overlap) << a.ToString() << " and " << b.ToString();
  }
  EXPECT_FALSE(CanOverlap(api::LabelSelector::Nothing(), api::LabelSelector::Everything()));
}

// ------------------------------------------------------------------------------ conflicts (E21)

std::string Conflicts(const SidecarSetRef& set, const SidecarSetRef& other) {
  api::Causes causes;
  CheckConflicts(*set, {other}, &causes);
  return causes.empty() ? std::string() : causes.Text();
}

constexpr std::string_view kWeb = R"("selector": {"matchLabels": {"app": "web"}})";
constexpr std::string_view kDb = R"("selector": {"matchLabels": {"app": "db"}})";

TEST(Conflicts, AreOfNamesVolumesAndAnnotations) {
  struct Case {
    const char* name;
    const char* mine;
    const char* theirs;
    const char* field;  // null: no conflict
  };

  const Case cases[] = {
      {"different containers", R"("containers": [{"name": "a"}])",
       R"("containers": [{"name": "b"}])", nullptr},
      {"same container", R"("containers": [{"name": "x"}, {"name": "a"}])",
       R"("containers": [{"name": "a"}])", "spec.containers[1].name"},
      {"same init container", R"("initContainers": [{"name": "a"}])",
       R"("initContainers": [{"name": "a"}])", "spec.initContainers[0].name"},
      {"init container and container", R"("initContainers": [{"name": "a"}])",
       R"("containers": [{"name": "a"}])", "spec.initContainers[0].name"},
      {"same volume", R"("volumes": [{"name": "v", "emptyDir": {}}])",
       R"("volumes": [{"emptyDir": {}, "name": "v"}])", nullptr},
      {"different volume", R"("volumes": [{"name": "v", "emptyDir": {}}])",
       R"("volumes": [{"name": "v", "hostPath": {"path": "/"}}])", "spec.volumes[0].name"},
      {"overwritten annotation",
       R"("patchPodMetadata": [{"annotations": {"k": "1"}, "patchPolicy": "Overwrite"}])",
       R"("patchPodMetadata": [{"annotations": {"k": "{}"}, "patchPolicy": "MergePatchJson"}])",
       "spec.patchPodMetadata"},
      {"retained annotation",
       R"("patchPodMetadata": [{"annotations": {"k": "1"}, "patchPolicy": "Overwrite"}])",
       R"("patchPodMetadata": [{"annotations": {"k": "2"}, "patchPolicy": "Retain"}])", nullptr},
      {"JSON annotations with different members",
       R"("patchPodMetadata": [{"annotations": {"k": "{\"a\":1}"}, "patchPolicy": "MergePatchJson"}])",
       R"("patchPodMetadata": [{"annotations": {"k": "{\"b\":1}"}, "patchPolicy": "MergePatchJson"}])",
       nullptr},
      {"JSON annotations with the same member",
       R"("patchPodMetadata": [{"annotations": {"k": "{\"a\":1}"}, "patchPolicy": "MergePatchJson"}])",
       R"("patchPodMetadata": [{"annotations": {"k": "{\"a\":2}"}, "patchPolicy": "MergePatchJson"}])",
       "spec.patchPodMetadata"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const SidecarSetRef mine = Set("mine", fmt::format("{{{}, {}}}", kWeb, c.mine));
    const SidecarSetRef theirs = Set("theirs", fmt::format("{{{}, {}}}", kWeb, c.theirs));
    const SidecarSetRef apart = Set("theirs", fmt::format("{{{}, {}}}", kDb, c.theirs));
    if (c.field == nullptr) {
      EXPECT_EQ(Conflicts(mine, theirs), "");
    } else {
      EXPECT_THAT(Conflicts(mine, theirs), HasSubstr(c.field));
      EXPECT_THAT(Conflicts(mine, theirs), HasSubstr("theirs"));
    }
    EXPECT_EQ(Conflicts(mine, apart), "") << "no pod gets both";
  }
}

TEST(Conflicts, NeedACommonNamespace) {
  const SidecarSetRef a =
      Set("a", fmt::format(R"({{{}, "namespace": "a", "containers": [{{"name": "x"}}]}})", kWeb));
  const SidecarSetRef b =
      Set("b", fmt::format(R"({{{}, "namespace": "b", "containers": [{{"name": "x"}}]}})", kWeb));
  const SidecarSetRef all =
      Set("all", fmt::format(R"({{{}, "containers": [{{"name": "x"}}]}})", kWeb));
  EXPECT_EQ(Conflicts(a, b), "");
  EXPECT_NE(Conflicts(a, all), "");
}

TEST(Conflicts, ACanaryAndItsBaseHaveNone) {
  const std::string spec = fmt::format(R"({{{}, "containers": [{{"name": "x"}}]}})", kWeb);
  const char* labels = R"({"apps.kruise.io/sidecarset-canary": "true",
                           "apps.kruise.io/sidecarset-base": "base"})";
  const SidecarSetRef base = Set("base", spec);
  const SidecarSetRef canary = Set("canary", spec, labels);
  const SidecarSetRef second = Set("second", spec, labels);
  EXPECT_EQ(Conflicts(canary, base), "");
  EXPECT_EQ(Conflicts(base, canary), "");
  EXPECT_NE(Conflicts(canary, second), "") << "a pod could get both canaries";
}

TEST(Conflicts, TheBaseOfACanaryIsThereAndNoCanary) {
  const char* labels = R"({"apps.kruise.io/sidecarset-canary": "true",
                           "apps.kruise.io/sidecarset-base": "base"})";
  const SidecarSetRef canary = Set("canary", "{}", labels);
  api::Causes causes;
  CheckBase(*canary, nullptr, &causes);
  EXPECT_THAT(causes.Text(), HasSubstr("Not found"));
  causes = {};
  CheckBase(*canary, Set("base", "{}", labels), &causes);
  EXPECT_THAT(causes.Text(), HasSubstr("must not be a canary"));
  causes = {};
  CheckBase(*canary, Set("base", "{}"), &causes);
  EXPECT_TRUE(causes.empty());
}

TEST(Conflicts, PatchesMustNotForgeWhatThePlaneWrites) {
  struct Case {
    const char* patch;
    const char* problem;
  };

  const Case cases[] = {
      {R"({"annotations": {"kruise.io/sidecarset-hash": "x"}})", "the plane writes"},
      {R"({"annotations": {"version.sidecarset.kruise.io/a": "x"}})", "the plane writes"},
      {R"({"annotations": {}})", "no key value pair"},
      {R"({"annotations": {"a": "[]"}, "patchPolicy": "MergePatchJson"})", "JSON object"},
      {R"({"annotations": {"mykruise.io/a": "x"}})", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.patch);
    api::Causes causes;
    CheckSpec(Literal(fmt::format(R"({{"spec": {{"patchPodMetadata": [{}]}}}})", c.patch)),
              &causes);
    EXPECT_THAT(causes.Text(), HasSubstr(c.problem));
    EXPECT_EQ(causes.empty(), std::string_view(c.problem).empty());
  }
}

// --------------------------------------------------------------------------------- write order

TEST(WriteOrder, TheNewestStateWinsWhoeverReportsIt) {
  WriteOrder order;
  EXPECT_TRUE(order.AcceptPresent("a", 5));
  order.StartedAt(7);
  EXPECT_FALSE(order.AcceptWrite("b", 6)) << "the start had it, or it was removed before";
  EXPECT_TRUE(order.AcceptWrite("a", 10));
  EXPECT_FALSE(order.AcceptWrite("a", 9)) << "late";
  EXPECT_FALSE(order.AcceptChange("a", 9, false));
  EXPECT_FALSE(order.AcceptChange("a", 10, false)) << "known";
  EXPECT_TRUE(order.AcceptChange("a", 11, false)) << "another process wrote it";
}

TEST(WriteOrder, WhatWasRemovedStaysRemoved) {
  WriteOrder order;
  EXPECT_TRUE(order.AcceptWrite("a", 10));
  EXPECT_TRUE(order.AcceptWrite("a", 12)) << "the removal";
  EXPECT_FALSE(order.AcceptWrite("a", 11)) << "a late report of the write before it";
  EXPECT_FALSE(order.AcceptChange("a", 11, false));
  order.AcceptChange("a", 12, true);
  EXPECT_FALSE(order.AcceptWrite("a", 11)) << "later than the removal is shown";
  EXPECT_TRUE(order.AcceptWrite("a", 13)) << "made again";
  EXPECT_FALSE(order.AcceptChange("a", 12, true)) << "an old removal";
}

}  // namespace
}  // namespace socle::sidecarset
