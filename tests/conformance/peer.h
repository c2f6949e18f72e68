// Peer: one etcd v3 server of the differential test, as blocking calls.
// Threads  thread-compatible.
// Errors   gRPC's own, code and text as they came: they are compared.
#ifndef SOCLE_TESTS_CONFORMANCE_PEER_H_
#define SOCLE_TESTS_CONFORMANCE_PEER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <etcd/election.grpc.pb.h>
#include <etcd/lock.grpc.pb.h>
#include <etcd/rpc.grpc.pb.h>
#include <grpcpp/grpcpp.h>

#include "tests/conformance/rpc.h"

namespace socle::conformance {

class Peer {
 public:
  explicit Peer(const std::string& address);

  // The token that calls carry from now on; empty: none.
  void SetToken(std::string token) { token_ = std::move(token); }

#define SOCLE_PEER_CALL(service, method, request_type, response_type) \
  grpc::Status Call(const request_type& request, response_type* response);
  SOCLE_UNARY_RPCS(SOCLE_PEER_CALL)
#undef SOCLE_PEER_CALL
  // One renewal on a stream of its own.
  grpc::Status Call(const etcdserverpb::LeaseKeepAliveRequest& request,
                    etcdserverpb::LeaseKeepAliveResponse* response);

  // Every event from the revision `create` starts at up to `last`, one text per event, by one
  // watcher. The revision `last` must have an event that the watcher sees.
  grpc::Status Watch(const etcdserverpb::WatchCreateRequest& create, int64_t last,
                     std::vector<mvccpb::Event>* events);

  // The whole file, trailer included.
  grpc::Status Snapshot(std::string* bytes);

 private:
  void Prepare(grpc::ClientContext* context) const;

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<etcdserverpb::KV::Stub> kv_;
  const std::unique_ptr<etcdserverpb::Lease::Stub> lease_;
  const std::unique_ptr<etcdserverpb::Watch::Stub> watch_;
  const std::unique_ptr<etcdserverpb::Cluster::Stub> cluster_;
  const std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance_;
  const std::unique_ptr<etcdserverpb::Auth::Stub> auth_;
  const std::unique_ptr<v3lockpb::Lock::Stub> lock_;
  const std::unique_ptr<v3electionpb::Election::Stub> election_;
  std::string token_;
};

}  // namespace socle::conformance

#endif  // SOCLE_TESTS_CONFORMANCE_PEER_H_
