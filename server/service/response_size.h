// ResponseSize: how long the message of a result will be, before it is built.
//
// Laws     1. The same number as the ByteSizeLong of what FromStore (service/convert.h) makes of the result.
// Threads  pure functions.
#ifndef SOCLE_SERVER_SERVICE_RESPONSE_SIZE_H_
#define SOCLE_SERVER_SERVICE_RESPONSE_SIZE_H_

#include <cstddef>

#include "etcd/rpc.pb.h"

#include "mvcc/request.h"

namespace socle::server {

// With the header that the response gets.
size_t ResponseBytes(const etcdserverpb::ResponseHeader& header,
                     const mvcc::DeleteRangeResult& result);
size_t ResponseBytes(const etcdserverpb::ResponseHeader& header, const mvcc::TxnResult& result);

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_RESPONSE_SIZE_H_
