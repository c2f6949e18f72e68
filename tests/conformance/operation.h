// OperationSource: an endless, seeded script of etcd v3 requests, valid and invalid.
//
// Laws     1. The same seed and the same answers give the same requests: a failing script can be
//             replayed.
//          2. Few keys, so that generations, ties, leases and compactions meet.
//          3. No lease expires during a run: a time to live is either long, or revoked by the next
//             request.
// Threads  thread-compatible.
// Source   spec etcd 1.4, 1.6 and 7.1: each trap of the KV and lease services can come up.
#ifndef SOCLE_TESTS_CONFORMANCE_OPERATION_H_
#define SOCLE_TESTS_CONFORMANCE_OPERATION_H_

#include <cstdint>
#include <deque>
#include <string>
#include <variant>

#include <etcd/rpc.pb.h>

#include "kv/base/random.h"

namespace socle::conformance {

using Request = std::variant<etcdserverpb::RangeRequest, etcdserverpb::PutRequest,
                             etcdserverpb::DeleteRangeRequest, etcdserverpb::TxnRequest,
                             etcdserverpb::CompactionRequest, etcdserverpb::LeaseGrantRequest,
                             etcdserverpb::LeaseRevokeRequest, etcdserverpb::LeaseTimeToLiveRequest,
                             etcdserverpb::HashKVRequest>;

// What the answers so far say about the stores.
struct StoreState {
  int64_t revision = 1;
  int64_t compacted = 0;
};

class OperationSource {
 public:
  explicit OperationSource(uint64_t seed) : random_(seed) {}

  Request Next(const StoreState& state);

 private:
  std::string Key();
  std::string RangeEnd(const std::string& key);
  int64_t RevisionNear(const StoreState& state);
  int64_t LeaseId();

  etcdserverpb::RangeRequest Range(const StoreState& state);
  etcdserverpb::PutRequest Put();
  etcdserverpb::DeleteRangeRequest DeleteRange();
  etcdserverpb::TxnRequest Txn(const StoreState& state, int depth);
  etcdserverpb::TxnRequest LongTxn();
  void AddCompare(const StoreState& state, etcdserverpb::TxnRequest* txn);
  void FillOp(const StoreState& state, int depth, etcdserverpb::RequestOp* op);
  etcdserverpb::CompactionRequest Compaction(const StoreState& state);
  Request Lease();
  etcdserverpb::HashKVRequest HashKv(const StoreState& state);

  Random random_;
  std::deque<Request> next_;  // requests that must follow the last one
};

}  // namespace socle::conformance

#endif  // SOCLE_TESTS_CONFORMANCE_OPERATION_H_
