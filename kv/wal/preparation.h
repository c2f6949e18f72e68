// Preparation: makes room before it is needed, so that an append neither grows a file nor waits for
// zeros.
//
// Laws     1. In the segment that is appended to, zeros are written ahead of the appender in steps,
//             the shorter the slower it goes, never over bytes it has reserved.
//          2. Past the middle of a segment a spare is made in such steps, unless a recycled one is there.
//          3. Nothing here is needed for correctness: when a step fails, it is left, and Append
//             grows the file.
//          4. Steps sync through a File of their own: an error of the disk that a step meets is
//             still reported to the appender's File.
// Threads  thread-safe. Follow, Reserve and Advance belong to the appender.
#ifndef SOCLE_KV_WAL_PREPARATION_H_
#define SOCLE_KV_WAL_PREPARATION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "kv/env/env.h"
#include "kv/wal/segment.h"
#include "kv/wal/wal.h"

namespace socle::kv {

class Preparation {
 public:
  static constexpr size_t kSparesMax = 2;

  Preparation(Env* env, const std::string& dir, const WalOptions& options);
  ~Preparation();

  Preparation(const Preparation&) = delete;
  Preparation& operator=(const Preparation&) = delete;

  // From now on fills `file`, a second one open on the segment that is appended to. Null: fills
  // nothing. Waits for a step under way.
  void Follow(std::unique_ptr<File> file, uint64_t written_bytes, uint64_t filled_bytes);
  // Before a write that ends at `end`: waits for a step in its way, and keeps later ones out of it.
  void Reserve(uint64_t end);
  // After the write is durable.
  void Advance(uint64_t written_bytes);

  // A spare to make a segment of; when there is none, one with a small step of zeros.
  absl::StatusOr<SpareFile> TakeSpare();
  // False, and no effect, when there are enough.
  bool WantsSpare(uint64_t size_bytes);
  void AddSpare(SpareFile spare);

 private:
  enum class Step { kNone, kFillSegment, kFillSpare };

  void RunThread();
  Step NextStep() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RunStep(Step step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Where zeros should end by now.
  uint64_t SegmentGoal() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  uint64_t SpareGoal() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Where the next step ends; 0 when none is due.
  uint64_t StepEnd(uint64_t filled, uint64_t goal) const;
  absl::Status FillSpare(uint64_t from, uint64_t to);

  Env* const env_;
  const std::string dir_;
  const WalOptions options_;

  // Confined to whoever runs steps: the thread, or without one the appender.
  std::unique_ptr<File> fresh_file_;

  Mutex mu_;
  CondVar work_;
  CondVar step_done_;
  std::shared_ptr<File> file_ ABSL_GUARDED_BY(mu_);
  uint64_t written_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t filled_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t fresh_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of a spare under way
  std::vector<SpareFile> spares_ ABSL_GUARDED_BY(mu_);
  bool fills_segment_now_ ABSL_GUARDED_BY(mu_) = false;
  bool gave_up_segment_ ABSL_GUARDED_BY(mu_) = false;  // until the next segment
  bool gave_up_spare_ ABSL_GUARDED_BY(mu_) = false;
  bool stops_ ABSL_GUARDED_BY(mu_) = false;

  Thread thread_;  // last: it uses all of the above
};

}  // namespace socle::kv

#endif  // SOCLE_KV_WAL_PREPARATION_H_
