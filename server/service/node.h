// Node: the single member that all services stand on: store, leases, identity, alarms, quota,
// limits.
//
// Laws     1. Every header carries cluster id, member id and term; a zero revision becomes the
//             current one unless the response is one of those that say none (spec etcd 1.2).
//          2. A write is admitted by alarms and quota before the store sees it.
// Threads  thread-safe; immutable but for the alarms.
// Memory   owns nothing: the parts must outlive it.
// Source   spec etcd 1.2, 1.7.
#ifndef SOCLE_SERVER_SERVICE_NODE_H_
#define SOCLE_SERVER_SERVICE_NODE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "etcd/rpc.pb.h"
#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include "lease/lease_store.h"
#include "mvcc/store.h"
#include "server/auth/guard.h"
#include "server/service/alarms.h"
#include "server/service/hot_prefixes.h"
#include "server/service/identity.h"
#include "server/service/service_times.h"
#include "server/service/worker_pool.h"

namespace socle::server {

// Called exactly once, on any thread, with the status to put on the wire. Request and response of
// the call must live until then.
using Done = absl::AnyInvocable<void(const absl::Status&)>;

inline constexpr int64_t kGrpcOverheadBytes = 512 * 1024;

class Node {
 public:
  struct Parts {
    mvcc::Store* store = nullptr;
    lease::LeaseStore* leases = nullptr;
    Alarms* alarms = nullptr;
    Quota* quota = nullptr;
    WorkerPool* workers = nullptr;
    Identity identity;
    int64_t request_bytes_max = 1'572'864;
    int64_t txn_ops_max = 128;
    AuthStore* auth = nullptr;           // null: authentication is never on
    WorkerPool* auth_workers = nullptr;  // for passwords and changes of users; null: `workers`
    bool key_ttl = false;                // --key-ttl
    HotPrefixes* hot = nullptr;          // null: nobody wants to know of them
  };

  explicit Node(Parts parts);

  mvcc::Store& store() const { return *parts_.store; }

  lease::LeaseStore& leases() const { return *parts_.leases; }

  Alarms& alarms() const { return *parts_.alarms; }

  const Quota& quota() const { return *parts_.quota; }

  const Identity& identity() const { return parts_.identity; }

  // May this caller do that? Asked before everything else that a request does.
  const Guard& guard() const { return guard_; }

  // Requires: Parts::auth.
  AuthStore& auth() const { return *parts_.auth; }

  HotPrefixes* hot() const { return parts_.hot; }

  ServiceTimes* times() const { return times_.get(); }

  bool has_key_ttl() const { return parts_.key_ttl; }

  bool has_auth() const { return parts_.auth != nullptr; }

  int64_t txn_ops_max() const { return parts_.txn_ops_max; }

  int64_t request_bytes_max() const { return parts_.request_bytes_max; }

  // Ids and term; replaces revision 0 by the current one.
  void FillHeader(etcdserverpb::ResponseHeader* header) const;
  // Ids and term only.
  void FillIds(etcdserverpb::ResponseHeader* header) const;

  // True when the write may go to the store. Else answers through `done`, raising NOSPACE when that
  // is why. `cost`: bytes the write may add, 0 for writes that add none.
  bool Admit(int64_t cost, Done& done);
  // The two halves of Admit, for what is said between them: the quota, before a request is looked at …
  bool FitsQuota(int64_t cost, Done& done);
  // … and the alarms, after it was found valid. OK: none is in the way.
  absl::Status AlarmAgainst(int64_t cost) const;
  // Whether a message of this encoded size would exceed max-request-bytes as etcd counts it.
  bool IsTooLarge(size_t message_bytes) const;

  // Runs `task`, which answers through its argument, on the worker pool; or answers "too many
  // requests".
  void RunOnWorker(absl::AnyInvocable<void(Done)> task, Done done,
                   WorkerPool::Weight weight = WorkerPool::Weight::kShort);

  // The next step of a call that was taken in: never refused.
  void ResumeOnWorker(WorkerPool::Task task) { parts_.workers->Resume(std::move(task)); }

  // RunOnWorker for what hashes passwords or changes users: a storm of those leaves the other workers alone.
  void RunOnAuthWorker(absl::AnyInvocable<void(Done)> task, Done done);

 private:
  static void RunOn(WorkerPool* workers, absl::AnyInvocable<void(Done)> task, Done done,
                    WorkerPool::Weight weight = WorkerPool::Weight::kShort);

  const Parts parts_;
  const Guard guard_;
  const std::unique_ptr<ServiceTimes> times_ = std::make_unique<ServiceTimes>();
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_NODE_H_
