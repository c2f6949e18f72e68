#include "controllers/broadcastjob/apply.h"

#include <utility>

#include "controllers/registry/errors.h"
#include "controllers/registry/registry.h"
#include "controllers/workload/document_edits.h"
#include "controllers/workload/pod_control.h"

namespace socle::broadcastjob {
namespace {

const api::ServedKind* JobKind(const runtime::Runtime& runtime) {
  return runtime.Served("apps.kruise.io", "broadcastjobs");
}

// Only this node, and tolerant of nothing that the template is not.
void PinToNode(std::string_view node, api::Json* pod) {
  api::JsonObject& affinity = api::EnsureObject(pod, {"spec", "affinity", "nodeAffinity"});
  api::Json field = {{"key", "metadata.name"}, {"operator", "In"}};
  field.get_object()["values"] = api::JsonArray{api::Json(api::JsonView(node))};
  api::JsonObject term;
  term["matchFields"] = api::JsonArray{std::move(field)};
  api::JsonObject required;
  required["nodeSelectorTerms"] = api::JsonArray{api::Json(std::move(term))};
  // The template's own terms were asked when the node was judged.
  affinity["requiredDuringSchedulingIgnoredDuringExecution"] = std::move(required);
}

}  // namespace

api::Json MakePod(const registry::Object& job, const api::Json& document, std::string_view node,
                  bool by_scheduler) {
  api::Json pod = {{"apiVersion", "v1"}, {"kind", "Pod"}};
  api::JsonObject& metadata = api::EnsureObject(&pod, {"metadata"});
  for (const std::string_view member : {"labels", "annotations", "finalizers"}) {
    if (const api::Json* given = api::Find(document, {"spec", "template", "metadata", member})) {
      api::Set(&metadata, member, *given);
    }
  }
  api::Set(&metadata, "name", api::JsonView(PodName(job.name, job.uid, node)));
  api::Set(&metadata, "namespace", api::JsonView(job.ns));
  workload::SetLabel(kJobNameLabel, job.name, &pod);
  workload::SetLabel(kJobUidLabel, job.uid, &pod);
  workload::AddController(job, &pod);
  const api::Json* spec = api::Find(document, {"spec", "template", "spec"});
  api::Set(&pod.get_object(), "spec", spec == nullptr ? api::Json(api::JsonObject()) : *spec);
  if (by_scheduler) {
    PinToNode(node, &pod);
  } else {
    api::Set(&api::EnsureObject(&pod, {"spec"}), "nodeName", api::JsonView(node));
  }
  return pod;
}

Applied ApplyPods(runtime::Runtime* runtime, const registry::ObjectRef& job,
                  const api::Json& document, const Plan& plan,
                  const std::vector<registry::ObjectRef>& pods, bool by_scheduler) {
  Applied applied;
  if (plan.create.empty() && plan.remove.empty()) {
    return applied;
  }
  workload::PodControl control(runtime, std::string(kController), job);
  for (const size_t pod : plan.remove) {
    control.Delete(*pods[pod]);
  }
  for (const std::string& node : plan.create) {
    control.Create(MakePod(*job, document, node, by_scheduler));
  }
  const workload::PodControl::Outcome outcome = control.Wait();
  applied.status = outcome.FirstError();
  applied.not_created = static_cast<int64_t>(plan.create.size()) - outcome.created;
  applied.not_removed = static_cast<int64_t>(plan.remove.size()) - outcome.deleted;
  return applied;
}

absl::Status PauseJob(runtime::Runtime* runtime, const registry::Object& job) {
  registry::ChangeRequest request{
      .target = {.served = JobKind(*runtime), .ns = job.ns, .name = job.name},
      .part = registry::ChangeRequest::Part::kMain,
      .uid = job.uid};
  request.change = [](api::Json* object) {
    if (api::BoolAt(*object, {"spec", "paused"})) {
      return absl::CancelledError("paused already");
    }
    api::Set(&api::EnsureObject(object, {"spec"}), "paused", true);
    return absl::OkStatus();
  };
  return runtime->registry()
      ->Change(registry::PlaneContext(kController), std::move(request))
      .status();
}

absl::Status DeleteJob(runtime::Runtime* runtime, const registry::Object& job) {
  const absl::Status status =
      runtime->registry()
          ->Delete(registry::PlaneContext(kController),
                   {.target = {.served = JobKind(*runtime), .ns = job.ns, .name = job.name},
                    .propagation = registry::Propagation::kBackground,
                    .uid = job.uid})
          .status();
  const bool is_gone = registry::ReasonOf(status) == registry::Reason::kNotFound;
  return is_gone ? absl::OkStatus() : status;
}

}  // namespace socle::broadcastjob
