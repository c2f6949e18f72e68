#include "server/service/corruption_monitor.h"

#include <chrono>

#include "kv/base/clock.h"
#include "kv/base/log.h"

namespace socle::server {

CorruptionMonitor::CorruptionMonitor(mvcc::Store* store, Alarms* alarms, uint64_t member_id,
                                     int64_t interval_nanos)
    : store_(store), alarms_(alarms), member_id_(member_id), interval_nanos_(interval_nanos) {
  if (const absl::Status found = store_->Corruption(); !found.ok()) {
    Raise(found);
  }
  if (interval_nanos_ > 0) {
    thread_ = Thread("corrupt-check", [this] { Run(); });
  }
}

CorruptionMonitor::~CorruptionMonitor() {
  {
    MutexLock lock(&mu_);
    is_stopping_ = true;
    stop_.SignalAll();
  }
  thread_.Join();
}

void CorruptionMonitor::Run() {
  while (true) {
    const int64_t due = Clock::Real()->MonotonicNanos() + interval_nanos_;
    {
      MutexLock lock(&mu_);
      int64_t left = interval_nanos_;
      while (!is_stopping_ && left > 0) {
        stop_.WaitFor(&mu_, std::chrono::nanoseconds(left));
        left = due - Clock::Real()->MonotonicNanos();
      }
      if (is_stopping_) {
        return;
      }
    }
    if (alarms_->IsActive(etcdserverpb::CORRUPT)) {
      continue;
    }
    const absl::Status checked = store_->Check();
    if (absl::IsDataLoss(checked)) {
      Raise(checked);
    } else if (!checked.ok()) {
      LogWarning("the check for corruption failed; it will be tried again", {{"error", checked}});
    }
  }
}

void CorruptionMonitor::Raise(const absl::Status& why) {
  LogError("the data is corrupt; writes are refused until the alarm is disarmed", {{"error", why}});
  alarms_->Activate({.member_id = member_id_, .type = etcdserverpb::CORRUPT},
                    [](const absl::Status& raised) {
                      if (!raised.ok()) {
                        LogError("the CORRUPT alarm could not be stored", {{"error", raised}});
                      }
                    });
}

}  // namespace socle::server
