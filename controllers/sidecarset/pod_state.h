// PodState: what the controller of one set must know of one pod, small enough to be kept for every pod.
//
// Laws     1. A pure function of the pod's document, the name of the set and the names and empty images of its
//             hot containers.
//          2. Nothing in the pod makes reading fail; what is missing is as if it weren't there.
// Threads  values.
// Source   spec controllers 4.4, 4.6, 4.7.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_POD_STATE_H_
#define SOCLE_CONTROLLERS_SIDECARSET_POD_STATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controllers/sidecarset/content.h"
#include "controllers/workload/pod_facts.h"

namespace socle::sidecarset {

// What the condition SidecarSetUpgradable says of a set.
enum class Upgradable : uint8_t { kUnsaid, kYes, kNo };

struct PodState {
  // Fingerprints of what is injected.
  uint64_t hash = 0;
  uint64_t hash_without_image = 0;
  uint64_t revision = 0;  // of the name of the ControllerRevision
  bool is_active = false;
  bool is_assigned = false;
  workload::PodPhase phase = workload::PodPhase::kPending;
  bool is_ready = false;
  // Every container of the set runs the image that the spec names.
  bool is_consistent = false;
  // It was upgraded before, and not all containers of the set are ready with what they got.
  bool is_interrupted = false;
  Upgradable upgradable = Upgradable::kUnsaid;
  // A hot pair has two full containers; and they may become one.
  bool is_flippable = false;
  bool has_sidecars = false;  // the spec has containers of the set
  int64_t ready_since_nanos = 0;
  int64_t created_nanos = 0;
  int64_t restart_count = 0;

  bool is_settled() const { return is_ready && is_consistent; }

  bool operator==(const PodState&) const = default;
};

uint64_t Fingerprint(std::string_view text);

// nullopt: the set has injected nothing into the pod.
std::optional<PodState> ReadPodState(const workload::PodFacts& pod, std::string_view set,
                                     const Content& content);

// nginx and nginx:latest are the same.
bool IsSameImage(std::string_view a, std::string_view b);

// Whether the node runs the image of the spec, `image_id_before` being what ran before the upgrade.
bool IsImageRunning(const workload::ContainerFacts& container, std::string_view image_id_before);

// The status has containers that the spec has not: the node has yet to stop them.
bool ShowsRemoved(const api::Json& pod);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_POD_STATE_H_
