#include "controllers/broadcastjob/status.h"

#include <string>
#include <utility>

#include "controllers/api/timestamp.h"
#include "controllers/registry/registry.h"

namespace socle::broadcastjob {
namespace {

void AddCondition(const Ending& ending, int64_t now_nanos, api::JsonObject* status) {
  const std::string now = api::FormatTime(now_nanos);
  api::JsonObject condition;
  api::Set(&condition, "type", api::JsonView(ending.condition));
  api::Set(&condition, "status", "True");
  api::Set(&condition, "lastProbeTime", api::JsonView(now));
  api::Set(&condition, "lastTransitionTime", api::JsonView(now));
  api::Set(&condition, "reason", api::JsonView(ending.reason));
  api::Set(&condition, "message", api::JsonView(ending.message));
  api::Json& conditions = (*status)["conditions"];
  if (!conditions.is_array()) {
    conditions.emplace_array();
  }
  conditions.get_array().push_back(std::move(condition));
}

}  // namespace

absl::Status SetStatus(const Plan& plan, int64_t generation, int64_t now_nanos, api::Json* job) {
  api::JsonObject& status = api::EnsureObject(job, {"status"});
  const api::JsonObject before = status;
  api::Set(&status, "observedGeneration", generation);
  api::Set(&status, "active", plan.counts.active);
  api::Set(&status, "succeeded", plan.counts.succeeded);
  api::Set(&status, "failed", plan.counts.failed);
  api::Set(&status, "desired", plan.counts.desired);
  api::Set(&status, "phase", api::JsonView(PhaseText(plan.phase)));
  if (plan.start_nanos != 0 && api::StringAt(status, "startTime").empty()) {
    api::Set(&status, "startTime", api::JsonView(api::FormatTime(plan.start_nanos)));
  }
  if (plan.completion_nanos != 0) {
    api::Set(&status, "completionTime", api::JsonView(api::FormatTime(plan.completion_nanos)));
  }
  if (plan.ending.has_value()) {
    AddCondition(*plan.ending, now_nanos, &status);
  }
  return status == before ? absl::CancelledError("the same") : absl::OkStatus();
}

absl::Status WriteStatus(runtime::Runtime* runtime, const registry::Object& job,
                         const api::Json& document, const Plan& plan, int64_t now_nanos) {
  api::Json after = document;
  const int64_t generation = api::IntAt(document, {"metadata", "generation"}).value_or(0);
  if (plan.leave_status || !SetStatus(plan, generation, now_nanos, &after).ok()) {
    return absl::OkStatus();
  }
  registry::ChangeRequest request{
      .target = {.served = runtime->Served("apps.kruise.io", "broadcastjobs"),
                 .ns = job.ns,
                 .name = job.name},
      .part = registry::ChangeRequest::Part::kStatus,
      .uid = job.uid};
  request.change = [&plan, generation, now_nanos](api::Json* object) {
    return SetStatus(plan, generation, now_nanos, object);
  };
  return runtime->registry()
      ->Change(registry::PlaneContext(kController), std::move(request))
      .status();
}

}  // namespace socle::broadcastjob
