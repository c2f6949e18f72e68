#include "controllers/broadcastjob/node_signal.h"

#include <utility>

#include "controllers/workload/raw_member.h"

namespace socle::broadcastjob {

bool IsChangeOfFitness(const registry::Change& change) {
  if (change.type != registry::ChangeType::kModified) {
    return true;
  }
  const registry::Object& after = *change.object;
  const registry::Object& before = *change.previous;
  return after.labels != before.labels || after.is_deleting != before.is_deleting ||
         workload::RawMember(after.document, {"spec"}) !=
             workload::RawMember(before.document, {"spec"}) ||
         workload::RawMember(after.document, {"status", "allocatable"}) !=
             workload::RawMember(before.document, {"status", "allocatable"});
}

NodeSignal::NodeSignal(runtime::Runtime* runtime, int64_t interval_nanos,
                       std::function<void()> on_change)
    : runtime_(runtime), interval_nanos_(interval_nanos), on_change_(std::move(on_change)) {
  observation_ = runtime->cache()->Observe(runtime->Served("", "nodes")->kind,
                                           [this](const registry::ChangeRef& change) {
                                             if (IsChangeOfFitness(*change)) {
                                               Arm();
                                             }
                                           });
}

NodeSignal::~NodeSignal() {
  observation_.reset();
  runtime::TimerId left = runtime::TimerId::kNone;
  {
    MutexLock lock(&mu_);
    left = timer_;
  }
  if (left != runtime::TimerId::kNone) {
    runtime_->timers()->Cancel(left);
  }
}

void NodeSignal::Arm() {
  MutexLock lock(&mu_);
  if (timer_ != runtime::TimerId::kNone) {
    return;
  }
  timer_ = runtime_->timers()->After(interval_nanos_, [this] {
    {
      MutexLock inner(&mu_);
      timer_ = runtime::TimerId::kNone;
    }
    on_change_();
  });
}

}  // namespace socle::broadcastjob
