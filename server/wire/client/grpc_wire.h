// gRPC on HTTP/2, the parts that are bytes: message framing, status trailers, timeouts.
//
//   message:  byte 0      compressed flag (0)
//             bytes 1..4  length, big-endian
//             bytes 5..   the serialised protobuf message
// Threads  pure functions.
// Errors   a broken frame is Internal, a message over the limit ResourceExhausted.
// Source   the gRPC over HTTP/2 protocol; spec etcd 1.2.
#ifndef SOCLE_SERVER_WIRE_CLIENT_GRPC_WIRE_H_
#define SOCLE_SERVER_WIRE_CLIENT_GRPC_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <google/protobuf/message_lite.h>

#include "server/wire/http2/frame.h"

namespace socle::server {

inline constexpr size_t kMessagePrefixBytes = 5;

// Appends the framed message to `out`. Requires: under 2 GiB.
void AppendFramed(std::string_view message, std::string* out);
void AppendFramed(const google::protobuf::MessageLite& message, std::string* out);

// Takes one framed message off the front of `in`. Leaves `*complete` false, and `in` alone, when
// more bytes are needed.
absl::Status ConsumeFramed(std::string_view* in, size_t message_bytes_max,
                           std::string_view* message, bool* complete);

// grpc-message: "%" and two hex digits stand for a byte; anything else malformed is kept as it is.
std::string DecodeGrpcMessage(std::string_view encoded);

// grpc-timeout: at most eight digits and a unit, rounded up.
std::string EncodeGrpcTimeout(int64_t nanos);

// What the headers and trailers of a stream said, before it becomes a Status.
struct StreamOutcome {
  int http_status = 0;                                        // 0: no response headers came
  int grpc_status = -1;                                       // -1: no grpc-status came
  std::string grpc_message;                                   // decoded
  http2::ErrorCode http2_error = http2::ErrorCode::kNoError;  // the stream was closed with
};

absl::Status StatusOf(const StreamOutcome& outcome);

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_GRPC_WIRE_H_
