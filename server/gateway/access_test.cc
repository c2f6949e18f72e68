#include "server/gateway/access.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::server::gateway {
namespace {

using ::testing::HasSubstr;

// The origin that an answer allows; empty: none is said.
std::string AllowedFor(const Access& access, std::string_view origin) {
  http::Request request;
  request.Clear(http::Version::kHttp11);
  if (!origin.empty()) {
    request.Add("origin", origin);
  }
  const CorsOrigin cors = access.OriginOf(request);
  std::vector<http::Field> fields;
  cors.AddTo(&fields);
  return fields.empty() ? "" : std::string(fields.back().value);
}

TEST(Access, AllowsTheOriginsOfItsList) {
  const Access all({"*"}, {});
  EXPECT_EQ(AllowedFor(all, ""), "*");
  EXPECT_EQ(AllowedFor(all, "http://a.com"), "*");
  const Access some({"http://a.com", "https://b.com:1"}, {});
  EXPECT_EQ(AllowedFor(some, "https://b.com:1"), "https://b.com:1");
  EXPECT_EQ(AllowedFor(some, "https://b.com"), "");
  EXPECT_EQ(AllowedFor(some, ""), "");
  EXPECT_EQ(AllowedFor(Access({}, {}), "http://a.com"), "");
}

TEST(Access, TakesTheHostsOfItsListToTheLetter) {
  EXPECT_TRUE(Access({}, {}).TakesHost("any"));
  EXPECT_TRUE(Access({}, {"a", "*"}).TakesHost("any"));
  const Access some({}, {"a.com", "::1"});
  EXPECT_TRUE(some.TakesHost("a.com"));
  EXPECT_TRUE(some.TakesHost("::1"));
  EXPECT_FALSE(some.TakesHost("A.com"));
  EXPECT_FALSE(some.TakesHost(""));
  EXPECT_THAT(Access::HostRefusal("e\"vil"), HasSubstr("--host-whitelist \"e\\\"vil\"\n"));
}

TEST(HostNameOf, LeavesPortAndBracketsOut) {
  struct Case {
    const char* authority;
    const char* host;
  };

  constexpr Case kCases[] = {
      {"", ""},
      {"a.com", "a.com"},
      {"a.com:80", "a.com"},
      {"[::1]:80", "::1"},
      {"[::1]", "::1"},
      {"::1", "::1"},
      {"[broken", "[broken"},
      {":80", ""},
      {"1.2.3.4:5", "1.2.3.4"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(HostNameOf(c.authority), c.host) << c.authority;
  }
}

}  // namespace
}  // namespace socle::server::gateway
