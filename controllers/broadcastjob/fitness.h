// Fitness: which nodes a job's template fits, from facts that are parsed once per revision of a node.
//
// Laws     1. Facts of a node are read again when its revision changed, and only then.
//          2. Room is asked of nodes without a pod of the job; what other pods take is read once per pod.
// Threads  thread-safe; workers share it.
// Memory   about 1 KB per node; 100 bytes per pod that was asked about, until it goes.
#ifndef SOCLE_CONTROLLERS_BROADCASTJOB_FITNESS_H_
#define SOCLE_CONTROLLERS_BROADCASTJOB_FITNESS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/base/thread_annotations.h>

#include "controllers/broadcastjob/plan.h"
#include "controllers/registry/object_cache.h"
#include "controllers/workload/node_fit.h"
#include "kv/base/bytes.h"
#include "kv/base/mutex.h"

namespace socle::broadcastjob {

class Fitness {
 public:
  // The kinds of nodes and pods.
  Fitness(const registry::ObjectCache* cache, const api::Kind* nodes, const api::Kind* pods)
      : cache_(cache), nodes_(nodes), pods_(pods) {}

  // All nodes, by name. `with_pod`: those that have a pod of the job.
  std::vector<JobNode> Judge(const workload::PodRequirements& pod, const StringSet& with_pod);

  // A pod went.
  void ForgetPod(std::string_view uid);

 private:
  using FactsRef = std::shared_ptr<const workload::NodeFacts>;

  struct KnownNode {
    int64_t mod_revision = 0;
    FactsRef facts;
  };

  struct PodUse {
    workload::Resources requests;
    std::vector<workload::HostPort> ports;
  };

  FactsRef FactsOf(const registry::Object& node);
  bool HasRoom(const workload::NodeFacts& node, const workload::PodRequirements& pod);
  std::shared_ptr<const PodUse> UseOf(const registry::Object& pod);
  void DropNodesBut(size_t present);

  const registry::ObjectCache* const cache_;
  const api::Kind* const nodes_;
  const api::Kind* const pods_;
  Mutex mu_;
  StringMap<KnownNode> facts_ ABSL_GUARDED_BY(mu_);                     // by name
  StringMap<std::shared_ptr<const PodUse>> uses_ ABSL_GUARDED_BY(mu_);  // by uid
};

}  // namespace socle::broadcastjob

#endif  // SOCLE_CONTROLLERS_BROADCASTJOB_FITNESS_H_
