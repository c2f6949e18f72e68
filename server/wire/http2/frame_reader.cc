#include "server/wire/http2/frame_reader.h"

#include <algorithm>

#include "kv/base/probe.h"

namespace socle::server::http2 {
namespace {

constexpr size_t kKeptBytes = 1'024;  // of a buffer that has nothing in it
constexpr size_t kSettingBytes = 6;
constexpr size_t kPriorityBytes = 5;

bool HasFlag(const FrameHead& head, uint8_t flag) {
  return (head.flags & flag) != 0;
}

void Empty(std::string* buffer) {
  if (buffer->capacity() > kKeptBytes) {
    *buffer = std::string();
  } else {
    buffer->clear();
  }
}

ConnectionError JudgeSetting(const Setting& setting) {
  switch (setting.id) {
    case SettingId::kEnablePush:
      if (setting.value > 1) {
        return {ErrorCode::kProtocolError, "SETTINGS: ENABLE_PUSH is 0 or 1"};
      }
      return {};
    case SettingId::kInitialWindowSize:
      if (setting.value > kWindowMax) {
        return {ErrorCode::kFlowControlError, "SETTINGS: INITIAL_WINDOW_SIZE is too large"};
      }
      return {};
    case SettingId::kMaxFrameSize:
      if (setting.value < kFrameBytesDefault || setting.value > kFrameBytesMax) {
        return {ErrorCode::kProtocolError, "SETTINGS: MAX_FRAME_SIZE is out of its range"};
      }
      return {};
    default:
      return {};
  }
}

}  // namespace

ConnectionError FrameReader::Receive(std::string_view bytes, FrameSink* sink) {
  while (!partial_.empty() && !bytes.empty()) {
    const size_t part = std::min(wanted_ - partial_.size(), bytes.size());
    partial_.append(bytes.substr(0, part));
    bytes.remove_prefix(part);
    if (partial_.size() == wanted_ && TakeUnit(partial_, sink) > 0) {
      Empty(&partial_);
    }
    if (!error_.ok()) {
      return error_;
    }
  }
  while (!bytes.empty()) {
    const size_t taken = TakeUnit(bytes, sink);
    if (!error_.ok()) {
      return error_;
    }
    if (taken == 0) {
      partial_.assign(bytes);
      break;
    }
    bytes.remove_prefix(taken);
  }
  return {};
}

bool FrameReader::is_inside_head() const {
  if (block_stream_ != 0) {
    return true;
  }
  return !partial_.empty() && (is_preface_due_ || partial_.size() < kFrameHeadBytes ||
                               ReadFrameHead(partial_).type != FrameType::kData);
}

size_t FrameReader::TakeUnit(std::string_view bytes, FrameSink* sink) {
  if (is_preface_due_) {
    return TakePreface(bytes);
  }
  wanted_ = kFrameHeadBytes;
  if (bytes.size() < wanted_) {
    return 0;
  }
  const FrameHead head = ReadFrameHead(bytes);
  Judge(head);
  if (!error_.ok()) {
    return 0;
  }
  wanted_ += head.size;
  if (bytes.size() < wanted_) {
    return 0;
  }
  const size_t taken = wanted_;
  Dispatch(head, bytes.substr(kFrameHeadBytes, head.size), sink);
  if (block_stream_ == 0) {
    ++units_;
  }
  return taken;
}

size_t FrameReader::TakePreface(std::string_view bytes) {
  const size_t size = std::min(bytes.size(), kPreface.size());
  if (bytes.substr(0, size) != kPreface.substr(0, size)) {
    Refuse(ErrorCode::kProtocolError, "the preface is not that of HTTP/2");
    return 0;
  }
  wanted_ = kPreface.size();
  if (size < wanted_) {
    return 0;
  }
  is_preface_due_ = false;
  return size;
}

// What the head alone can tell.
void FrameReader::Judge(const FrameHead& head) {
  if (head.size > kFrameBytesDefault) {
    return Refuse(ErrorCode::kFrameSizeError, "a frame is longer than 16384 bytes");
  }
  if (!has_settings_ && (head.type != FrameType::kSettings || HasFlag(head, kFlagAck))) {
    return Refuse(ErrorCode::kProtocolError, "the first frame is not SETTINGS");
  }
  if (block_stream_ != 0 &&
      (head.type != FrameType::kContinuation || head.stream != block_stream_)) {
    return Refuse(ErrorCode::kProtocolError, "a header block is interrupted");
  }
  const bool is_sized_wrong =
      (head.type == FrameType::kPriority && head.size != kPriorityBytes) ||
      (head.type == FrameType::kRstStream && head.size != 4) ||
      (head.type == FrameType::kPing && head.size != 8) ||
      (head.type == FrameType::kGoaway && head.size < 8) ||
      (head.type == FrameType::kWindowUpdate && head.size != 4) ||
      (head.type == FrameType::kSettings &&
       (HasFlag(head, kFlagAck) ? head.size != 0 : head.size % kSettingBytes != 0));
  if (is_sized_wrong) {
    return Refuse(ErrorCode::kFrameSizeError, "a frame's length is not that of its type");
  }
  switch (head.type) {
    case FrameType::kSettings:
    case FrameType::kPing:
    case FrameType::kGoaway:
      if (head.stream != 0) {
        Refuse(ErrorCode::kProtocolError, "a frame of the connection names a stream");
      }
      return;
    case FrameType::kData:
    case FrameType::kHeaders:
    case FrameType::kPriority:
    case FrameType::kRstStream:
      if (head.stream == 0) {
        Refuse(ErrorCode::kProtocolError, "a frame of a stream names none");
      }
      return;
    case FrameType::kContinuation:
      if (block_stream_ == 0) {
        Refuse(ErrorCode::kProtocolError, "CONTINUATION without a header block");
      }
      return;
    case FrameType::kPushPromise:
      return Refuse(ErrorCode::kProtocolError, "PUSH_PROMISE is not allowed here");
    default:
      return;
  }
}

void FrameReader::Dispatch(const FrameHead& head, std::string_view payload, FrameSink* sink) {
  switch (head.type) {
    case FrameType::kData: {
      const std::string_view bytes = Unpadded(head, payload);
      if (error_.ok()) {
        error_ = sink->OnData(head.stream, bytes, payload.size(), HasFlag(head, kFlagEndStream));
      }
      return;
    }
    case FrameType::kHeaders:
      return TakeHeaders(head, payload, sink);
    case FrameType::kContinuation:
      return TakeContinuation(head, payload, sink);
    case FrameType::kPriority:
      if ((ReadUint32(payload) & kWindowMax) == head.stream) {
        Refuse(ErrorCode::kProtocolError, "a stream depends on itself");
      }
      return;
    case FrameType::kRstStream:
      error_ = sink->OnReset(head.stream, static_cast<ErrorCode>(ReadUint32(payload)));
      return;
    case FrameType::kSettings:
      return TakeSettings(head, payload, sink);
    case FrameType::kPing:
      error_ = sink->OnPing(payload, HasFlag(head, kFlagAck));
      return;
    case FrameType::kGoaway:
      return sink->OnGoaway(ReadUint32(payload) & static_cast<uint32_t>(kWindowMax),
                            static_cast<ErrorCode>(ReadUint32(payload.substr(4))),
                            payload.substr(8));
    case FrameType::kWindowUpdate:
      error_ = sink->OnWindowUpdate(head.stream,
                                    ReadUint32(payload) & static_cast<uint32_t>(kWindowMax));
      return;
    default:
      return;  // of a type that is not known: to be ignored (RFC 9113 5.5)
  }
}

void FrameReader::TakeHeaders(const FrameHead& head, std::string_view payload, FrameSink* sink) {
  payload = Unpadded(head, payload);
  if (!error_.ok()) {
    return;
  }
  if (HasFlag(head, kFlagPriority)) {
    if (payload.size() < kPriorityBytes) {
      return Refuse(ErrorCode::kFrameSizeError, "a frame's length is not that of its type");
    }
    if ((ReadUint32(payload) & kWindowMax) == head.stream) {
      return Refuse(ErrorCode::kProtocolError, "a stream depends on itself");
    }
    payload.remove_prefix(kPriorityBytes);
  }
  const bool is_last = HasFlag(head, kFlagEndStream);
  if (HasFlag(head, kFlagEndHeaders)) {
    error_ = sink->OnHead(head.stream, payload, is_last);
    return;
  }
  block_.assign(payload);
  block_stream_ = head.stream;
  is_block_last_ = is_last;
  continuations_ = 0;
}

void FrameReader::TakeContinuation(const FrameHead& head, std::string_view payload,
                                   FrameSink* sink) {
  if (++continuations_ > kContinuationsMax) {
    PROBE("http2: a header block without end");
    return Refuse(ErrorCode::kEnhanceYourCalm, "too_many_continuations");
  }
  block_.append(payload);
  if (HasFlag(head, kFlagEndHeaders)) {
    block_stream_ = 0;
    error_ = sink->OnHead(head.stream, block_, is_block_last_);
    Empty(&block_);
  }
}

void FrameReader::TakeSettings(const FrameHead& head, std::string_view payload, FrameSink* sink) {
  if (HasFlag(head, kFlagAck)) {
    error_ = sink->OnSettingsAck();
    return;
  }
  has_settings_ = true;
  for (; !payload.empty(); payload.remove_prefix(kSettingBytes)) {
    const Setting setting{.id = static_cast<SettingId>(ReadUint32(payload) >> 16U),
                          .value = ReadUint32(payload.substr(2))};
    error_ = JudgeSetting(setting);
    if (error_.ok()) {
      error_ = sink->OnSetting(setting);
    }
    if (!error_.ok()) {
      return;
    }
  }
  error_ = sink->OnSettingsEnd();
}

std::string_view FrameReader::Unpadded(const FrameHead& head, std::string_view payload) {
  if (!HasFlag(head, kFlagPadded)) {
    return payload;
  }
  const size_t padding = payload.empty() ? 0 : static_cast<uint8_t>(payload.front());
  if (padding >= payload.size()) {
    Refuse(ErrorCode::kProtocolError, "more padding than frame");
    return {};
  }
  return payload.substr(1, payload.size() - 1 - padding);
}

void FrameReader::Refuse(ErrorCode code, std::string_view why) {
  error_ = {.code = code, .why = why};
}

}  // namespace socle::server::http2
