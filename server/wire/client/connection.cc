#include "server/wire/client/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/client_loop.h"
#include "server/wire/client/tls_session.h"

namespace socle::server {
namespace {

constexpr size_t kOutputBatchBytes = 64 * 1024;
constexpr int32_t kStreamWindowBytes = 4 << 20;
constexpr int32_t kConnectionWindowBytes = 64 << 20;
constexpr int kReadsPerTurn = 4;
constexpr size_t kTlsReadBytes = 128 * 1024;
constexpr std::string_view kPerhapsTls = "if it speaks TLS, its endpoint begins with https://";
constexpr char kTlsAlert = 0x15;  // first byte of a record

const uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

// nghttp2 promises not to write through the pointers, though their type allows it.
nghttp2_nv Field(std::string_view name, std::string_view value) {
  return {const_cast<uint8_t*>(Bytes(name)), const_cast<uint8_t*>(Bytes(value)), name.size(),
          value.size(), NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

nghttp2_nv CopiedField(std::string_view name, std::string_view value) {
  nghttp2_nv field = Field(name, value);
  field.flags = NGHTTP2_NV_FLAG_NONE;
  return field;
}

std::string_view View(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// A small non-negative number, or -1.
int ParseNumber(std::string_view text) {
  int number = -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() ? number : -1;
}

// Of a server whose first bytes are not HTTP/2.
std::string WhyNoHttp2(std::string_view first_bytes) {
  if (first_bytes.front() == kTlsAlert) {
    return fmt::format("the server answers in TLS: {}", kPerhapsTls);
  }
  if (first_bytes.starts_with("HTTP/")) {
    return "the server answers in HTTP/1: this is no gRPC endpoint, or its endpoint begins with "
           "https://";
  }
  return "the server does not answer in HTTP/2: this is no gRPC endpoint";
}

}  // namespace

Connection::Connection(ClientLoop* loop, Channel* channel) : loop_(loop), channel_(channel) {}

Connection::~Connection() {
  Close();
}

void Connection::Begin() {
  const Endpoint& endpoint = channel_->endpoint_;
  fd_ = ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ >= 0) {
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    ::setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    const int rc =
        ::connect(fd_, reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.address_size);
    if ((rc == 0 || errno == EINPROGRESS) && loop_->Watch(fd_, EPOLLOUT, this)) {
      return;
    }
  }
  // Later: the channel must not hear of it while it starts a call.
  loop_->RunAt(
      0, [this, text = std::string(::strerror(errno))] { Break(absl::UnavailableError(text)); });
}

void Connection::OnReady(uint32_t events) {
  if (state_ == State::kBroken) {
    return;
  }
  if (state_ == State::kConnecting) {
    FinishConnect();
    return;
  }
  if (state_ == State::kHandshaking) {
    ShakeHands();
    return;
  }
  if (tls_ != nullptr || (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
    ReadAll();
  }
  if (state_ != State::kBroken && (events & EPOLLOUT) != 0) {
    WriteLater();
  }
}

void Connection::FinishConnect() {
  int error = 0;
  socklen_t size = sizeof(error);
  CHECK_EQ(::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size), 0);
  if (error != 0) {
    Break(absl::UnavailableError(::strerror(error)));
    return;
  }
  const Endpoint& endpoint = channel_->endpoint_;
  if (endpoint.tls == nullptr) {
    BeginToTalk();
    return;
  }
  tls_ = std::make_unique<TlsSession>(endpoint.tls, endpoint.host, fd_);
  state_ = State::kHandshaking;
  ShakeHands();
}

void Connection::ShakeHands() {
  switch (tls_->ShakeHands()) {
    case TlsSession::State::kDone:
      BeginToTalk();
      return;
    case TlsSession::State::kEnded:
      Break(absl::UnavailableError(tls_->why_ended()));
      return;
    case TlsSession::State::kWantsRead:
      loop_->ChangeWatch(fd_, EPOLLIN, this);
      return;
    case TlsSession::State::kWantsWrite:
      loop_->ChangeWatch(fd_, EPOLLOUT, this);
  }
}

void Connection::BeginToTalk() {
  state_ = State::kOpen;
  StartSession();
  loop_->ChangeWatch(fd_, EPOLLIN, this);
  WriteLater();
  channel_->OnConnected(this);
}

void Connection::StartSession() {
  nghttp2_session_callbacks* callbacks = nullptr;
  CHECK_EQ(nghttp2_session_callbacks_new(&callbacks), 0);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnDataChunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnStreamClose);
  nghttp2_option* option = nullptr;
  CHECK_EQ(nghttp2_option_new(&option), 0);
  nghttp2_option_set_no_closed_streams(option, 1);
  CHECK_EQ(nghttp2_session_client_new2(&session_, callbacks, this, option), 0);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindowBytes}};
  CHECK_EQ(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings)), 0);
  CHECK_EQ(
      nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes),
      0);
}

void Connection::Submit(Call* call) {
  nghttp2_nv fixed[8] = {Field(":method", "POST"),
                         Field(":scheme", tls_ == nullptr ? "http" : "https"),
                         Field(":path", call->path),
                         Field(":authority", channel_->endpoint_.authority),
                         Field("content-type", "application/grpc"),
                         Field("te", "trailers"),
                         Field("user-agent", "socle-client/1"),
                         Field("grpc-timeout", call->timeout_header)};
  size_t count = call->timeout_header.empty() ? 7 : 8;
  const nghttp2_nv* fields = fixed;
  std::vector<nghttp2_nv> with_metadata;
  const Metadata& of_all = channel_->endpoint_.metadata;
  if (!call->metadata.empty() || !of_all.empty()) {
    with_metadata.assign(fixed, fixed + count);
    for (const Metadata* some : {&of_all, &std::as_const(call->metadata)}) {
      for (const auto& [name, value] : *some) {
        with_metadata.push_back(CopiedField(name, value));
      }
    }
    fields = with_metadata.data();
    count = with_metadata.size();
  }
  nghttp2_data_provider body{};
  body.source.ptr = call;
  body.read_callback = ReadRequest;
  calls_.PushBack(call);
  call->connection = this;
  call->stream_id = nghttp2_submit_request(session_, nullptr, fields, count, &body, call);
  if (call->stream_id < 0) {
    // Stream ids are used up (about a billion calls): finish what is running, the next call opens a
    // new connection.
    state_ = State::kDraining;
    loop_->RunAt(0, [channel = channel_, call] {
      channel->Complete(call, absl::UnavailableError("the connection takes no more calls"));
    });
    return;
  }
  WriteLater();
}

void Connection::Resume(Call* call) {
  if (call->is_deferred) {
    call->is_deferred = false;
    // Fails only when the stream is being closed: then nobody wants the bytes.
    nghttp2_session_resume_data(session_, call->stream_id);
    WriteLater();
  }
}

void Connection::Reset(Call* call, uint32_t http2_error) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, call->stream_id, http2_error);
  WriteLater();
}

ssize_t Connection::ReadSome(std::span<char> buffer) {
  if (tls_ != nullptr) {
    // A record holds 16 KiB at most: several of them at a time.
    size_t got = 0;
    TlsSession::Result result;
    while (got < kTlsReadBytes &&
           (result = tls_->Read(buffer.subspan(got))).state == TlsSession::State::kDone) {
      got += result.bytes;
    }
    if (got == 0 && result.state == TlsSession::State::kEnded) {
      Break(absl::UnavailableError(goaway_text_.empty() ? tls_->why_ended() : goaway_text_));
      return -1;
    }
    return static_cast<ssize_t>(got);
  }
  const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (got > 0) {
    return got;
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    return 0;
  }
  const bool is_told = got == 0 || (errno == ECONNRESET && !has_heard_);
  Break(absl::UnavailableError(is_told ? WhyClosed() : ::strerror(errno)));
  return -1;
}

ssize_t Connection::WriteSome(std::string_view bytes) {
  if (tls_ != nullptr) {
    const TlsSession::Result result = tls_->Write(bytes);
    if (result.state == TlsSession::State::kEnded) {
      Break(absl::UnavailableError(tls_->why_ended()));
      return -1;
    }
    return static_cast<ssize_t>(result.bytes);
  }
  const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    Break(absl::UnavailableError(::strerror(errno)));
    return -1;
  }
  return std::max<ssize_t>(sent, 0);
}

std::string Connection::WhyClosed() const {
  if (!goaway_text_.empty()) {
    return goaway_text_;
  }
  return has_heard_ ? "closed by the server"
                    : fmt::format("closed by the server before it said anything: {}", kPerhapsTls);
}

void Connection::ReadAll() {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    std::vector<char>& buffer = loop_->read_buffer_;
    const ssize_t got = ReadSome(buffer);
    if (got < 0) {
      return;
    }
    if (got == 0) {
      break;
    }
    const std::string_view bytes(buffer.data(), static_cast<size_t>(got));
    // A server begins with a SETTINGS frame, and that with a length of less than 64 KiB in three bytes.
    if (!has_bytes_ && bytes.front() != 0) {
      Break(absl::UnavailableError(WhyNoHttp2(bytes)));
      return;
    }
    has_bytes_ = true;
    const ssize_t used = nghttp2_session_mem_recv(session_, Bytes(bytes), bytes.size());
    if (used < 0) {
      Break(absl::UnavailableError(
          fmt::format("HTTP/2 error: {}", nghttp2_strerror(static_cast<int>(used)))));
      return;
    }
    if (tls_ == nullptr && bytes.size() < buffer.size()) {
      break;
    }
  }
  // Acknowledgements and window updates.
  if (nghttp2_session_want_write(session_) != 0) {
    WriteLater();
  }
  CheckDrained();
}

void Connection::WriteLater() {
  if (!is_dirty_) {
    is_dirty_ = true;
    loop_->MarkDirty(this);
  }
}

bool Connection::CollectOutput() {
  while (out_.size() < kOutputBatchBytes) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size < 0) {
      return false;
    }
    if (size == 0) {
      break;
    }
    out_.append(View(bytes, static_cast<size_t>(size)));
  }
  return true;
}

void Connection::Flush() {
  is_dirty_ = false;
  if (state_ == State::kBroken || is_connecting()) {
    return;
  }
  while (true) {
    if (!CollectOutput()) {
      Break(absl::UnavailableError("HTTP/2 session failed to write"));
      return;
    }
    if (out_.empty()) {
      break;
    }
    const ssize_t sent = WriteSome(std::string_view(out_).substr(out_sent_));
    if (sent < 0) {
      return;
    }
    if (sent == 0) {
      UpdateWatch(true);
      return;
    }
    out_sent_ += static_cast<size_t>(sent);
    if (out_sent_ == out_.size()) {
      out_.clear();
      out_sent_ = 0;
    }
  }
  UpdateWatch(false);
  CheckDrained();
}

void Connection::UpdateWatch(bool wants_write) {
  if (wants_write != wants_write_) {
    wants_write_ = wants_write;
    loop_->ChangeWatch(fd_, wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN, this);
  }
}

void Connection::CheckDrained() {
  if (state_ == State::kDraining && calls_.empty()) {
    Break(absl::UnavailableError("drained"));
  }
}

void Connection::Break(const absl::Status& why) {
  Close();
  channel_->OnBroken(this, absl::UnavailableError(fmt::format(
                               "connection to {}: {}", channel_->authority(), MessageOf(why))));
}

void Connection::Close() {
  state_ = State::kBroken;
  if (fd_ >= 0) {
    loop_->Unwatch(fd_);
    ::close(fd_);
    fd_ = -1;
  }
  tls_.reset();
  nghttp2_session_del(session_);
  session_ = nullptr;
}

ssize_t Connection::ReadRequest(nghttp2_session* /*session*/, int32_t /*stream_id*/, uint8_t* buf,
                                size_t length, uint32_t* data_flags, nghttp2_data_source* source,
                                void* /*user*/) {
  Call* call = static_cast<Call*>(source->ptr);
  const size_t size = std::min(length, call->request.size() - call->request_sent);
  if (size == 0 && !call->is_half_closed) {
    call->is_deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  std::memcpy(buf, call->request.data() + call->request_sent, size);
  call->request_sent += size;
  if (call->request_sent == call->request.size()) {
    call->request.clear();
    call->request_sent = 0;
    if (call->is_half_closed) {
      *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    }
  }
  return static_cast<ssize_t>(size);
}

int Connection::OnHeader(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                         size_t name_size, const uint8_t* value, size_t value_size,
                         uint8_t /*flags*/, void* /*user*/) {
  const std::string_view key = View(name, name_size);
  if (key != "grpc-status" && key != "grpc-message" && key != ":status") {
    return 0;
  }
  auto* call =
      static_cast<Call*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
  if (call == nullptr) {
    return 0;
  }
  const std::string_view text = View(value, value_size);
  if (key == "grpc-status") {
    // What is not a number counts as Unknown (2).
    const int code = ParseNumber(text);
    call->outcome.grpc_status = code < 0 ? 2 : code;
  } else if (key == "grpc-message") {
    call->outcome.grpc_message = DecodeGrpcMessage(text);
  } else {
    call->outcome.http_status = ParseNumber(text);
  }
  return 0;
}

int Connection::OnDataChunk(nghttp2_session* session, uint8_t /*flags*/, int32_t stream_id,
                            const uint8_t* bytes, size_t size, void* /*user*/) {
  auto* call = static_cast<Call*>(nghttp2_session_get_stream_user_data(session, stream_id));
  if (call == nullptr || call->is_abandoned) {
    return 0;
  }
  call->response.append(View(bytes, size));
  if (call->stream != nullptr) {
    call->channel->OnMessageBytes(call);
  }
  return 0;
}

int Connection::OnFrame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
  auto* self = static_cast<Connection*>(user);
  if (frame->hd.type == NGHTTP2_SETTINGS) {
    self->has_heard_ = true;
    self->channel_->OnServerSpoke();
  } else if (frame->hd.type == NGHTTP2_GOAWAY && self->state_ == State::kOpen) {
    self->state_ = State::kDraining;
    const nghttp2_goaway& goaway = frame->goaway;
    self->goaway_text_ = fmt::format(
        "the server asked to leave ({}{}{})", nghttp2_http2_strerror(goaway.error_code),
        goaway.opaque_data_len > 0 ? ": " : "", View(goaway.opaque_data, goaway.opaque_data_len));
  }
  return 0;
}

int Connection::OnStreamClose(nghttp2_session* session, int32_t stream_id, uint32_t error_code,
                              void* /*user*/) {
  auto* call = static_cast<Call*>(nghttp2_session_get_stream_user_data(session, stream_id));
  if (call != nullptr) {
    call->outcome.http2_error = error_code;
    call->channel->Complete(call, StatusOf(call->outcome));
  }
  return 0;
}

}  // namespace socle::server
