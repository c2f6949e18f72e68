#include "controllers/storage/etcd_cluster.h"

#include <algorithm>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/endpoint.h"

namespace socle::storage {

absl::StatusOr<std::unique_ptr<EtcdCluster>> EtcdCluster::Open(
    const std::vector<std::string>& endpoints, int64_t timeout_nanos) {
  if (endpoints.empty()) {
    return absl::InvalidArgumentError("no etcd endpoint is given");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<server::ClientLoop> loop,
                   server::ClientLoop::Start("etcd-store"));
  std::unique_ptr<EtcdCluster> cluster(new EtcdCluster(std::move(loop), timeout_nanos));
  for (const std::string& endpoint : endpoints) {
    ASSIGN_OR_RETURN(const server::Endpoint resolved, server::ResolveEndpoint(endpoint));
    cluster->channels_.push_back(cluster->loop_->AddChannel(resolved));
  }
  return cluster;
}

void EtcdCluster::Unary(std::string_view path, const google::protobuf::MessageLite& request,
                        CallKind kind, server::UnaryDone done) {
  auto call = std::make_unique<PendingCall>();
  call->path = path;
  call->request = request.SerializeAsString();
  call->repeats_left = kind.is_repeatable ? std::max<size_t>(1, channels_.size() - 1) : 0;
  call->done = std::move(done);
  Post([this, call = std::move(call)]() mutable { Start(std::move(call)); });
}

void EtcdCluster::UnaryAt(size_t member, std::string_view path,
                          const google::protobuf::MessageLite& request, server::UnaryDone done) {
  Post([this, member, path = std::string(path), bytes = request.SerializeAsString(),
        done = std::move(done)]() mutable {
    channels_[member]->Unary(path, std::string_view(bytes), {.timeout_nanos = timeout_nanos_},
                             [this, member, done = std::move(done)](
                                 const absl::Status& status, std::string_view response) mutable {
                               if (absl::IsUnavailable(status)) {
                                 Leave(member);
                               }
                               done(status, response);
                             });
  });
}

void EtcdCluster::Leave(size_t member) {
  if (member == current_) {
    current_ = (current_ + 1) % channels_.size();
  }
}

void EtcdCluster::Start(std::unique_ptr<PendingCall> call) {
  const size_t member = current_;
  const PendingCall& started = *call;
  channels_[member]->Unary(started.path, std::string_view(started.request),
                           {.timeout_nanos = timeout_nanos_},
                           [this, member, call = std::move(call)](
                               const absl::Status& status, std::string_view response) mutable {
                             if (absl::IsUnavailable(status)) {
                               Leave(member);
                               if (call->repeats_left > 0) {
                                 PROBE("etcd store: a read goes to the next member");
                                 --call->repeats_left;
                                 Start(std::move(call));
                                 return;
                               }
                             }
                             call->done(status, response);
                           });
}

}  // namespace socle::storage
