#include "server/h2/grpc_frame.h"

#include <charconv>

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "mvcc/request.h"
#include "server/service/range_encoder.h"

namespace socle::server::h2 {
namespace {

void WritePrefix(size_t size, char* out) {
  CHECK_LT(size, size_t{1} << 31U);
  out[0] = 0;
  out[1] = static_cast<char>(size >> 24U);
  out[2] = static_cast<char>(size >> 16U);
  out[3] = static_cast<char>(size >> 8U);
  out[4] = static_cast<char>(size);
}

absl::Status Compressed(std::string_view encoding) {
  PROBE("grpc: compressed message");
  if (encoding.empty() || encoding == "identity") {
    return absl::InternalError("grpc: compressed flag set with identity or empty encoding");
  }
  return absl::UnimplementedError(
      fmt::format("grpc: Decompressor is not installed for grpc-encoding \"{}\"", encoding));
}

}  // namespace

absl::StatusOr<std::optional<std::string_view>> TakeMessage(std::string_view* in,
                                                            size_t message_bytes_max,
                                                            std::string_view encoding) {
  if (in->size() < kPrefixBytes) {
    return std::nullopt;
  }
  const char flag = in->front();
  if (flag == 1) {
    return Compressed(encoding);
  }
  if (flag != 0) {
    return absl::InternalError(
        fmt::format("grpc: received unexpected payload format {}", static_cast<uint8_t>(flag)));
  }
  size_t size = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) {
    size = (size << 8U) | static_cast<uint8_t>((*in)[i]);
  }
  if (size > message_bytes_max) {
    PROBE("grpc: message too large");
    return absl::ResourceExhaustedError(
        fmt::format("grpc: received message larger than max ({} vs. {})", size, message_bytes_max));
  }
  if (in->size() - kPrefixBytes < size) {
    return std::nullopt;
  }
  const std::string_view message = in->substr(kPrefixBytes, size);
  in->remove_prefix(kPrefixBytes + size);
  return message;
}

absl::StatusOr<size_t> AppendFramed(const google::protobuf::MessageLite& message,
                                    size_t message_bytes_max, std::string* out) {
  const size_t size = message.ByteSizeLong();
  RETURN_IF_ERROR(CheckMessageBytes(size, message_bytes_max));
  const size_t start = out->size();
  out->resize(start + kPrefixBytes + size);
  WritePrefix(size, out->data() + start);
  message.SerializeWithCachedSizesToArray(
      reinterpret_cast<uint8_t*>(out->data() + start + kPrefixBytes));
  return kPrefixBytes + size;
}

absl::StatusOr<size_t> AppendFramed(std::string_view message, size_t message_bytes_max,
                                    std::string* out) {
  RETURN_IF_ERROR(CheckMessageBytes(message.size(), message_bytes_max));
  char prefix[kPrefixBytes];
  WritePrefix(message.size(), prefix);
  out->append(prefix, sizeof(prefix));
  out->append(message);
  return kPrefixBytes + message.size();
}

absl::Status FrameInPlace(size_t start, size_t message_bytes_max, std::string* out) {
  const size_t bytes = out->size() - start - kPrefixBytes;
  if (absl::Status fits = CheckMessageBytes(bytes, message_bytes_max); !fits.ok()) [[unlikely]] {
    out->resize(start);
    return fits;
  }
  WritePrefix(bytes, out->data() + start);
  return absl::OkStatus();
}

std::string MessagePrefix(size_t message_bytes) {
  std::string prefix(kPrefixBytes, '\0');
  WritePrefix(message_bytes, prefix.data());
  return prefix;
}

bool ParseDeep(std::string_view bytes, google::protobuf::MessageLite* message) {
  constexpr int kLevelsPerTxn = 2;  // the transaction and the operation that holds it
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  in.SetRecursionLimit(kLevelsPerTxn * (mvcc::kTxnDepthMax + 2));
  message->Clear();
  return message->ParseFromCodedStream(&in) && in.ConsumedEntireMessage();
}

std::string EncodeStatusText(std::string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      encoded.push_back(c);
    } else {
      encoded += fmt::format("%{:02X}", static_cast<uint8_t>(c));
    }
  }
  return encoded;
}

std::optional<int64_t> ParseTimeoutNanos(std::string_view text) {
  constexpr size_t kDigitsMax = 8;
  if (text.size() < 2 || text.size() > kDigitsMax + 1) {
    return std::nullopt;
  }
  const char unit = text.back();
  const int64_t unit_nanos = unit == 'n'   ? 1
                             : unit == 'u' ? kNanosPerMicro
                             : unit == 'm' ? kNanosPerMilli
                             : unit == 'S' ? kNanosPerSecond
                             : unit == 'M' ? 60 * kNanosPerSecond
                             : unit == 'H' ? 3'600 * kNanosPerSecond
                                           : 0;
  uint32_t count = 0;
  const char* const end = text.data() + text.size() - 1;
  const auto parsed = std::from_chars(text.data(), end, count);
  if (unit_nanos == 0 || parsed.ec != std::errc() || parsed.ptr != end) {
    return std::nullopt;
  }
  constexpr int64_t kMaxNanos = INT64_MAX / 4;  // added to a clock it stays a number
  return count > kMaxNanos / unit_nanos ? kMaxNanos : count * unit_nanos;
}

}  // namespace socle::server::h2
