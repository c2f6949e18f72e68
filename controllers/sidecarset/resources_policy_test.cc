// Resources computed from those of other containers, and the patterns that name these.
#include "controllers/sidecarset/resources_policy.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/status_matchers.h"

namespace socle::sidecarset {
namespace {

using api::Json;
using api::Literal;

TEST(NamePattern, MatchesAsRegularExpressionsDo) {
  struct Case {
    const char* pattern;
    const char* name;
    bool matches;
  };

  const Case cases[] = {
      {".*", "", true},
      {".*", "anything", true},
      {"app", "my-app-1", true},
      {"^app", "my-app", false},
      {"^app$", "app", true},
      {"^app$", "apps", false},
      {"^(web|db)-[0-9]+$", "db-12", true},
      {"^(web|db)-[0-9]+$", "db-", false},
      {"^a{2,3}$", "a", false},
      {"^a{2,3}$", "aaa", true},
      {"^a{2,3}$", "aaaa", false},
      {"^a{2}$", "aa", true},
      {"^a{2,}$", "aaaaa", true},
      {"^[^x-z]+$", "abc", true},
      {"^[^x-z]+$", "axb", false},
      {R"(^\d\w\.$)", "1_.", true},
      {R"(^\D$)", "1", false},
      {"^ab?c$", "ac", true},
      {"^(?:ab)+$", "abab", true},
      {"^(a*)*$", "aaa", true},
      {"^[a-]$", "-", true},
      {"^[]a]$", "]", true},
      {"a||b", "", true},
      {"^x.*?y$", "x12y", true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(fmt::format("{} on '{}'", c.pattern, c.name));
    const absl::StatusOr<NamePattern> pattern = NamePattern::Parse(c.pattern);
    ASSERT_OK(pattern);
    EXPECT_EQ(pattern->Matches(c.name), c.matches);
  }
}

TEST(NamePattern, RefusesWhatItCanNotRead) {
  for (const char* text :
       {"(", ")", "a)", "[a", "*a", "a**", "a{3,2}", "a{", "a{1000}", "\\", "[z-a]", "\\k",
        "((((((((((((((((((((a))))))))))))))))))))", "((a{64}){64}){64}"}) {
    EXPECT_FALSE(NamePattern::Parse(text).ok()) << text;
  }
  EXPECT_FALSE(NamePattern::Parse(std::string(2000, 'a')).ok());
}

TEST(NamePattern, StaysLinearOnPatternsThatMakeOthersExplode) {
  const absl::StatusOr<NamePattern> pattern = NamePattern::Parse("^(a+)+$");
  ASSERT_OK(pattern);
  EXPECT_FALSE(pattern->Matches(std::string(5000, 'a') + "b"));
}

TEST(ResourceExpression, IsArithmetic) {
  struct Case {
    const char* text;
    double value;
    double result;
  };

  const Case cases[] = {
      {"cpu", 2, 2},
      {"cpu*50%", 2, 1},
      {"max(cpu*50%, 50m)", 2, 1},
      {"max(cpu*50%, 50m)", 0, 0.05},
      {"min(cpu, 1, 3)", 2, 1},
      {"1 + 2 * 3 - 4 / 2", 0, 5},
      {"(1 + 2) * 3", 0, 9},
      {"-cpu + 5", 2, 3},
      {"max(min(cpu, 4), 1) * 2", 9, 8},
      {"200m", 0, 0.2},
      {"1Ki", 0, 1024},
      {" cpu ", 3, 3},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const absl::StatusOr<double> result = Evaluate(c.text, "cpu", c.value);
    ASSERT_OK(result);
    EXPECT_NEAR(*result, c.result, 1e-9);
  }
  for (const char* text : {"", "cpu +", "memory", "cpu / 0", "max(cpu", "max 1", "(cpu", "cpu)",
                           "1 2", "cpu $ 2", "foo(cpu)"}) {
    EXPECT_FALSE(Evaluate(text, "cpu", 1).ok()) << text;
  }
  EXPECT_FALSE(Evaluate(std::string(300, '(') + "1" + std::string(200, ')'), "cpu", 1).ok());
}

TEST(ResourcesPolicy, ComputesFromTheContainersThatMatch) {  // E19

  struct Case {
    const char* name;
    const char* mode;
    const char* names;
    const char* expressions;
    const char* resources;
  };

  const Case cases[] = {
      {"sum of limits", "sum", ".*", R"({"limits": {"cpu": "cpu*50%", "memory": "memory*25%"}})",
       R"({"limits": {"cpu": "1500m", "memory": "768Mi"},
           "requests": {"cpu": "1500m", "memory": "768Mi"}})"},
      {"greatest limit", "max", ".*", R"json({"limits": {"cpu": "max(cpu*50%, 50m)"}})json",
       R"({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}})"},
      {"by name", "sum", "^small$", R"({"limits": {"cpu": "cpu"}, "requests": {"cpu": "cpu"}})",
       R"({"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}})"},
      {"a missing request counts as nothing", "sum", ".*",
       R"({"requests": {"memory": "memory+10Mi"}})", R"({"requests": {"memory": "10Mi"}})"},
      {"a request above the limit is cut to it", "sum", ".*",
       R"({"limits": {"cpu": "100m"}, "requests": {"cpu": "cpu"}})",
       R"({"limits": {"cpu": "100m"}, "requests": {"cpu": "100m"}})"},
      {"no container matches", "sum", "^none$", R"json({"limits": {"cpu": "max(cpu, 50m)"}})json",
       R"({"limits": {"cpu": "50m"}, "requests": {"cpu": "50m"}})"},
      {"below nothing is nothing", "sum", ".*", R"({"requests": {"cpu": "cpu-100"}})",
       R"({"requests": {"cpu": "0"}})"},
  };
  const Json big = Literal(R"({"name": "big", "resources": {
      "limits": {"cpu": "2", "memory": "2Gi"}}})");
  const Json small = Literal(R"({"name": "small", "resources": {
      "limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}})");
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Json sidecar = Literal(fmt::format(
        R"({{"resourcesPolicy": {{"targetContainersMode": "{}", "targetContainersNameRegex": "{}",
             "resourcesExpr": {}}}}})",
        c.mode, c.names, c.expressions));
    ASSERT_OK(CheckResourcesPolicy(sidecar));
    const std::shared_ptr<const ResourcesPolicy> policy = ParseResourcesPolicy(sidecar);
    ASSERT_NE(policy, nullptr);
    Json container = Literal(R"({"name": "s"})");
    ASSERT_OK(ApplyResourcesPolicy(*policy, {&big, &small}, &container));
    EXPECT_EQ(container.at("resources"), Literal(c.resources)) << api::Dump(container);
  }
}

TEST(ResourcesPolicy, ATargetWithoutLimitLeavesTheSidecarWithoutOne) {
  const Json unlimited = Literal(R"({"name": "free"})");
  const Json sidecar = Literal(R"({"resourcesPolicy": {"targetContainersMode": "sum",
      "targetContainersNameRegex": ".*", "resourcesExpr": {"limits": {"cpu": "cpu"}}}})");
  Json container = Literal(R"({"name": "s"})");
  ASSERT_OK(ApplyResourcesPolicy(*ParseResourcesPolicy(sidecar), {&unlimited}, &container));
  EXPECT_EQ(api::Find(container, {"resources"}), nullptr);
}

TEST(ResourcesPolicy, IsRefusedWithoutAnExpressionThatCanBeRead) {
  for (
      const char* policy :
      {R"({"targetContainersMode": "sum", "targetContainersNameRegex": "(", "resourcesExpr":
            {"limits": {"cpu": "cpu"}}})",
       R"({"targetContainersMode": "sum", "targetContainersNameRegex": ".*", "resourcesExpr": {}})",
       R"({"targetContainersMode": "sum", "targetContainersNameRegex": ".*", "resourcesExpr":
            {"limits": {"cpu": "memory"}}})"}) {
    EXPECT_FALSE(
        CheckResourcesPolicy(Literal(fmt::format(R"({{"resourcesPolicy": {}}})", policy))).ok())
        << policy;
  }
  EXPECT_OK(CheckResourcesPolicy(Literal("{}")));
}

}  // namespace
}  // namespace socle::sidecarset
