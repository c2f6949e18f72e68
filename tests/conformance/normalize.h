// Normalize: takes out of a response what two correct servers may answer differently.
//
// Laws     1. Only what is listed in DIFFERENCES.md is touched; everything else is compared as it
//             came.
// Threads  pure functions.
#ifndef SOCLE_TESTS_CONFORMANCE_NORMALIZE_H_
#define SOCLE_TESTS_CONFORMANCE_NORMALIZE_H_

#include <etcd/rpc.pb.h>

namespace socle::conformance {

void Normalize(const etcdserverpb::RangeRequest& request, etcdserverpb::RangeResponse* response);
void Normalize(const etcdserverpb::PutRequest& request, etcdserverpb::PutResponse* response);
void Normalize(const etcdserverpb::DeleteRangeRequest& request,
               etcdserverpb::DeleteRangeResponse* response);
void Normalize(const etcdserverpb::TxnRequest& request, etcdserverpb::TxnResponse* response);
void Normalize(const etcdserverpb::CompactionRequest& request,
               etcdserverpb::CompactionResponse* response);
void Normalize(const etcdserverpb::LeaseGrantRequest& request,
               etcdserverpb::LeaseGrantResponse* response);
void Normalize(const etcdserverpb::LeaseRevokeRequest& request,
               etcdserverpb::LeaseRevokeResponse* response);
void Normalize(const etcdserverpb::LeaseTimeToLiveRequest& request,
               etcdserverpb::LeaseTimeToLiveResponse* response);
void Normalize(const etcdserverpb::HashKVRequest& request, etcdserverpb::HashKVResponse* response);

}  // namespace socle::conformance

#endif  // SOCLE_TESTS_CONFORMANCE_NORMALIZE_H_
