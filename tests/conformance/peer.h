// Peer: one etcd v3 server of the differential test, as blocking calls.
// Threads  thread-compatible.
// Errors   gRPC's own, code and text as they came: they are compared.
#ifndef SOCLE_TESTS_CONFORMANCE_PEER_H_
#define SOCLE_TESTS_CONFORMANCE_PEER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <etcd/rpc.grpc.pb.h>
#include <etcd/rpc.pb.h>
#include <grpcpp/grpcpp.h>

namespace socle::conformance {

class Peer {
 public:
  explicit Peer(const std::string& address);

  grpc::Status Call(const etcdserverpb::RangeRequest& request,
                    etcdserverpb::RangeResponse* response);
  grpc::Status Call(const etcdserverpb::PutRequest& request, etcdserverpb::PutResponse* response);
  grpc::Status Call(const etcdserverpb::DeleteRangeRequest& request,
                    etcdserverpb::DeleteRangeResponse* response);
  grpc::Status Call(const etcdserverpb::TxnRequest& request, etcdserverpb::TxnResponse* response);
  grpc::Status Call(const etcdserverpb::CompactionRequest& request,
                    etcdserverpb::CompactionResponse* response);
  grpc::Status Call(const etcdserverpb::LeaseGrantRequest& request,
                    etcdserverpb::LeaseGrantResponse* response);
  grpc::Status Call(const etcdserverpb::LeaseRevokeRequest& request,
                    etcdserverpb::LeaseRevokeResponse* response);
  grpc::Status Call(const etcdserverpb::LeaseTimeToLiveRequest& request,
                    etcdserverpb::LeaseTimeToLiveResponse* response);
  grpc::Status Call(const etcdserverpb::HashKVRequest& request,
                    etcdserverpb::HashKVResponse* response);
  grpc::Status Call(const etcdserverpb::HashRequest& request, etcdserverpb::HashResponse* response);

  // Every event from the revision `create` starts at up to `last`, one text per event, by one
  // watcher. The revision `last` must have an event that the watcher sees.
  grpc::Status Watch(const etcdserverpb::WatchCreateRequest& create, int64_t last,
                     std::vector<std::string>* events);

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<etcdserverpb::KV::Stub> kv_;
  const std::unique_ptr<etcdserverpb::Lease::Stub> lease_;
  const std::unique_ptr<etcdserverpb::Watch::Stub> watch_;
  const std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance_;
};

}  // namespace socle::conformance

#endif  // SOCLE_TESTS_CONFORMANCE_PEER_H_
