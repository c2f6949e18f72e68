#include "server/ops/ops_pages.h"

#include <string>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/h2/testing/h2_fixture.h"

namespace socle::server {
namespace {

using ::testing::HasSubstr;

class OpsPagesTest : public H2ServerTest {
 protected:
  OpsPagesTest() : pages_(&*node_, &lessor_, &metrics_) {}

  HttpResponse Get(const std::string& path, const std::string& query = "") const {
    return pages_.Answer({.method = "GET", .path = path, .query = query});
  }

  void Raise(etcdserverpb::AlarmType type) {
    alarms_->Activate({.member_id = 1, .type = type},
                      [](const absl::Status& raised) { EXPECT_TRUE(raised.ok()) << raised; });
    while (!alarms_->IsActive(type)) {
      Clock::Real()->SleepFor(kNanosPerMilli);
    }
  }

  Metrics metrics_;
  OpsPages pages_;
};

TEST_F(OpsPagesTest, HealthNamesTheAlarmThatIsNotExcluded) {
  EXPECT_EQ(Get("/health").body, R"({"health":"true","reason":""})");
  Raise(etcdserverpb::NOSPACE);
  const HttpResponse ill = Get("/health", "serializable=true");
  EXPECT_EQ(ill.status, 503);
  EXPECT_EQ(ill.body, "{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n");
  EXPECT_EQ(Get("/health", "exclude=NOSPACE").status, 200);
  EXPECT_EQ(Get("/health", "exclude=CORRUPT").status, 503);
  Raise(etcdserverpb::CORRUPT);
  EXPECT_THAT(Get("/health", "exclude=NOSPACE").body, HasSubstr("ALARM CORRUPT"));
  EXPECT_EQ(Get("/health", "exclude=NOSPACE&exclude=CORRUPT").status, 200);
  EXPECT_EQ(pages_.Answer({.method = "POST", .path = "/health", .query = {}}).allow, "GET");
}

TEST_F(OpsPagesTest, ReadinessIsTheSumOfItsChecks) {
  constexpr std::string_view kAll =
      "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner "
      "ok\n";
  EXPECT_EQ(Get("/readyz").body, "ok\n");
  EXPECT_EQ(Get("/readyz", "verbose").body, fmt::format("{}ok\n", kAll));
  EXPECT_EQ(Get("/livez", "verbose").body, "[+]serializable_read ok\nok\n");
  EXPECT_EQ(Get("/readyz/non_learner", "verbose").body, "[+]non_learner ok\nok\n");
  EXPECT_EQ(Get("/livez/non_learner").status, 404);
  Raise(etcdserverpb::CORRUPT);
  const HttpResponse ill = Get("/readyz");
  EXPECT_EQ(ill.status, 503);
  EXPECT_EQ(ill.body,
            "[-]data_corruption failed: alarm activated: CORRUPT\n[+]serializable_read ok\n"
            "[+]linearizable_read ok\n[+]non_learner ok\n\n");
  EXPECT_EQ(Get("/readyz/data_corruption").status, 503);
  EXPECT_EQ(Get("/readyz", "verbose&exclude=data_corruption&exclude=non_learner").body,
            "[+]serializable_read ok\n[+]linearizable_read ok\nok\n");
  EXPECT_EQ(Get("/livez").status, 200);
  const std::string metrics = Get("/metrics").body;
  EXPECT_THAT(metrics,
              HasSubstr("etcd_server_healthcheck{name=\"data_corruption\",type=\"readyz\"} 0\n"));
  EXPECT_THAT(metrics,
              HasSubstr("etcd_server_healthcheck{name=\"serializable_read\",type=\"livez\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("etcd_server_healthchecks_total{name=\"data_corruption\","
                                 "status=\"error\",type=\"readyz\"} 2\n"));
}

TEST_F(OpsPagesTest, DebugVarsAreJsonInExpvarsShape) {
  ASSERT_TRUE(client_->Put("k", "v").ok());
  const HttpResponse page = Get("/debug/vars");
  EXPECT_EQ(page.content_type, "application/json; charset=utf-8");
  EXPECT_THAT(page.body, ::testing::StartsWith("{\n\"cmdline\": [\""));
  const boost::json::object vars = boost::json::parse(page.body).as_object();
  EXPECT_THAT(std::string(vars.at("cmdline").as_array().at(0).as_string()),
              HasSubstr("server_ops_test"));
  EXPECT_GT(vars.at("file_descriptor_limit").to_number<int64_t>(), 0);
  EXPECT_GT(vars.at("memstats").as_object().at("Alloc").to_number<int64_t>(), 0);
  const boost::json::object& raft = vars.at("raft.status").as_object();
  EXPECT_EQ(raft.at("lead"), raft.at("id"));
  EXPECT_GT(raft.at("applied").to_number<int64_t>(), 0);
}

TEST_F(OpsPagesTest, VersionNamesServerClusterAndStorage) {
  EXPECT_THAT(
      Get("/version").body,
      ::testing::MatchesRegex(R"(.*"etcdserver":"3.*","etcdcluster":"3.*","storage":"3.*)"));
  EXPECT_EQ(Get("/nowhere").status, 404);
}

}  // namespace
}  // namespace socle::server
