// PodLife: the life of one pod on a hollow node, as a state machine over time; it knows no clock, no store.
//
//   container:  idle ─► creating ─► running ─► ended          ended: for good
//                          │  ▲        │ ▲
//                          ▼  │        ▼ │
//                     pull error    back-off            pull error ─► pull back-off ─► creating
//
// Laws     1. What Advance does depends on the wish, on the state and on the time only; Advance twice at one
//             moment is Advance once.
//          2. Init containers run one after the other; main ones start when all of them are through.
//          3. A running container whose image, or environment from metadata, is not what is wished is
//             replaced after its delays: a new attempt, not ready at first (spec 2.5). A container that
//             can't be replaced waits, with the image and id of the one before.
//          4. A pod that finished, or has stopped to be deleted, does not start anything again.
//          5. version() grows whenever the status of the pod is to change, and only then.
// Threads  values.
// Memory   about 250 bytes per container, with its wish.
#ifndef SOCLE_CONTROLLERS_HOLLOW_POD_LIFE_H_
#define SOCLE_CONTROLLERS_HOLLOW_POD_LIFE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/api/json.h"
#include "controllers/hollow/pod_wish.h"
#include "controllers/hollow/timer_wheel.h"

namespace socle::hollow {

// Now, in nanoseconds of both clocks.
struct Moment {
  int64_t steady = 0;
  int64_t wall = 0;
};

enum class Stage : uint8_t {
  kIdle,
  kCreating,     // until `due`
  kPullError,    // until `due`
  kPullBackOff,  // until the image can be pulled
  kRunning,      // until `due`, or `replace_due`
  kBackOff,      // until `due`
  kEnded,
};

// One attempt of a container.
struct Run {
  int64_t started_wall = 0;
  int64_t ended_wall = 0;
  int32_t exit_code = 0;
};

struct ContainerLife {
  std::string image;        // of the last attempt
  uint64_t plain_hash = 0;  // likewise
  uint64_t env_hash = 0;
  Run current;  // the last attempt
  Run last;     // the one before; while waiting for the next: the last attempt
  int64_t started_steady = 0;
  int64_t due = kNever;
  int64_t ready_due = kNever;
  int64_t replace_due = kNever;
  int32_t attempt = -1;  // restartCount; -1: none was started
  uint16_t crashes = 0;
  Stage stage = Stage::kIdle;
  bool has_last = false;
  bool is_warm = false;  // long enough up to be ready
  bool is_held = false;
  bool is_resized = false;  // its resources changed while it ran

  bool is_ready() const { return stage == Stage::kRunning && is_warm && !is_held; }
};

enum class Phase : uint8_t { kPending, kRunning, kSucceeded, kFailed };

// What people may want to read of.
enum class Happening : uint8_t { kStarted, kStopped, kPullFailed, kCrashed };

class PodLife {
 public:
  // Goes on from the status that is stored in the document.
  static PodLife Resume(const api::Json& pod, PodWish wish, Moment now);

  // The pod is wished for differently. Containers keep their lives by name.
  void Adopt(PodWish wish, Moment now);

  // A new pod may run; or may not. Requires: not is_admitted().
  void Admit(Moment now);
  void Refuse(std::string_view reason, std::string_view message);

  // Everything that is due by now.
  void Advance(Moment now);
  // The node went down and comes up: what ran has ended.
  void Reboot(Moment now);

  // What happened since the last call: the index of the container, and what.
  std::vector<std::pair<uint32_t, Happening>> TakeHappenings() {
    return std::exchange(happenings_, {});
  }

  // When Advance has something to do again.
  int64_t NextDue() const;

  bool is_admitted() const { return is_admitted_; }

  bool is_finished() const { return phase_ == Phase::kSucceeded || phase_ == Phase::kFailed; }

  // All containers have stopped because the pod is to be deleted.
  bool is_stopped() const { return is_stopped_; }

  uint32_t version() const { return version_; }

  Phase phase() const { return phase_; }

  // Empty while nothing special is the matter.
  std::string_view reason() const {
    return ending_ == nullptr ? std::string_view() : std::string_view(ending_->reason);
  }

  std::string_view message() const {
    return ending_ == nullptr ? std::string_view() : std::string_view(ending_->message);
  }

  int64_t started_wall() const { return started_wall_; }

  // In step with wish().containers.
  const std::vector<ContainerLife>& containers() const { return lives_; }

  const PodWish& wish() const { return wish_; }

  bool AreInitContainersThrough() const;

  // Grows whenever a container is another than before: what runtime-containers-meta says is to change.
  uint32_t containers_version() const { return containers_version_; }

 private:
  void ResumeContainer(const api::Json& status, size_t index, Moment now);
  bool IsThrough(size_t index) const;

  void Note(size_t index, Happening happening) {
    happenings_.emplace_back(static_cast<uint32_t>(index), happening);
  }

  // False when nothing more is due for the container.
  bool Step(size_t index, bool may_start, Moment now);
  bool StepRunning(size_t index, Moment now);
  bool StepWaiting(size_t index, Moment now);
  void FollowWish(size_t index, Moment now);
  void Start(size_t index, int64_t at, Moment now);
  void Replace(size_t index, int64_t at, Moment now);
  void End(size_t index, int64_t at, int32_t exit_code, Moment now);
  // For good, without question.
  void EndNow(size_t index, int32_t exit_code, Moment now);
  bool IsRestarted(size_t index, int32_t exit_code) const;
  void PlanEnd(size_t index);
  void PlanRestart(size_t index, int64_t at);
  bool WillFail(size_t index) const;
  void Conclude(Moment now);
  // Everything stops, in the way that the ending says.
  void Stop(std::shared_ptr<const Ending> ending, Moment now);
  void Finish(bool has_failed, Moment now);
  void UpdatePhase();

  PodWish wish_;
  std::vector<ContainerLife> lives_;
  std::vector<std::pair<uint32_t, Happening>> happenings_;
  std::shared_ptr<const Ending> ending_;
  int64_t started_wall_ = 0;
  int64_t deadline_due_ = kNever;
  int64_t stop_due_ = kNever;
  uint32_t version_ = 1;
  uint32_t containers_version_ = 1;
  Phase phase_ = Phase::kPending;
  bool is_admitted_ = false;
  bool is_stopped_ = false;
};

}  // namespace socle::hollow

#endif  // SOCLE_CONTROLLERS_HOLLOW_POD_LIFE_H_
