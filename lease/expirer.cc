#include "lease/expirer.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "kv/base/log.h"
#include "mvcc/errors.h"

namespace socle::lease {

void Expirer::Bell::Ring() {
  MutexLock lock(&mu);
  is_rung = true;
  rung.Signal();
}

Expirer::Expirer(Lessor* lessor, LeaseLog* log, Clock* clock)
    : lessor_(lessor), log_(log), clock_(clock), bell_(std::make_shared<Bell>()) {
  lessor_->SetWake([bell = bell_] { bell->Ring(); });
}

Expirer::~Expirer() {
  Stop();
}

void Expirer::Start() {
  thread_ = Thread("expirer", [this] { Loop(); });
}

void Expirer::Stop() {
  {
    MutexLock lock(&bell_->mu);
    bell_->is_stopping = true;
    bell_->rung.Signal();
  }
  thread_.Join();
  MutexLock lock(&mu_);
  while (in_flight_ > 0) {
    answered_.Wait(&mu_);
  }
}

int64_t Expirer::PauseNanos() const {
  const int64_t next_due = lessor_->NextDue();
  if (next_due == DeadlineHeap::kNever) {
    return DeadlineHeap::kNever;
  }
  {
    MutexLock lock(&mu_);
    if (has_more_checkpoints_) {
      return kLookPauseNanos;
    }
  }
  const int64_t until_due = next_due - clock_->MonotonicNanos();
  // What is due and could not be proposed waits for an answer, which rings.
  return until_due > 0 ? std::clamp(until_due, kLookPauseNanos, kLookIntervalNanos)
                       : kLookIntervalNanos;
}

void Expirer::Loop() {
  for (;;) {
    Step();
    const int64_t pause = PauseNanos();
    MutexLock lock(&bell_->mu);
    if (!bell_->is_rung && !bell_->is_stopping) {
      if (pause == DeadlineHeap::kNever) {
        bell_->rung.Wait(&bell_->mu);
      } else {
        bell_->rung.WaitFor(&bell_->mu, std::chrono::nanoseconds(pause));
      }
    }
    if (bell_->is_stopping) {
      return;
    }
    bell_->is_rung = false;
  }
}

size_t Expirer::Step() {
  std::vector<LeaseId> due;
  {
    MutexLock lock(&mu_);
    due = lessor_->TakeExpired(kInFlightMax - std::min(in_flight_, kInFlightMax));
    in_flight_ += due.size();
    is_short_ = in_flight_ >= kInFlightMax;
  }
  for (const LeaseId id : due) {
    log_->Revoke(id, [this](const absl::StatusOr<mvcc::LeaseRevokeResult>& result) {
      Answered(result.status());
    });
  }
  std::vector<mvcc::LeaseCheckpoint> checkpoints = lessor_->TakeCheckpoints(kCheckpointsMax);
  {
    MutexLock lock(&mu_);
    has_more_checkpoints_ = checkpoints.size() == kCheckpointsMax;
  }
  if (!checkpoints.empty()) {
    ProposeCheckpoints(std::move(checkpoints));
  }
  return due.size();
}

void Expirer::ProposeCheckpoints(std::vector<mvcc::LeaseCheckpoint> checkpoints) {
  {
    MutexLock lock(&mu_);
    ++in_flight_;
  }
  log_->Checkpoint(std::move(checkpoints),
                   [this](const absl::StatusOr<int64_t>& result) { Answered(result.status()); });
}

void Expirer::NoteAllDeadlines() {
  const std::vector<mvcc::LeaseCheckpoint> all = lessor_->TakeAllCheckpoints();
  for (size_t first = 0; first < all.size(); first += kCheckpointsMax) {
    {
      MutexLock lock(&mu_);
      while (in_flight_ >= kInFlightMax) {
        answered_.Wait(&mu_);
      }
    }
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end =
        all.begin() + static_cast<std::ptrdiff_t>(std::min(first + kCheckpointsMax, all.size()));
    ProposeCheckpoints({begin, end});
  }
  MutexLock lock(&mu_);
  while (in_flight_ > 0) {
    answered_.Wait(&mu_);
  }
}

void Expirer::Answered(const absl::Status& status) {
  // A lease that the client revoked first is as good.
  const bool failed = !status.ok() && mvcc::ErrorOf(status) != mvcc::StoreError::kLeaseNotFound;
  bool is_first_failure = false;
  bool makes_room = false;
  const std::shared_ptr<Bell> bell = bell_;  // Stop may return as soon as the lock is free
  {
    MutexLock lock(&mu_);
    is_first_failure = failed && !is_failing_;
    is_failing_ = failed;
    --in_flight_;
    if (is_short_ && in_flight_ <= kInFlightMax / 2) {
      is_short_ = false;
      makes_room = true;
    }
    answered_.SignalAll();
  }
  if (is_first_failure) {
    LogWarning("lease revocation failed; it will be tried again", {{"error", status}});
  }
  if (makes_room) {
    bell->Ring();
  }
}

}  // namespace socle::lease
