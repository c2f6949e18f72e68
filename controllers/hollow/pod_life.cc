#include "controllers/hollow/pod_life.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "kv/base/clock.h"

namespace socle::hollow {
namespace {

constexpr int32_t kKilled = 137;                          // 128 + SIGKILL
constexpr int32_t kLostNode = 255;                        // nobody knows how it ended
constexpr int64_t kLongRunNanos = 600 * kNanosPerSecond;  // forgives earlier crashes

int64_t Nanos(int64_t millis) {
  return millis * kNanosPerMilli;
}

// `at` on the wall clock.
int64_t WallAt(int64_t at, Moment now) {
  return now.wall - (now.steady - at);
}

bool IsMain(const ContainerWish& wish) {
  return wish.role == ContainerRole::kMain;
}

}  // namespace

void PodLife::Adopt(PodWish wish, Moment now) {
  std::vector<ContainerLife> lives(wish.containers.size());
  for (size_t i = 0; i < lives.size(); ++i) {
    for (size_t k = 0; k < wish_.containers.size(); ++k) {
      if (wish_.containers[k].name == wish.containers[i].name) {
        lives[i] = std::move(lives_[k]);
        if (wish_.containers[k].image != wish.containers[i].image) {
          lives[i].replace_due = kNever;  // pulling begins again
        }
        break;
      }
    }
  }
  const bool is_reshaped =
      lives.size() != lives_.size() ||
      !std::equal(wish.containers.begin(), wish.containers.end(), wish_.containers.begin(),
                  wish_.containers.end(),
                  [](const ContainerWish& a, const ContainerWish& b) { return a.name == b.name; });
  if (wish.is_deleting && !wish_.is_deleting) {
    stop_due_ = now.steady + Nanos(wish.termination_millis);
  }
  wish_ = std::move(wish);
  lives_ = std::move(lives);
  if (is_reshaped) {
    ++version_;
    ++containers_version_;
  }
  for (size_t i = 0; i < lives_.size(); ++i) {
    if (lives_[i].stage == Stage::kRunning) {
      PlanEnd(i);
    }
  }
}

void PodLife::Admit(Moment now) {
  is_admitted_ = true;
  started_wall_ = now.wall;
  if (wish_.deadline_seconds > 0) {
    deadline_due_ = now.steady + wish_.deadline_seconds * kNanosPerSecond;
  }
  ++version_;
}

void PodLife::Refuse(std::string_view reason, std::string_view message) {
  is_admitted_ = true;
  phase_ = Phase::kFailed;
  ending_ = std::make_shared<const Ending>(
      Ending{.has_failed = true, .reason = std::string(reason), .message = std::string(message)});
  ++version_;
}

bool PodLife::IsThrough(size_t index) const {
  const ContainerLife& life = lives_[index];
  return wish_.containers[index].role == ContainerRole::kInit
             ? life.stage == Stage::kEnded && life.current.exit_code == 0
             : life.attempt >= 0;
}

bool PodLife::AreInitContainersThrough() const {
  for (size_t i = 0; i < lives_.size() && wish_.containers[i].is_init(); ++i) {
    if (!IsThrough(i)) {
      return false;
    }
  }
  return true;
}

void PodLife::Advance(Moment now) {
  if (is_stopped_ || !is_admitted_) {
    // A pod that was never admitted has nothing to stop.
    is_stopped_ = is_stopped_ || wish_.is_deleting;
    return;
  }
  if (wish_.is_deleting) {
    if (is_finished() || now.steady >= stop_due_) {
      is_stopped_ = true;
      if (!is_finished()) {
        for (size_t i = 0; i < lives_.size(); ++i) {
          EndNow(i, 0, now);
        }
        Finish(/*has_failed=*/false, now);
      }
    }
    return;
  }
  if (is_finished()) {
    return;
  }
  if (wish_.ending != nullptr) {
    Stop(wish_.ending, now);
    return;
  }
  if (now.steady >= deadline_due_) {
    Stop(std::make_shared<const Ending>(
             Ending{.has_failed = true,
                    .reason = "DeadlineExceeded",
                    .message = "Pod was active on the node longer than the specified deadline"}),
         now);
    return;
  }
  bool may_start = true;
  for (size_t i = 0; i < lives_.size(); ++i) {
    FollowWish(i, now);
    while (Step(i, may_start, now)) {
    }
    // Law 2.
    may_start = may_start && (!wish_.containers[i].is_init() || IsThrough(i));
  }
  Conclude(now);
  UpdatePhase();
}

bool PodLife::Step(size_t index, bool may_start, Moment now) {
  ContainerLife& life = lives_[index];
  const ContainerWish& wish = wish_.containers[index];
  switch (life.stage) {
    case Stage::kIdle:
      if (!may_start) {
        return false;
      }
      life.stage = Stage::kCreating;
      life.due = now.steady + Nanos(wish.pull_millis + wish.start_millis);
      return true;
    case Stage::kRunning:
      return StepRunning(index, now);
    case Stage::kEnded:
      return false;
    case Stage::kCreating:
    case Stage::kPullError:
    case Stage::kPullBackOff:
    case Stage::kBackOff:
      return StepWaiting(index, now);
  }
  return false;
}

bool PodLife::StepWaiting(size_t index, Moment now) {
  ContainerLife& life = lives_[index];
  const ContainerWish& wish = wish_.containers[index];
  const bool is_refused = life.stage == Stage::kPullError || life.stage == Stage::kPullBackOff;
  if (is_refused && wish.can_pull) {
    life.stage = Stage::kCreating;
    life.due = now.steady + Nanos(wish.pull_millis + wish.start_millis);
    return true;
  }
  if (life.stage == Stage::kBackOff && life.replace_due == kNever && wish.image != life.image) {
    // Another image is not to blame for the crashes of this one.
    life.replace_due = now.steady + Nanos(wish.pull_millis + wish.start_millis);
    life.due = std::min(life.due, life.replace_due);
  }
  if (now.steady < life.due) {
    return false;
  }
  const int64_t at = life.due;
  if (life.stage == Stage::kPullError) {
    life.stage = Stage::kPullBackOff;
    life.due = kNever;
    ++version_;
  } else if (!wish.can_pull) {
    life.stage = Stage::kPullError;
    life.due = at + Nanos(wish_.pull_error_millis);
    ++version_;
    Note(index, Happening::kPullFailed);
  } else {
    Start(index, at, now);
  }
  return true;
}

// What of the wish takes effect on a running container by itself.
void PodLife::FollowWish(size_t index, Moment now) {
  ContainerLife& life = lives_[index];
  const ContainerWish& wish = wish_.containers[index];
  if (life.is_held != wish.is_held) {
    version_ += life.stage == Stage::kRunning && life.is_warm ? 1 : 0;
    life.is_held = wish.is_held;
  }
  if (life.stage != Stage::kRunning || wish.role == ContainerRole::kInit) {
    return;
  }
  const bool has_other_image = wish.image != life.image;
  if (has_other_image || wish.env_hash != life.env_hash) {
    if (life.replace_due == kNever) {
      life.replace_due =
          now.steady + Nanos(wish.start_millis + (has_other_image ? wish.pull_millis : 0));
    }
    return;
  }
  life.replace_due = kNever;
  if (wish.plain_hash != life.plain_hash) {
    life.plain_hash = wish.plain_hash;
    life.is_resized = true;
    ++version_;
    ++containers_version_;
  }
}

bool PodLife::StepRunning(size_t index, Moment now) {
  ContainerLife& life = lives_[index];
  const int64_t next = std::min({life.replace_due, life.due, life.ready_due});
  if (now.steady < next) {
    return false;
  }
  if (next == life.replace_due) {
    Replace(index, next, now);
  } else if (next == life.due) {
    const int32_t wished = wish_.containers[index].exit_code;
    End(index, next, WillFail(index) && wished == 0 ? 1 : wished, now);
  } else {
    life.ready_due = kNever;
    life.is_warm = true;
    version_ += life.is_held ? 0 : 1;
  }
  return true;
}

void PodLife::Start(size_t index, int64_t at, Moment now) {
  ContainerLife& life = lives_[index];
  const ContainerWish& wish = wish_.containers[index];
  ++life.attempt;
  life.image = wish.image;
  life.plain_hash = wish.plain_hash;
  life.env_hash = wish.env_hash;
  life.current = {.started_wall = WallAt(at, now)};
  life.started_steady = at;
  life.stage = Stage::kRunning;
  life.is_warm = false;
  life.is_resized = false;
  life.replace_due = kNever;
  life.ready_due = wish.role == ContainerRole::kInit ? kNever : at + Nanos(wish.ready_millis);
  PlanEnd(index);
  ++version_;
  ++containers_version_;
  Note(index, Happening::kStarted);
}

bool PodLife::WillFail(size_t index) const {
  const ContainerWish& wish = wish_.containers[index];
  if (wish.failure_share <= 0) {
    return false;
  }
  const uint64_t draw = Draw(wish_.seed, XXH3_64bits(wish.name.data(), wish.name.size()),
                             static_cast<uint64_t>(lives_[index].attempt));
  return static_cast<double>(draw >> 11U) * 0x1.0p-53 < wish.failure_share;
}

void PodLife::PlanEnd(size_t index) {
  ContainerLife& life = lives_[index];
  const ContainerWish& wish = wish_.containers[index];
  if (wish.run_millis != kForeverMillis) {
    life.due = life.started_steady + Nanos(wish.run_millis);
  } else if (WillFail(index)) {
    life.due = life.started_steady + Nanos(wish.ready_millis);  // before it is ready
  } else {
    life.due = kNever;
  }
}

// Law 3.
void PodLife::Replace(size_t index, int64_t at, Moment now) {
  ContainerLife& life = lives_[index];
  life.current.ended_wall = WallAt(at, now);
  life.current.exit_code = 0;  // it was asked to stop, and did
  life.last = life.current;
  life.has_last = true;
  life.crashes = 0;
  Note(index, Happening::kStopped);
  if (wish_.containers[index].can_pull) {
    Start(index, at, now);
    return;
  }
  life.stage = Stage::kPullError;
  life.is_warm = false;
  life.ready_due = kNever;
  life.replace_due = kNever;
  life.due = at + Nanos(wish_.pull_error_millis);
  ++version_;
  Note(index, Happening::kPullFailed);
}

void PodLife::End(size_t index, int64_t at, int32_t exit_code, Moment now) {
  ContainerLife& life = lives_[index];
  life.current.ended_wall = WallAt(at, now);
  life.current.exit_code = exit_code;
  life.is_warm = false;
  life.ready_due = kNever;
  life.replace_due = kNever;
  life.due = kNever;
  ++version_;
  if (IsRestarted(index, exit_code)) {
    PlanRestart(index, at);
  } else {
    life.stage = Stage::kEnded;
  }
}

bool PodLife::IsRestarted(size_t index, int32_t exit_code) const {
  const ContainerRole role = wish_.containers[index].role;
  if (role == ContainerRole::kInitSidecar) {
    return true;
  }
  if (role != ContainerRole::kInit && wish_.restart == RestartPolicy::kAlways) {
    return true;
  }
  return exit_code != 0 && wish_.restart != RestartPolicy::kNever;
}

void PodLife::PlanRestart(size_t index, int64_t at) {
  ContainerLife& life = lives_[index];
  life.stage = Stage::kBackOff;
  life.last = life.current;
  life.has_last = true;
  if (life.current.ended_wall - life.current.started_wall >= kLongRunNanos) {
    life.crashes = 0;
  }
  life.crashes = static_cast<uint16_t>(std::min(life.crashes + 1, 30));
  int64_t wait_millis = wish_.containers[index].start_millis;
  if (life.crashes > 1) {
    const int doublings = std::min(life.crashes - 2, 20);
    wait_millis = std::max(wait_millis,
                           std::min(wish_.backoff_millis << doublings, wish_.backoff_max_millis));
  }
  life.due = at + Nanos(wait_millis);
  if (life.crashes > 1) {
    Note(index, Happening::kCrashed);
  }
}

void PodLife::EndNow(size_t index, int32_t exit_code, Moment now) {
  ContainerLife& life = lives_[index];
  if (life.stage == Stage::kRunning) {
    life.current.ended_wall = now.wall;
    life.current.exit_code = exit_code;
    life.stage = Stage::kEnded;
    life.is_warm = false;
    ++version_;
    Note(index, Happening::kStopped);
  } else if (life.stage == Stage::kBackOff) {
    life.stage = Stage::kEnded;  // its last attempt was the last
    life.has_last = false;
    ++version_;
  }
  life.due = kNever;
  life.ready_due = kNever;
  life.replace_due = kNever;
}

void PodLife::Conclude(Moment now) {
  bool has_main = false;
  bool has_failed = false;
  bool is_main_over = true;
  bool is_all_over = true;
  for (size_t i = 0; i < lives_.size(); ++i) {
    const ContainerWish& wish = wish_.containers[i];
    const bool is_over = lives_[i].stage == Stage::kEnded;
    const bool is_bad = is_over && lives_[i].current.exit_code != 0;
    if (wish.role == ContainerRole::kInit && is_bad) {
      Finish(/*has_failed=*/true, now);
      return;
    }
    if (wish.is_init()) {
      continue;
    }
    has_main = has_main || IsMain(wish);
    has_failed = has_failed || is_bad;
    is_main_over = is_main_over && (is_over || !IsMain(wish));
    is_all_over = is_all_over && is_over;
  }
  if (is_all_over || (has_main && is_main_over)) {
    Finish(has_failed, now);
  }
}

void PodLife::Stop(std::shared_ptr<const Ending> ending, Moment now) {
  ending_ = std::move(ending);
  for (size_t i = 0; i < lives_.size(); ++i) {
    EndNow(i, ending_->has_failed ? kKilled : 0, now);
  }
  Finish(ending_->has_failed, now);
}

// What still runs are sidecars: they stop in order.
void PodLife::Finish(bool has_failed, Moment now) {
  for (size_t i = 0; i < lives_.size(); ++i) {
    EndNow(i, 0, now);
  }
  phase_ = has_failed ? Phase::kFailed : Phase::kSucceeded;
  deadline_due_ = kNever;
  ++version_;
}

void PodLife::UpdatePhase() {
  if (is_finished()) {
    return;
  }
  Phase phase = Phase::kPending;
  for (size_t i = 0; i < lives_.size(); ++i) {
    if (!wish_.containers[i].is_init() && lives_[i].attempt >= 0) {
      phase = Phase::kRunning;
    }
  }
  if (phase != phase_) {
    phase_ = phase;
    ++version_;
  }
}

void PodLife::Reboot(Moment now) {
  if (is_finished() || is_stopped_) {
    return;
  }
  for (size_t i = 0; i < lives_.size(); ++i) {
    ContainerLife& life = lives_[i];
    if (life.stage == Stage::kRunning) {
      End(i, now.steady, kLostNode, now);
    } else if (life.stage == Stage::kCreating) {
      life.stage = Stage::kIdle;
    }
  }
  // Stopping goes fast for what does not run.
  stop_due_ = wish_.is_deleting ? now.steady : stop_due_;
  Conclude(now);
}

int64_t PodLife::NextDue() const {
  if (is_stopped_ || !is_admitted_) {
    return kNever;
  }
  if (wish_.is_deleting) {
    return stop_due_;
  }
  if (is_finished()) {
    return kNever;
  }
  int64_t due = deadline_due_;
  for (const ContainerLife& life : lives_) {
    due = std::min(due, life.due);
    if (life.stage == Stage::kRunning) {
      due = std::min({due, life.ready_due, life.replace_due});
    }
  }
  return due;
}

}  // namespace socle::hollow
