#include "server/service/lock_service.h"

#include <memory>
#include <utility>

#include "server/service/contender.h"
#include "server/service/error_table.h"

namespace socle::server {
namespace {

constexpr int64_t kCostPerLock = 256 + 64;  // a put and a lease, as etcd estimates them

}  // namespace

Withdrawal LockService::Lock(const Caller& caller, const v3lockpb::LockRequest& request,
                             v3lockpb::LockResponse* response, Done done) {
  done = AsContest(std::move(done));
  if (const absl::Status may =
          node_->guard().Contend(caller, PrefixOfContest(request.name()),
                                 EndOfContest(request.name()), mvcc::LeaseId{request.lease()});
      !may.ok()) {
    done(may);
    return [] {};
  }
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

void LockService::Unlock(const Caller& caller, const v3lockpb::UnlockRequest& request,
                         v3lockpb::UnlockResponse* response, Done done) {
  done = AsContest(std::move(done));
  mvcc::DeleteRangeRequest erase{.key = request.key()};
  // An empty key is refused as such, by the store.
  if (const absl::Status may = node_->guard().DeleteRange(caller, erase);
      !may.ok() && !erase.key.empty()) {
    done(may);
    return;
  }
  if (!node_->Admit(0, done)) {
    return;
  }
  node_->store().DeleteRange(std::move(erase),
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
