// EmbeddedStore: the StateStore on the engine in this process; it owns the engine and its leases.
//
//   ASSIGN_OR_RETURN(auto store, EmbeddedStore::Open({.directory = "/var/lib/socle"}));
//
// Laws     1. A read takes one immutable view and waits for nobody; documents are not copied.
//          2. TTLs survive a restart: what was left of them, or more.
// Threads  as StateStore; callbacks of writes run on the engine's write loop.
// Errors   those of mvcc::Store::Open; after a failed write or sync of a file every write answers
//          with that first error, which carries no StorageError.
// Source   controllers/storage/state_store.h, mvcc/store.h.
#ifndef SOCLE_CONTROLLERS_STORAGE_EMBEDDED_STORE_H_
#define SOCLE_CONTROLLERS_STORAGE_EMBEDDED_STORE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "controllers/storage/state_store.h"
#include "controllers/storage/ttl_leases.h"
#include "lease/expirer.h"
#include "lease/lease_log.h"
#include "lease/lease_store.h"
#include "lease/lessor.h"
#include "mvcc/store.h"

namespace socle::storage {

class EmbeddedStore final : public StateStore {
 public:
  // Requires: no lease_hook, the store brings its own.
  static absl::StatusOr<std::unique_ptr<EmbeddedStore>> Open(mvcc::StoreOptions options,
                                                             mvcc::StoreObserver observer = {});
  ~EmbeddedStore() override;

  absl::StatusOr<GetResult> Get(const GetRequest& request) override;
  absl::StatusOr<ListPage> List(const ListRequest& request) override;
  absl::StatusOr<int64_t> Count(std::string_view prefix) override;
  absl::StatusOr<int64_t> CurrentRevision() override;

  bool reads_wait() const override { return false; }

  void Submit(Write write, WriteDone done) override;
  std::unique_ptr<Watch> NewWatch(WatchRequest request, std::function<void()> on_ready) override;
  absl::Status Compact(int64_t revision) override;

  // For statistics, snapshots and health.
  mvcc::Store* engine() { return engine_.get(); }

 private:
  explicit EmbeddedStore(Clock* clock);

  void SubmitWithLease(Write write, mvcc::LeaseId lease, WriteDone done);

  // In the order in which they may go, last first.
  lease::Lessor lessor_;
  TtlLeases ttl_leases_;
  std::optional<lease::StoreLeaseLog> lease_log_;
  std::optional<lease::LeaseStore> leases_;
  std::unique_ptr<mvcc::Store> engine_;
  std::unique_ptr<lease::Expirer> expirer_;
};

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_EMBEDDED_STORE_H_
