// BackupService: a BackupWriter on a thread of its own, beside a serving store.
//
// Laws     1. Nobody waits for it: a disk that is slow, full or gone delays the backup, never a write.
//          2. What fails is counted, logged (once, then at most once a minute) and tried again: saving after a second, later
//             half a minute; a base after a minute.
//          3. The destructor saves what was logged until then.
// Threads  Numbers: thread-safe. Own thread "backup".
// Errors   Start: the directory can't be read, is another store's, or is in use.
// Source   DESIGN.md.
#ifndef SOCLE_SERVER_BACKUP_BACKUP_SERVICE_H_
#define SOCLE_SERVER_BACKUP_BACKUP_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "mvcc/store.h"
#include "server/backup/backup_writer.h"
#include "server/ops/metrics.h"

namespace socle::server {

class BackupService {
 public:
  struct Options {
    BackupOptions backup;
    int64_t save_interval_nanos = kNanosPerSecond;
  };

  // `store` must outlive the service and hold its log.
  static absl::StatusOr<std::unique_ptr<BackupService>> Start(mvcc::Store* store, Options options);
  ~BackupService();
  BackupService(const BackupService&) = delete;
  BackupService& operator=(const BackupService&) = delete;

  // For /metrics.
  std::vector<MoreMetric> Metrics() const;

 private:
  BackupService(mvcc::Store* store, const Options& options, std::unique_ptr<BackupWriter> writer);

  void Run();
  bool IsStopping() const;
  // Between other work: remembers the time, saves when it is due. Cancelled: stop.
  absl::Status KeepUp();
  absl::Status SaveIfDue();
  void MakeBaseIfDue();
  void NoteFailure(const absl::Status& status, std::atomic<bool>* is_failing);
  void NoteSuccess(std::string_view what, std::atomic<bool>* is_failing);

  mvcc::Store* const store_;
  Clock* const clock_;
  const int64_t save_interval_nanos_;
  const int64_t look_interval_nanos_;
  const std::unique_ptr<BackupWriter> writer_;

  // The thread's; monotonic times.
  int64_t next_save_ = 0;
  int64_t next_base_ = 0;
  int64_t retry_nanos_ = 0;  // 0: the last save worked
  int64_t next_complaint_ = 0;

  std::atomic<uint64_t> failures_{0};
  std::atomic<bool> is_save_failing_{false};
  std::atomic<bool> is_base_failing_{false};

  mutable Mutex mu_;
  CondVar wake_;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  Thread thread_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_BACKUP_BACKUP_SERVICE_H_
