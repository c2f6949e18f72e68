#include "server/service/space_recovery.h"

#include "kv/base/log.h"

namespace socle::server {

SpaceRecovery::SpaceRecovery(Alarms* alarms, const Quota* quota)
    : alarms_(alarms), quota_(quota), thread_("space-recovery", [this] { Run(); }) {}

SpaceRecovery::~SpaceRecovery() {
  Stop();
}

void SpaceRecovery::Stop() {
  {
    MutexLock lock(&mu_);
    is_stopping_ = true;
    changed_.SignalAll();
  }
  thread_.Join();
}

void SpaceRecovery::NoteCommit() {
  MutexLock lock(&mu_);
  is_due_ = true;
  changed_.Signal();
}

void SpaceRecovery::Run() {
  while (true) {
    {
      MutexLock lock(&mu_);
      while (!is_due_ && !is_stopping_) {
        changed_.Wait(&mu_);
      }
      if (is_stopping_) {
        return;
      }
      is_due_ = false;
    }
    Look();
  }
}

void SpaceRecovery::Look() {
  if (!alarms_->IsActive(etcdserverpb::NOSPACE)) {
    nudges_ = 0;
    return;
  }
  if (quota_->HasRoomAgain()) {
    nudges_ = 0;
    for (const Alarm& alarm : alarms_->List(etcdserverpb::NOSPACE)) {
      alarms_->Deactivate(alarm, [](const absl::Status& gone) {
        if (!gone.ok() && !absl::IsNotFound(gone)) {
          LogError("the NOSPACE alarm could not be taken back", {{"error", gone}});
        }
      });
    }
    return;
  }
  if (nudges_ == kNudgesMax) {
    nudges_ = 0;
    return;
  }
  ++nudges_;
  // Whether it comes to this is the committer's timing: often the next commit is on its way already.
  alarms_->StoreAgain(etcdserverpb::NOSPACE);
}

}  // namespace socle::server
