#include "server/wire/client/grpc_wire.h"

#include <absl/status/status.h>
#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"

namespace socle::server {
namespace {

void WritePrefix(size_t size, char* out) {
  CHECK_LT(size, size_t{1} << 31U);
  out[0] = 0;
  out[1] = static_cast<char>(size >> 24U);
  out[2] = static_cast<char>(size >> 16U);
  out[3] = static_cast<char>(size >> 8U);
  out[4] = static_cast<char>(size);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

absl::StatusCode CodeOfHttp2Error(http2::ErrorCode error) {
  switch (error) {
    case http2::ErrorCode::kRefusedStream:
      return absl::StatusCode::kUnavailable;
    case http2::ErrorCode::kCancel:
      return absl::StatusCode::kCancelled;
    case http2::ErrorCode::kEnhanceYourCalm:
      return absl::StatusCode::kResourceExhausted;
    case http2::ErrorCode::kInadequateSecurity:
      return absl::StatusCode::kPermissionDenied;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::StatusCode CodeOfHttpStatus(int http_status) {
  switch (http_status) {
    case 400:
      return absl::StatusCode::kInternal;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kUnknown;
  }
}

}  // namespace

void AppendFramed(std::string_view message, std::string* out) {
  char prefix[kMessagePrefixBytes];
  WritePrefix(message.size(), prefix);
  out->append(prefix, sizeof(prefix));
  out->append(message);
}

void AppendFramed(const google::protobuf::MessageLite& message, std::string* out) {
  const size_t size = message.ByteSizeLong();
  const size_t start = out->size();
  out->resize(start + kMessagePrefixBytes + size);
  WritePrefix(size, out->data() + start);
  message.SerializeWithCachedSizesToArray(
      reinterpret_cast<uint8_t*>(out->data() + start + kMessagePrefixBytes));
}

absl::Status ConsumeFramed(std::string_view* in, size_t message_bytes_max,
                           std::string_view* message, bool* complete) {
  *complete = false;
  if (in->size() < kMessagePrefixBytes) {
    return absl::OkStatus();
  }
  if ((*in)[0] != 0) {
    return absl::InternalError("the server sent a compressed message, which was not asked for");
  }
  size_t size = 0;
  for (size_t i = 1; i < kMessagePrefixBytes; ++i) {
    size = (size << 8U) | static_cast<uint8_t>((*in)[i]);
  }
  if (size > message_bytes_max) {
    return absl::ResourceExhaustedError(fmt::format(
        "received message larger than the limit ({} bytes, limit {})", size, message_bytes_max));
  }
  if (in->size() - kMessagePrefixBytes < size) {
    return absl::OkStatus();
  }
  *message = in->substr(kMessagePrefixBytes, size);
  in->remove_prefix(kMessagePrefixBytes + size);
  *complete = true;
  return absl::OkStatus();
}

std::string DecodeGrpcMessage(std::string_view encoded) {
  std::string decoded;
  decoded.reserve(encoded.size());
  for (size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] == '%' && i + 2 < encoded.size()) {
      const int high = HexDigit(encoded[i + 1]);
      const int low = HexDigit(encoded[i + 2]);
      if (high >= 0 && low >= 0) {
        decoded.push_back(static_cast<char>(high * 16 + low));
        i += 2;
        continue;
      }
    }
    decoded.push_back(encoded[i]);
  }
  return decoded;
}

std::string EncodeGrpcTimeout(int64_t nanos) {
  struct Unit {
    char name;
    int64_t nanos;
  };

  constexpr Unit kUnits[] = {{'n', 1},
                             {'u', kNanosPerMicro},
                             {'m', kNanosPerMilli},
                             {'S', kNanosPerSecond},
                             {'M', 60 * kNanosPerSecond},
                             {'H', 3600 * kNanosPerSecond}};
  for (const Unit& unit : kUnits) {
    const int64_t count = (nanos - 1) / unit.nanos + 1;
    if (count < 100'000'000) {
      return fmt::format("{}{}", count, unit.name);
    }
  }
  return "99999999H";
}

absl::Status StatusOf(const StreamOutcome& outcome) {
  if (outcome.grpc_status == 0) {
    return absl::OkStatus();
  }
  if (outcome.grpc_status > 0) {
    // gRPC and Abseil number their codes alike; a code outside the list reads as Unknown.
    return absl::Status(static_cast<absl::StatusCode>(outcome.grpc_status), outcome.grpc_message);
  }
  if (outcome.http2_error != http2::ErrorCode::kNoError) {
    return absl::Status(
        CodeOfHttp2Error(outcome.http2_error),
        fmt::format("stream reset by the server: {}", http2::NameOf(outcome.http2_error)));
  }
  if (outcome.http_status != 0 && outcome.http_status != 200) {
    return absl::Status(CodeOfHttpStatus(outcome.http_status),
                        fmt::format("unexpected HTTP status {}", outcome.http_status));
  }
  return absl::InternalError("the server closed the stream without sending trailers");
}

}  // namespace socle::server
