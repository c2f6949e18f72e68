// AutoCompactor: compacts old revisions by time or by number, as etcd's two modes do.
//
// Laws     1. Periodic: the revision is sampled every min(period, 1 h) / 10; the first compaction
//             comes after one period, then one every min(period, 1 h), to the revision of one
//             period ago.
//          2. Revision: every 5 minutes, to the current revision less the retention.
//          3. "Already compacted" is success; other errors are logged and tried again at the next
//             turn.
// Threads  CompactionPlan: thread-compatible, time comes in from outside. AutoCompactor: its own
//          thread.
// Source   spec etcd 1.12.
#ifndef SOCLE_SERVER_SERVICE_AUTO_COMPACTOR_H_
#define SOCLE_SERVER_SERVICE_AUTO_COMPACTOR_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

#include <absl/status/statusor.h>

#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "mvcc/store.h"

namespace socle::server {

// When to compact to what: a pure function of the samples.
class CompactionPlan {
 public:
  // `mode`: periodic or revision. nullopt when `retention` says never ("0", "").
  static absl::StatusOr<std::optional<CompactionPlan>> Make(std::string_view mode,
                                                            std::string_view retention);

  // How often Sample is to be called.
  int64_t interval_nanos() const { return interval_nanos_; }

  // The revision to compact to now, if any.
  std::optional<int64_t> Sample(int64_t now_nanos, int64_t current_revision);

 private:
  CompactionPlan() = default;

  bool is_periodic_ = false;
  int64_t retention_revisions_ = 0;
  int64_t period_nanos_ = 0;
  int64_t interval_nanos_ = 0;
  std::deque<int64_t> samples_;  // of one period, oldest first
  std::optional<int64_t> last_compaction_nanos_;
};

class AutoCompactor {
 public:
  AutoCompactor(CompactionPlan plan, mvcc::Store* store, Clock* clock = Clock::Real());
  ~AutoCompactor();
  AutoCompactor(const AutoCompactor&) = delete;
  AutoCompactor& operator=(const AutoCompactor&) = delete;

 private:
  void Run();

  CompactionPlan plan_;  // of the thread
  mvcc::Store* const store_;
  Clock* const clock_;
  Mutex mu_;
  CondVar stop_;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  Thread thread_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_AUTO_COMPACTOR_H_
