#include "controllers/apiserver/resource_request.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/registry/errors.h"

namespace socle::apiserver {
namespace {

using Endpoint = ResourceRequest::Endpoint;
using registry::Reason;

absl::StatusOr<ResourceRequest> Parse(std::string_view method, std::string_view path) {
  return ParsePath(api::KindRegistry::Builtin(), method, path);
}

TEST(ResourceRequest, ReadsWhatAPathAsksFor) {
  struct Row {
    std::string method;
    std::string path;
    Verb verb;
    std::string resource;
    std::string ns;
    std::string name;
    std::string subresource;
  };

  const std::vector<Row> rows = {
      {"GET", "/api/v1/pods", Verb::kList, "pods", "", "", ""},
      {"GET", "/api/v1/pods/", Verb::kList, "pods", "", "", ""},
      {"GET", "/api/v1/namespaces/a/pods", Verb::kList, "pods", "a", "", ""},
      {"GET", "/api/v1/namespaces/a/pods/b", Verb::kGet, "pods", "a", "b", ""},
      {"GET", "/api/v1/namespaces/a/pods/b/status", Verb::kGet, "pods", "a", "b", "status"},
      {"POST", "/api/v1/namespaces/a/pods/b/eviction", Verb::kCreate, "pods", "a", "b", "eviction"},
      {"POST", "/api/v1/namespaces/a/pods", Verb::kCreate, "pods", "a", "", ""},
      {"PUT", "/api/v1/nodes/n1", Verb::kUpdate, "nodes", "", "n1", ""},
      {"PATCH", "/api/v1/nodes/n1/status", Verb::kPatch, "nodes", "", "n1", "status"},
      {"DELETE", "/api/v1/nodes/n1", Verb::kDelete, "nodes", "", "n1", ""},
      {"DELETE", "/api/v1/nodes", Verb::kDeleteCollection, "nodes", "", "", ""},
      {"GET", "/api/v1/namespaces", Verb::kList, "namespaces", "", "", ""},
      {"GET", "/api/v1/namespaces/a", Verb::kGet, "namespaces", "", "a", ""},
      {"PUT", "/api/v1/namespaces/a/finalize", Verb::kUpdate, "namespaces", "", "a", "finalize"},
      {"PUT", "/api/v1/namespaces/a/status", Verb::kUpdate, "namespaces", "", "a", "status"},
      {"GET", "/apis/apps.kruise.io/v1alpha1/namespaces/a/statefulsets/b/scale", Verb::kGet,
       "statefulsets", "a", "b", "scale"},
      {"GET", "/api/v1/watch/namespaces/a/pods", Verb::kWatch, "pods", "a", "", ""},
      {"GET", "/api/v1/watch/namespaces/a/pods/b", Verb::kWatch, "pods", "a", "b", ""},
      {"GET", "/api/v1/namespaces/%61/pods/%C3%A9", Verb::kGet, "pods", "a", "\u00e9", ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.method + " " + row.path);
    const absl::StatusOr<ResourceRequest> asked = Parse(row.method, row.path);
    ASSERT_TRUE(asked.ok()) << asked.status();
    EXPECT_EQ(asked->verb, row.verb);
    EXPECT_EQ(asked->served->kind->resource, row.resource);
    EXPECT_EQ(asked->ns, row.ns);
    EXPECT_EQ(asked->name, row.name);
    EXPECT_EQ(asked->subresource_name(), row.subresource);
  }
}

TEST(ResourceRequest, KnowsWhatIsNoObject) {
  const auto endpoint = [](std::string_view method, std::string_view path) {
    const absl::StatusOr<ResourceRequest> asked = Parse(method, path);
    EXPECT_TRUE(asked.ok()) << path;
    return asked->endpoint;
  };
  EXPECT_EQ(endpoint("GET", "/api/v1/namespaces/a/pods/b/log"), Endpoint::kLog);
  EXPECT_EQ(endpoint("POST", "/api/v1/namespaces/a/pods/b/exec"), Endpoint::kStream);
  EXPECT_EQ(endpoint("GET", "/api/v1/namespaces/a/pods/b/proxy/x/y"), Endpoint::kStream);
  EXPECT_EQ(endpoint("POST", "/api/v1/namespaces/a/bindings"), Endpoint::kBindings);
  EXPECT_EQ(endpoint("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
            Endpoint::kReview);
}

TEST(ResourceRequest, RefusesAsKubernetesDoes) {
  struct Row {
    std::string method;
    std::string path;
    Reason reason;
  };

  const std::vector<Row> rows = {
      {"GET", "/api/v1", Reason::kNotFound},
      {"GET", "/api/v2/pods", Reason::kNotFound},
      {"GET", "/apis/apps/v1/pods", Reason::kNotFound},
      {"GET", "/api/v1/unknowns", Reason::kNotFound},
      {"GET", "/api/v1/pods/b", Reason::kNotFound},              // a namespace is missing
      {"GET", "/api/v1/namespaces/a/nodes", Reason::kNotFound},  // and here one too many
      {"GET", "/api/v1/namespaces/a/pods/b/unknown", Reason::kNotFound},
      {"GET", "/api/v1/namespaces/a/pods/b/status/more", Reason::kNotFound},
      {"GET", "/api/v1/namespaces/a/pods/b%2Fc", Reason::kNotFound},
      {"GET", "/api/v1/namespaces/a/pods/%2e%2e", Reason::kNotFound},
      {"GET", "/api/v1/namespaces//pods", Reason::kNotFound},
      {"GET", "/api/v1/namespaces/a/pods/b%zz", Reason::kNotFound},
      {"GET", "/api/v1/namespaces/a/pods/%ff", Reason::kNotFound},
      {"GET", "/api/v1/namespaces/a/pods/%00", Reason::kNotFound},
      {"GET", "/api/v1/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r", Reason::kNotFound},
      {"POST", "/api/v1/pods", Reason::kMethodNotAllowed},
      {"DELETE", "/api/v1/pods", Reason::kMethodNotAllowed},
      {"PUT", "/api/v1/nodes", Reason::kMethodNotAllowed},
      {"POST", "/api/v1/nodes/n1", Reason::kMethodNotAllowed},
      {"HEAD", "/api/v1/nodes/n1", Reason::kMethodNotAllowed},
      {"DELETE", "/api/v1/namespaces", Reason::kMethodNotAllowed},
      {"GET", "/api/v1/namespaces/a/pods/b/eviction", Reason::kMethodNotAllowed},
      {"DELETE", "/api/v1/nodes/n1/status", Reason::kMethodNotAllowed},
      {"POST", "/api/v1/namespaces/a/pods/b/log", Reason::kMethodNotAllowed},
      {"GET", "/api/v1/namespaces/a/bindings", Reason::kMethodNotAllowed},
      {"DELETE", "/api/v1/watch/namespaces/a/pods", Reason::kMethodNotAllowed},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.method + " " + row.path);
    EXPECT_EQ(registry::ReasonOf(Parse(row.method, row.path).status()), row.reason);
  }
}

TEST(ResourceRequest, DecodesEscapesOnce) {
  EXPECT_EQ(PercentDecode("a%2Bb+c", true), "a+b c");
  EXPECT_EQ(PercentDecode("a+b", false), "a+b");
  EXPECT_EQ(PercentDecode("%2541", true), "%41");
  for (const std::string_view bad :
       {"%", "%4", "%4g", "%ff", "%c0%80", "%ed%a0%80", "%f5%80%80%80", "%e2%82", "%f0%80%80%80"}) {
    EXPECT_EQ(PercentDecode(bad, true), std::nullopt) << bad;
  }
  EXPECT_EQ(PercentDecode("%e2%82%ac%f0%9f%98%80", true), "\u20ac\U0001F600");
}

}  // namespace
}  // namespace socle::apiserver
