// WatchRecorder: a watcher of everything, on a thread of its own, that writes down what it is sent
// and when.
//
// Laws     1. `watch().through` is a revision up to which everything was sent: of the last events, or
//             of a progress answer.
//          2. Each such moment is also a call in the log: the store was at that revision by then.
// Threads  the owner calls; the recorder's thread takes responses until Finish.
#ifndef SOCLE_TESTS_LINEARIZABILITY_WATCH_RECORDER_H_
#define SOCLE_TESTS_LINEARIZABILITY_WATCH_RECORDER_H_

#include <cstdint>
#include <memory>

#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "mvcc/store.h"
#include "tests/linearizability/history.h"

namespace socle::linearizability {

class WatchRecorder {
 public:
  // Requires that `start` is not in the future. Both pointers must outlive it.
  WatchRecorder(mvcc::Store* store, HistoryClock* clock, int64_t start);
  ~WatchRecorder();

  // Waits until everything up to the revision was sent, or the watch was cancelled because of a
  // compaction, and closes the stream. False when that does not come.
  bool Finish(int64_t revision);

  // After Finish.
  const WatchLog& watch() const { return watch_; }

  const ClientLog* log() const { return &log_; }

 private:
  void Loop();
  void Take(const mvcc::WatchResponse& response);
  // False: stop.
  bool AwaitResponses();

  HistoryClock* const clock_;
  WatchLog watch_;  // the thread's, then the owner's, as the next three
  ClientLog log_;
  int64_t last_tick_;
  bool is_cancelled_ = false;

  Mutex mu_;
  CondVar changed_;
  bool is_ready_ ABSL_GUARDED_BY(mu_) = false;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  int64_t through_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;

  std::unique_ptr<mvcc::WatchStream> stream_;
  Thread thread_;
};

}  // namespace socle::linearizability

#endif  // SOCLE_TESTS_LINEARIZABILITY_WATCH_RECORDER_H_
