#include "controllers/apiserver/watch_call.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/apiserver/testing/api_client.h"
#include "controllers/testing/plane_fixture.h"
#include "kv/base/thread.h"
#include "server/wire/http/testing/test_site.h"

namespace socle::apiserver {
namespace {

using api::FindArray;
using api::IntAt;
using api::StringAt;
using ::testing::HasSubstr;

constexpr std::string_view kMaps = "/api/v1/namespaces/default/configmaps";
constexpr std::string_view kTable = "application/json;as=Table;v=v1;g=meta.k8s.io";

class WatchTest : public plane_testing::PlaneFixture {
 protected:
  void SetUp() override {}

  void TearDown() override {
    server_.reset();
    if (registry() != nullptr) {
      PlaneFixture::TearDown();
    }
  }

  void Start(ApiServerOptions options = {}) {
    PlaneFixture::SetUp();
    options.registry = registry();
    options.loops = 2;
    options.seed = 1;
    absl::StatusOr<std::unique_ptr<ApiServer>> server = ApiServer::Start(std::move(options));
    CHECK_OK(server.status());
    server_ = *std::move(server);
  }

  // Writes a ConfigMap with this label and this many bytes.
  std::string Put(std::string_view name, std::string_view label = "1", size_t bytes = 1) {
    const api::Json stored = Apply(fmt::format(
        R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}","labels":{{"v":"{}"}}}},
             "data":{{"x":"{}"}}}})",
        name, label, std::string(bytes, 'x')));
    return std::string(StringAt(stored, {"metadata", "resourceVersion"}));
  }

  std::unique_ptr<ApiClient> Client(int receive_buffer_bytes = 0) {
    return std::make_unique<ApiClient>(server_->port(), receive_buffer_bytes);
  }

  // A watch that has begun.
  std::unique_ptr<ApiClient> Watching(std::string_view query, std::string_view accept = {}) {
    auto client = Client();
    const ApiClient::Answer answer =
        client->Watch(fmt::format("{}?watch=true&{}", kMaps, query), accept);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return client;
  }

  std::unique_ptr<ApiServer> server_;
};

// "ADDED a"; "end"
std::string Next(ApiClient* client) {
  const std::optional<api::Json> event = client->NextEvent();
  return event.has_value() ? fmt::format("{} {}", StringAt(*event, {"type"}),
                                         StringAt(*event, {"object", "metadata", "name"}))
                           : "end";
}

TEST_F(WatchTest, ShowsWhatIsThereThenWhatChanges) {
  Start();
  Put("a");
  const auto client = Watching("");
  EXPECT_EQ(Next(client.get()), "ADDED a");
  Put("b");
  EXPECT_EQ(Next(client.get()), "ADDED b");
  Put("a", "2");
  const std::optional<api::Json> event = client->NextEvent();
  EXPECT_EQ(StringAt(*event, {"type"}), "MODIFIED");
  EXPECT_EQ(StringAt(*event, {"object", "kind"}), "ConfigMap");
  EXPECT_EQ(StringAt(*event, {"object", "metadata", "resourceVersion"}),
            std::to_string(cache()->revision()));
  Delete("configmaps", "b");
  EXPECT_EQ(Next(client.get()), "DELETED b");
}

TEST_F(WatchTest, GoesOnWhereAListEnded) {
  Start();
  Put("a");
  const std::string revision = Put("b");
  Put("c");
  const auto client = Watching("resourceVersion=" + revision);
  EXPECT_EQ(Next(client.get()), "ADDED c");
}

TEST_F(WatchTest, AnObjectThatLeavesTheSelectionIsDeletedWithItsLastState) {
  Start();
  Put("a", "1");
  const auto client = Watching("labelSelector=v%3D1");
  EXPECT_EQ(Next(client.get()), "ADDED a");
  const std::string revision = Put("a", "2");
  const std::optional<api::Json> left = client->NextEvent();
  EXPECT_EQ(StringAt(*left, {"type"}), "DELETED");
  EXPECT_EQ(StringAt(*left, {"object", "metadata", "labels", "v"}), "1");
  EXPECT_EQ(StringAt(*left, {"object", "metadata", "resourceVersion"}), revision);
  Put("a", "1");
  EXPECT_EQ(Next(client.get()), "ADDED a");
}

TEST_F(WatchTest, WatchesOneObjectInThreeWays) {
  Start();
  Put("a");
  Put("b");
  for (const std::string& path : {fmt::format("{}?watch=1&fieldSelector=metadata.name%3Db", kMaps),
                                  fmt::format("{}/b?watch=1", kMaps),
                                  std::string("/api/v1/watch/namespaces/default/configmaps/b")}) {
    SCOPED_TRACE(path);
    const auto client = Client();
    ASSERT_EQ(client->Watch(path).status, 200);
    EXPECT_EQ(Next(client.get()), "ADDED b");
    Put("a", std::to_string(path.size()));
    Put("b", std::to_string(path.size()));
    EXPECT_EQ(Next(client.get()), "MODIFIED b");
  }
}

TEST_F(WatchTest, SendsTablesWithColumnsOnce) {
  Start();
  Put("a");
  const auto client = Watching("", kTable);
  const std::optional<api::Json> first = client->NextEvent();
  EXPECT_EQ(StringAt(*first, {"object", "kind"}), "Table");
  EXPECT_NE(FindArray(*first, {"object", "columnDefinitions"}), nullptr);
  Put("b");
  const std::optional<api::Json> second = client->NextEvent();
  EXPECT_EQ(StringAt(*second, {"type"}), "ADDED");
  EXPECT_EQ(FindArray(*second, {"object", "columnDefinitions"}), nullptr);
  EXPECT_EQ((*FindArray((*FindArray(*second, {"object", "rows"}))[0], {"cells"}))[0],
            api::Json("b"));
}

TEST_F(WatchTest, RefusesRevisionsThatAreGoneOrNotThereYet) {
  cache_options_.history_events_max = 4;
  Start();
  const std::string old = Put("a");
  for (int i = 0; i < 20; ++i) {
    Put("a", std::to_string(i));
  }
  ASSERT_OK(cache()->WaitUntilFresh());  // behind, it would compact less than was put
  ASSERT_OK(store()->Compact(cache()->revision()));
  // Whether history is gone is known at once or when it is looked at: a Status, or an ERROR event.
  const auto client = Client();
  const ApiClient::Answer gone =
      client->Watch(fmt::format("{}?watch=1&resourceVersion={}", kMaps, old));
  if (gone.status == 200) {
    const std::optional<api::Json> event = client->NextEvent();
    EXPECT_EQ(StringAt(*event, {"type"}), "ERROR");
    EXPECT_EQ(IntAt(*event, {"object", "code"}), 410);
    EXPECT_EQ(client->NextEvent(), std::nullopt);
  } else {
    EXPECT_EQ(gone.status, 410) << gone.body;
    EXPECT_EQ(gone.Reason(), "Expired");
  }
  const ApiClient::Answer future =
      Client()->Watch(fmt::format("{}?watch=1&resourceVersion=999999", kMaps));
  EXPECT_EQ(future.status, 504);
  EXPECT_THAT(future.body, HasSubstr("ResourceVersionTooLarge"));
  EXPECT_EQ(Client()->Watch(fmt::format("{}?watch=1&resourceVersion=x", kMaps)).status, 400);
  EXPECT_EQ(Client()->Watch(fmt::format("{}?watch=1&labelSelector=%3D", kMaps)).status, 400);
  EXPECT_EQ(Client()->Watch(fmt::format("{}?watch=1&sendInitialEvents=1", kMaps)).status, 422);
}

TEST_F(WatchTest, SendsBookmarksToThoseWhoAsk) {
  Start({.bookmark_interval_nanos = 50 * kNanosPerMilli});
  Put("a");
  const auto client = Watching("allowWatchBookmarks=true");
  EXPECT_EQ(Next(client.get()), "ADDED a");
  // Others' changes move it.
  Apply(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}})");
  ASSERT_OK(cache()->WaitUntilFresh());
  const int64_t revision = cache()->revision();
  std::optional<api::Json> event;
  for (int i = 0; i < 20; ++i) {
    event = client->NextEvent();
    ASSERT_TRUE(event.has_value());
    ASSERT_EQ(StringAt(*event, {"type"}), "BOOKMARK");
    if (StringAt(*event, {"object", "metadata", "resourceVersion"}) == std::to_string(revision)) {
      break;
    }
  }
  EXPECT_EQ(StringAt(*event, {"object", "metadata", "resourceVersion"}), std::to_string(revision));
}

TEST_F(WatchTest, EndsAtItsTimeoutWithABookmark) {
  Start();
  const auto client = Watching("allowWatchBookmarks=true&timeoutSeconds=1");
  EXPECT_EQ(Next(client.get()), "BOOKMARK ");
  EXPECT_EQ(Next(client.get()), "end");
  const auto plain = Watching("timeoutSeconds=1");
  EXPECT_EQ(Next(plain.get()), "end");
}

TEST_F(WatchTest, MarksTheEndOfInitialEvents) {
  Start();
  Put("a");
  Put("b");
  const std::string query =
      "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
  const auto client = Watching(query);
  EXPECT_EQ(Next(client.get()), "ADDED a");
  EXPECT_EQ(Next(client.get()), "ADDED b");
  const std::optional<api::Json> mark = client->NextEvent();
  EXPECT_EQ(StringAt(*mark, {"type"}), "BOOKMARK");
  EXPECT_EQ(StringAt(*mark, {"object", "metadata", "annotations", "k8s.io/initial-events-end"}),
            "true");
  const auto later =
      Watching("sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=1");
  Put("c");
  EXPECT_EQ(Next(later.get()), "ADDED c");
  EXPECT_EQ(Next(client.get()), "ADDED c");
}

TEST_F(WatchTest, AClientThatDoesNotReadIsEndedAndDisturbsNobody) {
  cache_options_.queue_events_max = 16;
  Start();
  const auto slow = Client(4'096);
  ASSERT_EQ(slow->Watch(fmt::format("{}?watch=1", kMaps)).status, 200);
  const auto quick = Watching("");
  constexpr size_t kBytes = 200'000;
  for (int i = 0; i < 100; ++i) {
    const std::string name = fmt::format("m{}", i);
    Put(name, "1", kBytes);
    ASSERT_EQ(Next(quick.get()), "ADDED " + name);
  }
  int seen = 0;
  std::optional<api::Json> event = slow->NextEvent();
  while (event.has_value() && StringAt(*event, {"type"}) == "ADDED") {
    EXPECT_EQ(StringAt(*event, {"object", "metadata", "name"}), fmt::format("m{}", seen));
    ++seen;
    event = slow->NextEvent();
  }
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(StringAt(*event, {"type"}), "ERROR");
  EXPECT_EQ(IntAt(*event, {"object", "code"}), 410);
  EXPECT_EQ(StringAt(*event, {"object", "reason"}), "Expired");
  EXPECT_LT(seen, 100);
  EXPECT_EQ(slow->NextEvent(), std::nullopt);
}

TEST_F(WatchTest, ManyWatchersSeeTheSameChange) {
  Start();
  Put("a");
  std::vector<std::unique_ptr<ApiClient>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(Watching("resourceVersion=0"));
  }
  for (const auto& client : clients) {
    EXPECT_EQ(Next(client.get()), "ADDED a");
  }
  Put("a", "2", 10'000);
  for (const auto& client : clients) {
    EXPECT_EQ(Next(client.get()), "MODIFIED a");
  }
}

TEST_F(WatchTest, EndsWhenTheServerStops) {
  Start();
  const auto client = Watching("");
  Thread stopper("stopper", [this] { server_->Stop(5 * kNanosPerSecond); });
  EXPECT_EQ(Next(client.get()), "end");
}

TEST_F(WatchTest, AClientThatGoesLeavesNothing) {
  Start();
  for (int i = 0; i < 20; ++i) {
    Watching("")->socket().Close();
  }
  Put("a");
  const auto client = Client();
  EXPECT_TRUE(server::http::Eventually([&client] {
    return client->Get("/metrics").body.find("apiserver_watches 0\n") != std::string::npos;
  }));
}

}  // namespace
}  // namespace socle::apiserver
