#include "controllers/pdb/plan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/status_matchers.h"

namespace socle::pdb {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr int64_t kNow = 10'000 * kNanosPerSecond;

// One letter per pod: r ready, n not ready, d ready and being deleted; `replicas` of their controller,
// negative for none.
std::vector<CoveredPod> Pods(std::string_view states, int64_t replicas) {
  std::vector<CoveredPod> pods;
  for (const char state : states) {
    CoveredPod pod{.name = fmt::format("p{}", pods.size()),
                   .is_ready = state != 'n',
                   .is_deleting = state == 'd'};
    if (replicas >= 0) {
      pod.controller_uid = "c";
      pod.controller_replicas = replicas;
    }
    pods.push_back(std::move(pod));
  }
  return pods;
}

TEST(PdbPlan, CountsWhatMayBeAway) {
  struct Case {
    const char* name;
    const char* min_available;
    const char* max_unavailable;
    const char* pods;
    int64_t replicas;
    int64_t healthy;
    int64_t desired;
    int64_t expected;
    int64_t allowed;
  };

  const Case cases[] = {
      {"min as a number", "2", "", "rrr", -1, 3, 2, 3, 1},
      {"min not met", "3", "", "rrn", -1, 2, 3, 3, 0},
      {"min above what there is", "5", "", "rrr", -1, 3, 5, 3, 0},
      {"min zero", "0", "", "rr", -1, 2, 0, 2, 2},
      {"min as a share of the replicas, rounded up", "\"50%\"", "", "rrr", 5, 3, 3, 5, 0},
      {"min as a share of pods without controller", "\"50%\"", "", "rrr", -1, 3, 2, 3, 1},
      {"min 100%", "\"100%\"", "", "rrrr", 4, 4, 4, 4, 0},
      {"max as a number", "", "1", "rrr", 3, 3, 2, 3, 1},
      {"max used up", "", "1", "rrn", 3, 2, 2, 3, 0},
      {"max of more replicas than pods", "", "2", "rrr", 5, 3, 3, 5, 0},
      {"max as a share, rounded up", "", "\"30%\"", "rrrrr", 5, 5, 3, 5, 2},
      {"max above all", "", "9", "rr", 2, 2, 0, 2, 2},
      {"max zero", "", "0", "rr", 2, 2, 2, 2, 0},
      {"pods that are going are not healthy", "1", "", "rdd", -1, 1, 1, 3, 0},
      {"no pods", "0", "", "", -1, 0, 0, 0, 0},
      {"neither", "", "", "rr", -1, 2, 0, 2, 2},
      {"scaled to nothing", "", "1", "r", 0, 1, 0, 0, 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const api::Json min = api::Literal(*c.min_available != 0 ? c.min_available : "null");
    const api::Json max = api::Literal(*c.max_unavailable != 0 ? c.max_unavailable : "null");
    Budget budget;
    budget.min_available = min.is_null() ? nullptr : &min;
    budget.max_unavailable = max.is_null() ? nullptr : &max;
    const auto plan = PlanBudget(budget, Pods(c.pods, c.replicas), kNow);
    ASSERT_OK(plan);
    EXPECT_EQ(plan->current_healthy, c.healthy);
    EXPECT_EQ(plan->desired_healthy, c.desired);
    EXPECT_EQ(plan->expected_pods, c.expected);
    EXPECT_EQ(plan->disruptions_allowed, c.allowed);
    EXPECT_EQ(plan->look_again_nanos, std::nullopt);
  }
}

TEST(PdbPlan, ControllersAreCountedOnceAndBesidePodsWithoutOne) {
  std::vector<CoveredPod> pods = Pods("rr", 3);
  for (CoveredPod pod : Pods("rr", 4)) {
    pod.controller_uid = "other";
    pods.push_back(pod);
  }
  pods.push_back({.name = "alone", .is_ready = true});
  const api::Json max = 1;
  const auto plan = PlanBudget({.max_unavailable = &max}, pods, kNow);
  ASSERT_OK(plan);
  EXPECT_EQ(plan->expected_pods, 3 + 4 + 1);
}

TEST(PdbPlan, AnEvictionCountsUntilItsPodGoesOrItsTimeIsOver) {
  const api::Json min = 1;
  std::vector<CoveredPod> pods = Pods("rrdr", -1);
  const int64_t fresh = kNow - 30 * kNanosPerSecond;
  const int64_t old = kNow - 120 * kNanosPerSecond;
  const auto plan =
      PlanBudget({.min_available = &min,
                  .disrupted = {{"p0", fresh}, {"p1", old}, {"p2", fresh}, {"gone", fresh}}},
                 pods, kNow);
  ASSERT_OK(plan);
  EXPECT_THAT(plan->disrupted, ElementsAre(Pair("p0", fresh)));
  EXPECT_THAT(plan->given_up, ElementsAre("p1"));
  EXPECT_EQ(plan->current_healthy, 2);  // p1 again, and p3
  EXPECT_EQ(plan->disruptions_allowed, 1);
  EXPECT_EQ(plan->look_again_nanos, fresh + kDisruptionNanos);
}

TEST(PdbPlan, AShareThatIsNoneIsAnError) {
  const api::Json share = "half";
  EXPECT_THAT(PlanBudget({.max_unavailable = &share}, Pods("r", 1), kNow),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace socle::pdb
