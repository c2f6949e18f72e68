// Normalize: takes out of a response what two correct servers may answer differently.
//
// Laws     1. Only what is listed in DIFFERENCES.md is touched; everything else is compared as it
//             came.
// Threads  pure functions.
#ifndef SOCLE_TESTS_CONFORMANCE_NORMALIZE_H_
#define SOCLE_TESTS_CONFORMANCE_NORMALIZE_H_

#include <etcd/rpc.pb.h>

namespace socle::conformance {

// Takes the ids out of the header; for responses without a row of their own.
void NormalizeHeader(google::protobuf::Message* response);

template <typename Request, typename Response>
void Normalize(const Request& /*request*/, Response* response) {
  NormalizeHeader(response);
}

void Normalize(const etcdserverpb::RangeRequest& request, etcdserverpb::RangeResponse* response);
void Normalize(const etcdserverpb::TxnRequest& request, etcdserverpb::TxnResponse* response);
void Normalize(const etcdserverpb::LeaseTimeToLiveRequest& request,
               etcdserverpb::LeaseTimeToLiveResponse* response);
void Normalize(const etcdserverpb::LeaseLeasesRequest& request,
               etcdserverpb::LeaseLeasesResponse* response);
void Normalize(const etcdserverpb::HashKVRequest& request, etcdserverpb::HashKVResponse* response);
void Normalize(const etcdserverpb::AlarmRequest& request, etcdserverpb::AlarmResponse* response);
void Normalize(const etcdserverpb::StatusRequest& request, etcdserverpb::StatusResponse* response);
void Normalize(const etcdserverpb::MemberListRequest& request,
               etcdserverpb::MemberListResponse* response);
void Normalize(const etcdserverpb::AuthenticateRequest& request,
               etcdserverpb::AuthenticateResponse* response);

}  // namespace socle::conformance

#endif  // SOCLE_TESTS_CONFORMANCE_NORMALIZE_H_
