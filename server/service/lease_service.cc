#include "server/service/lease_service.h"

#include <optional>
#include <string>
#include <utility>

#include "server/service/error_table.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

constexpr int64_t kCostPerLease = 64;

}  // namespace

void LeaseService::Grant(const pb::LeaseGrantRequest& request, pb::LeaseGrantResponse* response,
                         Done done) {
  if (!node_->Admit(kCostPerLease, done)) {
    return;
  }
  node_->leases().Grant(mvcc::LeaseId{request.id()}, request.ttl(),
                        [this, response, done = std::move(done)](
                            const absl::StatusOr<lease::Granted>& granted) mutable {
                          if (granted.ok()) {
                            response->set_id(mvcc::Raw(granted->id));
                            response->set_ttl(granted->ttl_seconds);
                            response->mutable_header()->set_revision(granted->revision);
                            node_->FillHeader(response->mutable_header());
                          }
                          done(WireStatus(granted.status()));
                        });
}

void LeaseService::Revoke(const pb::LeaseRevokeRequest& request, pb::LeaseRevokeResponse* response,
                          Done done) {
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

void LeaseService::KeepAlive(const pb::LeaseKeepAliveRequest& request,
                             pb::LeaseKeepAliveResponse* response, Done done) {
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

absl::Status LeaseService::TimeToLive(const pb::LeaseTimeToLiveRequest& request,
                                      pb::LeaseTimeToLiveResponse* response) const {
  const std::optional<lease::LeaseStatus> status =
      node_->leases().TimeToLive(mvcc::LeaseId{request.id()}, request.keys());
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

absl::Status LeaseService::Leases(pb::LeaseLeasesResponse* response) const {
  for (const mvcc::LeaseId id : node_->leases().Leases()) {
    response->add_leases()->set_id(mvcc::Raw(id));
  }
  node_->FillHeader(response->mutable_header());
  return absl::OkStatus();
}

}  // namespace socle::server
