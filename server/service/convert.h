// Convert: protobuf messages of the etcd API to and from the store's plain structs.
//
// Laws     1. Nothing is judged here: the store validates. Unknown enum numbers are carried through
//             to it.
//          2. Results are copied into the message, so that it outlives the store's pins.
// Threads  pure functions.
// Source   spec etcd 1.1 (messages), 1.4 (sub-response headers carry only a revision).
#ifndef SOCLE_SERVER_SERVICE_CONVERT_H_
#define SOCLE_SERVER_SERVICE_CONVERT_H_

#include "etcd/rpc.pb.h"

#include "mvcc/request.h"
#include "mvcc/watch.h"

namespace socle::server {

mvcc::RangeRequest ToStore(const etcdserverpb::RangeRequest& request);
mvcc::PutRequest ToStore(const etcdserverpb::PutRequest& request);
mvcc::DeleteRangeRequest ToStore(const etcdserverpb::DeleteRangeRequest& request);
mvcc::TxnRequest ToStore(const etcdserverpb::TxnRequest& request);
mvcc::WatchRequest ToStore(const etcdserverpb::WatchCreateRequest& request);

// Everything but the header's ids; the header's revision is the result's.
void FromStore(const mvcc::KeyValueView& kv, mvccpb::KeyValue* out);
void FromStore(const mvcc::RangeResult& result, etcdserverpb::RangeResponse* out);
void FromStore(const mvcc::PutResult& result, etcdserverpb::PutResponse* out);
void FromStore(const mvcc::DeleteRangeResult& result, etcdserverpb::DeleteRangeResponse* out);
void FromStore(const mvcc::TxnResult& result, etcdserverpb::TxnResponse* out);

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_CONVERT_H_
