#include "controllers/apiserver/api_server.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/apiserver/responses.h"
#include "controllers/apiserver/testing/api_fixture.h"
#include "server/wire/http/testing/clients.h"
#include "server/wire/http/testing/test_site.h"

namespace socle::apiserver {
namespace {

using api::FindArray;
using api::IntAt;
using api::StringAt;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

class ApiServerTest : public ApiFixture {};

TEST_F(ApiServerTest, TellsWhatThereIs) {
  const Answer version = Get("/version");
  EXPECT_EQ(version.status, 200);
  EXPECT_EQ(version.fields.at("content-type"), "application/json");
  EXPECT_THAT(std::string(StringAt(version.Parse(), {"gitVersion"})), HasSubstr("v1.20"));
  EXPECT_EQ(api::Dump(*api::Find(Get("/api").Parse(), {"versions"})), R"(["v1"])");

  std::vector<std::string> groups;
  const api::Json group_list = Get("/apis").Parse();
  for (const api::Json& group : *FindArray(group_list, {"groups"})) {
    groups.emplace_back(StringAt(group, {"name"}));
    EXPECT_EQ(Get(At("/apis", groups.back())).status, 200);
  }
  EXPECT_THAT(groups, Contains("policy"));
  EXPECT_EQ(groups.back(), "apps.kruise.io") << "its short name sts must lose against that of apps";

  std::vector<std::string> resources;
  const api::Json resource_list = Get("/api/v1/").Parse();
  for (const api::Json& one : *FindArray(resource_list, {"resources"})) {
    resources.emplace_back(StringAt(one, {"name"}));
    if (resources.back() == "pods/eviction") {
      EXPECT_EQ(StringAt(one, {"group"}), "policy");
      EXPECT_EQ(StringAt(one, {"kind"}), "Eviction");
    }
    if (resources.back() == "pods") {
      EXPECT_EQ(StringAt(one, {"singularName"}), "pod");
      EXPECT_EQ(api::Dump(*api::Find(one, {"shortNames"})), R"(["po"])");
    }
  }
  for (const std::string wanted : {"pods", "pods/eviction", "pods/log", "bindings"}) {
    EXPECT_THAT(resources, Contains(wanted));
  }
}

TEST_F(ApiServerTest, TellsItAtOnceToThoseWhoAsk) {
  constexpr std::string_view kAggregated =
      "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
  const Answer core = Get("/api", kAggregated);
  EXPECT_EQ(core.fields.at("content-type"),
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  const api::Json list = core.Parse();
  EXPECT_EQ(StringAt(list, {"kind"}), "APIGroupDiscoveryList");
  const api::Json& version = (*FindArray((*FindArray(list, {"items"}))[0], {"versions"}))[0];
  bool has_pods = false;
  for (const api::Json& resource : *FindArray(version, {"resources"})) {
    if (StringAt(resource, {"resource"}) == "pods") {
      has_pods = true;
      EXPECT_EQ(StringAt(resource, {"scope"}), "Namespaced");
      EXPECT_GE(FindArray(resource, {"subresources"})->size(), 4U);
    }
  }
  EXPECT_TRUE(has_pods);
  EXPECT_THAT(Get("/apis", kAggregated).body, HasSubstr("inplacesets"));
}

TEST_F(ApiServerTest, ServesTheSchemaInBothForms) {
  EXPECT_EQ(StringAt(Get("/openapi/v2").Parse(), {"swagger"}), "2.0");
  constexpr std::string_view kProtobuf =
      "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
  const Answer protobuf = Get("/openapi/v2", kProtobuf);
  EXPECT_EQ(protobuf.status, 200);
  EXPECT_EQ(protobuf.fields.at("content-type"),
            "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
      << "kubectl can't read a media type with an @";
  EXPECT_EQ(protobuf.body.substr(0, 5), std::string("\x0a\x03") + "2.0");
  EXPECT_EQ(Get("/swagger-2.0.0.pb-v1").body, protobuf.body);
  EXPECT_EQ(Get("/openapi/v2", "text/html").status, 406);
  EXPECT_EQ(Get("/openapi/v3").status, 404);
}

TEST_F(ApiServerTest, WritesAndReadsAnObject) {
  const Answer created = Send("POST", kMaps, MapText("a"));
  ASSERT_EQ(created.status, 201) << created.body;
  const std::string uid(StringAt(created.Parse(), {"metadata", "uid"}));
  EXPECT_NE(uid, "");

  api::Json object = Get(At(kMaps, "a")).Parse();
  EXPECT_EQ(StringAt(object, {"kind"}), "ConfigMap");
  EXPECT_EQ(StringAt(object, {"metadata", "resourceVersion"}),
            StringAt(created.Parse(), {"metadata", "resourceVersion"}));
  api::Set(&api::EnsureObject(&object, {"data"}), "x", "2");
  EXPECT_EQ(Send("PUT", At(kMaps, "a"), api::Dump(object)).status, 200);
  const Answer stale = Send("PUT", At(kMaps, "a"), api::Dump(object));
  EXPECT_EQ(stale.status, 409);
  EXPECT_THAT(stale.Message(), HasSubstr("the object has been modified"));

  const Answer patched = Send("PATCH", At(kMaps, "a"), R"({"data":{"y":"3"}})", kMerge);
  EXPECT_EQ(patched.status, 200);
  EXPECT_EQ(StringAt(patched.Parse(), {"data", "x"}), "2");
  EXPECT_EQ(StringAt(patched.Parse(), {"data", "y"}), "3");

  const Answer deleted = Send("DELETE", At(kMaps, "a"));
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(StringAt(deleted.Parse(), {"status"}), "Success");
  EXPECT_EQ(StringAt(deleted.Parse(), {"details", "uid"}), uid);
  EXPECT_EQ(Get(At(kMaps, "a")).status, 404);
}

TEST_F(ApiServerTest, ADryRunLeavesNothing) {
  EXPECT_EQ(Send("POST", fmt::format("{}?dryRun=All", kMaps), MapText("a")).status, 201);
  EXPECT_EQ(Get(At(kMaps, "a")).status, 404);
  Send("POST", kMaps, MapText("a"));
  EXPECT_EQ(Send("DELETE", At(kMaps, "a"), R"({"dryRun":["All"]})").status, 200);
  EXPECT_EQ(Get(At(kMaps, "a")).status, 200);
}

TEST_F(ApiServerTest, SaysWhatItDidNotUnderstand) {
  constexpr std::string_view kUnknown = R"({"metadata":{"name":"a"},"data":{},"dada":{}})";
  const Answer strict = Send("POST", fmt::format("{}?fieldValidation=Strict", kMaps), kUnknown);
  EXPECT_EQ(strict.status, 400);
  EXPECT_THAT(strict.Message(), HasSubstr(R"(unknown field "dada")"));
  const Answer warned = Send("POST", fmt::format("{}?fieldValidation=Warn", kMaps), kUnknown);
  EXPECT_EQ(warned.status, 201);
  EXPECT_EQ(warned.fields.at("warning"), R"(299 - "unknown field \"dada\"")");
}

TEST_F(ApiServerTest, ListsInPagesOfOneMoment) {
  for (const std::string_view name : {"a", "b", "c", "d", "e"}) {
    ASSERT_EQ(Send("POST", kMaps, MapText(name)).status, 201);
  }
  const Answer first = Get(fmt::format("{}?limit=2", kMaps));
  EXPECT_THAT(NamesIn(first), ElementsAre("a", "b"));
  Send("DELETE", At(kMaps, "d"));
  const std::string token(StringAt(first.Parse(), {"metadata", "continue"}));
  const Answer rest = Get(fmt::format("{}?limit=9&continue={}", kMaps, token));
  EXPECT_THAT(NamesIn(rest), ElementsAre("c", "d", "e"));
  EXPECT_EQ(StringAt(rest.Parse(), {"metadata", "resourceVersion"}),
            StringAt(first.Parse(), {"metadata", "resourceVersion"}));
  EXPECT_THAT(NamesIn(Get(kMaps)), ElementsAre("a", "b", "c", "e"));
  EXPECT_EQ(StringAt(Get("/api/v1/configmaps").Parse(), {"kind"}), "ConfigMapList");
}

TEST_F(ApiServerTest, ListsWhatSelectorsSelect) {
  Send("POST", kMaps, MapText("a", "1"));
  Send("POST", kMaps, MapText("b", "2"));
  EXPECT_THAT(NamesIn(Get(fmt::format("{}?labelSelector=v%3D2", kMaps))), ElementsAre("b"));
  EXPECT_THAT(NamesIn(Get(fmt::format("{}?fieldSelector=metadata.name%3Da", kMaps))),
              ElementsAre("a"));
}

TEST_F(ApiServerTest, ListsAsATable) {
  ASSERT_EQ(Send("POST", kPods, PodText("p")).status, 201);
  const api::Json table = Get(kPods, kTable).Parse();
  EXPECT_EQ(StringAt(table, {"kind"}), "Table");
  const api::JsonArray& cells = *FindArray((*FindArray(table, {"rows"}))[0], {"cells"});
  EXPECT_EQ(cells[0], api::Json("p"));
  EXPECT_EQ(cells[2], api::Json("Pending"));
  const api::Json one = Get(At(kPods, "p?includeObject=Object"), kTable).Parse();
  EXPECT_EQ(StringAt((*FindArray(one, {"rows"}))[0], {"object", "kind"}), "Pod");
}

TEST_F(ApiServerTest, StreamsAListThatIsLargerThanAnyBuffer) {
  const std::string value(50'000, 'x');
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(Send("POST", kMaps, MapText(fmt::format("m{:03}", i), value)).status, 201);
  }
  ApiClient slow(server_->port(), 4'096);
  const Answer list = slow.Get(kMaps);
  EXPECT_EQ(list.fields.count("content-length"), 0U) << "its length is not known before its end";
  EXPECT_EQ(NamesIn(list).size(), 100U);
  EXPECT_GT(list.body.size(), 5'000'000U);
}

TEST_F(ApiServerTest, CutsOffAClientThatDoesNotTakeItsList) {
  ApiServerOptions options{.list_timeout_nanos = 200 * kNanosPerMilli};
  options.limits.stall_timeout_nanos = 500 * kNanosPerMilli;
  StartServer(std::move(options));
  const std::string value(500'000, 'x');
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(Send("POST", kMaps, MapText(fmt::format("m{:03}", i), value)).status, 201);
  }
  server::http::RawClient stuck(server_->port(), 4'096);
  stuck.Send(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", kMaps));
  const auto is_cut_off = [this] {
    const bool is_counted = Get("/metrics").body.find(R"(,code="504"} 1)") != std::string::npos;
    return is_counted && server_->connections() == 1;
  };
  EXPECT_TRUE(server::http::Eventually(is_cut_off));
}

TEST_F(ApiServerTest, RefusesWithTheStatusOfKubernetes) {
  ASSERT_EQ(Send("POST", kMaps, MapText("a")).status, 201);
  ASSERT_EQ(Send("POST", kPods, PodText("p")).status, 201);

  struct Row {
    std::string method;
    std::string path;
    std::string body;
    std::string type;
    int status;
    std::string reason;
  };

  const std::string json = "application/json";
  const std::string maps(kMaps);
  const std::vector<Row> rows = {
      {"GET", "/nothing", "", json, 404, "NotFound"},
      {"GET", "/api/v1/nothing", "", json, 404, "NotFound"},
      {"GET", maps + "/none", "", json, 404, "NotFound"},
      {"POST", "/api/v1/configmaps", "{}", json, 405, "MethodNotAllowed"},
      {"POST", "/version", "", json, 405, "MethodNotAllowed"},
      {"GET", maps + "?labelSelector=a%3D%3D%3D", "", json, 400, "BadRequest"},
      {"GET", maps + "?fieldSelector=a%3Db", "", json, 400, "BadRequest"},
      {"GET", maps + "?continue=broken", "", json, 400, "BadRequest"},
      {"GET", maps + "?resourceVersionMatch=Exact", "", json, 422, "Invalid"},
      {"POST", maps, R"({"metadata":{"name":)", json, 400, "BadRequest"},
      {"POST", maps, MapText("a"), json, 409, "AlreadyExists"},
      {"POST", maps, MapText("A!"), json, 422, "Invalid"},
      {"POST", maps, R"({"metadata":{"name":"b"},"data":7})", json, 422, "Invalid"},
      {"POST", maps, "a: b: c", "application/yaml", 400, "BadRequest"},
      {"POST", maps, "a: b", "text/plain", 415, "UnsupportedMediaType"},
      {"PUT", maps + "/none", MapText("none"), json, 404, "NotFound"},
      {"PATCH", maps + "/a", "{}", "text/plain", 415, "UnsupportedMediaType"},
      {"PATCH", maps + "/a", R"([{"op":"test","path":"/data/x","value":"9"}])",
       "application/json-patch+json", 422, "Invalid"},
      {"DELETE", maps + "/a", R"({"preconditions":{"uid":"other"}})", json, 409, "Conflict"},
      {"POST", "/api/v1/namespaces/default/pods/p/binding", R"({"target":{}})", json, 0, ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.method + " " + row.path + " " + row.body);
    const Answer answer = Send(row.method, row.path, row.body, row.type);
    if (row.status == 0) {
      EXPECT_GE(answer.status, 400);
      continue;
    }
    EXPECT_EQ(answer.status, row.status) << answer.body;
    const api::Json status = answer.Parse();
    EXPECT_EQ(StringAt(status, {"kind"}), "Status");
    EXPECT_EQ(StringAt(status, {"status"}), "Failure");
    EXPECT_EQ(StringAt(status, {"reason"}), row.reason);
    EXPECT_EQ(IntAt(status, {"code"}), row.status);
  }
  EXPECT_EQ(Get(kMaps, "application/yaml").status, 406);
}

TEST_F(ApiServerTest, RefusesBodiesBeyondItsBound) {
  StartServer({.body_bytes_max = 1'000});
  const Answer answer = Send("POST", kMaps, MapText("a", std::string(2'000, 'x')));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.Reason(), "RequestEntityTooLarge");
  EXPECT_EQ(ApiClient(server_->port()).Get(At(kMaps, "a")).status, 404);
}

TEST_F(ApiServerTest, ForgetsAClientThatSendsHalfABody) {
  ApiServerOptions options;
  options.limits.body_timeout_nanos = 200 * kNanosPerMilli;
  StartServer(std::move(options));
  server::http::RawClient half(server_->port());
  half.Send(fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{{\"a\"",
                        kMaps));
  EXPECT_THAT(half.ReadToEnd(), Not(HasSubstr("<timeout>")));
  EXPECT_EQ(Get(kMaps).status, 200);
}

TEST_F(ApiServerTest, RefusesMoreThanItsRoom) {
  StartServer({.reads_max = 0, .writes_max = 0});
  for (const Answer& answer : {Get(kMaps), Send("POST", kMaps, MapText("a"))}) {
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(answer.Reason(), "TooManyRequests");
    EXPECT_EQ(answer.fields.at("retry-after"), "1");
    client_ = std::make_unique<ApiClient>(server_->port());
  }
  EXPECT_EQ(Get("/healthz").status, 200);
}

TEST_F(ApiServerTest, DeletesACollectionBySelector) {
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(Send("POST", kMaps, MapText(fmt::format("m{}", i), i < 90 ? "1" : "2")).status, 201);
  }
  const Answer deleted = Send("DELETE", fmt::format("{}?labelSelector=v%3D1", kMaps));
  EXPECT_EQ(deleted.status, 200) << deleted.body;
  EXPECT_EQ(NamesIn(Get(kMaps)).size(), 10U);
  EXPECT_EQ(Send("DELETE", kMaps, R"({"propagationPolicy":"Never"})").status, 422);
  EXPECT_EQ(Send("DELETE", kMaps).status, 200);
  EXPECT_EQ(Send("DELETE", kMaps).status, 200) << "nothing is left to delete";
  EXPECT_EQ(NamesIn(Get(kMaps)).size(), 0U);
}

TEST_F(ApiServerTest, AllowsWhoeverWasLetIn) {
  const Answer review = Send(
      "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
      R"({"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{}})");
  EXPECT_EQ(review.status, 201) << review.body;
  EXPECT_TRUE(api::BoolAt(review.Parse(), {"status", "allowed"}));
}

class Greeter final : public server::http::Handler {
 public:
  std::shared_ptr<server::http::Receiver> Begin(
      const server::http::Request& request,
      const std::shared_ptr<server::http::Exchange>& exchange) override {
    RespondText(exchange.get(), 200, "hello from " + std::string(request.path()));
    return nullptr;
  }
};

TEST_F(ApiServerTest, GivesPagesToItsExtensions) {
  Greeter greeter;
  bool is_ready = false;
  ApiServerOptions options;
  options.extensions = {{"/api/kubemark", &greeter}};
  options.readiness = [&is_ready] {
    return is_ready ? absl::OkStatus() : absl::UnavailableError("still loading");
  };
  options.metrics = {[](std::string* out) { *out += "other_total 1\n"; }};
  StartServer(std::move(options));
  EXPECT_EQ(Get("/api/kubemark/test").body, "hello from /api/kubemark/test");
  EXPECT_EQ(Get("/api/kubemarkets").status, 404);
  EXPECT_EQ(Get("/readyz").status, 503);
  is_ready = true;
  EXPECT_EQ(Get("/readyz").body, "ok");
  Get(At(kMaps, "none"));
  const std::string metrics = Get("/metrics").body;
  EXPECT_THAT(metrics, HasSubstr(R"(resource="configmaps",subresource="",code="404"} 1)"));
  EXPECT_THAT(metrics, HasSubstr("other_total 1\n"));
  client_.reset();
  server_.reset();  // before the greeter
}

}  // namespace
}  // namespace socle::apiserver
