#include "controllers/broadcastjob/job.h"

#include <xxhash.h>

#include <fmt/format.h>

#include "controllers/api/timestamp.h"
#include "controllers/workload/raw_member.h"

namespace socle::broadcastjob {
namespace {

constexpr size_t kNameMax = 40;  // of the job's name in that of a pod

bool HasCondition(const api::Json& job, std::string_view type) {
  const api::JsonArray* conditions = api::FindArray(job, {"status", "conditions"});
  for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
    if (api::StringAt((*conditions)[i], {"type"}) == type) {
      return api::StringAt((*conditions)[i], {"status"}) == "True";
    }
  }
  return false;
}

Phase PhaseOf(std::string_view text) {
  for (const Phase phase : {Phase::kRunning, Phase::kPaused, Phase::kFailed, Phase::kCompleted}) {
    if (PhaseText(phase) == text) {
      return phase;
    }
  }
  return Phase::kNone;
}

int64_t TimeAt(const api::Json& job, std::string_view member) {
  const std::string_view text = api::StringAt(job, {"status", member});
  return text.empty() ? 0 : api::ParseTime(text).value_or(0);
}

OnFailedPod PolicyOf(std::string_view text) {
  if (text == "Continue") {
    return OnFailedPod::kContinue;
  }
  return text == "Pause" ? OnFailedPod::kPause : OnFailedPod::kFailFast;
}

int64_t RestartsOf(const registry::Object& pod) {
  const api::Json status = workload::ParseMember(pod.document, {"status"});
  int64_t restarts = 0;
  for (const std::string_view group : {"initContainerStatuses", "containerStatuses"}) {
    const api::JsonArray* containers = api::FindArray(status, {group});
    for (size_t i = 0; containers != nullptr && i < containers->size(); ++i) {
      restarts += api::IntAt((*containers)[i], {"restartCount"}).value_or(0);
    }
  }
  return restarts;
}

}  // namespace

std::string_view PhaseText(Phase phase) {
  switch (phase) {
    case Phase::kNone:
      return "";
    case Phase::kRunning:
      return "running";
    case Phase::kPaused:
      return "paused";
    case Phase::kFailed:
      return "failed";
    case Phase::kCompleted:
      return "completed";
  }
  return "";
}

Job ReadJob(const api::Json& json) {
  Job job{.ns = std::string(api::StringAt(json, {"metadata", "namespace"})),
          .name = std::string(api::StringAt(json, {"metadata", "name"}))};
  const api::Json* parallelism = api::Find(json, {"spec", "parallelism"});
  job.parallelism = parallelism == nullptr ? api::Json(int64_t{INT32_MAX}) : *parallelism;
  job.is_always = api::StringAt(json, {"spec", "completionPolicy", "type"}) != "Never";
  if (job.is_always) {
    job.deadline_seconds = api::IntAt(json, {"spec", "completionPolicy", "activeDeadlineSeconds"});
    job.ttl_seconds = api::IntAt(json, {"spec", "completionPolicy", "ttlSecondsAfterFinished"});
  }
  job.is_paused = api::BoolAt(json, {"spec", "paused"});
  job.on_failed_pod = PolicyOf(api::StringAt(json, {"spec", "failurePolicy", "type"}));
  job.restarts_max = api::IntAt(json, {"spec", "failurePolicy", "restartLimit"}).value_or(0);
  if (job.restarts_max == 0) {
    // The name it had in the first version.
    job.restarts_max = api::IntAt(json, {"spec", "completionPolicy", "backoffLimit"}).value_or(0);
  }
  job.restarts_are_failures =
      api::StringAt(json, {"spec", "template", "spec", "restartPolicy"}) == "OnFailure";
  job.phase = PhaseOf(api::StringAt(json, {"status", "phase"}));
  job.start_nanos = TimeAt(json, "startTime");
  job.completion_nanos = TimeAt(json, "completionTime");
  job.counts = {.active = api::IntAt(json, {"status", "active"}).value_or(0),
                .succeeded = api::IntAt(json, {"status", "succeeded"}).value_or(0),
                .failed = api::IntAt(json, {"status", "failed"}).value_or(0),
                .desired = api::IntAt(json, {"status", "desired"}).value_or(0)};
  job.is_complete = HasCondition(json, "Complete");
  job.is_failed = HasCondition(json, "Failed");
  return job;
}

JobPod ReadPod(const registry::Object& pod, std::string_view node, const Job& job) {
  JobPod result{
      .name = pod.name, .node = std::string(node), .create_revision = pod.create_revision};
  const std::string_view phase = pod.FieldText("status.phase");
  if (phase == "Succeeded") {
    result.state = PodState::kSucceeded;
  } else if (phase == "Failed") {
    result.state = PodState::kFailed;
  } else if (pod.is_deleting) {
    result.state = PodState::kLeaving;
  } else if (job.restarts_are_failures && RestartsOf(pod) > job.restarts_max) {
    result.state = PodState::kFailed;
  }
  return result;
}

std::string PodName(std::string_view job_name, std::string_view job_uid, std::string_view node) {
  // Names of pods are lower case and begin with a letter or a digit; those of jobs need not.
  std::string base;
  for (const char c : job_name.substr(0, kNameMax)) {
    if (c == '-' && base.empty()) {
      continue;
    }
    base.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  const std::string whole = fmt::format("{}/{}", job_uid, node);
  return fmt::format("{}{}{:016x}", base, base.empty() ? "" : "-",
                     XXH3_64bits(whole.data(), whole.size()));
}

}  // namespace socle::broadcastjob
