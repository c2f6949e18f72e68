#include "server/wire/http/exchange.h"

#include <algorithm>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "server/wire/http/session.h"

namespace socle::server::http {
namespace {

// Who takes less of a source between two looks is slow.
constexpr size_t kSlowBytes = size_t{1} << 20U;
constexpr int kErrorsBegin = 400;  // of the statuses

std::vector<std::pair<std::string, std::string>> Copied(Fields fields) {
  std::vector<std::pair<std::string, std::string>> copies;
  copies.reserve(fields.size());
  for (const Field& field : fields) {
    copies.emplace_back(field.name, field.value);
  }
  return copies;
}

std::vector<Field> Viewed(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::vector<Field> views;
  views.reserve(fields.size());
  for (const auto& [name, value] : fields) {
    views.push_back({name, value});
  }
  return views;
}

}  // namespace

// HTTP/2 would do without the length, but a client that was answered before it had said all may wait for ever for the end of the stream
// when it does not know that it has everything: curl 7.88 does.
void Exchange::Respond(int status, Fields fields, std::string body, Fields trailers) {
  if (!trailers.empty() || (body.empty() && status < kErrorsBegin)) {
    SayAll(status, fields, std::move(body), trailers);
    return;
  }
  const std::string length = fmt::format("{}", body.size());
  std::vector<Field> with_length(fields.begin(), fields.end());
  with_length.push_back({"content-length", length});
  SayAll(status, with_length, std::move(body), {});
}

void Exchange::SayAll(int status, Fields fields, std::string body, Fields trailers) {
  if (loop_->IsLoopThread() && session_ != nullptr && !has_head_ && body.empty() &&
      trailers.empty()) {
    has_head_ = true;
    is_finished_ = true;
    session_->HeadReady(this, status, fields, true);
    return;
  }
  SendHead(status, fields);
  if (!body.empty()) {
    SendData(std::move(body));
  }
  Finish(trailers);
}

void Exchange::SendHead(int status, Fields fields) {
  if (!loop_->IsLoopThread()) {
    Post({.kind = Answer::Kind::kHead, .number = status, .bytes = {}, .fields = Copied(fields)});
    return;
  }
  if (session_ != nullptr && !has_head_) {
    has_head_ = true;
    session_->HeadReady(this, status, fields, false);
  }
}

void Exchange::SendData(std::string bytes) {
  if (!loop_->IsLoopThread()) {
    Post({.kind = Answer::Kind::kData, .bytes = std::move(bytes), .fields = {}});
    return;
  }
  if (session_ == nullptr || is_finished_) {
    return;
  }
  const size_t size = bytes.size();
  if (body_.empty()) {
    body_ = std::move(bytes);
  } else {
    body_ += bytes;
  }
  DataAdded(size);
}

void Exchange::Finish(Fields trailers) {
  if (!loop_->IsLoopThread()) {
    Post({.kind = Answer::Kind::kFinish, .bytes = {}, .fields = Copied(trailers)});
    return;
  }
  if (session_ == nullptr || is_finished_) {
    return;
  }
  for (const Field& field : trailers) {
    if (field.is_constant) {
      constant_trailers_.push_back(field);
    } else {
      trailers_.emplace_back(field.name, field.value);
    }
  }
  is_finished_ = true;
  if (has_head_) {
    session_->FinishReady(this);
  } else {
    session_->ResetReady(this, kResetInternal);
  }
}

void Exchange::Reset(uint32_t http2_error) {
  if (!loop_->IsLoopThread()) {
    Post({.kind = Answer::Kind::kReset,
          .number = static_cast<int>(http2_error),
          .bytes = {},
          .fields = {}});
    return;
  }
  if (session_ != nullptr) {
    session_->ResetReady(this, http2_error);
  }
}

void Exchange::Wake() {
  is_woken_.store(true, std::memory_order_release);
  MarkReady();
}

void Exchange::Post(Answer answer) {
  {
    MutexLock lock(&mu_);
    answers_.push_back(std::move(answer));
  }
  has_answers_.store(true, std::memory_order_release);
  MarkReady();
}

void Exchange::MarkReady() {
  // The loop takes the flag back before it looks: what is asked after that is in the list again, and
  // what was asked before is seen (both are read-modify-writes of one flag).
  if (!is_ready_.exchange(true, std::memory_order_acq_rel)) {
    loop_->PostReady(shared_from_this());
  }
}

void Exchange::RunReady() {
  is_ready_.exchange(false, std::memory_order_acq_rel);
  if (has_answers_.exchange(false, std::memory_order_acq_rel)) {
    std::vector<Answer> answers;
    {
      MutexLock lock(&mu_);
      answers.swap(answers_);
    }
    for (Answer& answer : answers) {
      Apply(answer);
    }
  }
  if (is_woken_.exchange(false, std::memory_order_acq_rel) && receiver_ != nullptr) {
    const std::shared_ptr<Receiver> receiver = receiver_;
    receiver->OnWake();
  }
}

void Exchange::Apply(Answer& answer) {
  switch (answer.kind) {
    case Answer::Kind::kHead:
      SendHead(answer.number, Viewed(answer.fields));
      return;
    case Answer::Kind::kData:
      SendData(std::move(answer.bytes));
      return;
    case Answer::Kind::kFinish:
      Finish(Viewed(answer.fields));
      return;
    case Answer::Kind::kReset:
      Reset(static_cast<uint32_t>(answer.number));
      return;
  }
}

std::string_view Exchange::peer_name() const {
  return session_ != nullptr ? session_->host_->peer_name() : std::string_view();
}

std::string_view Exchange::peer_address() const {
  return session_ != nullptr ? session_->host_->peer_address() : std::string_view();
}

bool Exchange::is_encrypted() const {
  return session_ != nullptr && session_->host_->is_encrypted();
}

bool Exchange::is_alone() const {
  return session_ != nullptr && session_->first_ == this && next_ == nullptr && loop_->users() == 1;
}

void Exchange::DataAdded(size_t bytes) {
  if (session_ == nullptr) {
    body_.clear();
    return;
  }
  session_->AddBacklog(bytes);
  if (bytes > 0 && !std::exchange(is_waiting_, true)) {
    session_->AddBacklog(kWaitingBytes);
  }
  session_->DataReady(this);
}

void Exchange::SendSource(std::unique_ptr<BodySource> source) {
  if (session_ == nullptr || is_finished_ || source->bytes_left() == 0) {
    return;
  }
  source_ = std::move(source);
  source_held_bytes_ = source_->held_bytes();
  session_->AddBacklog(source_held_bytes_);
  if (!std::exchange(is_waiting_, true)) {
    session_->AddBacklog(kWaitingBytes);
  }
  source_taken_ = 0;
  source_moved_nanos_ = loop_->now_nanos();
  loop_->SetTimer(this, source_moved_nanos_ + session_->limits_->source_patience_nanos);
  session_->DataReady(this);
}

void Exchange::DropSource() {
  if (source_ != nullptr) {
    session_->TakeBacklog(source_held_bytes_);
    source_.reset();
    loop_->SetTimer(this, Loop::kNever);
  }
}

// The timer of a source.
void Exchange::WatchSource() {
  const int64_t now = loop_->now_nanos();
  const size_t taken = std::exchange(source_taken_, 0);
  if (taken > 0) {
    source_moved_nanos_ = now;
  }
  if (now - source_moved_nanos_ >= session_->limits_->stall_timeout_nanos) {
    PROBE("http: a client that does not take its answer loses it");
    Reset(kResetEnhanceYourCalm);
    return;
  }
  if (taken < kSlowBytes) {
    PROBE("http: a source is asked to let go");
    source_->OnSlow();
  }
  loop_->SetTimer(this, now + session_->limits_->source_patience_nanos);
}

bool Exchange::CanWrite() {
  if (session_ == nullptr || is_finished_) {
    return false;
  }
  if (unsent_bytes() < kBacklogLow) {
    return true;
  }
  wants_writable_ = true;
  return false;
}

void Exchange::Take(size_t bytes, std::string* out) {
  const size_t of_body = std::min(bytes, body_.size() - body_sent_);
  if (of_body > 0) {
    out->append(body_, body_sent_, of_body);
    Sent(of_body);
  }
  if (bytes > of_body) {
    source_taken_ += bytes - of_body;
    source_->Take(bytes - of_body, out);
    if (source_->bytes_left() == 0) {
      DropSource();
    }
  }
  if (unsent_bytes() == 0) {
    session_->TakeBacklog(std::exchange(is_waiting_, false) ? kWaitingBytes : 0);
  }
}

void Exchange::Skip() {
  DropSource();
  Sent(body_.size() - body_sent_);
  session_->TakeBacklog(std::exchange(is_waiting_, false) ? kWaitingBytes : 0);
}

void Exchange::Sent(size_t bytes) {
  body_sent_ += bytes;
  session_->TakeBacklog(bytes);
  if (body_sent_ == body_.size()) {
    body_.clear();
    body_sent_ = 0;
  } else if (body_sent_ >= kBacklogLow && body_sent_ * 2 >= body_.size()) {
    body_.erase(0, body_sent_);
    body_sent_ = 0;
  }
}

void Exchange::PauseBody() {
  is_paused_ = true;
}

void Exchange::ResumeBody() {
  if (is_paused_) {
    is_paused_ = false;
    if (session_ != nullptr) {
      session_->BodyResumed(this);
    }
  }
}

void Exchange::WakeAt(int64_t monotonic_nanos) {
  if (session_ != nullptr) {
    loop_->SetTimer(this, monotonic_nanos);
  }
}

void Exchange::OnTime(int64_t /*now_nanos*/) {
  if (source_ != nullptr) {
    WatchSource();
    return;
  }
  if (receiver_ != nullptr) {
    const std::shared_ptr<Receiver> receiver = receiver_;
    receiver->OnTime();
  }
}

void Exchange::Close() {
  loop_->SetTimer(this, Loop::kNever);
  DropSource();
  session_->TakeBacklog(body_.size() - body_sent_ +
                        (std::exchange(is_waiting_, false) ? kWaitingBytes : 0));
  session_ = nullptr;
  if (const std::shared_ptr<Receiver> receiver = std::move(receiver_); receiver != nullptr) {
    receiver->OnClosed();
  }
  body_ = {};
  body_sent_ = 0;
}

Session::~Session() {
  CHECK(first_ == nullptr);
}

std::shared_ptr<Exchange> Session::NewExchange() {
  auto exchange = std::make_shared<Exchange>(host_->loop(), this);
  exchange->self_ = exchange;
  exchange->next_ = first_;
  if (first_ != nullptr) {
    first_->prev_ = exchange.get();
  }
  first_ = exchange.get();
  return exchange;
}

void Session::CloseExchange(Exchange* exchange) {
  (exchange->prev_ != nullptr ? exchange->prev_->next_ : first_) = exchange->next_;
  if (exchange->next_ != nullptr) {
    exchange->next_->prev_ = exchange->prev_;
  }
  const std::shared_ptr<Exchange> last = std::move(exchange->self_);
  exchange->Close();
}

void Session::CloseAll() {
  while (first_ != nullptr) {
    CloseExchange(first_);
  }
}

void Session::StopReceivers() {
  // A receiver may end its own exchange, never another one.
  for (Exchange* exchange = first_; exchange != nullptr;) {
    Exchange* const next = exchange->next_;
    if (const std::shared_ptr<Receiver> receiver = exchange->receiver_; receiver != nullptr) {
      receiver->OnStopping();
    }
    exchange = next;
  }
}

}  // namespace socle::server::http
