#include "controllers/apiserver/body.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/registry/errors.h"

namespace socle::apiserver {
namespace {

using registry::PatchType;
using registry::Propagation;
using registry::Reason;
using registry::Strictness;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kJsonType = "application/json";

ResourceRequest Asked(std::string_view method, std::string_view path) {
  absl::StatusOr<ResourceRequest> asked = ParsePath(api::KindRegistry::Builtin(), method, path);
  EXPECT_TRUE(asked.ok()) << path;
  return *std::move(asked);
}

TEST(Body, FillsInWhatThePathSays) {
  const ResourceRequest asked = Asked("POST", "/api/v1/namespaces/n/configmaps");
  const auto parsed =
      ParseObject(asked, "", R"({"metadata":{"name":"a"},"data":{}})", Strictness::kIgnore);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(api::StringAt(parsed->object, {"kind"}), "ConfigMap");
  EXPECT_EQ(api::StringAt(parsed->object, {"apiVersion"}), "v1");
  EXPECT_EQ(api::StringAt(parsed->object, {"metadata", "namespace"}), "n");
}

TEST(Body, LooksForDuplicateFieldsWhenTheyMatter) {
  const ResourceRequest asked = Asked("POST", "/api/v1/namespaces/n/configmaps");
  constexpr std::string_view kTwice = R"({"metadata":{"name":"a","name":"b"}})";
  EXPECT_THAT(ParseObject(asked, kJsonType, kTwice, Strictness::kWarn)->duplicate_fields,
              ElementsAre("metadata.name"));
  EXPECT_TRUE(ParseObject(asked, kJsonType, kTwice, Strictness::kIgnore)->duplicate_fields.empty());
}

TEST(Body, ReadsManifestsInYaml) {
  const ResourceRequest asked = Asked("POST", "/api/v1/namespaces/n/configmaps");
  const auto parsed =
      ParseObject(asked, "application/yaml; charset=utf-8",
                  "metadata:\n  name: a\n  name: b\ndata: {x: '1'}\n", Strictness::kWarn);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(api::StringAt(parsed->object, {"kind"}), "ConfigMap");
  EXPECT_EQ(api::StringAt(parsed->object, {"data", "x"}), "1");
  EXPECT_THAT(parsed->duplicate_fields, ElementsAre("metadata.name"));
}

TEST(Body, RefusesObjectsThatAreNotThoseOfThePath) {
  struct Row {
    std::string method;
    std::string path;
    std::string type;
    std::string body;
    Reason reason;
    std::string text;
  };

  const std::string maps = "/api/v1/namespaces/n/configmaps";
  const std::vector<Row> rows = {
      {"POST", maps, "", "", Reason::kBadRequest, "unexpected end"},
      {"POST", maps, "", R"({"a":)", Reason::kBadRequest, "offset 5"},
      {"POST", maps, "", R"(["a"])", Reason::kBadRequest, "no JSON object"},
      {"POST", maps, "application/yaml", "a: [b", Reason::kBadRequest, "malformed YAML at line 1"},
      {"POST", maps, "application/yaml", std::string(size_t{600} << 10U, '#'), Reason::kTooLarge,
       "send it as JSON"},
      {"POST", maps, "application/yaml", "- a", Reason::kBadRequest, "no JSON object"},
      {"POST", maps, "application/yaml", "kind: Pod", Reason::kBadRequest, "cannot be handled as"},
      {"POST", maps, "text/plain", "a: b", Reason::kUnsupportedMediaType, "application/yaml"},
      {"POST", maps, "application/vnd.kubernetes.protobuf", "k8s", Reason::kUnsupportedMediaType,
       "accepted media types include: application/json"},
      {"POST", maps, "", R"({"apiVersion":"v2"})", Reason::kBadRequest,
       "the API version in the data (v2) does not match the expected API version (v1)"},
      {"POST", maps, "", R"({"apiVersion":"v1","kind":"Pod"})", Reason::kBadRequest,
       "cannot be handled as a ConfigMap"},
      {"POST", maps, "", R"({"metadata":{"namespace":"m"}})", Reason::kBadRequest,
       "does not match the namespace sent on the request"},
      {"PUT", maps + "/a", "", R"({"metadata":{}})", Reason::kBadRequest, "name must be provided"},
      {"PUT", maps + "/a", "", R"({"metadata":{"name":"b"}})", Reason::kBadRequest,
       "does not match the name on the URL (a)"},
      {"POST", "/api/v1/namespaces/n/pods/a/binding", "", R"({"metadata":{"name":"b"}})",
       Reason::kBadRequest, "does not match the name on the URL (a)"},
      {"POST", "/api/v1/namespaces/n/pods/a/eviction", "",
       R"({"apiVersion":"apps/v1","kind":"Eviction"})", Reason::kBadRequest,
       "expected API version (policy/v1)"},
      {"PUT", "/apis/apps.kruise.io/v1beta1/namespaces/n/inplacesets/a/scale", "",
       R"({"apiVersion":"apps.kruise.io/v1beta1","kind":"InplaceSet"})", Reason::kBadRequest,
       "autoscaling/v1"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.path + " " + row.body.substr(0, 100));
    const auto parsed =
        ParseObject(Asked(row.method, row.path), row.type, row.body, Strictness::kIgnore);
    EXPECT_EQ(registry::ReasonOf(parsed.status()), row.reason) << parsed.status();
    EXPECT_THAT(parsed.status().ToString(), HasSubstr(row.text));
  }
}

TEST(Body, TakesEvictionsOfEveryVersion) {
  const ResourceRequest asked = Asked("POST", "/api/v1/namespaces/n/pods/a/eviction");
  for (const std::string_view version : {"policy/v1", "policy/v1beta1"}) {
    const std::string body = R"({"kind":"Eviction","metadata":{"name":"a"},"apiVersion":")" +
                             std::string(version) + "\"}";
    EXPECT_TRUE(ParseObject(asked, kJsonType, body, Strictness::kIgnore).ok()) << version;
  }
}

TEST(Body, KnowsPatchesByTheirMediaTypes) {
  const ResourceRequest pod = Asked("PATCH", "/api/v1/namespaces/n/pods/a");
  const ResourceRequest set =
      Asked("PATCH", "/apis/apps.kruise.io/v1beta1/namespaces/n/inplacesets/a");
  EXPECT_EQ(ParsePatch(pod, "application/json-patch+json", "[]")->type, PatchType::kJson);
  EXPECT_EQ(ParsePatch(pod, "application/merge-patch+json", "{}")->type, PatchType::kMerge);
  EXPECT_EQ(ParsePatch(pod, "application/strategic-merge-patch+json", "{}")->type,
            PatchType::kStrategic);

  struct Row {
    const ResourceRequest* asked;
    std::string type;
    std::string body;
    Reason reason;
    std::string text;
  };

  const std::vector<Row> rows = {
      {&set, "application/strategic-merge-patch+json", "{}", Reason::kUnsupportedMediaType,
       "accepted media types include: application/json-patch+json, application/merge-patch+json"},
      {&pod, "application/apply-patch+yaml", "{}", Reason::kUnsupportedMediaType,
       "server-side apply"},
      {&pod, "application/json", "{}", Reason::kUnsupportedMediaType, "strategic"},
      {&pod, "application/merge-patch+json", "", Reason::kUnsupportedMediaType, ""},
      {&pod, "application/merge-patch+json", "{", Reason::kBadRequest, "offset"},
      {&pod, "application/merge-patch+json", "[]", Reason::kBadRequest, "no JSON object"},
      {&pod, "application/json-patch+json", "{}", Reason::kBadRequest, "no JSON array"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.type + " " + row.body);
    const absl::Status status = ParsePatch(*row.asked, row.type, row.body).status();
    EXPECT_EQ(registry::ReasonOf(status), row.reason) << status;
    EXPECT_THAT(status.ToString(), HasSubstr(row.text));
  }
}

TEST(Body, ReadsDeleteOptionsFromTheBodyOrElseTheQuery) {
  const QueryOptions query = *ParseQuery("gracePeriodSeconds=5&propagationPolicy=Foreground");
  const auto by_query = ParseDeleteOptions(query, "", "");
  EXPECT_EQ(by_query->request.grace_period_seconds, 5);
  EXPECT_EQ(by_query->request.propagation, Propagation::kForeground);

  const auto by_body = ParseDeleteOptions(
      query, kJsonType,
      R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,"orphanDependents":true,
          "preconditions":{"uid":"u","resourceVersion":"7"},"dryRun":["All"]})");
  ASSERT_TRUE(by_body.ok()) << by_body.status();
  EXPECT_EQ(by_body->request.grace_period_seconds, 0);
  EXPECT_EQ(by_body->request.propagation, Propagation::kOrphan);
  EXPECT_EQ(by_body->request.uid, "u");
  EXPECT_EQ(by_body->request.expected_revision, 7);
  EXPECT_TRUE(by_body->is_dry_run);
}

TEST(Body, RefusesDeleteOptionsThatCantBeRead) {
  const auto reason = [](std::string_view body) {
    return registry::ReasonOf(ParseDeleteOptions({}, kJsonType, body).status());
  };
  EXPECT_EQ(reason("{"), Reason::kBadRequest);
  EXPECT_EQ(reason("[]"), Reason::kBadRequest);
  EXPECT_EQ(reason(R"({"kind":"Pod"})"), Reason::kBadRequest);
  EXPECT_EQ(reason(R"({"gracePeriodSeconds":"soon"})"), Reason::kBadRequest);
  EXPECT_EQ(reason(R"({"propagationPolicy":"Never"})"), Reason::kInvalid);
  EXPECT_EQ(reason(R"({"dryRun":["Some"]})"), Reason::kInvalid);
  EXPECT_EQ(reason(R"({"preconditions":{"resourceVersion":"x"}})"), Reason::kBadRequest);
}

}  // namespace
}  // namespace socle::apiserver
