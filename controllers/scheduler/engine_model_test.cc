// Random changes against rules that are applied from scratch.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controllers/scheduler/engine.h"
#include "controllers/scheduler/testing/stored_objects.h"
#include "controllers/workload/node_fit.h"
#include "kv/base/clock.h"
#include "kv/base/random.h"

namespace socle::scheduler {
namespace {

constexpr int64_t kSecond = kNanosPerSecond;

constexpr std::string_view kApart =
    R"("affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[
       {"labelSelector":{"matchLabels":{"app":"web"}},"topologyKey":"kubernetes.io/hostname"}]}})";

// One run: a plane of a dozen nodes and sixty pods.
class RandomRun {
 public:
  explicit RandomRun(uint64_t seed)
      : random_(seed), engine_(EngineOptions{.placement = {.seed = seed}}) {}

  void Step() {
    now_ += kSecond;
    const std::string node = fmt::format("n{}", random_.Below(12));
    const std::string pod = fmt::format("p{}", random_.Below(60));
    switch (random_.Below(8)) {
      case 0:
        SetNode(node);
        break;
      case 1:
        if (nodes_.erase(node) > 0) {
          engine_.NodeDeleted(*make_.Node(node));
        }
        break;
      case 2:
        DeletePod(pod);
        break;
      case 3:
        if (assumed_.contains(pod)) {
          engine_.BindFailed("uid-" + pod, now_);
          assumed_.erase(pod);
        }
        break;
      case 4:
        if (assumed_.contains(pod)) {
          shapes_[pod].node = assumed_[pod];
          assumed_.erase(pod);
          engine_.PodChanged(make_.Pod(pod, shapes_[pod]));
        }
        break;
      default:
        CreatePod(pod);
        break;
    }
    while (std::optional<Decision> decision = engine_.Next(now_)) {
      Check(*decision);
    }
    engine_.cache().CheckInvariants();
  }

  const std::vector<std::string>& log() const { return log_; }

 private:
  void SetNode(const std::string& name) {
    const registry::ObjectRef node =
        make_.Node(name,
                   fmt::format(R"({{"cpu":"{}","memory":"8Gi","pods":"{}"}})", random_.Below(6) + 1,
                               random_.Below(8) + 1),
                   random_.OneIn(4) ? R"({"unschedulable":true})" : "{}",
                   fmt::format(R"("zone":"{}")", random_.Below(3)));
    nodes_[name] = node;
    engine_.NodeChanged(*node);
  }

  void DeletePod(const std::string& name) {
    if (shapes_.erase(name) > 0) {
      assumed_.erase(name);
      engine_.PodDeleted(*make_.Pod(name));
    }
  }

  void CreatePod(const std::string& name) {
    if (shapes_.contains(name)) {
      return;
    }
    PodShape& shape = shapes_[name];
    shape.cpu = fmt::format("{}00m", random_.Below(20) + 1);
    shape.owner = random_.OneIn(2) ? "set" : "";
    if (random_.OneIn(3)) {
      shape.spec = kApart;
    }
    if (random_.OneIn(2)) {
      shape.metadata = R"("labels":{"app":"web"})";
    }
    engine_.PodChanged(make_.Pod(name, shape));
  }

  static bool IsGuard(const PodShape& shape) { return !shape.spec.empty(); }

  static bool IsWeb(const PodShape& shape) { return !shape.metadata.empty(); }

  void Check(const Decision& decision) {
    log_.push_back(decision.pod->name + "@" + decision.node + decision.message);
    const PodShape& shape = shapes_.at(decision.pod->name);
    size_t fitting = 0;
    for (const auto& [name, node] : nodes_) {
      workload::NodeUse use;
      bool is_apart = true;
      for (const auto& [other, other_shape] : shapes_) {
        const auto assumed = assumed_.find(other);
        if ((assumed == assumed_.end() ? other_shape.node : assumed->second) != name) {
          continue;
        }
        use.used.Add(RequirementsOf(other, other_shape).amounts.requests);
        is_apart &=
            !(IsGuard(shape) && IsWeb(other_shape)) && !(IsGuard(other_shape) && IsWeb(shape));
      }
      const bool fits = is_apart && workload::Fits(workload::FactsOf(*node), use,
                                                   RequirementsOf(decision.pod->name, shape))
                                        .empty();
      fitting += fits ? 1 : 0;
      if (name == decision.node) {
        EXPECT_TRUE(fits) << decision.pod->name << " on " << name;
      }
    }
    if (decision.node.empty()) {
      EXPECT_EQ(fitting, 0U) << decision.pod->name << ": " << decision.message;
    } else {
      assumed_[decision.pod->name] = decision.node;
    }
  }

  workload::PodRequirements RequirementsOf(const std::string& name, const PodShape& shape) {
    const api::Json pod = make_.Pod(name, shape)->Parse();
    return workload::RequirementsOf(*api::Find(pod, {"spec"}), "default");
  }

  Random random_;
  Engine engine_;
  StoredObjects make_;
  int64_t now_ = 0;
  std::map<std::string, registry::ObjectRef> nodes_;
  std::map<std::string, PodShape> shapes_;
  std::map<std::string, std::string> assumed_;
  std::vector<std::string> log_;
};

TEST(EngineRandomRun, PlacesOnlyWhereRulesAllowAndRefusesOnlyWhenTheyForbidAll) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    RandomRun run(seed);
    for (int step = 0; step < 400 && !::testing::Test::HasFailure(); ++step) {
      run.Step();
    }
  }
}

TEST(EngineRandomRun, IsTheSameForOneSeed) {
  RandomRun one(7);
  RandomRun two(7);
  for (int step = 0; step < 300; ++step) {
    one.Step();
    two.Step();
  }
  EXPECT_EQ(one.log(), two.log());
  EXPECT_GT(one.log().size(), 50U);
}

}  // namespace
}  // namespace socle::scheduler
