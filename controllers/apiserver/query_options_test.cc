#include "controllers/apiserver/query_options.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/registry/errors.h"

namespace socle::apiserver {
namespace {

using registry::Reason;
using ::testing::HasSubstr;

ResourceRequest Pods(std::string_view path = "/api/v1/namespaces/a/pods") {
  absl::StatusOr<ResourceRequest> asked = ParsePath(api::KindRegistry::Builtin(), "GET", path);
  EXPECT_TRUE(asked.ok());
  return *std::move(asked);
}

TEST(QueryOptions, ReadsAListsQuery) {
  const auto options = ParseQuery(
      "limit=500&labelSelector=app%3Dweb%2Ctier+in+%28a%2Cb%29&fieldSelector=spec.nodeName%3Dn1"
      "&resourceVersion=7&resourceVersionMatch=Exact&unknown=x&watch");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_TRUE(options->is_watch);
  const auto request = ListRequestOf(Pods(), *options);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->limit, 500);
  EXPECT_EQ(request->ns, "a");
  EXPECT_EQ(request->labels.ToString(), "app=web,tier in (a,b)");
  ASSERT_NE(request->fields.ExactValue("spec.nodeName"), nullptr);
  EXPECT_EQ(*request->fields.ExactValue("spec.nodeName"), "n1");
  EXPECT_EQ(request->resource_version, 7);
  EXPECT_EQ(request->match, registry::ListRequest::Match::kExact);
}

TEST(QueryOptions, ReadsAWritesQuery) {
  const auto options = ParseQuery(
      "dryRun=All&fieldValidation=Strict&fieldManager=kubectl&gracePeriodSeconds=0"
      "&propagationPolicy=Orphan&orphanDependents=false&pretty=true");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_TRUE(options->is_dry_run);
  EXPECT_EQ(options->grace_period_seconds, 0);
  EXPECT_EQ(options->propagation_policy, "Orphan");
  EXPECT_EQ(options->orphans_dependents, false);
  EXPECT_EQ(*StrictnessOf(*options), registry::Strictness::kStrict);
}

TEST(QueryOptions, ANameInThePathIsOneMoreTerm) {
  const auto options = ParseQuery("fieldSelector=status.phase!=Failed");
  const auto selection = SelectionOf(Pods("/api/v1/namespaces/a/pods/b"), *options);
  ASSERT_TRUE(selection.ok()) << selection.status();
  EXPECT_EQ(selection->fields.terms().size(), 2U);
  EXPECT_EQ(*selection->fields.ExactValue("metadata.name"), "b");
}

TEST(QueryOptions, RefusesWhatCantBeReadOrDoesNotGoTogether) {
  struct Row {
    std::string query;
    Reason reason;
    std::string text;
  };

  const std::vector<Row> rows = {
      {"limit=many", Reason::kBadRequest, "invalid syntax"},
      {"labelSelector=%zz", Reason::kBadRequest, "invalid URL escape"},
      {"labelSelector=a%3D%3D%3Db", Reason::kBadRequest, "unable to parse requirement"},
      {"fieldSelector=spec.image%3Dx", Reason::kBadRequest,
       "field label not supported: spec.image"},
      {"resourceVersion=abc", Reason::kBadRequest, "Invalid value"},
      {"resourceVersion=-1", Reason::kBadRequest, "Invalid value"},
      {"continue=x&resourceVersion=5", Reason::kBadRequest, "not allowed when using continue"},
      {"resourceVersionMatch=Exact", Reason::kInvalid, "unless resourceVersion is provided"},
      {"resourceVersionMatch=Exact&resourceVersion=0", Reason::kInvalid, "is forbidden for"},
      {"resourceVersionMatch=Soon&resourceVersion=1", Reason::kInvalid, "supported values"},
      {"resourceVersionMatch=Exact&resourceVersion=1&continue=x", Reason::kInvalid,
       "when continue is provided"},
      {"dryRun=Some", Reason::kInvalid, "supported values"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.query);
    absl::StatusOr<QueryOptions> options = ParseQuery(row.query);
    const absl::Status status =
        options.ok() ? ListRequestOf(Pods(), *options).status() : options.status();
    EXPECT_EQ(registry::ReasonOf(status), row.reason) << status;
    EXPECT_THAT(status.ToString(), HasSubstr(row.text));
  }
}

TEST(QueryOptions, AWatchTakesAMatchOnlyWithInitialEvents) {
  const auto check = [](std::string_view query) {
    return registry::ReasonOf(CheckWatchOptions(*ParseQuery(query)));
  };
  EXPECT_EQ(check("watch=1"), std::nullopt);
  EXPECT_EQ(check("sendInitialEvents=true&resourceVersionMatch=NotOlderThan"), std::nullopt);
  EXPECT_EQ(check("sendInitialEvents=true"), Reason::kInvalid);
  EXPECT_EQ(check("resourceVersionMatch=NotOlderThan"), Reason::kInvalid);
}

TEST(QueryOptions, KnowsThreeStrictnesses) {
  const auto strictness = [](std::string_view query) { return StrictnessOf(*ParseQuery(query)); };
  EXPECT_EQ(*strictness(""), registry::Strictness::kIgnore);
  EXPECT_EQ(*strictness("fieldValidation=Warn"), registry::Strictness::kWarn);
  EXPECT_EQ(registry::ReasonOf(strictness("fieldValidation=strict").status()), Reason::kInvalid);
}

}  // namespace
}  // namespace socle::apiserver
