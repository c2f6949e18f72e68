// CorruptionMonitor: raises the CORRUPT alarm when the pages do not hold what was written.
//
// Laws     1. Every opening looks (Store::Corruption); with an interval a running server looks again,
//             at a snapshot, while it serves.
//          2. The alarm is stored and stays until it is disarmed, restarts included, as etcd's: writes
//             answer "etcdserver: corrupt cluster" meanwhile.
// Threads  its own, when there is an interval.
// Errors   logged, with what is wrong.
// Source   spec etcd 1.7, 1.12 (corrupt-check-time); mvcc/key_digest.h. etcd compares its peers; there
//          are none here, so the pages are held against the sum of what was written.
#ifndef SOCLE_SERVER_SERVICE_CORRUPTION_MONITOR_H_
#define SOCLE_SERVER_SERVICE_CORRUPTION_MONITOR_H_

#include <cstdint>

#include <absl/status/status.h>

#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "mvcc/store.h"
#include "server/service/alarms.h"

namespace socle::server {

class CorruptionMonitor {
 public:
  // `interval_nanos` 0: only what opening the store has found. All must outlive the monitor.
  CorruptionMonitor(mvcc::Store* store, Alarms* alarms, uint64_t member_id, int64_t interval_nanos);
  ~CorruptionMonitor();
  CorruptionMonitor(const CorruptionMonitor&) = delete;
  CorruptionMonitor& operator=(const CorruptionMonitor&) = delete;

 private:
  void Run();
  void Raise(const absl::Status& why);

  mvcc::Store* const store_;
  Alarms* const alarms_;
  const uint64_t member_id_;
  const int64_t interval_nanos_;
  Mutex mu_;
  CondVar stop_;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  Thread thread_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_CORRUPTION_MONITOR_H_
