// RangeEncoder: the bytes of etcdserverpb.RangeResponse, straight from what the store shows.
//
//   0a len ResponseHeader   12 len KeyValue …   18 more   20 count          (RangeStreamResponse: 0a len in front)
//
// Laws     1. The bytes are what protobuf would write for the same message.
//          2. Keys and values are copied once, into the bytes. A stored record is the bytes of its KeyValue.
// Threads  pure functions.
// Source   spec etcd 1.1.
#ifndef SOCLE_SERVER_SERVICE_RANGE_ENCODER_H_
#define SOCLE_SERVER_SERVICE_RANGE_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "etcd/rpc.pb.h"
#include <absl/status/status.h>

#include "mvcc/request.h"

namespace socle::server {

struct RangeParts {
  const etcdserverpb::ResponseHeader* header = nullptr;  // null: none
  std::span<const mvcc::KeyValueView> kvs;
  std::span<const std::string_view> records;  // instead of kvs
  bool more = false;
  int64_t count = 0;
};

// Of fields: tag, length and so many bytes; a number, nothing of 0; one KeyValue.
size_t LengthPrefixedBytes(size_t bytes);
size_t NumberBytes(int64_t number);
size_t FieldBytes(const mvcc::KeyValueView& kv);
size_t RangeResponseBytes(const RangeParts& parts);

// etcd's send limit, which is also the most that protobuf can write.
inline constexpr size_t kSentBytesMax = INT32_MAX;

// ResourceExhausted beyond the limit, in grpc-go's words.
absl::Status CheckMessageBytes(size_t bytes, size_t bytes_max = kSentBytesMax);

// What stands before a stored record of so many bytes.
void AppendRecordHead(size_t record_bytes, std::string* out);
void AppendRangeResponse(const RangeParts& parts, std::string* out);
void AppendRangeStreamResponse(const RangeParts& parts, std::string* out);

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_RANGE_ENCODER_H_
