// NodeSignal: tells jobs that nodes came, went or changed in what decides about pods: once for all nodes of
// an interval.
//
// Threads  thread-safe.
#ifndef SOCLE_CONTROLLERS_BROADCASTJOB_NODE_SIGNAL_H_
#define SOCLE_CONTROLLERS_BROADCASTJOB_NODE_SIGNAL_H_

#include <cstdint>
#include <functional>

#include <absl/base/thread_annotations.h>

#include "controllers/registry/object_cache.h"
#include "controllers/runtime/runtime.h"
#include "kv/base/mutex.h"

namespace socle::broadcastjob {

class NodeSignal {
 public:
  // `on_change` runs on the timer thread.
  NodeSignal(runtime::Runtime* runtime, int64_t interval_nanos, std::function<void()> on_change);
  ~NodeSignal();
  NodeSignal(const NodeSignal&) = delete;
  NodeSignal& operator=(const NodeSignal&) = delete;

 private:
  void Arm();

  runtime::Runtime* const runtime_;
  const int64_t interval_nanos_;
  const std::function<void()> on_change_;
  Mutex mu_;
  runtime::TimerId timer_ ABSL_GUARDED_BY(mu_) = runtime::TimerId::kNone;
  registry::Observation observation_;
};

// Whether the change matters to anybody who chooses nodes: heartbeats do not.
bool IsChangeOfFitness(const registry::Change& change);

}  // namespace socle::broadcastjob

#endif  // SOCLE_CONTROLLERS_BROADCASTJOB_NODE_SIGNAL_H_
