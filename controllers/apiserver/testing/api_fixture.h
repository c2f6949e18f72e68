// ApiFixture: a plane with its API on a free port and a client on it, and the objects that its tests use.
//
// Threads  the test's.
#ifndef SOCLE_CONTROLLERS_APISERVER_TESTING_API_FIXTURE_H_
#define SOCLE_CONTROLLERS_APISERVER_TESTING_API_FIXTURE_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/apiserver/api_server.h"
#include "controllers/apiserver/testing/api_client.h"
#include "controllers/testing/plane_fixture.h"
#include "kv/base/check.h"

namespace socle::apiserver {

inline constexpr std::string_view kMaps = "/api/v1/namespaces/default/configmaps";
inline constexpr std::string_view kPods = "/api/v1/namespaces/default/pods";
inline constexpr std::string_view kMerge = "application/merge-patch+json";

inline std::string MapText(std::string_view name, std::string_view value = "1") {
  return fmt::format(R"({{"metadata":{{"name":"{}","labels":{{"v":"{}"}}}},"data":{{"x":"{}"}}}})",
                     name, value.substr(0, 10), value);
}

inline std::string PodText(std::string_view name) {
  return fmt::format(
      R"({{"metadata":{{"name":"{}"}},"spec":{{"containers":[{{"name":"c","image":"i:1"}}]}}}})",
      name);
}

inline std::string At(std::string_view collection, std::string_view rest) {
  return fmt::format("{}/{}", collection, rest);
}

inline std::vector<std::string> NamesIn(const ApiClient::Answer& list) {
  const api::Json document = list.Parse();
  std::vector<std::string> names;
  for (const api::Json& item : *api::FindArray(document, {"items"})) {
    names.emplace_back(api::StringAt(item, {"metadata", "name"}));
  }
  return names;
}

class ApiFixture : public plane_testing::PlaneFixture {
 protected:
  void SetUp() override {
    PlaneFixture::SetUp();
    StartServer({});
  }

  void TearDown() override {
    client_.reset();
    server_.reset();
    PlaneFixture::TearDown();
  }

  void StartServer(ApiServerOptions options) {
    client_.reset();
    options.registry = registry();
    options.loops = 2;
    absl::StatusOr<std::unique_ptr<ApiServer>> server = ApiServer::Start(std::move(options));
    CHECK_OK(server.status());
    server_ = *std::move(server);
    client_ = std::make_unique<ApiClient>(server_->port());
  }

  using Answer = ApiClient::Answer;

  Answer Get(std::string_view path, std::string_view accept = {}) {
    return client_->Get(path, accept);
  }

  Answer Send(std::string_view method, std::string_view path, std::string_view body = {},
              std::string_view content_type = "application/json") {
    return client_->Send(method, path, body, content_type);
  }

  std::unique_ptr<ApiServer> server_;
  std::unique_ptr<ApiClient> client_;
};

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_TESTING_API_FIXTURE_H_
