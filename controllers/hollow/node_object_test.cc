#include "controllers/hollow/node_object.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/kind_registry.h"
#include "kv/base/clock.h"

namespace socle::hollow {
namespace {

using testing::Eq;
using testing::Optional;

constexpr int64_t kNow = 1'700'000'000 * kNanosPerSecond;

TEST(NodeObject, NoTwoNodesShareAnAddressOrARange) {
  std::set<std::string> seen;
  for (uint32_t number = 0; number < kNodesMax; number += 7) {
    EXPECT_TRUE(seen.insert(NodeAddress(number)).second);
    EXPECT_TRUE(seen.insert(PodRange(number)).second);
    EXPECT_THAT(NumberOfRange(PodRange(number)), Optional(number));
    EXPECT_THAT(SlotOfAddress(number, PodAddress(number, 200)), Optional(200U));
    EXPECT_EQ(SlotOfAddress(number, PodAddress(number + 1, 200)), std::nullopt);
  }
}

TEST(NodeObject, StrangeRangesAndAddressesAreNone) {
  for (const char* text : {"", "10.0.0.0", "10.0.0.0/16", "11.0.0.0/24", "10.0.0.1/24", "10.0.0/24",
                           "10.0.0.0.0/24", "10.256.0.0/24", "a.b.c.d/24"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(NumberOfRange(text), std::nullopt);
  }
  EXPECT_EQ(SlotOfAddress(0, "10.0.0.x"), std::nullopt);
}

TEST(NodeObject, ANewNodeIsValidAndComplete) {
  api::Json node = NewNode("hollow-node-3", 3, {.zones = 2, .labels = {{"a", "b"}}}, kNow);
  const api::ServedKind* served = api::KindRegistry::Builtin().ByResource({"", "v1", "nodes"});
  ASSERT_NE(served, nullptr);
  api::DefaultObject(*served, &node);
  EXPECT_TRUE(api::ValidateCreate(*served, node).empty());
  EXPECT_TRUE(IsReported(node));
  EXPECT_EQ(api::StringAt(node, {"metadata", "labels", "topology.kubernetes.io/zone"}), "zone-1");
  EXPECT_EQ(api::StringAt(node, {"metadata", "labels", "a"}), "b");
  EXPECT_EQ(api::StringAt(node, {"status", "allocatable", "cpu"}), "32");
  EXPECT_FALSE(ReportNode(3, {}, kNow + kNanosPerSecond, false, &node));
  EXPECT_TRUE(ReportNode(3, {}, kNow + kNanosPerSecond, true, &node));
}

TEST(NodeObject, ReportingKeepsWhatIsThereAndTurnsConditionsBack) {
  api::Json node = NewNode("n", 3, {}, kNow);
  node.at("status").at("capacity").as_object()["cpu"] = "4";
  for (api::Json& condition : node.at("status").at("conditions").as_array()) {
    condition.as_object()["status"] = "Unknown";
  }
  node.at("status")
      .at("conditions")
      .as_array()
      .push_back(api::Literal(R"({"type": "Other", "status": "False"})"));
  EXPECT_FALSE(IsReported(node));
  EXPECT_TRUE(ReportNode(3, {}, kNow + kNanosPerSecond, false, &node));
  EXPECT_TRUE(IsReported(node));
  EXPECT_EQ(api::StringAt(node, {"status", "capacity", "cpu"}), "4");
  EXPECT_EQ(node.at("status").at("conditions").as_array().size(), 5U);
}

TEST(NodeObject, LeasesAreValidAndRenewed) {
  api::Json lease = NewLease("n", "uid", 40, kNow);
  const api::ServedKind* served =
      api::KindRegistry::Builtin().ByResource({"coordination.k8s.io", "v1", "leases"});
  ASSERT_NE(served, nullptr);
  api::DefaultObject(*served, &lease);
  EXPECT_TRUE(api::ValidateCreate(*served, lease).empty());
  const std::string before(api::StringAt(lease, {"spec", "renewTime"}));
  RenewLease("n", 40, kNow + kNanosPerSecond, &lease);
  EXPECT_GT(api::StringAt(lease, {"spec", "renewTime"}), before);
  EXPECT_EQ(api::StringAt(lease, {"spec", "holderIdentity"}), "n");
}

}  // namespace
}  // namespace socle::hollow
