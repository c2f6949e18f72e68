// GrpcFrame: the bytes of gRPC on HTTP/2, as a server sees them.
//
//   message:  byte 0      compressed flag
//             bytes 1..4  length, big-endian
//             bytes 5..   the serialised protobuf message
//
// Threads  pure functions.
// Errors   texts of grpc-go, which etcd's users know: ResourceExhausted beyond the limit, Unimplemented
//          for a compression, Internal for a broken frame.
// Source   the gRPC over HTTP/2 protocol; spec etcd 1.2.
#ifndef SOCLE_SERVER_H2_GRPC_FRAME_H_
#define SOCLE_SERVER_H2_GRPC_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>
#include <google/protobuf/message_lite.h>

namespace socle::server::h2 {

inline constexpr size_t kPrefixBytes = 5;

// The first message of `in`, taken off it; nullopt when it is not all there yet.
absl::StatusOr<std::optional<std::string_view>> TakeMessage(std::string_view* in,
                                                            size_t message_bytes_max,
                                                            std::string_view encoding);

// Appends the framed message; returns the bytes added. Nothing is added of one beyond `message_bytes_max`, which is under
// 2 GiB.
absl::StatusOr<size_t> AppendFramed(const google::protobuf::MessageLite& message,
                                    size_t message_bytes_max, std::string* out);
absl::StatusOr<size_t> AppendFramed(std::string_view message, size_t message_bytes_max,
                                    std::string* out);

// For a message that is appended in place: room for the prefix, then the message, then the prefix over
// the room at `start`. `out` ends at `start` when the message is beyond `message_bytes_max`, which is under 2 GiB.
inline void AppendPrefixRoom(std::string* out) {
  out->append(kPrefixBytes, '\0');
}

absl::Status FrameInPlace(size_t start, size_t message_bytes_max, std::string* out);

// What stands before a message of so many bytes. Requires: under 2 GiB.
std::string MessagePrefix(size_t message_bytes);

// What protobuf refuses as too deep, transactions in transactions, and the store judges. False: it is no such message.
bool ParseDeep(std::string_view bytes, google::protobuf::MessageLite* message);

// grpc-message: what is not printable ASCII, and '%', as '%' and two hex digits.
std::string EncodeStatusText(std::string_view text);

// grpc-timeout: one to eight digits and a unit, in nanoseconds (clamped); nullopt when malformed.
std::optional<int64_t> ParseTimeoutNanos(std::string_view text);

}  // namespace socle::server::h2

#endif  // SOCLE_SERVER_H2_GRPC_FRAME_H_
