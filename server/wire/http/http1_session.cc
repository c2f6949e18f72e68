#include "server/wire/http/http1_session.h"

#include <algorithm>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/probe.h"

namespace socle::server::http {
namespace {

namespace beast = boost::beast::http;

constexpr size_t kPipelinedBytesMax = 64 * 1024;

std::string_view StdView(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::string Lowered(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), Lower);
  return lowered;
}

// A value that cannot end its line early.
void AppendField(std::string_view name, std::string_view value, std::string* out) {
  *out += name;
  *out += ": ";
  const size_t start = out->size();
  *out += value;
  std::replace_if(
      out->begin() + static_cast<ptrdiff_t>(start), out->end(),
      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  *out += "\r\n";
}

std::string StatusLine(int status) {
  const auto reason = beast::obsolete_reason(static_cast<beast::status>(status));
  return fmt::format("HTTP/1.1 {} {}\r\n", status, StdView(reason));
}

}  // namespace

// Beast's grammar, with our own storage: no message object in between.
class Http1Session::Parser final : public beast::basic_parser<true> {
 public:
  explicit Parser(Http1Session* session) : session_(session) {
    eager(false);
    header_limit(session->limits_->header_bytes_max);
    body_limit(boost::none);  // the receiver's business
  }

  bool has_unknown_coding() const { return has_coding_ && !chunked(); }

  bool expects_continue() const { return expects_continue_; }

  size_t host_count() const { return host_count_; }

  bool is_too_large() const { return is_too_large_; }

 private:
  using Text = boost::beast::string_view;
  using Error = boost::beast::error_code;

  void on_request_impl(beast::verb /*method*/, Text method, Text target, int version,
                       Error& /*error*/) override {
    session_->request_.Clear(version == 11 ? Version::kHttp11 : Version::kHttp10);
    session_->request_.SetMethod(StdView(method));
    session_->request_.SetTarget(StdView(target));
    bytes_ = method.size() + target.size();
  }

  void on_response_impl(int /*code*/, Text /*reason*/, int /*version*/, Error& error) override {
    error = beast::error::bad_method;
  }

  void on_field_impl(beast::field field, Text name, Text value, Error& error) override {
    bytes_ += name.size() + value.size() + 4;
    if (bytes_ > session_->limits_->header_bytes_max) {
      is_too_large_ = true;
      error = beast::error::header_limit;
      return;
    }
    if (is_header_over_) {
      return;  // trailers of a request: nobody asks for them
    }
    if (field == beast::field::host) {
      ++host_count_;
      session_->request_.SetAuthority(StdView(value));
    } else if (field == beast::field::transfer_encoding) {
      has_coding_ = true;
    } else if (field == beast::field::expect) {
      expects_continue_ = Lowered(StdView(value)) == "100-continue";
    }
    session_->request_.Add(Lowered(StdView(name)), StdView(value));
  }

  void on_header_impl(Error& /*error*/) override { is_header_over_ = true; }

  void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/,
                         Error& /*error*/) override {}

  size_t on_body_impl(Text body, Error& /*error*/) override { return Deliver(body); }

  void on_chunk_header_impl(std::uint64_t /*size*/, Text /*extensions*/,
                            Error& /*error*/) override {}

  size_t on_chunk_body_impl(std::uint64_t /*remain*/, Text body, Error& /*error*/) override {
    return Deliver(body);
  }

  void on_finish_impl(Error& /*error*/) override {}

  size_t Deliver(Text body) {
    if (session_->exchange_ != nullptr) {
      if (const std::shared_ptr<Receiver> receiver = session_->exchange_->receiver_;
          receiver != nullptr) {
        receiver->OnBody(StdView(body));
      }
    }
    return body.size();
  }

  Http1Session* const session_;
  size_t bytes_ = 0;
  size_t host_count_ = 0;
  bool is_header_over_ = false;
  bool is_too_large_ = false;
  bool has_coding_ = false;
  bool expects_continue_ = false;
};

Http1Session::Http1Session(SessionHost* host, Handler* handler, const Limits* limits)
    : Session(host, handler, limits), since_nanos_(host->loop()->now_nanos()) {}

Http1Session::~Http1Session() {
  CloseAll();
}

void Http1Session::Touch() {
  since_nanos_ = host_->loop()->now_nanos();
}

bool Http1Session::Receive(std::string_view bytes) {
  if (in_.empty()) {
    Parse(&bytes);
    in_.assign(bytes);
  } else {
    in_ += bytes;
    ParseKept();
  }
  host_->SetReading(in_.size() < kPipelinedBytesMax);
  return true;
}

void Http1Session::ParseKept() {
  std::string_view rest = in_;
  Parse(&rest);
  in_.erase(0, in_.size() - rest.size());
}

void Http1Session::Parse(std::string_view* bytes) {
  // A receiver that resumes its body from inside a callback must not start a second parse.
  if (std::exchange(is_parsing_, true)) {
    return;
  }
  while (!bytes->empty() && ParseStep(bytes)) {
  }
  is_parsing_ = false;
}

bool Http1Session::ParseStep(std::string_view* bytes) {
  const bool is_waiting =
      exchange_ != nullptr && (exchange_->has_body_ended_ || exchange_->is_paused_);
  if (is_over_ || is_waiting || (is_stopping_ && exchange_ == nullptr)) {
    return false;
  }
  if (parser_ == nullptr) {
    Touch();
    parser_ = std::make_unique<Parser>(this);
  }
  if (exchange_ != nullptr) {
    Touch();
  }
  const bool was_header_done = parser_->is_header_done();
  boost::beast::error_code error;
  const size_t used = parser_->put(boost::asio::const_buffer(bytes->data(), bytes->size()), error);
  bytes->remove_prefix(used);
  if (error && error != beast::error::need_more) {
    PROBE("http1: malformed request");
    const bool is_large = parser_->is_too_large() || error == beast::error::header_limit;
    Refuse(is_large ? 431 : 400);
    return false;
  }
  if (!was_header_done && parser_->is_header_done()) {
    BeginExchange();
  }
  if (!is_over_ && parser_->is_done() && exchange_ != nullptr && !exchange_->has_body_ended_) {
    EndRequest();
  }
  return error != beast::error::need_more;
}

void Http1Session::BeginExchange() {
  const bool is_new = request_.version() == Version::kHttp11;
  if ((is_new && parser_->host_count() != 1) || parser_->host_count() > 1) {
    Refuse(400);
    return;
  }
  if (parser_->has_unknown_coding()) {
    PROBE("http1: unknown transfer coding");
    Refuse(501);
    return;
  }
  keeps_alive_ = parser_->keep_alive();
  is_head_request_ = request_.method() == "HEAD";
  framing_ = Framing::kUndecided;
  has_length_field_ = false;
  const std::shared_ptr<Exchange> exchange = NewExchange();
  exchange_ = exchange.get();
  exchange->receiver_ = handler_->Begin(request_, exchange);
  if (is_new && parser_->expects_continue() && !parser_->is_done() && !exchange->has_head_) {
    interim_ += "HTTP/1.1 100 Continue\r\n\r\n";
    host_->OutputReady();
  }
}

void Http1Session::EndRequest() {
  exchange_->has_body_ended_ = true;
  if (const std::shared_ptr<Receiver> receiver = exchange_->receiver_; receiver != nullptr) {
    receiver->OnBodyEnd();
  }
}

void Http1Session::Refuse(int status) {
  // An answer that has begun cannot be taken back: the connection just ends.
  if (exchange_ == nullptr || framing_ == Framing::kUndecided) {
    interim_ += StatusLine(status);
    interim_ += "connection: close\r\ncontent-length: 0\r\n\r\n";
  }
  is_over_ = true;
  host_->OutputReady();
}

void Http1Session::HeadReady(Exchange* /*exchange*/, int status, Fields fields, bool /*is_end*/) {
  status_ = status;
  head_.clear();
  for (const Field& field : fields) {
    has_length_field_ = has_length_field_ || field.name == "content-length";
    AppendField(field.name, field.value, &head_);
  }
  host_->OutputReady();
}

void Http1Session::DataReady(Exchange* /*exchange*/) {
  host_->OutputReady();
}

void Http1Session::FinishReady(Exchange* /*exchange*/) {
  host_->OutputReady();
}

void Http1Session::ResetReady(Exchange* /*exchange*/, uint32_t /*http2_error*/) {
  is_over_ = true;
  host_->OutputReady();
}

void Http1Session::BodyResumed(Exchange* /*exchange*/) {
  ParseKept();
  host_->SetReading(in_.size() < kPipelinedBytesMax);
}

bool Http1Session::CollectOutput(std::string* out) {
  *out += interim_;
  interim_.clear();
  while (!is_over_ && exchange_ != nullptr && exchange_->has_head_ &&
         out->size() < kOutputBatchBytes) {
    if (framing_ == Framing::kUndecided) {
      WriteHead(out);
    }
    WriteBody(out);
    if (exchange_->is_finished_ && exchange_->unsent_bytes() == 0) {
      EndResponse();
      *out += interim_;
      interim_.clear();
      continue;
    }
    if (!exchange_->wants_writable_ || exchange_->unsent_bytes() >= Exchange::kBacklogLow) {
      break;
    }
    exchange_->wants_writable_ = false;
    if (const std::shared_ptr<Receiver> receiver = exchange_->receiver_; receiver != nullptr) {
      receiver->OnWritable();
    }
  }
  return true;
}

void Http1Session::WriteHead(std::string* out) {
  Exchange* const exchange = exchange_;
  const bool is_new = request_.version() == Version::kHttp11;
  const bool has_trailers = !exchange->trailers_.empty() || !exchange->constant_trailers_.empty();
  *out += StatusLine(status_);
  *out += head_;
  if (status_ == 204 || status_ == 304) {
    framing_ = Framing::kNoBody;
  } else if (has_length_field_) {
    framing_ = Framing::kLength;
  } else if (exchange->is_all_made() && !has_trailers) {
    framing_ = Framing::kLength;
    *out += fmt::format("content-length: {}\r\n", exchange->unsent_bytes());
  } else if (is_new) {
    framing_ = Framing::kChunked;
    *out += "transfer-encoding: chunked\r\n";
  } else {
    framing_ = Framing::kUntilClose;
    keeps_alive_ = false;
  }
  if (is_head_request_) {
    framing_ = Framing::kNoBody;
  }
  if (is_stopping_ || !exchange->has_body_ended_) {
    keeps_alive_ = false;
  }
  if (!keeps_alive_) {
    *out += "connection: close\r\n";
  } else if (!is_new) {
    *out += "connection: keep-alive\r\n";
  }
  *out += "\r\n";
}

void Http1Session::WriteBody(std::string* out) {
  Exchange* const exchange = exchange_;
  const size_t room = kOutputBatchBytes - std::min(out->size(), kOutputBatchBytes - 1);
  if (framing_ == Framing::kNoBody) {
    exchange->Skip();
  } else if (const size_t size = std::min(exchange->unsent_bytes(), room); size > 0) {
    if (framing_ == Framing::kChunked) {
      *out += fmt::format("{:x}\r\n", size);
    }
    exchange->Take(size, out);
    if (framing_ == Framing::kChunked) {
      *out += "\r\n";
    }
  }
  if (exchange->is_finished_ && exchange->unsent_bytes() == 0 && framing_ == Framing::kChunked) {
    *out += "0\r\n";
    for (const Field& field : exchange->constant_trailers_) {
      AppendField(field.name, field.value, out);
    }
    for (const auto& [name, value] : exchange->trailers_) {
      AppendField(name, value, out);
    }
    *out += "\r\n";
  }
}

void Http1Session::EndResponse() {
  if (!keeps_alive_ || !exchange_->has_body_ended_) {
    is_over_ = true;
  }
  CloseExchange(std::exchange(exchange_, nullptr));
  parser_.reset();
  Touch();
  if (!in_.empty()) {
    ParseKept();
  }
  host_->SetReading(in_.size() < kPipelinedBytesMax);
}

bool Http1Session::wants_close() const {
  return interim_.empty() && (is_over_ || (is_stopping_ && exchange_ == nullptr));
}

void Http1Session::BeginStop() {
  is_stopping_ = true;
  StopReceivers();
  host_->OutputReady();
}

int64_t Http1Session::next_time_nanos() const {
  if (exchange_ != nullptr) {
    // Who is answered already is in a conversation, and may take its time for what it still says.
    const bool waits_for_body =
        !exchange_->has_body_ended_ && !exchange_->is_paused_ && !exchange_->has_head_;
    return waits_for_body ? since_nanos_ + limits_->body_timeout_nanos : Loop::kNever;
  }
  return since_nanos_ +
         (parser_ != nullptr ? limits_->head_timeout_nanos : limits_->idle_timeout_nanos);
}

bool Http1Session::OnTime(int64_t /*now_nanos*/) {
  PROBE("http1: a slow or idle client is cut off");
  if (parser_ != nullptr) {
    Refuse(408);
  }
  return false;
}

}  // namespace socle::server::http
