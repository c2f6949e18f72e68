#include "controllers/nodelifecycle/plan.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/timestamp.h"
#include "kv/base/clock.h"

namespace socle::nodelifecycle {
namespace {

using testing::ElementsAre;

constexpr int64_t kGrace = 40 * kNanosPerSecond;
constexpr int64_t kWall = 1'700'000'000 * kNanosPerSecond;

api::Json Node(std::string_view ready, std::string_view spec = "{}") {
  return api::Literal(fmt::format(
      R"({{"metadata":{{"name":"n"}},"spec":{},"status":{{"conditions":[)"
      R"({{"type":"Ready","status":"{}"}},{{"type":"DiskPressure","status":"False"}}]}}}})",
      spec, ready));
}

api::Json Lease(int64_t renewed_nanos) {
  return api::Literal(
      fmt::format(R"({{"spec":{{"renewTime":"{}"}}}})", api::FormatMicroTime(renewed_nanos)));
}

std::vector<std::string> TaintsOf(const NodePlan& plan) {
  std::vector<std::string> texts;
  for (const api::Json& taint : plan.taints->get_array()) {
    texts.push_back(
        fmt::format("{}:{}", api::StringAt(taint, {"key"}), api::StringAt(taint, {"effect"})));
  }
  return texts;
}

TEST(NodePlan, OfANodeThatSpeaksIsToLookAgainWhenItsGraceWouldBeOver) {
  const NodePlan plan = PlanNode(Node("True"), {"t", 100, 100}, kGrace, 200, kWall);
  EXPECT_FALSE(plan.becomes_unknown);
  EXPECT_FALSE(plan.taints.has_value());
  EXPECT_EQ(plan.again_nanos, 100 + kGrace);
}

TEST(NodePlan, OfASilentNodeIsUnknownAndUnreachable) {
  const NodePlan plan = PlanNode(Node("True"), {"t", 100, 100}, kGrace, 100 + kGrace, kWall);
  EXPECT_TRUE(plan.becomes_unknown);
  EXPECT_THAT(TaintsOf(plan), ElementsAre("node.kubernetes.io/unreachable:NoSchedule",
                                          "node.kubernetes.io/unreachable:NoExecute"));
  EXPECT_FALSE(plan.again_nanos.has_value());
}

TEST(NodePlan, TaintsFollowTheConditionAndLeaveThoseOfOthers) {
  struct Case {
    const char* name;
    const char* ready;
    const char* spec;
    std::vector<std::string> taints;
  };

  const char* const kForeign = R"({"key":"own","effect":"NoExecute"})";
  const char* const kUnreachable =
      R"({"key":"node.kubernetes.io/unreachable","effect":"NoExecute","timeAdded":"x"})";
  for (const Case& row :
       {Case{"not ready",
             "False",
             "{}",
             {"node.kubernetes.io/not-ready:NoSchedule", "node.kubernetes.io/not-ready:NoExecute"}},
        Case{"cordoned",
             "True",
             R"({"unschedulable":true})",
             {"node.kubernetes.io/unschedulable:NoSchedule"}}}) {
    SCOPED_TRACE(row.name);
    const NodePlan plan = PlanNode(Node(row.ready, row.spec), {"t", 1, 1}, kGrace, 2, kWall);
    ASSERT_TRUE(plan.taints.has_value());
    EXPECT_EQ(TaintsOf(plan), row.taints);
  }
  const NodePlan back =
      PlanNode(Node("True", fmt::format(R"({{"taints":[{},{}]}})", kForeign, kUnreachable)),
               {"t", 1, 1}, kGrace, 2, kWall);
  ASSERT_TRUE(back.taints.has_value());
  EXPECT_THAT(TaintsOf(back), ElementsAre("own:NoExecute"));
}

TEST(NodePlan, TaintsThatDriveOutGetTheTimeFromWhichTolerationsCount) {
  const api::Json node = Node("True", R"({"taints":[{"key":"own","effect":"NoExecute"},)"
                                      R"({"key":"own","effect":"NoSchedule"}]})");
  const NodePlan plan = PlanNode(node, {"t", 1, 1}, kGrace, 2, kWall);
  ASSERT_TRUE(plan.taints.has_value());
  const api::JsonArray& taints = plan.taints->get_array();
  EXPECT_EQ(api::StringAt(taints[0], {"timeAdded"}), api::FormatTime(kWall));
  EXPECT_EQ(api::Find(taints[1], {"timeAdded"}), nullptr);
}

TEST(NodePlan, OfANodeThatIsAsPlannedIsEmpty) {
  const char* const kSpec =
      R"({"taints":[{"key":"node.kubernetes.io/unreachable","effect":"NoSchedule"},)"
      R"({"key":"node.kubernetes.io/unreachable","effect":"NoExecute","timeAdded":"x"}]})";
  const NodePlan plan = PlanNode(Node("Unknown", kSpec), {"t", 1, 1}, kGrace, 1 + kGrace, kWall);
  EXPECT_FALSE(plan.becomes_unknown);
  EXPECT_FALSE(plan.taints.has_value());
}

TEST(NodeSeen, CountsSilenceFromTheFirstLook) {
  NodeSeen seen;
  const api::Json old = Lease(kWall - 3600 * kNanosPerSecond);
  Look("a", &old, 1'000, kWall, &seen);
  EXPECT_EQ(seen.heard_nanos, 1'000);
}

TEST(NodeSeen, TakesTheTimeOfTheLeaseButNotFromBeforeTheLastLook) {
  NodeSeen seen{"a", 1'000 * kNanosPerSecond, 1'000 * kNanosPerSecond};
  const api::Json recent = Lease(kWall - 3 * kNanosPerSecond);
  Look("b", &recent, 1'030 * kNanosPerSecond, kWall, &seen);
  EXPECT_EQ(seen.heard_nanos, 1'027 * kNanosPerSecond);
  const api::Json bent = Lease(kWall - 900 * kNanosPerSecond);
  Look("c", &bent, 1'040 * kNanosPerSecond, kWall, &seen);
  EXPECT_EQ(seen.heard_nanos, 1'030 * kNanosPerSecond);
  Look("c", &bent, 1'050 * kNanosPerSecond, kWall, &seen);
  EXPECT_EQ(seen.heard_nanos, 1'030 * kNanosPerSecond);
}

TEST(NodeSeen, TokenMovesWithLeaseAndWithStatus) {
  const api::Json node = Node("True");
  const api::Json one = Lease(kWall);
  const api::Json two = Lease(kWall + 1'000'000);
  EXPECT_NE(TokenOf(node, &one), TokenOf(node, &two));
  EXPECT_EQ(TokenOf(node, &one), TokenOf(node, &one));
  EXPECT_NE(TokenOf(node, nullptr), TokenOf(node, &one));
}

TEST(MarkUnknown, ChangesEveryConditionThatTheNodeVouchedForAndIsIdempotent) {
  api::Json node = Node("True");
  EXPECT_TRUE(MarkUnknown(&node, kWall));
  for (const api::Json& condition : *api::FindArray(node, {"status", "conditions"})) {
    EXPECT_EQ(api::StringAt(condition, {"status"}), "Unknown");
  }
  EXPECT_FALSE(MarkUnknown(&node, kWall));
}

}  // namespace
}  // namespace socle::nodelifecycle
