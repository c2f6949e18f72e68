#include "server/wire/http/http2_session.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "kv/base/probe.h"

namespace socle::server::http {
namespace {

constexpr std::string_view kPingPayload = "socle-kv";
constexpr int kOk = 200;

}  // namespace

Http2Session::Http2Session(SessionHost* host, Handler* handler, const Limits* limits)
    : Session(host, handler, limits),
      reader_(/*expects_preface=*/true),
      head_(limits),
      receive_window_(std::max<int64_t>(limits->connection_window_bytes, http2::kWindowDefault)),
      head_since_nanos_(host->loop()->now_nanos()),
      last_heard_nanos_(head_since_nanos_),
      lingering_(limits->linger_timeout_nanos) {
  const std::array settings = {
      http2::Setting{http2::SettingId::kMaxConcurrentStreams, limits->streams_max},
      http2::Setting{http2::SettingId::kInitialWindowSize, limits->stream_window_bytes},
      http2::Setting{http2::SettingId::kMaxHeaderListSize, limits->header_bytes_max}};
  http2::AppendSettings(settings, Say());
  if (const int64_t more = receive_window_ - http2::kWindowDefault; more > 0) {
    http2::AppendWindowUpdate(0, static_cast<uint32_t>(more), Say());
  }
}

Http2Session::~Http2Session() {
  while (!streams_.empty()) {
    CloseStream(streams_.begin()->second);
  }
}

bool Http2Session::Receive(std::string_view bytes) {
  if (is_cut_off_) {
    return false;
  }
  last_heard_nanos_ = host_->loop()->now_nanos();
  keepalive_sent_nanos_ = Loop::kNever;
  const uint64_t units = reader_.units();
  const ConnectionError error = reader_.Receive(bytes, this);
  if (!error.ok()) {
    PROBE("http2: a client that breaks the protocol is cut off");
    is_cut_off_ = true;
    http2::AppendGoaway(last_stream_, error.code, error.why, Say());
    return false;
  }
  NoteTime(units);
  return true;
}

// A head that has begun is to end in time, counted from its own beginning.
void Http2Session::NoteTime(uint64_t units_before) {
  if (!reader_.has_settings()) {
    return;
  }
  if (!reader_.is_inside_head()) {
    head_since_nanos_ = Loop::kNever;
  } else if (head_since_nanos_ == Loop::kNever || reader_.units() != units_before) {
    head_since_nanos_ = last_heard_nanos_;
  }
}

void Http2Session::SetHeldBack(bool is_held_back) {
  is_held_back_ = is_held_back;
  if (head_since_nanos_ != Loop::kNever) {
    head_since_nanos_ = host_->loop()->now_nanos();
  }
}

std::string* Http2Session::Say() {
  if (out_ != nullptr) {
    return out_;
  }
  ++pending_frames_;
  host_->OutputReady();
  return &pending_;
}

bool Http2Session::CollectOutput(std::string* out) {
  out_ = out;
  out->append(pending_);
  pending_.clear();
  if (pending_.capacity() > kOutputBatchBytes) {
    pending_.shrink_to_fit();
  }
  pending_frames_ = 0;
  for (bool goes_on = true; goes_on;) {
    while (out->size() < kOutputBatchBytes) {
      if (send_window_ > 0 && !blocked_.empty()) {
        sending_.PushBack(blocked_.front());
      }
      if (sending_.empty()) {
        break;
      }
      SendSome(sending_.front());
    }
    const std::vector<std::shared_ptr<Exchange>> writable = std::exchange(writable_, {});
    for (const std::shared_ptr<Exchange>& exchange : writable) {
      if (const std::shared_ptr<Receiver> receiver = exchange->receiver_; receiver != nullptr) {
        receiver->OnWritable();
      }
    }
    goes_on = !writable.empty() && out->size() < kOutputBatchBytes;
  }
  out_ = nullptr;
  return true;
}

bool Http2Session::wants_close() const {
  return is_cut_off_ || ((is_stopping_ || is_client_leaving_) && !has_exchanges());
}

void Http2Session::BeginStop() {
  if (is_stopping_) {
    return;
  }
  is_stopping_ = true;
  http2::AppendGoaway(last_stream_, ErrorCode::kNoError, {}, Say());
  StopReceivers();
}

int64_t Http2Session::head_due_nanos() const {
  return head_since_nanos_ == Loop::kNever || is_held_back_
             ? Loop::kNever
             : head_since_nanos_ + limits_->head_timeout_nanos;
}

int64_t Http2Session::keepalive_due_nanos() const {
  if (limits_->keepalive_interval_nanos == 0) {
    return Loop::kNever;
  }
  return keepalive_sent_nanos_ != Loop::kNever
             ? keepalive_sent_nanos_ + limits_->keepalive_timeout_nanos
             : last_heard_nanos_ + limits_->keepalive_interval_nanos;
}

int64_t Http2Session::next_time_nanos() const {
  return std::min({head_due_nanos(), keepalive_due_nanos(), lingering_.due_nanos()});
}

bool Http2Session::OnTime(int64_t now_nanos) {
  while (const uint32_t overdue = lingering_.TakeOverdue(now_nanos)) {
    ResetUnwanted(overdue);
  }
  if (now_nanos >= head_due_nanos()) {
    PROBE("http2: a head that does not end is cut off");
    return false;
  }
  if (now_nanos < keepalive_due_nanos()) {
    return true;
  }
  if (keepalive_sent_nanos_ != Loop::kNever) {
    PROBE("http2: a client that does not answer a ping is cut off");
    return false;
  }
  keepalive_sent_nanos_ = now_nanos;
  http2::AppendPing(kPingPayload, /*is_ack=*/false, Say());
  return true;
}

// What the server says.

void Http2Session::HeadReady(Exchange* exchange, int status, Fields fields, bool is_end) {
  if (exchange->stream_.has_ended) {
    return;
  }
  std::string* const out = Say();
  const size_t begun_at = http2::BeginHead(out);
  encoder_.Begin(out);
  if (status == kOk) {
    encoder_.Add(http2::StaticField::kStatus200, out);
  } else {
    std::array<char, 8> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), status);
    encoder_.Add(":status", std::string_view(digits.data(), end.ptr), false, out);
  }
  for (const Field& field : fields) {
    encoder_.Add(field.name, field.value, field.is_constant, out);
  }
  SayHead(exchange->stream_.id, begun_at, is_end, out);
  exchange->stream_.has_ended = is_end;
  if (is_end || exchange->unsent_bytes() > 0) {
    SendLater(exchange);
  }
}

void Http2Session::SayHead(uint32_t stream, size_t begun_at, bool is_end, std::string* out) {
  http2::EndHead(begun_at, stream, is_end, send_frame_bytes_, out);
  has_answered_since_ping_ = true;
}

void Http2Session::DataReady(Exchange* exchange) {
  SendLater(exchange);
}

void Http2Session::FinishReady(Exchange* exchange) {
  SendLater(exchange);
}

void Http2Session::ResetReady(Exchange* exchange, uint32_t http2_error) {
  if (exchange->stream_.has_ended) {
    return;
  }
  http2::AppendReset(exchange->stream_.id, static_cast<ErrorCode>(http2_error), Say());
  exchange->stream_.has_ended = true;
  exchange->stream_.is_reset = true;
  sending_.PushBack(exchange);  // whatever it waited for
  host_->OutputReady();
}

void Http2Session::SendLater(Exchange* exchange) {
  if (!exchange->linked()) {
    sending_.PushBack(exchange);
  }
  host_->OutputReady();
}

// A frame of it, and its end when that has come.
void Http2Session::SendSome(Exchange* exchange) {
  exchange->Unlink();
  Exchange::Stream& stream = exchange->stream_;
  if (stream.has_ended) {
    FinishStream(exchange);
    return;
  }
  if (!exchange->has_head_) {
    return;  // which is what the client wants to see first
  }
  if (stream.wants_no_body) {
    exchange->Skip();
  }
  const size_t waiting = exchange->unsent_bytes();
  if (waiting > 0 && stream.send_window <= 0) {
    PROBE("http2: a stream waits for its window");
    return;
  }
  if (waiting > 0 && send_window_ <= 0) {
    PROBE("http2: streams wait for the connection's window");
    blocked_.PushBack(exchange);
    return;
  }
  const size_t size =
      http2::SendableBytes(waiting, send_frame_bytes_, stream.send_window, send_window_);
  const bool is_last = size == waiting && exchange->is_all_made();
  const bool has_trailers =
      is_last && (!exchange->trailers_.empty() || !exchange->constant_trailers_.empty());
  if (size > 0 || (is_last && !has_trailers)) {
    const uint8_t flags = is_last && !has_trailers ? http2::kFlagEndStream : 0;
    http2::AppendFrameHead({.size = static_cast<uint32_t>(size),
                            .type = http2::FrameType::kData,
                            .flags = flags,
                            .stream = stream.id},
                           out_);
    has_answered_since_ping_ = true;
  }
  if (size > 0) {
    stream.send_window -= static_cast<int64_t>(size);
    send_window_ -= static_cast<int64_t>(size);
    exchange->Take(size, out_);
  }
  if (is_last) {
    if (has_trailers) {
      SayTrailers(exchange);
    }
    FinishStream(exchange);
    return;
  }
  if (exchange->unsent_bytes() > 0) {
    sending_.PushBack(exchange);
  }
  if (exchange->wants_writable_ && exchange->unsent_bytes() < Exchange::kBacklogLow) {
    exchange->wants_writable_ = false;
    writable_.push_back(exchange->shared_from_this());
  }
}

void Http2Session::SayTrailers(Exchange* exchange) {
  const size_t begun_at = http2::BeginHead(out_);
  encoder_.Begin(out_);
  for (const Field& field : exchange->constant_trailers_) {
    encoder_.Add(field.name, field.value, true, out_);
  }
  for (const auto& [name, value] : exchange->trailers_) {
    encoder_.Add(name, value, false, out_);
  }
  SayHead(exchange->stream_.id, begun_at, true, out_);
}

// All is said.
void Http2Session::FinishStream(Exchange* exchange) {
  if (!exchange->has_body_ended_ && !exchange->stream_.is_reset) {
    Linger(exchange->stream_);
  }
  CloseStream(exchange);
}

// Its client may say the rest, as much as its window has; nobody hears it.
void Http2Session::Linger(const Exchange::Stream& stream) {
  PROBE("http2: answered before the request has ended");
  int64_t window = std::max(stream.receive_window, LingeringStreams::kWindowMin);
  if (const int64_t missing = window - stream.receive_window; missing > 0) {
    http2::AppendWindowUpdate(stream.id, static_cast<uint32_t>(missing), out_);
  }
  if (!are_settings_known_) {
    window += limits_->stream_window_bytes;  // more than it will grow by
  }
  ResetUnwanted(lingering_.Add(stream.id, window, host_->loop()->now_nanos()));
}

// What is left of a request that was answered (RFC 9113 8.1).
void Http2Session::ResetUnwanted(uint32_t stream) {
  if (stream != 0) {
    http2::AppendReset(stream, ErrorCode::kNoError, Say());
  }
}

void Http2Session::CloseStream(Exchange* exchange) {
  streams_.erase(exchange->stream_.id);
  exchange->Unlink();
  CloseExchange(exchange);
  if (is_stopping_ || is_client_leaving_) {
    host_->OutputReady();  // it may have been what the end waited for
  }
}

http2::ConnectionError Http2Session::CutStream(Exchange* exchange, ErrorCode code) {
  PROBE("http2: a stream's client does something wrong");
  http2::AppendReset(exchange->stream_.id, code, Say());
  CloseStream(exchange);
  return NoteWaste();  // the same to the server as a reset by the client (CVE-2025-8671)
}

void Http2Session::GiveBack(Exchange* exchange, size_t bytes) {
  Exchange::Stream& stream = exchange->stream_;
  stream.unreported += static_cast<uint32_t>(bytes);
  if (exchange->has_body_ended_ || stream.unreported == 0 ||
      stream.unreported < limits_->stream_window_bytes / 2) {
    return;
  }
  stream.receive_window += stream.unreported;
  http2::AppendWindowUpdate(stream.id, std::exchange(stream.unreported, 0), Say());
}

void Http2Session::BodyResumed(Exchange* exchange) {
  GiveBack(exchange, std::exchange(exchange->stream_.body_unconsumed, 0));
}

}  // namespace socle::server::http
