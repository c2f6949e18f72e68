#include "controllers/apiserver/request_meter.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/clock.h"

namespace socle::apiserver {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RequestMeter, BoundsReadsAndWritesApartAndNoWatches) {
  RequestMeter meter(api::KindRegistry::Builtin(), 2, 1);
  std::vector<Permit> permits;
  permits.push_back(meter.Admit(Verb::kGet));
  permits.push_back(meter.Admit(Verb::kList));
  EXPECT_FALSE(meter.Admit(Verb::kGet).is_given());
  permits.push_back(meter.Admit(Verb::kPatch));
  EXPECT_TRUE(permits.back().is_given());
  EXPECT_FALSE(meter.Admit(Verb::kDelete).is_given());
  for (int i = 0; i < 10; ++i) {
    permits.push_back(meter.Admit(Verb::kWatch));
    EXPECT_TRUE(permits.back().is_given());
  }
  std::string text;
  meter.Render(&text);
  EXPECT_THAT(text, HasSubstr("inflight_requests{request_kind=\"readOnly\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("inflight_requests{request_kind=\"mutating\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("apiserver_watches 10\n"));
  EXPECT_THAT(text, HasSubstr("apiserver_refused_requests_total 2\n"));
  permits.clear();
  EXPECT_TRUE(meter.Admit(Verb::kGet).is_given());
  EXPECT_TRUE(meter.Admit(Verb::kDelete).is_given());
}

TEST(RequestMeter, CountsByVerbResourceAndCode) {
  const api::KindRegistry& kinds = api::KindRegistry::Builtin();
  const api::ServedKind* const pods = kinds.ByResource({"", "v1", "pods"});
  RequestMeter meter(kinds, 1, 1);
  meter.Note(Verb::kGet, pods, "", 200, 2 * kNanosPerMilli);
  meter.Note(Verb::kGet, pods, "", 200, 90 * kNanosPerSecond);
  meter.Note(Verb::kGet, pods, "", 404, 50 * kNanosPerMicro);
  meter.Note(Verb::kPatch, pods, "status", 409, kNanosPerMilli);
  meter.Note(Verb::kCreate, nullptr, "", 599, kNanosPerMilli);
  std::string text;
  meter.Render(&text);
  const std::string get = R"({verb="get",group="",version="v1",resource="pods",subresource="")";
  EXPECT_THAT(text, HasSubstr("apiserver_request_total" + get + ",code=\"200\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("apiserver_request_total" + get + ",code=\"404\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("apiserver_request_duration_seconds_bucket" + get + ",le=\"0.0001\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("apiserver_request_duration_seconds_bucket" + get + ",le=\"0.0025\"} 2\n"));
  EXPECT_THAT(text,
              HasSubstr("apiserver_request_duration_seconds_bucket" + get + ",le=\"30\"} 2\n"));
  EXPECT_THAT(text,
              HasSubstr("apiserver_request_duration_seconds_bucket" + get + ",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr(R"(resource="pods",subresource="status",code="409"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(verb="create",group="",version="",resource="",subresource="",)"
                              R"(code="0"} 1)"));
  EXPECT_THAT(text, Not(HasSubstr("configmaps")));
}

}  // namespace
}  // namespace socle::apiserver
