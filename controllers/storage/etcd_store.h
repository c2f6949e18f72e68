// EtcdStore: the StateStore on an etcd v3 cluster, for control planes that run more than once.
//
//   ASSIGN_OR_RETURN(auto store, EtcdStore::Open({.endpoints = {"http://10.0.0.1:2379"}}));
//
// Laws     1. A write is one Txn and is sent once: a lost answer is kOutcomeUnknown. Reads are
//             linearizable and repeated at the other members.
//          2. A watch outlives lost connections and members; only kExpired and what can't be
//             repaired end it.
//          3. Bookmarks on request come only when every member orders them rightly (etcd#15220).
// Threads  as StateStore; callbacks run on the loop thread.
// Errors   Open: Unavailable when no member answers.
// Source   controllers/storage/state_store.h; spec etcd 5.2.
#ifndef SOCLE_CONTROLLERS_STORAGE_ETCD_STORE_H_
#define SOCLE_CONTROLLERS_STORAGE_ETCD_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <etcd/rpc.pb.h>

#include "controllers/storage/etcd_cluster.h"
#include "controllers/storage/state_store.h"
#include "controllers/storage/ttl_leases.h"
#include "kv/base/clock.h"

namespace socle::storage {

struct EtcdStoreOptions {
  std::vector<std::string> endpoints;
  int64_t timeout_nanos = 10 * kNanosPerSecond;  // of each request
  size_t watch_bytes_max = size_t{4} << 20U;     // queued per watch
  Clock* clock = nullptr;                        // null: Clock::Real()
};

class EtcdStore final : public StateStore {
 public:
  static absl::StatusOr<std::unique_ptr<EtcdStore>> Open(EtcdStoreOptions options);

  absl::StatusOr<GetResult> Get(const GetRequest& request) override;
  absl::StatusOr<ListPage> List(const ListRequest& request) override;
  absl::StatusOr<int64_t> Count(std::string_view prefix) override;
  absl::StatusOr<int64_t> CurrentRevision() override;
  void Submit(Write write, WriteDone done) override;
  std::unique_ptr<Watch> NewWatch(WatchRequest request, std::function<void()> on_ready) override;
  absl::Status Compact(int64_t revision) override;

  // Law 3.
  bool answers_bookmark_requests() const { return answers_bookmark_requests_; }

 private:
  EtcdStore(EtcdStoreOptions options, std::unique_ptr<EtcdCluster> cluster);

  absl::Status LookAtMembers();
  absl::StatusOr<std::shared_ptr<etcdserverpb::RangeResponse>> Range(
      const etcdserverpb::RangeRequest& request);
  void SubmitWithLease(Write write, mvcc::LeaseId lease, WriteDone done);
  void GrantLease(int64_t ttl_seconds, TtlLeases::Done done) const;

  const EtcdStoreOptions options_;
  bool answers_bookmark_requests_ = false;  // set by Open
  TtlLeases ttl_leases_;
  const std::unique_ptr<EtcdCluster> cluster_;  // goes first: its callbacks use the rest
};

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_ETCD_STORE_H_
