#include "server/wire/http2/frame.h"

#include <algorithm>
#include <array>

namespace socle::server::http2 {
namespace {

constexpr uint32_t kStreamMask = 0x7fff'ffff;

using HeadBytes = std::array<char, kFrameHeadBytes>;

void WriteUint32(uint32_t number, char* out) {
  out[0] = static_cast<char>(number >> 24U);
  out[1] = static_cast<char>(number >> 16U);
  out[2] = static_cast<char>(number >> 8U);
  out[3] = static_cast<char>(number);
}

void AppendUint32(uint32_t number, std::string* out) {
  std::array<char, 4> bytes;
  WriteUint32(number, bytes.data());
  out->append(bytes.data(), bytes.size());
}

HeadBytes Encode(const FrameHead& head) {
  HeadBytes bytes;
  WriteUint32(head.size << 8U | static_cast<uint32_t>(head.type), bytes.data());
  bytes[4] = static_cast<char>(head.flags);
  WriteUint32(head.stream, bytes.data() + 5);
  return bytes;
}

}  // namespace

std::string_view NameOf(ErrorCode code) {
  constexpr std::array<std::string_view, 14> kNames = {"NO_ERROR",
                                                       "PROTOCOL_ERROR",
                                                       "INTERNAL_ERROR",
                                                       "FLOW_CONTROL_ERROR",
                                                       "SETTINGS_TIMEOUT",
                                                       "STREAM_CLOSED",
                                                       "FRAME_SIZE_ERROR",
                                                       "REFUSED_STREAM",
                                                       "CANCEL",
                                                       "COMPRESSION_ERROR",
                                                       "CONNECT_ERROR",
                                                       "ENHANCE_YOUR_CALM",
                                                       "INADEQUATE_SECURITY",
                                                       "HTTP_1_1_REQUIRED"};
  const auto number = static_cast<size_t>(code);
  return number < kNames.size() ? kNames[number] : "unknown";
}

uint32_t ReadUint32(std::string_view bytes) {
  const auto at = [&](size_t i) { return uint32_t{static_cast<uint8_t>(bytes[i])}; };
  return at(0) << 24U | at(1) << 16U | at(2) << 8U | at(3);
}

FrameHead ReadFrameHead(std::string_view bytes) {
  return {.size = ReadUint32(bytes) >> 8U,
          .type = static_cast<FrameType>(bytes[3]),
          .flags = static_cast<uint8_t>(bytes[4]),
          .stream = ReadUint32(bytes.substr(5)) & kStreamMask};
}

void AppendFrameHead(const FrameHead& head, std::string* out) {
  const HeadBytes bytes = Encode(head);
  out->append(bytes.data(), bytes.size());
}

void AppendReset(uint32_t stream, ErrorCode code, std::string* out) {
  AppendFrameHead({.size = 4, .type = FrameType::kRstStream, .flags = 0, .stream = stream}, out);
  AppendUint32(static_cast<uint32_t>(code), out);
}

void AppendWindowUpdate(uint32_t stream, uint32_t bytes, std::string* out) {
  AppendFrameHead({.size = 4, .type = FrameType::kWindowUpdate, .flags = 0, .stream = stream}, out);
  AppendUint32(bytes, out);
}

void AppendPing(std::string_view payload, bool is_ack, std::string* out) {
  const uint8_t flags = is_ack ? kFlagAck : 0;
  AppendFrameHead({.size = 8, .type = FrameType::kPing, .flags = flags, .stream = 0}, out);
  out->append(payload);
}

void AppendGoaway(uint32_t last_stream, ErrorCode code, std::string_view why, std::string* out) {
  const auto size = static_cast<uint32_t>(8 + why.size());
  AppendFrameHead({.size = size, .type = FrameType::kGoaway, .flags = 0, .stream = 0}, out);
  AppendUint32(last_stream, out);
  AppendUint32(static_cast<uint32_t>(code), out);
  out->append(why);
}

void AppendSettings(std::span<const Setting> settings, std::string* out) {
  const auto size = static_cast<uint32_t>(6 * settings.size());
  AppendFrameHead({.size = size, .type = FrameType::kSettings, .flags = 0, .stream = 0}, out);
  for (const Setting& setting : settings) {
    const auto id = static_cast<uint16_t>(setting.id);
    out->push_back(static_cast<char>(id >> 8U));
    out->push_back(static_cast<char>(id));
    AppendUint32(setting.value, out);
  }
}

void AppendSettingsAck(std::string* out) {
  AppendFrameHead({.size = 0, .type = FrameType::kSettings, .flags = kFlagAck, .stream = 0}, out);
}

size_t SendableBytes(size_t waiting, uint32_t frame_bytes_max, int64_t stream_window,
                     int64_t connection_window) {
  const int64_t window = std::max<int64_t>(std::min(stream_window, connection_window), 0);
  return std::min({waiting, size_t{frame_bytes_max}, static_cast<size_t>(window)});
}

size_t BeginHead(std::string* out) {
  const size_t begun_at = out->size();
  out->append(kFrameHeadBytes, '\0');
  return begun_at;
}

void EndHead(size_t begun_at, uint32_t stream, bool is_end, uint32_t frame_bytes_max,
             std::string* out) {
  const size_t block_at = begun_at + kFrameHeadBytes;
  const size_t size = out->size() - block_at;
  const size_t first = std::min<size_t>(size, frame_bytes_max);
  const auto flags =
      static_cast<uint8_t>((is_end ? kFlagEndStream : 0) | (first == size ? kFlagEndHeaders : 0));
  const HeadBytes head = Encode({.size = static_cast<uint32_t>(first),
                                 .type = FrameType::kHeaders,
                                 .flags = flags,
                                 .stream = stream});
  std::copy(head.begin(), head.end(), out->begin() + static_cast<std::ptrdiff_t>(begun_at));
  if (first == size) {
    return;
  }
  const std::string rest = out->substr(block_at + first);
  out->resize(block_at + first);
  for (size_t at = 0; at < rest.size();) {
    const size_t part = std::min<size_t>(rest.size() - at, frame_bytes_max);
    const bool is_last = at + part == rest.size();
    AppendFrameHead({.size = static_cast<uint32_t>(part),
                     .type = FrameType::kContinuation,
                     .flags = is_last ? kFlagEndHeaders : uint8_t{0},
                     .stream = stream},
                    out);
    out->append(rest, at, part);
    at += part;
  }
}

}  // namespace socle::server::http2
