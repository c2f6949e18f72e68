// Job: what the controller reads of a BroadcastJob and its pods.
//
// Threads  values; pure functions.
// Source   spec controllers 5.1, 5.2.
#ifndef SOCLE_CONTROLLERS_BROADCASTJOB_JOB_H_
#define SOCLE_CONTROLLERS_BROADCASTJOB_JOB_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controllers/api/json.h"
#include "controllers/registry/object.h"

namespace socle::broadcastjob {

// kNone: the controller has not seen the job yet.
enum class Phase : uint8_t { kNone, kRunning, kPaused, kFailed, kCompleted };

std::string_view PhaseText(Phase phase);

enum class OnFailedPod : uint8_t { kFailFast, kContinue, kPause };

struct Counts {
  int64_t active = 0;
  int64_t succeeded = 0;
  int64_t failed = 0;
  int64_t desired = 0;

  bool operator==(const Counts&) const = default;
};

struct Job {
  std::string ns;
  std::string name;
  // Of the spec.
  api::Json parallelism;  // a count, or a share of the desired nodes
  bool is_always = true;  // completionPolicy Always: it ends
  std::optional<int64_t> deadline_seconds;
  std::optional<int64_t> ttl_seconds;
  bool is_paused = false;
  OnFailedPod on_failed_pod = OnFailedPod::kFailFast;
  int64_t restarts_max = 0;            // an OnFailure pod with more has failed
  bool restarts_are_failures = false;  // restartPolicy OnFailure
  // Of the status; wall clock, 0: not set.
  Phase phase = Phase::kNone;
  int64_t start_nanos = 0;
  int64_t completion_nanos = 0;
  Counts counts;
  bool is_complete = false;  // condition Complete
  bool is_failed = false;    // condition Failed

  bool is_finished() const { return is_complete || is_failed; }
};

Job ReadJob(const api::Json& job);

enum class PodState : uint8_t {
  kActive,
  kSucceeded,
  kFailed,
  kLeaving,  // being deleted before it was done
};

// A pod of the job.
struct JobPod {
  std::string name;
  std::string node;
  PodState state = PodState::kActive;
  int64_t create_revision = 0;  // orders by age
};

// `node`: where it is, or is meant to be.
JobPod ReadPod(const registry::Object& pod, std::string_view node, const Job& job);

// The name of the job's pod on the node: the same in every pass and after every restart, and never that
// of another job of the same name.
std::string PodName(std::string_view job_name, std::string_view job_uid, std::string_view node);

}  // namespace socle::broadcastjob

#endif  // SOCLE_CONTROLLERS_BROADCASTJOB_JOB_H_
