#include "server/service/lease_service.h"

#include <optional>
#include <string>
#include <utility>

#include "kv/base/status_macros.h"
#include "server/service/error_table.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

constexpr int64_t kCostPerLease = 64;

}  // namespace

void LeaseService::Grant(const Caller& caller, const pb::LeaseGrantRequest& request,
                         pb::LeaseGrantResponse* response, Done done) {
  if (const absl::Status may = node_->guard().AnyUser(caller); !may.ok()) {
    done(may);
    return;
  }
  if (!node_->Admit(kCostPerLease, done)) {
    return;
  }
  node_->leases().Grant(mvcc::LeaseId{request.id()}, request.ttl(),
                        [this, response, done = std::move(done)](
                            const absl::StatusOr<lease::Granted>& granted) mutable {
                          if (granted.ok()) {
                            response->set_id(mvcc::Raw(granted->id));
                            response->set_ttl(granted->ttl_seconds);
                            node_->times()->lease_ttl.Observe(granted->ttl_seconds);
                            response->mutable_header()->set_revision(granted->revision);
                            node_->FillHeader(response->mutable_header());
                          }
                          done(WireStatus(granted.status()));
                        });
}

void LeaseService::Revoke(const Caller& caller, const pb::LeaseRevokeRequest& request,
                          pb::LeaseRevokeResponse* response, Done done) {
  if (const absl::Status may = node_->guard().ChangeLease(caller, mvcc::LeaseId{request.id()});
      !may.ok()) {
    done(may);
    return;
  }
  if (!node_->Admit(0, done)) {
    return;
  }
  node_->leases().Revoke(mvcc::LeaseId{request.id()},
                         [this, response, done = std::move(done)](
                             const absl::StatusOr<mvcc::LeaseRevokeResult>& revoked) mutable {
                           if (revoked.ok()) {
                             response->mutable_header()->set_revision(revoked->revision);
                             node_->FillHeader(response->mutable_header());
                           }
                           done(WireStatus(revoked.status()));
                         });
}

void LeaseService::KeepAlive(const Caller& caller, const pb::LeaseKeepAliveRequest& request,
                             pb::LeaseKeepAliveResponse* response, Done done) {
  if (const absl::Status may = node_->guard().ChangeLease(caller, mvcc::LeaseId{request.id()});
      !may.ok()) {
    done(may);
    return;
  }
  node_->FillHeader(response->mutable_header());
  response->set_id(request.id());
  node_->leases().KeepAlive(
      mvcc::LeaseId{request.id()},
      [response, done = std::move(done)](const absl::StatusOr<int64_t>& ttl_seconds) mutable {
        if (ttl_seconds.ok()) {
          response->set_ttl(*ttl_seconds);
        }
        done(WireStatus(ttl_seconds.status()));
      });
}

absl::Status LeaseService::TimeToLive(const Caller& caller,
                                      const pb::LeaseTimeToLiveRequest& request,
                                      pb::LeaseTimeToLiveResponse* response) const {
  const mvcc::LeaseId id{request.id()};
  RETURN_IF_ERROR(request.keys() ? node_->guard().SeeLeaseKeys(caller, id)
                                 : node_->guard().AnyUser(caller));
  const std::optional<lease::LeaseStatus> status = node_->leases().TimeToLive(id, request.keys());
  response->set_id(request.id());
  response->set_ttl(status.has_value() ? status->remaining_seconds : -1);
  if (status.has_value()) {
    response->set_grantedttl(status->granted_ttl_seconds);
    for (const std::string& key : status->keys) {
      response->add_keys(key);
    }
  }
  node_->FillHeader(response->mutable_header());
  return absl::OkStatus();
}

absl::Status LeaseService::Leases(const Caller& caller, pb::LeaseLeasesResponse* response) const {
  RETURN_IF_ERROR(node_->guard().SeeAllLeases(caller));
  for (const mvcc::LeaseId id : node_->leases().Leases()) {
    response->add_leases()->set_id(mvcc::Raw(id));
  }
  node_->FillHeader(response->mutable_header());
  return absl::OkStatus();
}

}  // namespace socle::server
