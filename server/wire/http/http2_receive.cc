// What an Http2Session does with what its client says.
#include <algorithm>
#include <utility>

#include "kv/base/probe.h"
#include "server/wire/http/http2_session.h"

namespace socle::server::http {
namespace {

// Streams a client may reset at once, and per second from then on; and what else it may have done in vain.
constexpr uint64_t kWasteBurst = 1'000;
constexpr uint64_t kWasteRate = 100;
constexpr size_t kOnlySlot = 0;  // of the decoder: only requests are remembered

}  // namespace

Exchange* Http2Session::Find(uint32_t stream) const {
  const auto it = streams_.find(stream);
  return it != streams_.end() ? it->second : nullptr;
}

http2::ConnectionError Http2Session::OnHead(uint32_t stream, std::string_view block, bool is_end) {
  if (stream % 2 == 0) {
    return {ErrorCode::kProtocolError, "a client's streams are odd"};
  }
  return stream > last_stream_ ? TakeRequest(stream, block, is_end)
                               : TakeTrailers(stream, block, is_end);
}

http2::ConnectionError Http2Session::TakeRequest(uint32_t stream, std::string_view block,
                                                 bool is_end) {
  last_stream_ = stream;
  auto verdict = RequestHead::Verdict::kGood;
  if (!decoder_.Repeats(kOnlySlot, block)) {
    head_.Begin();
    const bool is_decoded = decoder_.Decode(
        block, [this](std::string_view name, std::string_view value) { head_.Add(name, value); });
    if (!is_decoded) {
      return {ErrorCode::kCompressionError, "a header block can't be decoded"};
    }
    verdict = head_.End();
    decoder_.Remember(kOnlySlot,
                      verdict == RequestHead::Verdict::kGood ? block : std::string_view());
  }
  BeginExchange(stream, verdict, is_end);
  return {};
}

void Http2Session::BeginExchange(uint32_t stream, RequestHead::Verdict verdict,
                                 bool has_body_ended) {
  if (is_stopping_ || streams_.size() + lingering_.size() >= limits_->streams_max ||
      has_too_much_backlog()) {
    PROBE("http2: a stream is refused");
    http2::AppendReset(stream, ErrorCode::kRefusedStream, Say());
    return;
  }
  if (verdict == RequestHead::Verdict::kMalformed ||
      (has_body_ended && verdict == RequestHead::Verdict::kGood && head_.body_bytes() > 0)) {
    http2::AppendReset(stream, ErrorCode::kProtocolError, Say());
    return;
  }
  const std::shared_ptr<Exchange> exchange = NewExchange();
  exchange->stream_.id = stream;
  exchange->stream_.send_window = stream_send_window_;
  exchange->stream_.receive_window = stream_receive_window_;
  exchange->stream_.body_left = head_.body_bytes();
  exchange->stream_.wants_no_body = head_.request().method() == "HEAD";
  exchange->has_body_ended_ = has_body_ended;
  streams_.emplace(stream, exchange.get());
  if (verdict == RequestHead::Verdict::kTooLarge) {
    exchange->Respond(431, {}, {});
    return;
  }
  exchange->receiver_ = handler_->Begin(head_.request(), exchange);
  if (has_body_ended && exchange->receiver_ != nullptr) {
    const std::shared_ptr<Receiver> receiver = exchange->receiver_;
    receiver->OnBodyEnd();
  }
}

http2::ConnectionError Http2Session::TakeTrailers(uint32_t stream, std::string_view block,
                                                  bool is_end) {
  bool has_pseudo = false;
  const bool is_decoded =
      decoder_.Decode(block, [&has_pseudo](std::string_view name, std::string_view /*value*/) {
        has_pseudo = has_pseudo || name.starts_with(':');
      });
  if (!is_decoded) {
    return {ErrorCode::kCompressionError, "a header block can't be decoded"};
  }
  Exchange* const exchange = Find(stream);
  if (exchange == nullptr) {
    return PassOver(stream, 0, is_end);
  }
  if (exchange->has_body_ended_) {
    return {ErrorCode::kStreamClosed, "a head after the end of its stream"};
  }
  if (exchange->stream_.is_reset) {
    return {};
  }
  return !is_end || has_pseudo ? CutStream(exchange, ErrorCode::kProtocolError) : EndBody(exchange);
}

http2::ConnectionError Http2Session::EndBody(Exchange* exchange) {
  if (exchange->stream_.body_left > 0) {
    return CutStream(exchange, ErrorCode::kProtocolError);
  }
  exchange->has_body_ended_ = true;
  if (const std::shared_ptr<Receiver> receiver = exchange->receiver_; receiver != nullptr) {
    receiver->OnBodyEnd();
  }
  return {};
}

http2::ConnectionError Http2Session::OnData(uint32_t stream, std::string_view bytes,
                                            size_t flow_bytes, bool is_end) {
  receive_window_ -= static_cast<int64_t>(flow_bytes);
  unreported_ += static_cast<uint32_t>(flow_bytes);
  if (receive_window_ < 0) {
    return {ErrorCode::kFlowControlError, "more data than the connection's window"};
  }
  if (unreported_ >= limits_->connection_window_bytes / 2) {
    receive_window_ += unreported_;
    http2::AppendWindowUpdate(0, std::exchange(unreported_, 0), Say());
  }
  Exchange* const exchange = Find(stream);
  if (exchange == nullptr) {
    return IsIdle(stream) ? ConnectionError{ErrorCode::kProtocolError, "data before a head"}
                          : PassOver(stream, flow_bytes, is_end);
  }
  if (exchange->has_body_ended_) {
    return {ErrorCode::kStreamClosed, "data after the end of its stream"};
  }
  Exchange::Stream& state = exchange->stream_;
  if (state.is_reset) {
    return {};
  }
  state.receive_window -= static_cast<int64_t>(flow_bytes);
  if (state.receive_window < 0 && flow_bytes > 0) {
    return CutStream(exchange, ErrorCode::kFlowControlError);
  }
  if (state.body_left >= 0) {
    state.body_left -= static_cast<int64_t>(bytes.size());
    if (state.body_left < 0) {
      return CutStream(exchange, ErrorCode::kProtocolError);
    }
  }
  if (const std::shared_ptr<Receiver> receiver = exchange->receiver_;
      receiver != nullptr && !bytes.empty()) {
    receiver->OnBody(bytes);
  }
  if (exchange->is_paused_) {
    state.body_unconsumed += bytes.size();
    flow_bytes -= bytes.size();
  }
  if (is_end) {
    return EndBody(exchange);
  }
  GiveBack(exchange, flow_bytes);
  return {};
}

http2::ConnectionError Http2Session::PassOver(uint32_t stream, size_t bytes, bool is_end) {
  if (is_end) {
    lingering_.Forget(stream);
  } else {
    ResetUnwanted(lingering_.TakeData(stream, bytes));
  }
  return {};
}

http2::ConnectionError Http2Session::OnReset(uint32_t stream, ErrorCode /*code*/) {
  if (IsIdle(stream)) {
    return {ErrorCode::kProtocolError, "a reset before a head"};
  }
  Exchange* const exchange = Find(stream);
  if (exchange == nullptr) {
    lingering_.Forget(stream);
    return {};  // it was over: nothing was done in vain
  }
  CloseStream(exchange);
  return NoteWaste();
}

http2::ConnectionError Http2Session::NoteWaste() {
  const int64_t now = host_->loop()->now_nanos();
  const auto forgiven = static_cast<uint64_t>(std::max<int64_t>(0, now - waste_since_nanos_)) *
                        kWasteRate / kNanosPerSecond;
  if (forgiven > 0) {
    waste_ -= std::min(waste_, forgiven);
    waste_since_nanos_ = now;
  }
  if (++waste_ > kWasteBurst) {
    PROBE("http2: too many resets");
    return {ErrorCode::kEnhanceYourCalm, "too_many_resets"};
  }
  return {};
}

http2::ConnectionError Http2Session::OnSetting(const http2::Setting& setting) {
  switch (setting.id) {
    case http2::SettingId::kHeaderTableSize:
      encoder_.LimitTable(setting.value);
      return {};
    case http2::SettingId::kMaxFrameSize:
      send_frame_bytes_ = std::min(setting.value, http2::kSentFrameBytesMax);
      return {};
    case http2::SettingId::kInitialWindowSize:
      wanted_send_window_ = setting.value;
      return {};
    default:
      return {};
  }
}

http2::ConnectionError Http2Session::OnSettingsEnd() {
  http2::AppendSettingsAck(Say());
  const int64_t more = wanted_send_window_ - stream_send_window_;
  if (more == 0) {
    return {};
  }
  stream_send_window_ = wanted_send_window_;
  for (const auto& [stream, exchange] : streams_) {
    exchange->stream_.send_window += more;
    if (exchange->stream_.send_window > http2::kWindowMax) {
      return {ErrorCode::kFlowControlError, "SETTINGS makes a window too large"};
    }
    if (more > 0 && exchange->unsent_bytes() > 0) {
      SendLater(exchange);
    }
  }
  return NoteWaste();
}

http2::ConnectionError Http2Session::OnSettingsAck() {
  if (std::exchange(are_settings_known_, true)) {
    return {ErrorCode::kProtocolError, "SETTINGS acknowledged twice"};
  }
  const int64_t window = limits_->stream_window_bytes;
  const int64_t more = window - std::exchange(stream_receive_window_, window);
  for (const auto& [stream, exchange] : streams_) {
    exchange->stream_.receive_window += more;
  }
  return {};
}

http2::ConnectionError Http2Session::OnPing(std::string_view payload, bool is_ack) {
  if (is_ack) {
    return {};
  }
  http2::AppendPing(payload, /*is_ack=*/true, Say());
  return NotePing();
}

http2::ConnectionError Http2Session::NotePing() {
  const PingPolicy& policy = limits_->pings;
  if (policy.min_interval_nanos <= 0) {
    return {};
  }
  const int64_t now = host_->loop()->now_nanos();
  const int64_t since = now - std::exchange(last_ping_nanos_, now);
  if (std::exchange(has_answered_since_ping_, false)) {
    ping_strikes_ = 0;
    return {};
  }
  const int64_t wanted =
      has_exchanges() ? policy.min_interval_nanos : policy.min_interval_idle_nanos;
  if (since < wanted && ++ping_strikes_ > policy.strikes_max) {
    PROBE("http2: too many pings");
    return {ErrorCode::kEnhanceYourCalm, "too_many_pings"};
  }
  return {};
}

void Http2Session::OnGoaway(uint32_t /*last_stream*/, ErrorCode /*code*/,
                            std::string_view /*why*/) {
  is_client_leaving_ = true;
  host_->OutputReady();
}

http2::ConnectionError Http2Session::OnWindowUpdate(uint32_t stream, uint32_t bytes) {
  if (stream == 0) {
    send_window_ += bytes;
    if (bytes == 0 || send_window_ > http2::kWindowMax) {
      return {bytes == 0 ? ErrorCode::kProtocolError : ErrorCode::kFlowControlError,
              "WINDOW_UPDATE of nothing, or of too much"};
    }
    host_->OutputReady();
    return {};
  }
  if (IsIdle(stream)) {
    return {ErrorCode::kProtocolError, "a window before a head"};
  }
  Exchange* const exchange = Find(stream);
  if (exchange == nullptr) {
    return {};
  }
  int64_t& window = exchange->stream_.send_window;
  window += bytes;
  if (bytes == 0 || window > http2::kWindowMax) {
    return CutStream(exchange,
                     bytes == 0 ? ErrorCode::kProtocolError : ErrorCode::kFlowControlError);
  }
  if (exchange->unsent_bytes() > 0) {
    SendLater(exchange);
  }
  return {};
}

}  // namespace socle::server::http
