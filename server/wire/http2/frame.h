// Frame: HTTP/2 on the wire, the same for both ends of a connection.
//
//   bytes 0..2  length of the payload, big-endian
//   byte  3     type
//   byte  4     flags
//   bytes 5..8  stream, 31 bits, big-endian; 0 is the connection
//   bytes 9..   payload
// Threads  pure functions.
// Source   RFC 9113 sections 4, 6, 7.
#ifndef SOCLE_SERVER_WIRE_HTTP2_FRAME_H_
#define SOCLE_SERVER_WIRE_HTTP2_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace socle::server::http2 {

inline constexpr size_t kFrameHeadBytes = 9;
inline constexpr uint32_t kFrameBytesDefault =
    16'384;  // of a payload, unless the receiver allows more
// What is sent in one to a receiver that allows more: others wait meanwhile.
inline constexpr uint32_t kSentFrameBytesMax = 32 * 1024;
inline constexpr uint32_t kFrameBytesMax = (1U << 24U) - 1;
inline constexpr int64_t kWindowDefault = 65'535;
inline constexpr int64_t kWindowMax = (int64_t{1} << 31U) - 1;
inline constexpr std::string_view kPreface =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";  // a client's first bytes

enum class FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};

inline constexpr uint8_t kFlagEndStream = 0x1;
inline constexpr uint8_t kFlagAck = 0x1;
inline constexpr uint8_t kFlagEndHeaders = 0x4;
inline constexpr uint8_t kFlagPadded = 0x8;
inline constexpr uint8_t kFlagPriority = 0x20;

enum class ErrorCode : uint32_t {
  kNoError = 0,
  kProtocolError = 1,
  kInternalError = 2,
  kFlowControlError = 3,
  kSettingsTimeout = 4,
  kStreamClosed = 5,
  kFrameSizeError = 6,
  kRefusedStream = 7,
  kCancel = 8,
  kCompressionError = 9,
  kConnectError = 10,
  kEnhanceYourCalm = 11,
  kInadequateSecurity = 12,
  kHttp11Required = 13,
};

// As the standard spells it: "PROTOCOL_ERROR"; "unknown" for a number of no meaning.
std::string_view NameOf(ErrorCode code);

enum class SettingId : uint16_t {
  kHeaderTableSize = 1,
  kEnablePush = 2,
  kMaxConcurrentStreams = 3,
  kInitialWindowSize = 4,
  kMaxFrameSize = 5,
  kMaxHeaderListSize = 6,
};

struct Setting {
  SettingId id;
  uint32_t value;
};

struct FrameHead {
  uint32_t size;  // of the payload
  FrameType type;
  uint8_t flags;
  uint32_t stream;
};

uint32_t ReadUint32(std::string_view bytes);
// Requires: kFrameHeadBytes bytes.
FrameHead ReadFrameHead(std::string_view bytes);
void AppendFrameHead(const FrameHead& head, std::string* out);

void AppendReset(uint32_t stream, ErrorCode code, std::string* out);
// Requires: 0 < bytes.
void AppendWindowUpdate(uint32_t stream, uint32_t bytes, std::string* out);
// `payload` has eight bytes.
void AppendPing(std::string_view payload, bool is_ack, std::string* out);
void AppendGoaway(uint32_t last_stream, ErrorCode code, std::string_view why, std::string* out);
void AppendSettings(std::span<const Setting> settings, std::string* out);
void AppendSettingsAck(std::string* out);

// Of `waiting` bytes, what a DATA frame may carry now. A window may be below nothing: its owner took back what it gave.
size_t SendableBytes(size_t waiting, uint32_t frame_bytes_max, int64_t stream_window,
                     int64_t connection_window);

// A header block is encoded straight into the output: what Begin appended is corrected by End, which also cuts a block of more than
// `frame_bytes_max` into CONTINUATIONs.
size_t BeginHead(std::string* out);
void EndHead(size_t begun_at, uint32_t stream, bool is_end, uint32_t frame_bytes_max,
             std::string* out);

}  // namespace socle::server::http2

#endif  // SOCLE_SERVER_WIRE_HTTP2_FRAME_H_
