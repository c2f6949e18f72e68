// ShrinkSchedule: when the committer takes the next step of shrinking the file.
//
//   off ──asked, or too much is free──► running ──kDone, failure──► off
//                                       │  ▲ └─kBlocked─► waiting for readers
//                                       └──┴── a pause after each step
//
// Laws     1. While others commit, the pause after a step is at least kPauses times as long as the
//             step: their syncs find the disk mostly free. On an idle store there is no pause.
//          2. Off is quiet: nothing is due before a commit or a request.
//          3. Waiting for readers costs a look per kBlockedPause, and after kBlockedLooks of them
//             only one per commit.
//          4. After kDone it does not start by itself before the free space has grown again.
// Threads  thread-compatible: the backend's lock.
#ifndef SOCLE_KV_BACKEND_SHRINK_SCHEDULE_H_
#define SOCLE_KV_BACKEND_SHRINK_SCHEDULE_H_

#include <cstdint>
#include <optional>

#include "kv/base/clock.h"
#include "kv/engine.h"

namespace socle::kv {

class ShrinkSchedule {
 public:
  static constexpr int64_t kPauses = 7;
  static constexpr int64_t kIdleAfter = kNanosPerSecond;  // without a commit
  static constexpr int64_t kBlockedPause = 200 * kNanosPerMilli;
  static constexpr int kBlockedLooks = 5;
  static constexpr uint64_t kFreeBytesMin = uint64_t{1} << 20U;  // less is never worth it

  // Starts by itself when more than this part of the file is free; 0: never.
  explicit ShrinkSchedule(double free_ratio) : free_ratio_(free_ratio) {}

  // Somebody wants the file small.
  void Ask(int64_t now);
  void NoteCommit(const EngineSize& size, int64_t now);
  void NoteStep(const ShrinkProgress& progress, const EngineSize& size, int64_t begin, int64_t end);
  void NoteFailure();

  // When the next step is due; nullopt: not before something is noted.
  std::optional<int64_t> due() const { return due_; }

  bool is_running() const { return is_running_; }

  // True when only readers hold the file, and for long enough that nobody should wait for them.
  bool is_held_by_readers() const { return is_running_ && blocked_ >= kBlockedLooks; }

 private:
  const double free_ratio_;
  bool is_running_ = false;
  std::optional<int64_t> due_;
  int blocked_ = 0;  // looks in a row that found readers in the way
  std::optional<int64_t> last_commit_;
  uint64_t free_left_ = 0;  // when it was last done
};

}  // namespace socle::kv

#endif  // SOCLE_KV_BACKEND_SHRINK_SCHEDULE_H_
