// SetFixture: a plane with the InplaceSet controller, the garbage collector of claims left out, and pods that
// run as the test wants; and a watcher that holds the set to its promises at every revision.
#ifndef SOCLE_CONTROLLERS_INPLACESET_TESTING_SET_FIXTURE_H_
#define SOCLE_CONTROLLERS_INPLACESET_TESTING_SET_FIXTURE_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "controllers/inplaceset/controller.h"
#include "controllers/inplaceset/identity.h"
#include "controllers/inplaceset/testing/test_kubelet.h"
#include "controllers/testing/plane_fixture.h"

namespace socle::inplaceset {

class SetFixture : public plane_testing::PlaneFixture {
 protected:
  plane_testing::Controllers StartControllers(runtime::Runtime* runtime) override {
    Watch(runtime);
    plane_testing::Controllers controllers;
    controllers.push_back(StartInplaceSet(runtime, options_));
    controllers.push_back(std::make_unique<TestKubelet>(runtime, &book_));
    kubelet_ = static_cast<TestKubelet*>(controllers.back().get());
    return controllers;
  }

  void TearDown() override {
    seen_ = nullptr;
    PlaneFixture::TearDown();
  }

  void RestartPlane() {
    seen_ = nullptr;
    Restart();
  }

  // The set `web` with members of spec put in.
  std::string Set(std::string_view members, std::string_view template_members = {},
                  std::string_view image = "app:1") {
    return fmt::format(
        R"({{"apiVersion":"apps.kruise.io/v1beta1","kind":"InplaceSet","metadata":{{"name":"web"}},
             "spec":{{"serviceName":"svc","selector":{{"matchLabels":{{"app":"web"}}}},
               "template":{{"metadata":{{"labels":{{"app":"web"}}}},
                 "spec":{{"containers":[{{"name":"app","image":"{}"}}],
                          "readinessGates":[{{"conditionType":"InPlaceUpdateReady"}}]{}}}}},{}}}}})",
        image, template_members, members);
  }

  // Wishes of the kubelet, and at once.
  template <typename Change>
  void Wish(Change change) {
    {
      MutexLock lock(&book_.mu);
      change(&book_.wishes);
    }
    kubelet_->Nudge();
  }

  void SetImage(std::string_view image) {
    const api::Json set = Get("inplacesets", "web");
    api::Json containers = *api::Find(set, {"spec", "template", "spec", "containers"});
    containers.get_array()[0].get_object()["image"] = api::JsonView(image);
    PatchSet(fmt::format(R"("template":{{"spec":{{"containers":{}}}}})", api::Dump(containers)));
  }

  // Merges members into spec.
  void PatchSet(std::string_view members) {
    Patch("inplacesets", "web", fmt::format(R"({{"spec":{{{}}}}})", members));
  }

  int64_t Status(std::string_view field) {
    return api::IntAt(Get("inplacesets", "web"), {"status", field}).value_or(-1);
  }

  std::string StatusText(std::string_view field) {
    return std::string(api::StringAt(Get("inplacesets", "web"), {"status", field}));
  }

  // `status` of the condition of the set; empty when there is none.
  std::string ConditionOf(std::string_view type) {
    const api::Json set = Get("inplacesets", "web");
    const api::JsonArray* list = api::FindArray(set, {"status", "conditions"});
    for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
      if (api::StringAt((*list)[i], {"type"}) == type) {
        return std::string(api::StringAt((*list)[i], {"status"}));
      }
    }
    return {};
  }

  std::vector<std::string> Pods() { return Names("pods"); }

  std::string ImageOf(std::string_view pod) {
    const api::Json document = Get("pods", pod);
    const api::JsonArray* list = api::FindArray(document, {"spec", "containers"});
    return list == nullptr ? std::string() : std::string(api::StringAt(list->front(), {"image"}));
  }

  std::string TextOf(std::string_view pod, api::JsonPath path) {
    return std::string(api::StringAt(Get("pods", pod), path));
  }

  std::string LabelOfPod(std::string_view pod, std::string_view key) {
    return TextOf(pod, {"metadata", "labels", key});
  }

  std::string StateOf(std::string_view pod) {
    return LabelOfPod(pod, workload::kLifecycleStateLabel);
  }

  std::string UidOf(std::string_view pod) { return TextOf(pod, {"metadata", "uid"}); }

  bool IsReadyPod(std::string_view pod) {
    const registry::ObjectRef object = Find("pods", pod);
    return object != nullptr && workload::ReadPod(object).is_healthy();
  }

  // All replicas are there, updated, ready, and nothing is left to do.
  bool IsComplete() {
    const api::Json set = Get("inplacesets", "web");
    const int64_t replicas = api::IntAt(set, {"spec", "replicas"}).value_or(-1);
    const auto is = [&](std::string_view field) {
      return api::IntAt(set, {"status", field}).value_or(-1) == replicas;
    };
    return api::IntAt(set, {"status", "observedGeneration"}) ==
               api::IntAt(set, {"metadata", "generation"}) &&
           is("replicas") && is("updatedReplicas") && is("updatedReadyReplicas") &&
           is("readyReplicas") && is("currentReplicas");
  }

  // From here on at most so many pods may be away because of the controller: at every revision. Pods that
  // the test holds unready count too.
  void AllowAway(int64_t most) {
    MutexLock lock(&watch_mu_);
    away_.clear();
    away_most_ = most;
    for (const auto& [name, is_there] : present_) {
      if (!is_there) {
        away_.insert(name);
      }
    }
  }

  size_t MostAway() {
    MutexLock lock(&watch_mu_);
    return most_seen_away_;
  }

  // Names of pods in the order of their first creations and of deletions (with a minus).
  std::vector<std::string> History() {
    MutexLock lock(&watch_mu_);
    return history_;
  }

  void ForgetHistory() {
    MutexLock lock(&watch_mu_);
    history_.clear();
    most_seen_away_ = 0;
  }

  TestKubelet::WishBook book_;
  InplaceSetOptions options_{.interval_min_nanos = 0};
  TestKubelet* kubelet_ = nullptr;

 private:
  void Watch(runtime::Runtime* runtime) {
    seen_ = runtime->cache()->Observe(
        runtime->Served("", "pods")->kind, [this](const registry::ChangeRef& change) {
          const bool is_gone = change->type == registry::ChangeType::kDeleted;
          const workload::PodFacts pod = workload::ReadPod(change->object);
          MutexLock lock(&watch_mu_);
          if (change->type == registry::ChangeType::kAdded) {
            history_.push_back(pod.name());
          }
          const bool was_deleting = change->previous != nullptr && change->previous->is_deleting;
          if ((is_gone || pod.is_deleting) && !was_deleting) {
            history_.push_back(fmt::format("-{}", pod.name()));
          }
          const bool is_there = !is_gone && pod.is_healthy();
          present_[pod.name()] = is_there;
          if (is_there) {
            away_.erase(pod.name());
          } else {
            away_.insert(pod.name());
          }
          most_seen_away_ = std::max(most_seen_away_, away_.size());
          if (away_most_.has_value()) {
            EXPECT_LE(static_cast<int64_t>(away_.size()), *away_most_)
                << "at revision " << change->revision << " " << pod.name();
          }
        });
  }

  Mutex watch_mu_;
  StringMap<bool> present_ ABSL_GUARDED_BY(watch_mu_);
  StringSet away_ ABSL_GUARDED_BY(watch_mu_);
  std::optional<int64_t> away_most_ ABSL_GUARDED_BY(watch_mu_);
  size_t most_seen_away_ ABSL_GUARDED_BY(watch_mu_) = 0;
  std::vector<std::string> history_ ABSL_GUARDED_BY(watch_mu_);
  registry::Observation seen_;
};

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_TESTING_SET_FIXTURE_H_
