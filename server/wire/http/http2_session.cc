#include "server/wire/http/http2_session.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <utility>

#include "kv/base/check.h"
#include "kv/base/probe.h"

namespace socle::server::http {
namespace {

// Streams a client may reset at once, and per second from then on.
constexpr uint64_t kResetBurst = 1'000;
constexpr uint64_t kResetRate = 100;
constexpr size_t kContinuationsMax = 16;
constexpr size_t kFieldOverheadBytes = 32;  // RFC 9113 6.5.2

const uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

std::string_view View(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// nghttp2 promises not to write through the pointers, though their type allows it.
nghttp2_nv FieldOf(std::string_view name, std::string_view value, bool is_constant) {
  const uint8_t flags = is_constant ? NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE
                                    : NGHTTP2_NV_FLAG_NONE;
  return {const_cast<uint8_t*>(Bytes(name)), const_cast<uint8_t*>(Bytes(value)), name.size(),
          value.size(), flags};
}

Http2Session* Self(void* user) {
  return static_cast<Http2Session*>(user);
}

Exchange* ExchangeOf(nghttp2_session* session, int32_t stream_id) {
  return static_cast<Exchange*>(nghttp2_session_get_stream_user_data(session, stream_id));
}

}  // namespace

Http2Session::Http2Session(SessionHost* host, Handler* handler, const Limits* limits)
    : Session(host, handler, limits),
      checks_heads_(host->is_local()),
      head_since_nanos_(host->loop()->now_nanos()),
      last_heard_nanos_(head_since_nanos_) {
  nghttp2_session_callbacks* callbacks = nullptr;
  CHECK_EQ(nghttp2_session_callbacks_new(&callbacks), 0);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, OnFrameSent);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnDataChunk);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnStreamClose);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, SendBody);
  nghttp2_option* option = nullptr;
  CHECK_EQ(nghttp2_option_new(&option), 0);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_no_auto_window_update(option, 1);
  // Never reached: NoteReset is stricter, and says ENHANCE_YOUR_CALM.
  nghttp2_option_set_stream_reset_rate_limit(option, 1'000 * kResetBurst, 1'000 * kResetRate);
  nghttp2_option_set_max_continuations(option, kContinuationsMax);
  // nghttp2 refuses a path as an authority; its rules of messages can only be switched off together.
  nghttp2_option_set_no_http_messaging(option, checks_heads_ ? 1 : 0);
  CHECK_EQ(nghttp2_session_server_new2(&session_, callbacks, this, option), 0);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const std::array settings = {
      nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams_max},
      nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window_bytes},
      nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_bytes_max}};
  CHECK_EQ(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()),
           0);
  CHECK_EQ(
      nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                            static_cast<int32_t>(limits->connection_window_bytes)),
      0);
}

Http2Session::~Http2Session() {
  CloseAll();
  nghttp2_session_del(session_);
}

bool Http2Session::Receive(std::string_view bytes) {
  last_heard_nanos_ = host_->loop()->now_nanos();
  keepalive_sent_nanos_ = Loop::kNever;
  const ssize_t used = nghttp2_session_mem_recv(session_, Bytes(bytes), bytes.size());
  if (used < 0) {
    PROBE("http2: a client that does not speak HTTP/2 is cut off");
    return false;
  }
  if (nghttp2_session_want_write(session_) != 0) {
    host_->OutputReady();
  }
  return !is_cut_off_;
}

bool Http2Session::CollectOutput(std::string* out) {
  out_ = out;
  for (bool goes_on = true; goes_on;) {
    while (out->size() < kOutputBatchBytes) {
      const uint8_t* bytes = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
      if (size < 0) {
        return false;
      }
      if (size == 0) {
        break;
      }
      out->append(View(bytes, static_cast<size_t>(size)));
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
  return (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0) ||
         (is_stopping_ && !has_exchanges());
}

void Http2Session::BeginStop() {
  if (is_stopping_) {
    return;
  }
  is_stopping_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
  StopReceivers();
  host_->OutputReady();
}

int64_t Http2Session::next_time_nanos() const {
  int64_t due = Loop::kNever;
  if (head_since_nanos_ != Loop::kNever) {
    due = head_since_nanos_ + limits_->head_timeout_nanos;
  }
  if (limits_->keepalive_interval_nanos > 0) {
    due = std::min(due, keepalive_sent_nanos_ != Loop::kNever
                            ? keepalive_sent_nanos_ + limits_->keepalive_timeout_nanos
                            : last_heard_nanos_ + limits_->keepalive_interval_nanos);
  }
  return due;
}

bool Http2Session::OnTime(int64_t now_nanos) {
  if (head_since_nanos_ != Loop::kNever &&
      now_nanos >= head_since_nanos_ + limits_->head_timeout_nanos) {
    PROBE("http2: a head that does not end is cut off");
    return false;
  }
  if (keepalive_sent_nanos_ != Loop::kNever) {
    PROBE("http2: a client that does not answer a ping is cut off");
    return now_nanos < keepalive_sent_nanos_ + limits_->keepalive_timeout_nanos;
  }
  keepalive_sent_nanos_ = now_nanos;
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  host_->OutputReady();
  return true;
}

void Http2Session::BeginExchange(int32_t stream_id, bool has_body_ended) {
  if (is_stopping_ || is_cut_off_ || has_too_much_backlog()) {
    PROBE("http2: a stream is refused");
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_REFUSED_STREAM);
    return;
  }
  if (checks_heads_ && (request_.method().empty() || request_.target().empty())) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_PROTOCOL_ERROR);
    return;
  }
  const std::shared_ptr<Exchange> exchange = NewExchange();
  exchange->stream_id_ = stream_id;
  exchange->has_body_ended_ = has_body_ended;
  nghttp2_session_set_stream_user_data(session_, stream_id, exchange.get());
  if (request_bytes_ > limits_->header_bytes_max) {
    PROBE("http2: request head too large");
    exchange->Respond(431, {}, {});
    return;
  }
  exchange->receiver_ = handler_->Begin(request_, exchange);
  if (has_body_ended && exchange->receiver_ != nullptr) {
    const std::shared_ptr<Receiver> receiver = exchange->receiver_;
    receiver->OnBodyEnd();
  }
}

void Http2Session::EndBody(Exchange* exchange) {
  exchange->has_body_ended_ = true;
  if (const std::shared_ptr<Receiver> receiver = exchange->receiver_; receiver != nullptr) {
    receiver->OnBodyEnd();
  }
}

void Http2Session::HeadReady(Exchange* exchange, int status, Fields fields, bool is_end) {
  std::array<char, 8> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), status);
  fields_.clear();
  if (status == 200) {
    fields_.push_back(FieldOf(":status", "200", true));
  } else {
    fields_.push_back(FieldOf(":status", std::string_view(digits.data(), end.ptr), false));
  }
  for (const Field& field : fields) {
    fields_.push_back(FieldOf(field.name, field.value, field.is_constant));
  }
  nghttp2_data_provider body{{.ptr = exchange}, ReadBody};
  // Fails only when the stream is being closed: then nobody wants the answer.
  nghttp2_submit_response(session_, exchange->stream_id_, fields_.data(), fields_.size(),
                          is_end ? nullptr : &body);
  host_->OutputReady();
}

void Http2Session::DataReady(Exchange* exchange) {
  Resume(exchange);
}

void Http2Session::FinishReady(Exchange* exchange) {
  Resume(exchange);
}

void Http2Session::Resume(Exchange* exchange) {
  if (exchange->is_deferred_) {
    exchange->is_deferred_ = false;
    nghttp2_session_resume_data(session_, exchange->stream_id_);
  }
  host_->OutputReady();
}

void Http2Session::ResetReady(Exchange* exchange, uint32_t http2_error) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, exchange->stream_id_, http2_error);
  host_->OutputReady();
}

void Http2Session::BodyResumed(Exchange* exchange) {
  const size_t bytes = std::exchange(exchange->body_unconsumed_, 0);
  if (bytes > 0) {
    nghttp2_session_consume_stream(session_, exchange->stream_id_, bytes);
    host_->OutputReady();
  }
}

void Http2Session::NotePing() {
  const PingPolicy& policy = limits_->pings;
  if (policy.min_interval_nanos <= 0) {
    return;
  }
  const int64_t now = host_->loop()->now_nanos();
  const int64_t since = now - std::exchange(last_ping_nanos_, now);
  if (std::exchange(has_answered_since_ping_, false)) {
    ping_strikes_ = 0;
    return;
  }
  const int64_t wanted =
      has_exchanges() ? policy.min_interval_nanos : policy.min_interval_idle_nanos;
  if (since < wanted && ++ping_strikes_ > policy.strikes_max) {
    PROBE("http2: too many pings");
    CutOff("too_many_pings");
  }
}

void Http2Session::NoteReset() {
  const int64_t now = host_->loop()->now_nanos();
  const auto forgiven = static_cast<uint64_t>(std::max<int64_t>(0, now - resets_since_nanos_)) *
                        kResetRate / kNanosPerSecond;
  if (forgiven > 0) {
    resets_ -= std::min(resets_, forgiven);
    resets_since_nanos_ = now;
  }
  if (++resets_ > kResetBurst && !is_cut_off_) {
    PROBE("http2: too many resets");
    CutOff("too_many_resets");
  }
}

void Http2Session::CutOff(std::string_view why) {
  is_cut_off_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_ENHANCE_YOUR_CALM, Bytes(why), why.size());
}

int Http2Session::OnBeginHeaders(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                                 void* user) {
  Http2Session* const self = Self(user);
  self->head_since_nanos_ = self->last_heard_nanos_;
  self->request_bytes_ = 0;
  if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    self->request_.Clear(Version::kHttp2);
  }
  return 0;
}

int Http2Session::OnHeader(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                           const uint8_t* name, size_t name_size, const uint8_t* value,
                           size_t value_size, uint8_t /*flags*/, void* user) {
  Http2Session* const self = Self(user);
  self->request_bytes_ += name_size + value_size + kFieldOverheadBytes;
  if (self->request_bytes_ > self->limits_->header_bytes_max ||
      frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
    return 0;
  }
  const std::string_view key = View(name, name_size);
  const std::string_view text = View(value, value_size);
  if (self->checks_heads_ && (nghttp2_check_header_name(name, name_size) == 0 ||
                              nghttp2_check_header_value(value, value_size) == 0)) {
    PROBE("http2: a bad field from a Unix socket");
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // resets the stream
  }
  if (!key.starts_with(':')) {
    self->request_.Add(key, text);
  } else if (key == ":path") {
    self->request_.SetTarget(text);
  } else if (key == ":method") {
    self->request_.SetMethod(text);
  } else if (key == ":authority") {
    self->request_.SetAuthority(text);
  }
  return 0;
}

int Http2Session::OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Http2Session* const self = Self(user);
  const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
      self->head_since_nanos_ = Loop::kNever;
      if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        self->BeginExchange(frame->hd.stream_id, is_end);
        return 0;
      }
      [[fallthrough]];
    case NGHTTP2_DATA:
      if (Exchange* const exchange = ExchangeOf(session, frame->hd.stream_id);
          exchange != nullptr && is_end) {
        self->EndBody(exchange);
      }
      return 0;
    case NGHTTP2_SETTINGS:
      if (!self->has_settings_) {
        self->has_settings_ = true;
        self->head_since_nanos_ = Loop::kNever;
      }
      return 0;
    case NGHTTP2_RST_STREAM:
      self->NoteReset();
      return 0;
    case NGHTTP2_PING:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
        self->NotePing();
      }
      return 0;
    default:
      return 0;
  }
}

int Http2Session::OnFrameSent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
    return 0;
  }
  Http2Session* const self = Self(user);
  self->has_answered_since_ping_ = true;
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
    // Answered before the request had ended: its rest is not wanted (RFC 9113 8.1).
    if (const Exchange* const exchange = ExchangeOf(session, frame->hd.stream_id);
        exchange != nullptr && !exchange->has_body_ended_) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
  }
  return 0;
}

int Http2Session::OnDataChunk(nghttp2_session* session, uint8_t /*flags*/, int32_t stream_id,
                              const uint8_t* bytes, size_t size, void* user) {
  Exchange* const exchange = ExchangeOf(session, stream_id);
  nghttp2_session_consume_connection(session, size);
  if (exchange == nullptr) {
    nghttp2_session_consume_stream(session, stream_id, size);
    return 0;
  }
  if (const std::shared_ptr<Receiver> receiver = exchange->receiver_; receiver != nullptr) {
    receiver->OnBody(View(bytes, size));
  }
  if (exchange->is_paused_) {
    exchange->body_unconsumed_ += size;
  } else {
    nghttp2_session_consume_stream(session, stream_id, size);
  }
  Self(user)->host_->OutputReady();
  return 0;
}

int Http2Session::OnStreamClose(nghttp2_session* session, int32_t stream_id,
                                uint32_t /*error_code*/, void* user) {
  if (Exchange* const exchange = ExchangeOf(session, stream_id); exchange != nullptr) {
    nghttp2_session_set_stream_user_data(session, stream_id, nullptr);
    Self(user)->CloseExchange(exchange);
  }
  return 0;
}

ssize_t Http2Session::ReadBody(nghttp2_session* /*session*/, int32_t /*stream_id*/,
                               uint8_t* /*buf*/, size_t length, uint32_t* data_flags,
                               nghttp2_data_source* source, void* user) {
  auto* const exchange = static_cast<Exchange*>(source->ptr);
  const size_t waiting = exchange->unsent_bytes();
  if (waiting == 0 && !exchange->is_finished_) {
    exchange->is_deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  const size_t size = std::min(length, waiting);
  if (size == waiting && exchange->is_finished_) {
    *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!exchange->trailers_.empty() || !exchange->constant_trailers_.empty()) {
      *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      Self(user)->SubmitTrailers(exchange);
    }
  }
  return static_cast<ssize_t>(size);
}

void Http2Session::SubmitTrailers(Exchange* exchange) {
  fields_.clear();
  for (const Field& field : exchange->constant_trailers_) {
    fields_.push_back(FieldOf(field.name, field.value, true));
  }
  for (const auto& [name, value] : exchange->trailers_) {
    fields_.push_back(FieldOf(name, value, false));
  }
  nghttp2_submit_trailer(session_, exchange->stream_id_, fields_.data(), fields_.size());
}

int Http2Session::SendBody(nghttp2_session* /*session*/, nghttp2_frame* /*frame*/,
                           const uint8_t* frame_head, size_t length, nghttp2_data_source* source,
                           void* user) {
  constexpr size_t kFrameHeadBytes = 9;
  Http2Session* const self = Self(user);
  auto* const exchange = static_cast<Exchange*>(source->ptr);
  self->out_->append(View(frame_head, kFrameHeadBytes));
  exchange->Take(length, self->out_);
  if (exchange->wants_writable_ && exchange->unsent_bytes() < Exchange::kBacklogLow) {
    exchange->wants_writable_ = false;
    self->writable_.push_back(exchange->shared_from_this());
  }
  return 0;
}

}  // namespace socle::server::http
