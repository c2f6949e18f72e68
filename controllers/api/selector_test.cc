// Label and field selectors.
#include <algorithm>
#include <string_view>

#include <gtest/gtest.h>

#include "controllers/api/field_selector.h"
#include "controllers/api/kind_registry.h"
#include "controllers/api/label_selector.h"

namespace socle::api {
namespace {

SortedLabels Sorted(const JsonObject& labels) {
  SortedLabels sorted;
  for (const auto& [key, value] : labels) {
    sorted.emplace_back(std::string(View(key)), std::string(View(value.get_string())));
  }
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

TEST(LabelSelector, MatchesAsItsTextSays) {
  struct Case {
    std::string_view selector;
    std::string_view labels;
    bool matches;
  };

  constexpr Case kCases[] = {
      {"", R"({})", true},
      {"app=web", R"({"app":"web"})", true},
      {"app==web", R"({"app":"db"})", false},
      {"app=web", R"({})", false},
      {"app!=web", R"({"app":"web"})", false},
      {"app!=web", R"({})", true},
      {"app in (a, b)", R"({"app":"b"})", true},
      {"app in (a,b)", R"({})", false},
      {"app notin (a,b)", R"({"app":"c"})", true},
      {"app notin (a,b)", R"({})", true},
      {"app", R"({"app":""})", true},
      {"!app", R"({"app":"x"})", false},
      {"!app", R"({})", true},
      {"size>3", R"({"size":"4"})", true},
      {"size>3", R"({"size":"x"})", false},
      {"size<3", R"({"size":"2"})", true},
      {"size<3", R"({})", false},
      {"app=", R"({"app":""})", true},
      {"a=1, b=2 ,!c", R"({"a":"1","b":"2"})", true},
      {"a=1,b=2", R"({"a":"1"})", false},
      {"in in (in)", R"({"in":"in"})", true},
      {"example.com/a=x", R"({"example.com/a":"x"})", true},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.selector);
    const absl::StatusOr<LabelSelector> selector = LabelSelector::Parse(c.selector);
    ASSERT_TRUE(selector.ok()) << selector.status();
    const Json labels = Literal(c.labels);
    EXPECT_EQ(selector->Matches(&labels.get_object()), c.matches);
    const absl::StatusOr<LabelSelector> again = LabelSelector::Parse(selector->ToString());
    ASSERT_TRUE(again.ok()) << selector->ToString();
    EXPECT_EQ(again->Matches(&labels.get_object()), c.matches);
    EXPECT_EQ(selector->MatchesSorted(Sorted(labels.get_object())), c.matches);
    EXPECT_EQ(again->ToString(), selector->ToString());
  }
}

TEST(LabelSelector, RefusesBadText) {
  for (const std::string_view text :
       {"=a", "a=b c", "a in", "a in (", "a in (b", "a in b", "a b",       ",a",  "a,",  "a,,b",
        "!",  "a>",    "a>x",  "a=b=c",  "-a=b",    "a=b!",   "a in (b))", "a=-", "(a)", "a ! b"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(LabelSelector::Parse(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(LabelSelector, ReadsTheJsonOfObjects) {
  const Json both = Literal(
      R"({"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"NotIn","values":["x"]}]})");
  const absl::StatusOr<LabelSelector> selector = LabelSelector::FromJson(&both);
  ASSERT_TRUE(selector.ok());
  EXPECT_EQ(selector->ToString(), "app=web,tier!=x");
  const Json labels = Literal(R"({"app":"web"})");
  EXPECT_TRUE(selector->Matches(&labels.get_object()));
  EXPECT_FALSE(selector->Matches(nullptr));
  const Json empty = JsonObject();
  EXPECT_TRUE(LabelSelector::FromJson(&empty)->is_everything());
  EXPECT_TRUE(LabelSelector::FromJson(&empty)->Matches(nullptr));
  EXPECT_TRUE(LabelSelector::FromJson(nullptr)->is_nothing());
  EXPECT_FALSE(LabelSelector::FromJson(nullptr)->Matches(&labels.get_object()));
  const Json bad = Literal(R"({"matchExpressions":[{"key":"a","operator":"Like"}]})");
  EXPECT_FALSE(LabelSelector::FromJson(&bad).ok());
}

TEST(FieldSelector, SelectsPodsByNodeAndPhase) {
  const ServedKind* pod = KindRegistry::Builtin().ByKind({"", "v1", "Pod"});
  const Json running = Literal(
      R"({"metadata":{"name":"p","namespace":"d"},"spec":{"nodeName":"n1"},"status":{"phase":"Running"}})");

  struct Case {
    std::string_view text;
    bool matches;
  };

  constexpr Case kCases[] = {
      {"", true},
      {"spec.nodeName=n1", true},
      {"spec.nodeName==n1,metadata.name=p", true},
      {"spec.nodeName=n1,status.phase!=Succeeded,status.phase!=Failed", true},
      {"spec.nodeName!=n1", false},
      {"spec.nodeName=", false},
      {"status.podIP=", true},
      {"spec.hostNetwork=false", true},
      {"metadata.name=\\=", false},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text);
    const absl::StatusOr<FieldSelector> selector = FieldSelector::Parse(c.text, pod->kind->fields);
    ASSERT_TRUE(selector.ok()) << selector.status();
    EXPECT_EQ(selector->Matches(running), c.matches);
  }
  const absl::StatusOr<FieldSelector> by_node =
      FieldSelector::Parse("spec.nodeName=a\\,b", pod->kind->fields);
  ASSERT_TRUE(by_node.ok());
  ASSERT_NE(by_node->ExactValue("spec.nodeName"), nullptr);
  EXPECT_EQ(*by_node->ExactValue("spec.nodeName"), "a,b");
  EXPECT_EQ(by_node->ExactValue("metadata.name"), nullptr);
}

TEST(FieldSelector, RefusesUnknownLabelsAndBadText) {
  const ServedKind* pod = KindRegistry::Builtin().ByKind({"", "v1", "Pod"});
  EXPECT_EQ(FieldSelector::Parse("spec.image=x", pod->kind->fields).status().message(),
            "field label not supported: spec.image");
  for (const std::string_view text :
       {"a", "metadata.name=a=b", "metadata.name=a\\x", "metadata.name=a\\"}) {
    EXPECT_FALSE(FieldSelector::Parse(text, pod->kind->fields).ok()) << text;
  }
}

}  // namespace
}  // namespace socle::api
