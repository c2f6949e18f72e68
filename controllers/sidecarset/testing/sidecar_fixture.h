// SidecarFixture: a plane with injection and the controller of SidecarSets, whose kubelet is the test: pods
// run what their spec says when Kubelet is called, but for images with `bad` in their names.
// Threads  the test's.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_TESTING_SIDECAR_FIXTURE_H_
#define SOCLE_CONTROLLERS_SIDECARSET_TESTING_SIDECAR_FIXTURE_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/registry/errors.h"
#include "controllers/sidecarset/annotations.h"
#include "controllers/sidecarset/controller.h"
#include "controllers/sidecarset/injection_plugin.h"
#include "controllers/testing/plane_fixture.h"

namespace socle::sidecarset {

class SidecarFixture : public plane_testing::PlaneFixture {
 protected:
  using Json = api::Json;

  plane_testing::Admission MakeAdmission(registry::ObjectCache* cache) override {
    auto plugin = std::make_unique<InjectionPlugin>(&api::KindRegistry::Builtin(), clock());
    plugin_ = plugin.get();
    if (attaches_) {
      plugin_->Attach(cache);
    }
    plane_testing::Admission admission;
    admission.push_back(std::move(plugin));
    return admission;
  }

  plane_testing::Controllers StartControllers(runtime::Runtime* runtime) override {
    plane_testing::Controllers controllers;
    if (has_controller_) {
      controllers.push_back(StartSidecarSet(runtime));
    }
    return controllers;
  }

  // `more`: members of spec after the selector app=web, each with a comma before it.
  static std::string SetText(std::string_view name, std::string_view image,
                             std::string_view more = {}) {
    return fmt::format(R"({{"apiVersion": "apps.kruise.io/v1beta1", "kind": "SidecarSet",
        "metadata": {{"name": "{0}"}},
        "spec": {{"selector": {{"matchLabels": {{"app": "web"}}}},
                  "containers": [{{"name": "{0}-agent", "image": "{1}"}}]{2}}}}})",
                       name, image, more);
  }

  static std::string PodText(std::string_view name, std::string_view labels = R"("app": "web")",
                             std::string_view ns = "default") {
    return fmt::format(R"({{"apiVersion": "v1", "kind": "Pod",
        "metadata": {{"name": "{}", "namespace": "{}", "labels": {{{}}}}},
        "spec": {{"containers": [{{"name": "main", "image": "main:1"}}]}}}})",
                       name, ns, labels);
  }

  // Lets the node of each pod catch up with its spec; true when one had to.
  bool Kubelet() {
    bool has_changed = false;
    for (const Json& pod : List("pods")) {
      const std::string key = fmt::format("{}/{}", api::StringAt(pod, {"metadata", "namespace"}),
                                          api::StringAt(pod, {"metadata", "name"}));
      const std::string status = StatusFor(pod);
      const Json wanted = api::Literal(status);
      const api::Json* before = api::Find(pod, {"status", "containerStatuses"});
      if (before == nullptr || *before != wanted.at("containerStatuses")) {
        PatchStatus("pods", key, status);
        has_changed = true;
      }
    }
    return has_changed;
  }

  // Until controller and nodes have nothing more to do.
  void Rest() {
    for (int i = 0; i < 1000; ++i) {
      Settle();
      if (!Kubelet()) {
        Advance(3);
        if (!Kubelet()) {
          return;
        }
      }
    }
    FAIL() << "controller and nodes never agree";
  }

  std::string ImageOf(std::string_view pod, std::string_view container) {
    const Json document = Get("pods", pod);
    if (const api::JsonArray* containers = api::FindArray(document, {"spec", "containers"})) {
      for (const Json& one : *containers) {
        if (api::StringAt(one, {"name"}) == container) {
          return std::string(api::StringAt(one, {"image"}));
        }
      }
    }
    return "-";
  }

  std::string Annotation(std::string_view pod, std::string_view key) {
    return std::string(AnnotationOf(Get("pods", pod), key));
  }

  // matched/updated/ready/updatedReady
  std::string Counts(std::string_view set) {
    const Json document = Get("sidecarsets", set);
    const auto count = [&](std::string_view field) {
      return api::IntAt(document, {"status", field}).value_or(-1);
    };
    return fmt::format("{}/{}/{}/{}", count("matchedPods"), count("updatedPods"),
                       count("readyPods"), count("updatedReadyPods"));
  }

  // A patch: the controller may write status in between.
  void SetImage(std::string_view set, std::string_view image) {
    const Json document = Get("sidecarsets", set);
    api::JsonArray containers = *api::FindArray(document, {"spec", "containers"});
    api::Set(&containers.at(0).get_object(), "image", Text(image));
    Patch("sidecarsets", set,
          fmt::format(R"({{"spec": {{"containers": {}}}}})", api::Dump(api::Json(containers))));
  }

  InjectionPlugin* plugin_ = nullptr;
  bool attaches_ = true;
  bool has_controller_ = true;

 private:
  static std::string StatusFor(const Json& pod) {
    std::string statuses;
    bool are_ready = true;
    for (const Json& container : *api::FindArray(pod, {"spec", "containers"})) {
      const std::string_view image = api::StringAt(container, {"image"});
      const bool is_bad = image.find("bad") != std::string_view::npos;
      are_ready &= !is_bad;
      statuses += fmt::format(
          R"({}{{"name": "{}", "image": "{}", "imageID": "{}", "ready": {}, "restartCount": 0,
               "state": {{{}}}}})",
          statuses.empty() ? "" : ", ", api::StringAt(container, {"name"}), image,
          is_bad ? "" : fmt::format("sha:{}", image), !is_bad,
          is_bad ? R"("waiting": {"reason": "ImagePullBackOff"})"
                 : R"("running": {"startedAt": "2026-01-01T00:00:00Z"})");
    }
    // The conditions of others stay.
    std::string conditions = fmt::format(
        R"({{"type": "Ready", "status": "{}", "lastTransitionTime": "2026-01-01T00:00:00Z"}})",
        are_ready ? "True" : "False");
    if (const api::JsonArray* present = api::FindArray(pod, {"status", "conditions"})) {
      for (const Json& condition : *present) {
        if (api::StringAt(condition, {"type"}) != "Ready") {
          conditions += ", " + api::Dump(condition);
        }
      }
    }
    return fmt::format(R"({{"phase": "Running", "containerStatuses": [{}], "conditions": [{}]}})",
                       statuses, conditions);
  }
};

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_TESTING_SIDECAR_FIXTURE_H_
