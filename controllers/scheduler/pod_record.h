// PodRecord: what the scheduler keeps of one pod, waiting or placed.
//
// Threads  confined to the scheduling thread.
// Memory   about 200 bytes; the object is shared with the plane's cache.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_POD_RECORD_H_
#define SOCLE_CONTROLLERS_SCHEDULER_POD_RECORD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "controllers/registry/object.h"
#include "controllers/scheduler/pod_class.h"

namespace socle::scheduler {

struct SpreadGroup;

// Where the pod waits.
enum class Waiting : uint8_t {
  kNowhere,  // placed, or being tried
  kActive,   // its turn comes
  kBackoff,  // until backoff_until
  kParked,   // until something changes that may help
  kClaim,    // until the claim that it lacks appears
};

struct PodRecord {
  registry::ObjectRef object;
  PodClassRef pod_class;
  std::vector<std::string> claims;  // names of its PersistentVolumeClaims
  int64_t priority = 0;

  // Placed: counted in this slot. `is_assumed`: the binding has not been seen yet.
  int32_t slot = -1;
  bool is_assumed = false;
  uint32_t place_in_slot = 0;     // index in the list of the slot's pods
  SpreadGroup* group = nullptr;   // pods of one controller
  std::vector<TermId> selecting;  // affinity terms that it is counted in

  Waiting waiting = Waiting::kNowhere;
  uint32_t attempts = 0;  // that failed
  int64_t backoff_until = 0;
  std::string lacking_claim;  // kClaim: namespace/name
  std::string message;        // why it was refused last
};

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_POD_RECORD_H_
