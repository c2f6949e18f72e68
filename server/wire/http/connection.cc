#include "server/wire/http/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "server/wire/http/http1_session.h"
#include "server/wire/http/http2_session.h"
#include "server/wire/http2/frame.h"

namespace socle::server::http {
namespace {

constexpr size_t kDecidingBytes = 3;  // no HTTP/1.1 method begins with "PRI"
constexpr int kReadsPerTurn = 4;
constexpr int kWritesPerTurn = 16;
constexpr size_t kKeptOutputBytes = 256 * 1024;
// How long what is left may take to go out when a connection ends.
constexpr int64_t kEndingNanos = 2 * kNanosPerSecond;

std::string PeerAddressOf(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return {};
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET) {
    const auto* const v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    ::inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
    return fmt::format("{}:{}", text.data(), ntohs(v4->sin_port));
  }
  if (storage.ss_family == AF_INET6) {
    const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), ntohs(v6->sin6_port));
  }
  return "unix";
}

}  // namespace

Connection::Connection(std::shared_ptr<Loop> loop, ConnectionOwner* owner, Handler* handler,
                       const Limits* limits, std::unique_ptr<ByteStream> stream)
    : loop_(std::move(loop)),
      owner_(owner),
      handler_(handler),
      limits_(limits),
      stream_(std::move(stream)),
      opened_nanos_(loop_->now_nanos()) {}

Connection::~Connection() {
  CHECK(state_ == State::kDead || watched_ == 0);
}

bool Connection::Open() {
  if (!loop_->Watch(stream_->fd(), EPOLLIN, this)) {
    return false;
  }
  watched_ = EPOLLIN;
  loop_->ChangeUsers(+1);
  SetTimer();
  return true;
}

void Connection::BeginStop() {
  is_stopping_ = true;
  if (session_ == nullptr) {
    Kill();
    return;
  }
  session_->BeginStop();
  OutputReady();
}

void Connection::Kill() {
  if (state_ == State::kDead) {
    return;
  }
  state_ = State::kDead;
  loop_->Unwatch(stream_->fd());
  loop_->ChangeUsers(-1);
  loop_->SetTimer(this, Loop::kNever);
  session_.reset();
  owner_->OnDead(this);
}

void Connection::BeginEnding() {
  state_ = State::kEnding;
  loop_->SetTimer(this, loop_->now_nanos() + kEndingNanos);
  if (!has_ended_writing_) {
    OutputReady();
  }
  Watch();
}

void Connection::OnReady(uint32_t events) {
  if (state_ == State::kDead) {
    return;
  }
  const bool is_broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  if (is_broken && !session_reads_) {
    Kill();  // nothing would be read that could tell of it, and the kernel would tell for ever
    return;
  }
  const bool can_read = (events & EPOLLIN) != 0 || is_broken;
  const bool can_write = (events & EPOLLOUT) != 0 || is_broken;
  if (is_full_ && ((can_write && !writing_wants_read_) || (can_read && writing_wants_read_))) {
    is_full_ = false;
    OutputReady();
  }
  if ((can_read && !reading_wants_write_) || (can_write && reading_wants_write_)) {
    reading_wants_write_ = false;
    if (state_ == State::kEnding) {
      // Nobody listens any more; a client that is gone needs no last words either.
      std::vector<char>& buffer = loop_->read_buffer();
      if (stream_->Read(buffer).state == ByteStream::State::kClosed) {
        Kill();
      }
      return;
    }
    ReadAll();
  }
}

void Connection::ReadAll() {
  for (int i = 0; i < kReadsPerTurn || stream_->has_buffered(); ++i) {
    if (!session_reads_ || state_ == State::kEnding) {
      break;
    }
    std::vector<char>& buffer = loop_->read_buffer();
    const ByteStream::Result read = stream_->Read(buffer);
    if (read.state == ByteStream::State::kClosed) {
      Kill();
      return;
    }
    if (read.state == ByteStream::State::kAgain) {
      reading_wants_write_ = read.wants_write;
      break;
    }
    if (!Take(std::string_view(buffer.data(), read.bytes))) {
      BeginEnding();
      break;
    }
    if ((read.bytes < buffer.size() || has_much_to_say()) && !stream_->has_buffered()) {
      break;
    }
  }
  SetTimer();
  Watch();
}

bool Connection::Take(std::string_view bytes) {
  if (session_ != nullptr) {
    return session_->Receive(bytes);
  }
  if (greeting_.empty() && ChooseProtocol(bytes)) {
    return session_->Receive(bytes);
  }
  greeting_ += bytes;
  if (session_ == nullptr && !ChooseProtocol(greeting_)) {
    return true;
  }
  const std::string first = std::move(greeting_);
  greeting_.clear();
  return session_->Receive(first);
}

bool Connection::ChooseProtocol(std::string_view bytes) {
  const std::string_view agreed = stream_->protocol();
  const size_t size = std::min(bytes.size(), kDecidingBytes);
  bool is_http2 = agreed == "h2";
  if (agreed.empty()) {
    is_http2 = bytes.substr(0, size) == http2::kPreface.substr(0, size);
    if (is_http2 && size < kDecidingBytes) {
      return false;
    }
  }
  SessionHost* const host = this;
  if (is_http2) {
    session_ = std::make_unique<Http2Session>(host, handler_, limits_);
  } else {
    session_ = std::make_unique<Http1Session>(host, handler_, limits_);
  }
  state_ = State::kOpen;
  OutputReady();
  return true;
}

std::string_view Connection::peer_address() {
  if (peer_address_.empty()) {
    peer_address_ = PeerAddressOf(stream_->fd());
  }
  return peer_address_;
}

void Connection::OutputReady() {
  if (!is_dirty_ && state_ != State::kDead) {
    is_dirty_ = true;
    loop_->FlushLater(this);
  }
}

void Connection::SetReading(bool wants_bytes) {
  if (wants_bytes != session_reads_) {
    session_reads_ = wants_bytes;
    OutputReady();  // Flush looks at it again
  }
}

void Connection::Flush() {
  is_dirty_ = false;
  if (state_ == State::kDead || session_ == nullptr) {
    return;
  }
  WriteOut();
  if (state_ == State::kDead) {
    return;
  }
  const bool is_said = out_.empty() && !is_full_;
  if (is_said && !has_ended_writing_ && (state_ == State::kEnding || session_->wants_close())) {
    // Closing with unread bytes in the socket would make the kernel throw away what was just said:
    // the client closes first, or the timer does.
    has_ended_writing_ = true;
    stream_->EndWriting();
    BeginEnding();
  }
  SetTimer();
  Watch();
}

void Connection::WriteOut() {
  for (int i = 0; !is_full_; ++i) {
    if (i >= kWritesPerTurn) {
      OutputReady();
      return;
    }
    if (out_.size() - out_sent_ < Session::kOutputBatchBytes && !session_->CollectOutput(&out_)) {
      Kill();
      return;
    }
    if (out_.empty()) {
      return;
    }
    const ByteStream::Result sent = stream_->Write(std::string_view(out_).substr(out_sent_));
    if (sent.state == ByteStream::State::kClosed) {
      Kill();
      return;
    }
    if (sent.state == ByteStream::State::kAgain) {
      PROBE("http: socket full");
      is_full_ = true;
      writing_wants_read_ = !sent.wants_write;
      stalled_since_nanos_ = loop_->now_nanos();
      return;
    }
    out_sent_ += sent.bytes;
    if (out_sent_ == out_.size()) {
      out_.clear();
      out_sent_ = 0;
      if (out_.capacity() > kKeptOutputBytes) {
        out_.shrink_to_fit();
      }
    }
  }
}

bool Connection::has_much_to_say() const {
  return session_ != nullptr && (session_->backlog_bytes() > limits_->backlog_pause_bytes ||
                                 session_->waiting_frames() > limits_->frames_pause);
}

void Connection::Watch() {
  if (state_ == State::kDead) {
    return;
  }
  const bool is_held_back = is_full_ && has_much_to_say();
  if (is_held_back != is_held_back_ && session_ != nullptr) {
    is_held_back_ = is_held_back;
    session_->SetHeldBack(is_held_back);
    SetTimer();
  }
  uint32_t wanted = 0;
  if ((session_reads_ && !is_held_back && !reading_wants_write_) ||
      (is_full_ && writing_wants_read_) || state_ == State::kEnding) {
    wanted |= EPOLLIN;
  }
  if ((is_full_ && !writing_wants_read_) || reading_wants_write_) {
    wanted |= EPOLLOUT;
  }
  if (wanted != watched_) {
    if (is_held_back) {
      PROBE("http: a client that does not read is not read from");
    }
    watched_ = wanted;
    loop_->ChangeWatch(stream_->fd(), wanted, this);
  }
}

void Connection::SetTimer() {
  if (state_ == State::kDead || state_ == State::kEnding) {
    return;
  }
  int64_t due = session_ != nullptr ? session_->next_time_nanos()
                                    : opened_nanos_ + limits_->head_timeout_nanos;
  if (is_full_) {
    due = std::min(due, stalled_since_nanos_ + limits_->stall_timeout_nanos);
  }
  // Times mostly move later: then the timer is let go off early, and set again.
  if (due < loop_->due_nanos(*this)) {
    loop_->SetTimer(this, due);
  }
}

void Connection::OnTime(int64_t now_nanos) {
  const bool is_stalled =
      is_full_ && now_nanos - stalled_since_nanos_ >= limits_->stall_timeout_nanos;
  const bool is_silent =
      session_ == nullptr && now_nanos - opened_nanos_ >= limits_->head_timeout_nanos;
  if (is_stalled || is_silent || state_ == State::kEnding) {
    PROBE("http: a silent or stalled client is cut off");
    Kill();
    return;
  }
  if (session_ != nullptr && session_->next_time_nanos() <= now_nanos &&
      !session_->OnTime(now_nanos)) {
    BeginEnding();
    return;
  }
  SetTimer();
}

}  // namespace socle::server::http
