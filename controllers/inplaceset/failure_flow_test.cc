// Refused writes: rows A8 and B9 of spec controllers 7, on a plane.
#include "controllers/inplaceset/testing/set_fixture.h"
#include "controllers/registry/errors.h"

namespace socle::inplaceset {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Refuses what the test names: `create persistentvolumeclaims`.
class Refusals final : public registry::AdmissionPlugin {
 public:
  struct Wishes {
    Mutex mu;
    StringSet refused ABSL_GUARDED_BY(mu);
  };

  explicit Refusals(Wishes* wishes) : wishes_(wishes) {}

  std::string_view name() const override { return "refusals"; }

  absl::Status Check(const registry::AdmissionRequest& request, const api::Json& object) override {
    const bool is_kubelet = request.caller->user.find("test-kubelet") != std::string_view::npos;
    const std::string_view verb = request.verb == registry::Verb::kCreate   ? "create"
                                  : request.verb == registry::Verb::kDelete ? "delete"
                                                                            : "update";
    const std::string what = fmt::format("{} {}", verb, request.served->kind->resource);
    MutexLock lock(&wishes_->mu);
    if (!is_kubelet && request.caller->is_plane && wishes_->refused.contains(what)) {
      return registry::Forbidden("", request.served->kind->resource,
                                 api::StringAt(object, {"metadata", "name"}), "not today");
    }
    return absl::OkStatus();
  }

 private:
  Wishes* const wishes_;
};

class FailureFlow : public SetFixture {
 protected:
  plane_testing::Admission MakeAdmission(registry::ObjectCache* /*cache*/) override {
    plane_testing::Admission chain;
    chain.push_back(std::make_unique<Refusals>(&refusals_));
    return chain;
  }

  void Refuse(std::string_view what) {
    MutexLock lock(&refusals_.mu);
    refusals_.refused = {std::string(what)};
  }

  void Allow() {
    MutexLock lock(&refusals_.mu);
    refusals_.refused.clear();
  }

  Refusals::Wishes refusals_;
};

TEST_F(FailureFlow, APodThatCanNotBeCreatedIsSaidAndTriedAgain) {
  Refuse("create pods");
  Apply(Set(R"("replicas":2,"podManagementPolicy":"Parallel")"));
  EXPECT_TRUE(RunUntil([&] { return ConditionOf("FailedCreatePod") == "True"; }, 10));
  EXPECT_EQ(Status("replicas"), 0);
  EXPECT_THAT(EventsAbout("web"), Contains(HasSubstr("FailedCreate: create Pod web-0")));
  Allow();
  EXPECT_TRUE(RunUntil([&] { return IsComplete(); }, 120));
  EXPECT_EQ(ConditionOf("FailedCreatePod"), "False");
}

TEST_F(FailureFlow, NoPodWithoutItsClaim) {
  Refuse("create persistentvolumeclaims");
  Apply(Set(R"("replicas":1,"volumeClaimTemplates":[{"metadata":{"name":"data"},
      "spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}])"));
  EXPECT_TRUE(RunUntil([&] { return ConditionOf("FailedCreatePod") == "True"; }, 10));
  EXPECT_THAT(Pods(), ElementsAre());
  EXPECT_THAT(EventsAbout("web"), Contains(HasSubstr("FailedCreate: create Claim data-web-0")));
  Allow();
  EXPECT_TRUE(RunUntil([&] { return IsComplete(); }, 120));
}

TEST_F(FailureFlow, ADeletionThatIsRefusedIsTriedAgain) {
  Apply(Set(R"("replicas":2)"));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  Refuse("delete pods");
  Scale("inplacesets", "web", 1);
  EXPECT_TRUE(RunUntil([&] { return ConditionOf("FailedUpdatePod") == "True"; }, 10));
  EXPECT_EQ(Status("replicas"), 2);
  EXPECT_THAT(EventsAbout("web"), Contains(HasSubstr("FailedDelete")));
  Allow();
  EXPECT_TRUE(RunUntil([&] { return IsComplete() && Pods().size() == 1; }, 120));
}

TEST_F(FailureFlow, AnUpdateInPlaceThatIsRefusedLeavesThePod) {
  Apply(Set(
      R"("replicas":1,"updateStrategy":{"rollingUpdate":{"podUpdatePolicy":"InPlaceIfPossible"}})"));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  Refuse("update pods");
  SetImage("app:2");
  EXPECT_TRUE(RunUntil([&] { return ConditionOf("FailedUpdatePod") == "True"; }, 10));
  EXPECT_TRUE(IsReadyPod("web-0"));
  EXPECT_THAT(EventsAbout("web"), Contains(HasSubstr("FailedUpdatePodInPlace")));
  Allow();
  EXPECT_TRUE(RunUntil([&] { return IsComplete(); }, 120));
}

TEST_F(FailureFlow, AStatusThatIsRefusedIsWrittenLater) {
  Refuse("update inplacesets");
  Apply(Set(R"("replicas":1)"));
  Advance(5);
  EXPECT_EQ(Status("readyReplicas"), 0);
  Allow();
  EXPECT_TRUE(RunUntil([&] { return IsComplete(); }, 120));
}

}  // namespace
}  // namespace socle::inplaceset
