// SlowLog: a line in the server's log for each unary call that took too long.
//
//   slow request  method=Put key=/a range-end= ranges=1 took=812.1ms worker-wait=0ms queue=2.0ms log-sync=803.9ms …
//   request stats start time=… time spent=812.1ms remote=… response type=/etcdserverpb.KV/Put …        (etcd's words)
//
// Laws     1. Keys are cut at kKeyBytesMax; values are not told.
//          2. At most kLinesPerSecond lines of each kind a second; the next one says how many were left out.
//          3. The phases of a line add up to what it says the call took.
// Threads  thread-safe.
// Source   spec etcd 1.12 (--warning-unary-request-duration).
#ifndef SOCLE_SERVER_OPS_SLOW_LOG_H_
#define SOCLE_SERVER_OPS_SLOW_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <absl/status/status.h>

#include "server/ops/call_note.h"
#include "server/ops/call_subject.h"
#include "server/ops/line_budget.h"

namespace socle::server {

class SlowLog {
 public:
  static constexpr size_t kKeyBytesMax = 128;
  static constexpr uint64_t kLinesPerSecond = 10;

  // 0: no such lines.
  struct Thresholds {
    int64_t phases_nanos = 0;   // --slow-request-threshold
    int64_t warning_nanos = 0;  // --warning-unary-request-duration
  };

  explicit SlowLog(Thresholds thresholds) : thresholds_(thresholds) {}

  ~SlowLog();
  SlowLog(const SlowLog&) = delete;
  SlowLog& operator=(const SlowLog&) = delete;

  // Cheap, and true for few: asked before the rest is worked out.
  bool IsSlow(int64_t took_nanos) const;

  // A call that IsSlow.
  void Note(const CallNote& note, int64_t sent_nanos, const CallSubject& subject,
            std::string_view user, const absl::Status& status);

 private:
  void NotePhases(const CallNote& note, const CallPhases& phases, const CallSubject& subject,
                  std::string_view user, const absl::Status& status);
  void NoteAsEtcd(const CallNote& note, const CallPhases& phases, const CallSubject& subject);

  const Thresholds thresholds_;
  LineBudget phases_budget_{kLinesPerSecond};
  LineBudget warning_budget_{kLinesPerSecond};
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_SLOW_LOG_H_
