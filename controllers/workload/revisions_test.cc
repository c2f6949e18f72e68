#include "controllers/workload/revisions.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/names.h"

namespace socle::workload {
namespace {

using api::Json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Revisions, TheFormOfATemplateAndBack) {
  const Json pod_template = api::Literal(R"({"metadata":{"labels":{"a":"b"}},"spec":{"x":1}})");
  const Json form = TemplateForm(pod_template);
  EXPECT_EQ(form, api::Literal(R"({"spec":{"template":{"metadata":{"labels":{"a":"b"}},
      "spec":{"x":1},"$patch":"replace"}}})"));
  EXPECT_EQ(TemplateOf(form), pod_template);
  EXPECT_EQ(TemplateOf(api::Literal("3")), Json(api::JsonObject()));
}

TEST(Revisions, AHashIsStableAndMovesWithTheCollisionCount) {
  EXPECT_EQ(RevisionHash("{}", 0), RevisionHash("{}", 0));
  EXPECT_NE(RevisionHash("{}", 0), RevisionHash("{}", 1));
  EXPECT_NE(RevisionHash("{}", 0), RevisionHash("{\"a\":1}", 0));
  // What is stored names its pods by it: a new release must find them.
  EXPECT_EQ(RevisionHash("{}", 0), "bb5bc9474");
}

TEST(Revisions, NamesAreValuesOfLabels) {
  const std::string hash = RevisionHash("{}", 0);
  EXPECT_EQ(RevisionName("web", hash), fmt::format("web-{}", hash));
  for (const size_t length : {1U, 52U, 53U, 63U, 200U}) {
    const std::string name = RevisionName(std::string(length, 'a'), hash);
    EXPECT_THAT(api::FormatProblems(api::Format::kLabelValue, name), IsEmpty()) << name;
  }
  EXPECT_EQ(RevisionName(std::string(51, 'a') + "-b", "0123456789"),
            std::string(51, 'a') + "-0123456789");
}

TEST(Revisions, DropsTheOldestThatNobodyUses) {
  std::vector<Revision> history;
  for (const char* name : {"r1", "r2", "r3", "r4", "r5"}) {
    history.push_back({.name = name});
  }
  EXPECT_THAT(RevisionsToDrop(history, {"r5"}, 2), ElementsAre("r1", "r2"));
  EXPECT_THAT(RevisionsToDrop(history, {"r1", "r5"}, 2), ElementsAre("r2"));
  EXPECT_THAT(RevisionsToDrop(history, {"r5"}, 4), IsEmpty());
  EXPECT_THAT(RevisionsToDrop(history, {"r1", "r5"}, 0), ElementsAre("r2", "r3", "r4"));
}

}  // namespace
}  // namespace socle::workload
