#include "server/service/lock_service.h"

#include <memory>
#include <utility>

#include "server/service/contender.h"
#include "server/service/error_table.h"

namespace socle::server {
namespace {

constexpr int64_t kCostPerLock = 256 + 64;  // a put and a lease, as etcd estimates them

}  // namespace

Withdrawal LockService::Lock(const v3lockpb::LockRequest& request, v3lockpb::LockResponse* response,
                             Done done) {
  if (!node_->Admit(kCostPerLock, done)) {
    return [] {};
  }
  const std::shared_ptr<Contender> contender = Contender::Start(
      node_, {.name = request.name(), .lease = request.lease(), .value = {}, .checks_key = true},
      [this, response, done = std::move(done)](absl::StatusOr<Held> held) mutable {
        if (held.ok()) {
          response->set_key(std::move(held->key));
          response->mutable_header()->set_revision(held->revision);
          node_->FillHeader(response->mutable_header());
        }
        done(held.status());
      });
  return [contender] { contender->Cancel(); };
}

void LockService::Unlock(const v3lockpb::UnlockRequest& request, v3lockpb::UnlockResponse* response,
                         Done done) {
  if (!node_->Admit(0, done)) {
    return;
  }
  node_->store().DeleteRange({.key = request.key()},
                             [this, response, done = std::move(done)](
                                 const absl::StatusOr<mvcc::DeleteRangeResult>& result) mutable {
                               if (result.ok()) {
                                 response->mutable_header()->set_revision(result->revision);
                                 node_->FillHeader(response->mutable_header());
                               }
                               done(WireStatus(result.status()));
                             });
}

}  // namespace socle::server
