#include "server/service/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::server {
namespace {

TEST(Identity, DerivesEtcdsDefaultIds) {
  const uint64_t member = MemberIdOf({"http://localhost:2380"}, "etcd-cluster");
  EXPECT_EQ(member, 0x8e9e05c52164694dU);
  EXPECT_EQ(ClusterIdOf({member}), 0xcdf818194e3a8c32U);
}

TEST(Identity, SortsPeerUrlsBeforeHashing) {
  EXPECT_EQ(MemberIdOf({"http://b:1", "http://a:1"}, "t"),
            MemberIdOf({"http://a:1", "http://b:1"}, "t"));
  EXPECT_NE(MemberIdOf({"http://a:1"}, "t"), MemberIdOf({"http://a:1"}, "u"));
}

TEST(Identity, WritesAndReadsEtcdsMemberRecord) {
  const MemberRecord member{.id = 10276657743932975437U,
                            .name = "default",
                            .peer_urls = {"http://localhost:2380"},
                            .client_urls = {"http://localhost:2379"}};
  const std::string json = MemberJson(member);
  EXPECT_EQ(json, R"({"id":10276657743932975437,"peerURLs":["http://localhost:2380"],)"
                  R"("name":"default","clientURLs":["http://localhost:2379"]})");
  const auto parsed = ParseMemberJson(json);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->id, member.id);
  EXPECT_EQ(MemberJson(*parsed), json);
  EXPECT_EQ(MemberWrite(member).key, "8e9e05c52164694d");
}

TEST(Identity, RefusesRecordsThatAreNot) {
  for (const char* text : {"", "[]", "{}", R"({"id":"x"})", R"({"id":-1})", R"({"id":1.5})"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(ParseMemberJson(text).status().code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace socle::server
