#include "server/wire/client/call_session.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/probe.h"

namespace socle::server {
namespace {

constexpr uint32_t kStreamWindowBytes = 4U << 20U;
constexpr uint32_t kConnectionWindowBytes = 64U << 20U;
constexpr uint32_t kStreamNumberMax = (1U << 31U) - 1;
constexpr uint32_t kNumbersForThoseWhoWait = 1U << 20U;
constexpr size_t kKeptTextsMax = 16;
// Heads that are remembered apart: they come in turn.
constexpr size_t kFirstHead = 0;
constexpr size_t kLastHead = 1;

// A small non-negative number, or -1.
int ParseNumber(std::string_view text) {
  int number = -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() ? number : -1;
}

}  // namespace

CallSession::CallSession(CallSessionHost* host, std::string_view authority,
                         const Metadata& metadata, bool is_encrypted)
    : host_(host),
      authority_(authority),
      metadata_(metadata),
      is_encrypted_(is_encrypted),
      reader_(/*expects_preface=*/false) {
  std::string* const out = Say();
  out->append(http2::kPreface);
  const std::array settings = {
      http2::Setting{http2::SettingId::kEnablePush, 0},
      http2::Setting{http2::SettingId::kInitialWindowSize, kStreamWindowBytes}};
  http2::AppendSettings(settings, out);
  http2::AppendWindowUpdate(
      0, kConnectionWindowBytes - static_cast<uint32_t>(http2::kWindowDefault), out);
}

CallSession::~CallSession() {
  for (LinkedList<Call, BySending>* const list : {&waiting_, &sending_, &blocked_}) {
    while (!list->empty()) {
      static_cast<ListLink<BySending>*>(list->front())->Unlink();
    }
  }
}

absl::Status CallSession::Receive(std::string_view bytes) {
  const ConnectionError error = reader_.Receive(bytes, this);
  if (!error.ok()) {
    return absl::UnavailableError(fmt::format("HTTP/2 error of the server: {}", error.why));
  }
  return absl::OkStatus();
}

std::string* CallSession::Say() {
  if (out_ != nullptr) {
    return out_;
  }
  host_->OutputReady();
  return &pending_;
}

void CallSession::Collect(size_t batch_bytes, std::string* out) {
  out_ = out;
  out->append(pending_);
  pending_.clear();
  while (out->size() < batch_bytes) {
    if (send_window_ > 0 && !blocked_.empty()) {
      sending_.PushBack(blocked_.front());
    }
    if (sending_.empty()) {
      break;
    }
    SendSome(sending_.front());
  }
  out_ = nullptr;
}

bool CallSession::Begin(Call* call) {
  if (next_stream_ > kStreamNumberMax - kNumbersForThoseWhoWait) {
    return false;
  }
  waiting_.PushBack(call);
  BeginWaiting();
  return true;
}

void CallSession::BeginWaiting() {
  while (has_heard_ && !waiting_.empty() && calls_.size() < streams_max_) {
    Call* const call = waiting_.front();
    call->stream_id = next_stream_;
    call->send_window = stream_send_window_;
    next_stream_ += 2;
    calls_.emplace(call->stream_id, call);
    SayHead(call);
    sending_.PushBack(call);
  }
}

std::string_view CallSession::Kept(std::string_view text) {
  auto it = kept_.find(text);
  if (it == kept_.end()) {
    if (kept_.size() >= kKeptTextsMax) {
      return {};
    }
    it = kept_.emplace(text).first;
  }
  return *it;
}

void CallSession::SayHead(Call* call) {
  std::string* const out = Say();
  const size_t begun_at = http2::BeginHead(out);
  encoder_.Begin(out);
  encoder_.Add(http2::StaticField::kMethodPost, out);
  encoder_.Add(is_encrypted_ ? http2::StaticField::kSchemeHttps : http2::StaticField::kSchemeHttp,
               out);
  const auto add_kept = [&](std::string_view name, std::string_view value) {
    const std::string_view kept = Kept(value);
    const bool is_constant = !kept.empty();
    encoder_.Add(name, is_constant ? kept : value, is_constant, out);
  };
  add_kept(":path", call->path);
  encoder_.Add(":authority", authority_, true, out);
  encoder_.Add("content-type", "application/grpc", true, out);
  encoder_.Add("te", "trailers", true, out);
  encoder_.Add("user-agent", "socle-client/1", true, out);
  if (!call->timeout_header.empty()) {
    add_kept("grpc-timeout", call->timeout_header);
  }
  for (const Metadata* some : {&metadata_, &std::as_const(call->metadata)}) {
    for (const auto& [name, value] : *some) {
      encoder_.Add(name, value, false, out);
    }
  }
  http2::EndHead(begun_at, call->stream_id, /*is_end=*/false, send_frame_bytes_, out);
}

void CallSession::Resume(Call* call) {
  if (call->stream_id != 0) {
    SendLater(call);
  }
}

void CallSession::Reset(Call* call) {
  call->is_cancelled = true;
  sending_.PushBack(call);  // whatever it waited for
  host_->OutputReady();
}

void CallSession::SendLater(Call* call) {
  if (!static_cast<ListLink<BySending>*>(call)->linked()) {
    sending_.PushBack(call);
  }
  host_->OutputReady();
}

// A frame of it, or its end.
void CallSession::SendSome(Call* call) {
  static_cast<ListLink<BySending>*>(call)->Unlink();
  if (call->is_cancelled) {
    if (call->stream_id != 0) {
      http2::AppendReset(call->stream_id, ErrorCode::kCancel, out_);
    }
    call->outcome.http2_error = ErrorCode::kCancel;
    End(call);
    return;
  }
  const size_t waiting = call->request.size() - call->request_sent;
  if (call->has_sent_end || (waiting == 0 && !call->is_half_closed) ||
      (waiting > 0 && call->send_window <= 0)) {
    return;  // until there is more, or more may be sent
  }
  if (waiting > 0 && send_window_ <= 0) {
    PROBE("wire client: calls wait for the connection's window");
    blocked_.PushBack(call);
    return;
  }
  const size_t size =
      http2::SendableBytes(waiting, send_frame_bytes_, call->send_window, send_window_);
  call->has_sent_end = size == waiting && call->is_half_closed;
  http2::AppendFrameHead({.size = static_cast<uint32_t>(size),
                          .type = http2::FrameType::kData,
                          .flags = call->has_sent_end ? http2::kFlagEndStream : uint8_t{0},
                          .stream = call->stream_id},
                         out_);
  out_->append(call->request, call->request_sent, size);
  call->request_sent += size;
  call->send_window -= static_cast<int64_t>(size);
  send_window_ -= static_cast<int64_t>(size);
  if (call->request_sent == call->request.size()) {
    call->request.clear();
    call->request_sent = 0;
  } else {
    sending_.PushBack(call);
  }
}

Call* CallSession::Find(uint32_t stream) const {
  const auto it = calls_.find(stream);
  return it != calls_.end() ? it->second : nullptr;
}

void CallSession::EndByServer(Call* call) {
  if (!call->has_sent_end) {
    // The server does not want the rest (RFC 9113 8.1); it may have said so itself, which does no harm.
    http2::AppendReset(call->stream_id, ErrorCode::kNoError, Say());
  }
  End(call);
}

void CallSession::End(Call* call) {
  calls_.erase(call->stream_id);
  static_cast<ListLink<BySending>*>(call)->Unlink();
  BeginWaiting();
  call->channel->Complete(call, StatusOf(call->outcome));
}

http2::ConnectionError CallSession::OnData(uint32_t stream, std::string_view bytes,
                                           size_t flow_bytes, bool is_end) {
  unreported_ += static_cast<uint32_t>(flow_bytes);
  if (unreported_ >= kConnectionWindowBytes / 2) {
    http2::AppendWindowUpdate(0, std::exchange(unreported_, 0), Say());
  }
  if (IsIdle(stream)) {
    return {ErrorCode::kProtocolError, "data of a stream that was not begun"};
  }
  Call* const call = Find(stream);
  if (call == nullptr) {
    return {};
  }
  if (!call->is_abandoned) {
    call->response.append(bytes);
    if (call->stream != nullptr) {
      call->channel->OnMessageBytes(call);
    }
  }
  if (is_end) {
    EndByServer(call);
    return {};
  }
  call->unreported += static_cast<uint32_t>(flow_bytes);
  if (call->unreported >= kStreamWindowBytes / 2) {
    http2::AppendWindowUpdate(stream, std::exchange(call->unreported, 0), Say());
  }
  return {};
}

http2::ConnectionError CallSession::OnHead(uint32_t stream, std::string_view block, bool is_end) {
  const size_t slot = is_end ? kLastHead : kFirstHead;
  Said& said = said_[slot];
  if (!decoder_.Repeats(slot, block)) {
    said = Said();
    const bool is_decoded =
        decoder_.Decode(block, [&said](std::string_view name, std::string_view value) {
          if (name == "grpc-status") {
            // What is not a number counts as Unknown (2).
            const int code = ParseNumber(value);
            said.grpc_status = code < 0 ? 2 : code;
          } else if (name == "grpc-message") {
            said.grpc_message = DecodeGrpcMessage(value);
          } else if (name == ":status") {
            said.http_status = ParseNumber(value);
          }
        });
    if (!is_decoded) {
      return {ErrorCode::kCompressionError, "a header block can't be decoded"};
    }
    decoder_.Remember(slot, block);
  }
  if (IsIdle(stream)) {
    return {ErrorCode::kProtocolError, "a head of a stream that was not begun"};
  }
  Call* const call = Find(stream);
  if (call == nullptr) {
    return {};
  }
  if (said.http_status != 0) {
    call->outcome.http_status = said.http_status;
  }
  if (said.grpc_status >= 0) {
    call->outcome.grpc_status = said.grpc_status;
  }
  if (!said.grpc_message.empty()) {
    call->outcome.grpc_message = said.grpc_message;
  }
  if (is_end) {
    EndByServer(call);
  }
  return {};
}

http2::ConnectionError CallSession::OnReset(uint32_t stream, ErrorCode code) {
  if (IsIdle(stream)) {
    return {ErrorCode::kProtocolError, "a reset of a stream that was not begun"};
  }
  if (Call* const call = Find(stream); call != nullptr) {
    call->outcome.http2_error = code;
    End(call);
  }
  return {};
}

http2::ConnectionError CallSession::OnSetting(const http2::Setting& setting) {
  switch (setting.id) {
    case http2::SettingId::kHeaderTableSize:
      encoder_.LimitTable(setting.value);
      return {};
    case http2::SettingId::kMaxConcurrentStreams:
      streams_max_ = setting.value;
      return {};
    case http2::SettingId::kMaxFrameSize:
      send_frame_bytes_ = std::min(setting.value, http2::kSentFrameBytesMax);
      return {};
    case http2::SettingId::kInitialWindowSize: {
      const int64_t more =
          setting.value - std::exchange(stream_send_window_, int64_t{setting.value});
      for (const auto& [stream, call] : calls_) {
        call->send_window += more;
        if (more > 0) {
          SendLater(call);
        }
      }
      return {};
    }
    default:
      return {};
  }
}

http2::ConnectionError CallSession::OnSettingsEnd() {
  http2::AppendSettingsAck(Say());
  has_heard_ = true;
  host_->OnServerSpoke();
  BeginWaiting();
  return {};
}

http2::ConnectionError CallSession::OnSettingsAck() {
  return {};
}

http2::ConnectionError CallSession::OnPing(std::string_view payload, bool is_ack) {
  if (!is_ack) {
    http2::AppendPing(payload, /*is_ack=*/true, Say());
  }
  return {};
}

void CallSession::OnGoaway(uint32_t last_stream, ErrorCode code, std::string_view why) {
  host_->OnServerLeaves(fmt::format("the server asked to leave ({}{}{})", http2::NameOf(code),
                                    why.empty() ? "" : ": ", why));
  // What the server will not look at.
  std::vector<Call*> refused;
  for (const auto& [stream, call] : calls_) {
    if (stream > last_stream) {
      refused.push_back(call);
    }
  }
  while (!waiting_.empty()) {
    refused.push_back(waiting_.front());
    static_cast<ListLink<BySending>*>(refused.back())->Unlink();
  }
  for (Call* const call : refused) {
    call->outcome.http2_error = ErrorCode::kRefusedStream;
    End(call);
  }
}

http2::ConnectionError CallSession::OnWindowUpdate(uint32_t stream, uint32_t bytes) {
  if (stream == 0) {
    send_window_ += bytes;
    if (bytes == 0 || send_window_ > http2::kWindowMax) {
      return {ErrorCode::kFlowControlError, "WINDOW_UPDATE of nothing, or of too much"};
    }
    host_->OutputReady();
    return {};
  }
  if (IsIdle(stream)) {
    return {ErrorCode::kProtocolError, "a window of a stream that was not begun"};
  }
  if (Call* const call = Find(stream); call != nullptr) {
    call->send_window += bytes;
    SendLater(call);
  }
  return {};
}

}  // namespace socle::server
