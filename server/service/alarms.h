// Alarms: the persistent NOSPACE and CORRUPT alarms of the members, and the quota that raises the
// first.
//
// Laws     1. An alarm that was answered is durable (bucket `alarm`, key = AlarmMember bytes, empty
//             value).
//          2. The quota compares the file's high-water mark plus the cost of a write, not live
//             bytes.
//          3. An active NOSPACE refuses every write that may grow the store until it is disarmed by
//             hand.
//          4. The log says once that an alarm was raised or disarmed, however many asked for it together.
//          5. With --quota-recover both are otherwise: live bytes are compared; a reserve stays free for deletes and
//             compactions, the half of it for small writes too, such as a client needs to compact; the alarm goes
//             by itself (service/space_recovery.h).
// Threads  thread-safe; `done` runs on the store's write loop or at once.
// Source   spec etcd 1.7, 7.1 trap 24.
#ifndef SOCLE_SERVER_SERVICE_ALARMS_H_
#define SOCLE_SERVER_SERVICE_ALARMS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "etcd/rpc.pb.h"
#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include "kv/base/mutex.h"
#include "mvcc/store.h"

namespace socle::server {

struct Alarm {
  uint64_t member_id = 0;
  etcdserverpb::AlarmType type = etcdserverpb::NONE;

  friend auto operator<=>(const Alarm&, const Alarm&) = default;
};

class Alarms {
 public:
  using Done = absl::AnyInvocable<void(const absl::Status&)>;

  explicit Alarms(mvcc::Store* store) : store_(store) {}

  // Reads the stored alarms; to be called once, before serving.
  absl::Status Load();

  // NONE lists every type.
  std::vector<Alarm> List(etcdserverpb::AlarmType type) const;
  bool IsActive(etcdserverpb::AlarmType type) const;
  void Activate(const Alarm& alarm, Done done);
  // `done` gets NotFound when there is no such alarm.
  void Deactivate(const Alarm& alarm, Done done);
  // Writes what is stored once more, so that the pages are committed.
  void StoreAgain(etcdserverpb::AlarmType type);

 private:
  // Whether that changed anything.
  bool Add(const Alarm& alarm);
  bool Remove(const Alarm& alarm);
  void Publish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mvcc::Store* const store_;
  mutable Mutex mu_;
  std::set<Alarm> active_ ABSL_GUARDED_BY(mu_);
  // Written under mu_, read without it on every write: a late reader only lets one more write
  // through.
  std::atomic<bool> no_space_{false};
  std::atomic<bool> corrupt_{false};
};

class Quota {
 public:
  // `quota_bytes`: 0 is etcd's default of 2 GiB, negative switches the quota off.
  Quota(const mvcc::Store* store, int64_t quota_bytes, bool recovers = false);

  // Whether a write of this cost fits. A cost of 0 always does.
  bool Admits(int64_t cost);

  // Whether a write that Admits passes although NOSPACE is up.
  bool PassesAlarm(int64_t cost) const { return recovers_ && cost <= kSmallCost; }

  // Whether NOSPACE may go.
  bool HasRoomAgain() const;

  // The store's files may have grown: look again before the next write.
  void NoteCommit() { is_stale_.store(true, std::memory_order_relaxed); }

  // What Status and metrics report.
  int64_t bytes() const { return reported_bytes_; }

  static constexpr int64_t kDefaultBytes = int64_t{2} << 30U;
  // Of a lease, or of a put or two of short keys and values.
  static constexpr int64_t kSmallCost = 1'024;
  static constexpr int64_t kReserveBytesMax = int64_t{64} << 20U;

 private:
  int64_t BytesNow() const;

  // A sixteenth of the quota.
  int64_t reserve_bytes() const { return std::min(reported_bytes_ / 16, kReserveBytesMax); }

  const mvcc::Store* const store_;
  const bool is_limited_;
  const int64_t reported_bytes_;
  const bool recovers_;
  // Any writer refreshes them; races only repeat the refresh, or forget what one of them admitted.
  std::atomic<bool> is_stale_{true};
  std::atomic<uint32_t> asked_{0};
  std::atomic<int64_t> db_size_{0};
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_ALARMS_H_
