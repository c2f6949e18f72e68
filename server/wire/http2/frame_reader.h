// FrameReader: cuts what arrives on a connection into frames and refuses what no frame may be. It knows no streams.
//
// Laws     1. A frame is judged by its head before its payload is waited for; nothing of more than kFrameBytesDefault is kept.
//          2. A frame that arrived whole is not copied; one that did not is copied once.
//          3. A header block reaches the sink whole, without its padding; other frames between its parts are refused, and
//             so are more than kContinuationsMax of them.
// Threads  thread-compatible.
// Errors   a ConnectionError ends the connection; after one Receive is not to be called again.
// Source   RFC 9113 sections 3.4, 4, 6; CVE-2024-27316 (CONTINUATION without end).
#ifndef SOCLE_SERVER_WIRE_HTTP2_FRAME_READER_H_
#define SOCLE_SERVER_WIRE_HTTP2_FRAME_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/wire/http2/frame.h"

namespace socle::server::http2 {

struct ConnectionError {
  ErrorCode code = ErrorCode::kNoError;
  std::string_view why;  // lives for ever

  bool ok() const { return code == ErrorCode::kNoError; }
};

// What was read. Views are valid during the call. Stream numbers are not zero and otherwise unchecked.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // `flow_bytes` is what it takes of the windows: padding counts.
  virtual ConnectionError OnData(uint32_t stream, std::string_view bytes, size_t flow_bytes,
                                 bool is_end) = 0;
  virtual ConnectionError OnHead(uint32_t stream, std::string_view block, bool is_end) = 0;
  virtual ConnectionError OnReset(uint32_t stream, ErrorCode code) = 0;
  // Once for each; its value is one that the standard allows.
  virtual ConnectionError OnSetting(const Setting& setting) = 0;
  // After the last of one frame. They are to be acknowledged.
  virtual ConnectionError OnSettingsEnd() = 0;
  // The other end keeps to ours from here on.
  virtual ConnectionError OnSettingsAck() = 0;
  virtual ConnectionError OnPing(std::string_view payload, bool is_ack) = 0;
  // `last_stream`: what came after it was not looked at.
  virtual void OnGoaway(uint32_t last_stream, ErrorCode code, std::string_view why) = 0;
  // Stream 0: the connection's window. Zero bytes are an error that the sink judges.
  virtual ConnectionError OnWindowUpdate(uint32_t stream, uint32_t bytes) = 0;
};

class FrameReader {
 public:
  static constexpr int kContinuationsMax = 16;

  // `expects_preface`: of a server, whose client says kPreface first.
  explicit FrameReader(bool expects_preface) : is_preface_due_(expects_preface) {}

  ConnectionError Receive(std::string_view bytes, FrameSink* sink);

  // The other end has said its settings, which come first.
  bool has_settings() const { return has_settings_; }

  // Something other than data has begun and not ended.
  bool is_inside_head() const;

  // Grows with each thing that ended: tells a new beginning from the same one.
  uint64_t units() const { return units_; }

 private:
  // Bytes taken from the front; 0: more are needed, wanted_ in all. Sets error_.
  size_t TakeUnit(std::string_view bytes, FrameSink* sink);
  size_t TakePreface(std::string_view bytes);
  void Judge(const FrameHead& head);
  void Dispatch(const FrameHead& head, std::string_view payload, FrameSink* sink);
  void TakeHeaders(const FrameHead& head, std::string_view payload, FrameSink* sink);
  void TakeContinuation(const FrameHead& head, std::string_view payload, FrameSink* sink);
  void TakeSettings(const FrameHead& head, std::string_view payload, FrameSink* sink);
  // Takes the padding off.
  std::string_view Unpadded(const FrameHead& head, std::string_view payload);
  void Refuse(ErrorCode code, std::string_view why);

  bool is_preface_due_;
  bool has_settings_ = false;
  ConnectionError error_;
  std::string partial_;  // the beginning of a unit
  size_t wanted_ = 0;    // of partial_, before it can be looked at again
  uint64_t units_ = 0;
  std::string block_;  // a header block whose end has not come
  uint32_t block_stream_ = 0;
  int continuations_ = 0;
  bool is_block_last_ = false;  // the stream ends with it
};

}  // namespace socle::server::http2

#endif  // SOCLE_SERVER_WIRE_HTTP2_FRAME_READER_H_
