// Plan: what one pass over a BroadcastJob has to do, as a pure function of what was read.
//
// Laws     1. At most one pod per node: a node with a pod of the job in any state gets no other.
//          2. A finished pod counts as done; it is never repeated.
//          3. At most `parallelism` pods are active at once by the controller's doing.
//          4. A finished job changes no more, but for its leftovers and its TTL.
// Threads  pure functions.
// Source   spec controllers 5.3.
#ifndef SOCLE_CONTROLLERS_BROADCASTJOB_PLAN_H_
#define SOCLE_CONTROLLERS_BROADCASTJOB_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controllers/broadcastjob/job.h"

namespace socle::broadcastjob {

// A node of the plane, judged against the job's template.
struct JobNode {
  std::string name;
  bool fits = false;  // name, labels, taints, cordon, and the whole of what it has
  bool has_room =
      true;  // besides the pods that are there; asked only of nodes without a pod of the job
  bool is_deleting = false;
};

struct Notice {
  bool is_warning = false;
  std::string reason;
  std::string message;
};

// How the job ends.
struct Ending {
  std::string condition;  // Complete, Failed
  std::string reason;
  std::string message;
};

struct Plan {
  // Status as it is after the plan: creations and deletions included.
  Phase phase = Phase::kRunning;
  Counts counts;
  int64_t start_nanos = 0;
  int64_t completion_nanos = 0;
  std::optional<Ending> ending;  // of this pass

  std::vector<std::string> create;  // nodes, by name
  std::vector<size_t> remove;       // pods, by index
  bool pause = false;               // set spec.paused
  bool delete_job = false;
  bool leave_status = false;  // the job was over before
  std::vector<Notice> notices;
  std::optional<int64_t> again_at_nanos;  // wall clock
};

// `nodes` sorted by name. `now_nanos` of the wall clock.
Plan MakePlan(const Job& job, const std::vector<JobPod>& pods, const std::vector<JobNode>& nodes,
              int64_t now_nanos);

}  // namespace socle::broadcastjob

#endif  // SOCLE_CONTROLLERS_BROADCASTJOB_PLAN_H_
