#include "server/wire/client/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
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
constexpr int kReadsPerTurn = 4;
constexpr size_t kTlsReadBytes = 128 * 1024;
constexpr std::string_view kPerhapsTls = "if it speaks TLS, its endpoint begins with https://";
constexpr char kTlsAlert = 0x15;  // first byte of a record

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
  CallSessionHost* const host = this;
  session_ = std::make_unique<CallSession>(host, channel_->endpoint_.authority,
                                           channel_->endpoint_.metadata, tls_ != nullptr);
  loop_->ChangeWatch(fd_, EPOLLIN, this);
  WriteLater();
  channel_->OnConnected(this);
}

void Connection::Submit(Call* call) {
  if (!session_->Begin(call)) {
    // Finish what is running; this one and the next go to a new connection.
    state_ = State::kDraining;
    WriteLater();
    channel_->StartCall(call);
    return;
  }
  calls_.PushBack(call);
  call->connection = this;
}

void Connection::Resume(Call* call) {
  if (session_ != nullptr) {  // broken: its calls are being told, and one may act on another
    session_->Resume(call);
  }
}

void Connection::Reset(Call* call) {
  if (session_ != nullptr) {
    session_->Reset(call);
  }
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
    if (const absl::Status received = session_->Receive(bytes); !received.ok()) {
      Break(received);
      return;
    }
    if (tls_ == nullptr && bytes.size() < buffer.size()) {
      break;
    }
  }
  CheckDrained();
}

void Connection::WriteLater() {
  if (!is_dirty_) {
    is_dirty_ = true;
    loop_->MarkDirty(this);
  }
}

void Connection::Flush() {
  is_dirty_ = false;
  if (state_ == State::kBroken || is_connecting()) {
    return;
  }
  while (true) {
    session_->Collect(kOutputBatchBytes, &out_);
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
  session_.reset();
}

void Connection::OnServerSpoke() {
  has_heard_ = true;
  channel_->OnServerSpoke();
}

void Connection::OnServerLeaves(std::string why) {
  if (state_ == State::kOpen) {
    state_ = State::kDraining;
    goaway_text_ = std::move(why);
  }
}

}  // namespace socle::server
