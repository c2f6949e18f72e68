#include "controllers/inplaceset/testing/test_kubelet.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controllers/workload/container_hash.h"
#include "controllers/workload/document_edits.h"
#include "controllers/workload/pod_readiness.h"

namespace socle::inplaceset {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;
using runtime::ReconcileResult;

TestKubelet::TestKubelet(runtime::Runtime* runtime, WishBook* book)
    : runtime_(runtime), book_(book) {
  loop_ = runtime::ControllerLoop::Start(runtime, {.name = "test-kubelet", .workers = 2}, this);
  loop_->Keep(runtime::EnqueueChanges(runtime, *runtime->Served("", "pods")->kind, loop_->queue()));
}

void TestKubelet::Nudge() {
  const api::Kind* kind = runtime_->Served("", "pods")->kind;
  for (const registry::ObjectRef& pod : runtime_->cache()->List({.kind = kind})) {
    loop_->queue()->Add(runtime::KeyOf(*pod));
  }
}

std::string TestKubelet::ChooseNode(const Json& pod) {
  std::string refused;
  const JsonArray* terms =
      api::FindArray(pod, {"spec", "affinity", "nodeAffinity",
                           "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"});
  if (terms != nullptr && !terms->empty()) {
    if (const Json* fields = api::Find(terms->front(), {"matchFields"})) {
      refused = api::Dump(*fields);
    }
  }
  MutexLock lock(&book_->mu);
  for (const std::string& node : book_->wishes.nodes) {
    if (refused.find(fmt::format("\"{}\"", node)) == std::string::npos) {
      return node;
    }
  }
  return {};
}

bool TestKubelet::MayStart(const Json& pod, const Json& container, int64_t* again_after) {
  int64_t delay = 0;
  {
    MutexLock lock(&book_->mu);
    delay = book_->wishes.start_nanos;
  }
  const std::string key =
      fmt::format("{}/{}/{}", api::StringAt(pod, {"metadata", "uid"}),
                  api::StringAt(container, {"name"}), api::StringAt(container, {"image"}));
  const int64_t now = runtime_->clock()->MonotonicNanos();
  MutexLock lock(&mu_);
  const int64_t due = starts_.try_emplace(key, now + delay).first->second;
  if (now < due) {
    *again_after = due - now;
    return false;
  }
  return true;
}

// True when the container runs.
bool TestKubelet::RunContainer(const Json& spec, Json* pod, int64_t* again_after) {
  const std::string name(api::StringAt(spec, {"name"}));
  const std::string image(api::StringAt(spec, {"image"}));
  Json& list = api::EnsureObject(pod, {"status"})["containerStatuses"];
  if (!list.is_array()) {
    list = JsonArray();
  }
  Json* status = workload::ElementNamed(pod, {"status", "containerStatuses"}, name);
  if (status == nullptr) {
    list.get_array().push_back(JsonObject{{"name", JsonView(name)}, {"restartCount", -1}});
    status = &list.get_array().back();
  }
  JsonObject& members = status->get_object();
  if (image.find("bad") != std::string::npos) {
    members["ready"] = false;
    members["state"] = JsonObject{{"waiting", JsonObject{{"reason", "ImagePullBackOff"}}}};
    return false;
  }
  const std::string env =
      fmt::format("{}", workload::EnvFromMetadataHash(spec, *api::Find(*pod, {"metadata"})));
  const bool is_running = api::StringAt(members, "image") == image &&
                          api::StringAt(members, "env") == env &&
                          api::Find(Json(members), {"state", "running"}) != nullptr;
  if (!is_running) {
    if (!MayStart(*pod, spec, again_after)) {
      return api::Find(Json(members), {"state", "running"}) != nullptr;
    }
    MutexLock lock(&mu_);
    members["image"] = JsonView(image);
    members["env"] = JsonView(env);  // no field of the kind: kept, and nobody else's business
    members["imageID"] = JsonView(fmt::format("digest-of-{}", image));
    members["containerID"] = JsonView(fmt::format("test://{}", next_container_++));
    members["restartCount"] = members["restartCount"].as_int64() + 1;
    members["state"] = JsonObject{{"running", JsonObject()}};
  }
  MutexLock lock(&book_->mu);
  members["ready"] = !book_->wishes.unready.contains(api::StringAt(*pod, {"metadata", "name"}));
  return true;
}

void TestKubelet::Run(Json* pod, int64_t* again_after) {
  const int64_t now = runtime_->clock()->WallNanos();
  bool is_running = true;
  bool is_ready = true;
  std::vector<workload::RuntimeContainer> runtimes;
  const Json spec = *api::Find(*pod, {"spec"});
  for (const Json& container : *api::FindArray(spec, {"containers"})) {
    is_running &= RunContainer(container, pod, again_after);
    const Json& status = *workload::ElementNamed(pod, {"status", "containerStatuses"},
                                                 std::string(api::StringAt(container, {"name"})));
    is_ready &= api::BoolAt(status, {"ready"});
    if (api::StringAt(status, {"image"}) == api::StringAt(container, {"image"})) {
      runtimes.push_back(
          {.name = std::string(api::StringAt(container, {"name"})),
           .container_id = std::string(api::StringAt(status, {"containerID"})),
           .restart_count = api::IntAt(status, {"restartCount"}).value_or(0),
           .plain_hash = workload::ContainerHash(container),
           .env_hash = workload::EnvFromMetadataHash(container, *api::Find(*pod, {"metadata"}))});
    }
  }
  if (is_running) {
    api::EnsureObject(pod, {"status"})["phase"] = "Running";
  }
  {
    MutexLock lock(&book_->mu);
    if (book_->wishes.failing.contains(api::StringAt(*pod, {"metadata", "name"}))) {
      api::EnsureObject(pod, {"status"})["phase"] = "Failed";
      is_ready = false;
    }
    if (book_->wishes.reports_hashes) {
      workload::SetAnnotation(workload::kRuntimeContainersKey,
                              workload::EncodeRuntimeContainers(runtimes), pod);
    }
  }
  workload::SetPodCondition({.type = "ContainersReady", .is_true = is_ready}, now, pod);
  const JsonArray* gates = api::FindArray(*pod, {"spec", "readinessGates"});
  for (size_t i = 0; gates != nullptr && i < gates->size(); ++i) {
    const Json* gate =
        workload::FindPodCondition(*pod, api::StringAt((*gates)[i], {"conditionType"}));
    is_ready &= gate != nullptr && api::StringAt(*gate, {"status"}) == "True";
  }
  workload::SetPodCondition({.type = "Ready", .is_true = is_ready}, now, pod);
}

absl::StatusOr<ReconcileResult> TestKubelet::Reconcile(const std::string& key) {
  const runtime::SplitKey split = runtime::Split(key);
  const api::ServedKind* served = runtime_->Served("", "pods");
  const registry::ObjectRef object = runtime_->cache()->Get(*served->kind, split.ns, split.name);
  if (object == nullptr) {
    return ReconcileResult{};
  }
  const registry::Target target{
      .served = served, .ns = std::string(split.ns), .name = std::string(split.name)};
  const registry::WriteContext context = registry::PlaneContext("test-kubelet");
  {
    MutexLock lock(&book_->mu);
    if (book_->wishes.dead_nodes.contains(object->FieldText("spec.nodeName")) ||
        (object->is_deleting && book_->wishes.lingering.contains(object->name))) {
      return ReconcileResult{};
    }
  }
  if (object->is_deleting) {
    const absl::StatusOr<registry::Written> gone = runtime_->registry()->Delete(
        context, {.target = target, .grace_period_seconds = 0, .uid = object->uid});
    (void)gone;  // it may be gone already
    return ReconcileResult{};
  }
  int64_t again_after = 0;
  registry::ChangeRequest request;
  request.target = target;
  request.part = registry::ChangeRequest::Part::kWhole;
  request.uid = object->uid;
  request.change = [&](Json* pod) {
    if (api::StringAt(*pod, {"spec", "nodeName"}).empty()) {
      const std::string node = ChooseNode(*pod);
      if (node.empty()) {
        return absl::CancelledError("no node");
      }
      api::EnsureObject(pod, {"spec"})["nodeName"] = JsonView(node);
      workload::SetPodCondition({.type = "PodScheduled", .is_true = true},
                                runtime_->clock()->WallNanos(), pod);
      return absl::OkStatus();
    }
    const std::string_view phase = api::StringAt(*pod, {"status", "phase"});
    if (phase != "Failed" && phase != "Succeeded") {
      Run(pod, &again_after);
    }
    return absl::OkStatus();
  };
  const absl::StatusOr<registry::Written> written =
      runtime_->registry()->Change(context, std::move(request));
  (void)written;  // what changed meanwhile comes again
  return again_after > 0 ? ReconcileResult{.again_after_nanos = again_after} : ReconcileResult{};
}

}  // namespace socle::inplaceset
