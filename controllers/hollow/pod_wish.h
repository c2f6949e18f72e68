// PodWish: what a hollow kubelet is told about a pod: the few facts of its document that decide its life,
// with all controls resolved.
//
// Laws     1. A pure function of the document, the node's controls, the defaults and the seed.
// Threads  values.
// Memory   about 150 bytes per container.
// Errors   none: what is missing or of a wrong type is as by default.
// Source   spec controllers 2.5, 6.4, 8.8.
#ifndef SOCLE_CONTROLLERS_HOLLOW_POD_WISH_H_
#define SOCLE_CONTROLLERS_HOLLOW_POD_WISH_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/api/json.h"
#include "controllers/hollow/controls.h"

namespace socle::hollow {

enum class RestartPolicy : uint8_t { kAlways, kOnFailure, kNever };

enum class ContainerRole : uint8_t {
  kMain,
  kInit,         // runs to its end before the next starts
  kInitSidecar,  // an init container that is restarted always: stays beside the main ones
  kJobSidecar,   // ends when all main containers have (KRUISE_TERMINATE_SIDECAR_WHEN_JOB_EXIT)
};

struct ContainerWish {
  std::string name;
  std::string image;
  uint64_t plain_hash = 0;  // workload::ContainerHash
  uint64_t env_hash = 0;    // workload::EnvFromMetadataHash
  int64_t pull_millis = 0;
  int64_t start_millis = 0;
  int64_t ready_millis = 0;
  int64_t run_millis = kForeverMillis;
  double failure_share = 0;  // of its runs that fail
  int32_t exit_code = 0;
  ContainerRole role = ContainerRole::kMain;
  bool can_pull = true;
  bool is_held = false;  // kept from getting ready

  bool is_init() const {
    return role == ContainerRole::kInit || role == ContainerRole::kInitSidecar;
  }
};

// How a pod ended, or is to end.
struct Ending {
  bool has_failed = false;
  std::string reason;
  std::string message;
};

struct PodWish {
  std::vector<ContainerWish> containers;  // init containers first, as the spec has them
  RestartPolicy restart = RestartPolicy::kAlways;
  uint64_t seed = 0;               // of this pod
  int64_t deadline_seconds = 0;    // activeDeadlineSeconds; 0: none
  int64_t termination_millis = 0;  // how long stopping takes: the grace period at most
  int64_t backoff_millis = 0;
  int64_t backoff_max_millis = 0;
  int64_t pull_error_millis = 0;
  bool is_deleting = false;
  // Not null: the pod is over; somebody else wrote a final phase (an eviction), or a control says so.
  std::shared_ptr<const Ending> ending;
};

// `defaults` of the node, `seed` of all nodes.
PodWish ReadWish(const api::Json& pod, const ControlTexts& node, const Behaviour& defaults,
                 uint64_t seed);

}  // namespace socle::hollow

#endif  // SOCLE_CONTROLLERS_HOLLOW_POD_WISH_H_
