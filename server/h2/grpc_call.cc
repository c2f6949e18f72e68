#include "server/h2/grpc_call.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/h2/grpc_frame.h"
#include "server/service/error_table.h"
#include "server/service/key_text.h"

namespace socle::server::h2 {
namespace {

constexpr http::Field kContentType = {"content-type", "application/grpc", true};
constexpr http::Field kStatusOk = {"grpc-status", "0", true};

// "0" to "16" without a conversion.
std::string_view DigitsOf(absl::StatusCode code) {
  static constexpr std::array<std::string_view, 17> kDigits = {
      "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"};
  const auto index = static_cast<size_t>(code);
  return kDigits[index < kDigits.size() ? index : 2];
}

http::Field StatusField(const absl::Status& status) {
  return {"grpc-status", DigitsOf(status.code()), true};
}

}  // namespace

void RefuseCall(http::Exchange* exchange, const absl::Status& status) {
  const std::string text = EncodeStatusText(MessageOf(status));
  const std::array fields = {kContentType, StatusField(status), http::Field{"grpc-message", text}};
  exchange->Respond(200, fields, {});
}

GrpcCall::GrpcCall(Services* services, std::optional<RpcMethod> method,
                   std::shared_ptr<http::Exchange> exchange)
    : services_(services), method_(method), exchange_(std::move(exchange)) {
  if (method_.has_value()) {
    began_nanos_ = services_->meter->Started(*method_);
  }
}

GrpcCall::~GrpcCall() {
  services_->kept.Shrink(kept_);
}

bool GrpcCall::CountClient(std::string_view version) {
  if (!version.empty() && !IsUtf8(version)) {
    PROBE("grpc: a client's version that is no text");
    End(WireStatus(EtcdError::kInvalidClientApiVersion));
    return false;
  }
  if (method_.has_value()) {
    services_->meter->CountClient(*method_, version);
  }
  return true;
}

void GrpcCall::Begin(Caller caller, std::string_view encoding, int64_t deadline_nanos,
                     std::unique_ptr<Dialect> dialect) {
  dialect_ = std::move(dialect);
  caller_ = std::move(caller);
  encoding_ = encoding;
  deadline_nanos_ = deadline_nanos;
  if (deadline_nanos != http::Loop::kNever) {
    exchange_->WakeAt(deadline_nanos);
  }
  OnBegin();
}

void GrpcCall::OnBody(std::string_view bytes) {
  if (is_over_) {
    return;
  }
  if (in_.empty() && !is_held_) {
    TakeMessages(&bytes);
    if (!bytes.empty()) {
      in_ = bytes;
      NoteKept();
    }
    return;
  }
  in_ += bytes;
  TakeKept();
}

void GrpcCall::TakeKept() {
  if (is_taking_) {
    return;  // the loop below goes on by itself
  }
  std::string_view rest = in_;
  TakeMessages(&rest);
  in_.erase(0, in_.size() - rest.size());
  NoteKept();
}

// What has come of a message that has not come whole is counted; there is an end to both.
void GrpcCall::NoteKept() {
  if (is_over_) {
    DropKept();
    return;
  }
  const size_t now_kept = in_.size();
  if (now_kept > kept_) {
    if (!services_->kept.TryGrow(now_kept - kept_)) {
      PROBE("grpc: too much of requests that have not come whole");
      End(WireStatus(EtcdError::kTooManyRequests));
      DropKept();
      return;
    }
  } else {
    services_->kept.Shrink(kept_ - now_kept);
  }
  const bool is_first = kept_ == 0;
  if (is_first || now_kept < kept_) {
    kept_since_nanos_ = exchange_->loop()->now_nanos();
  }
  kept_ = now_kept;
  if (is_first && kept_ > 0) {
    exchange_->WakeAt(
        std::min(deadline_nanos_, kept_since_nanos_ + services_->kept.patience_nanos()));
  }
}

void GrpcCall::DropKept() {
  in_ = std::string();
  services_->kept.Shrink(std::exchange(kept_, 0));
}

absl::StatusOr<std::optional<std::string_view>> GrpcCall::NextMessage(std::string_view* bytes) {
  return dialect_ == nullptr ? TakeMessage(bytes, services_->message_bytes_max, encoding_)
                             : dialect_->Take(bytes, has_body_ended_);
}

void GrpcCall::TakeMessages(std::string_view* bytes) {
  is_taking_ = true;
  while (!is_over_ && !is_held_) {
    const absl::StatusOr<std::optional<std::string_view>> message = NextMessage(bytes);
    if (!message.ok()) {
      if (method_.has_value()) {
        services_->meter->CountUnreadable(*method_);
      }
      End(message.status());
      break;
    }
    if (!message->has_value()) {
      break;
    }
    if (method_.has_value()) {
      services_->meter->Received(*method_, (*message)->size());
    }
    OnMessage(**message);
  }
  is_taking_ = false;
  if (is_over_) {
    *bytes = {};
  } else if (has_body_ended_ && !is_held_ && !has_half_closed_) {
    has_half_closed_ = true;
    if (!bytes->empty()) {
      PROBE("grpc: half a message");
      End(absl::InternalError("grpc: the request ends within a message"));
      return;
    }
    OnHalfClose();
  }
}

void GrpcCall::OnBodyEnd() {
  has_body_ended_ = true;
  if (!is_over_) {
    TakeKept();
  }
}

void GrpcCall::Hold() {
  is_held_ = true;
  exchange_->PauseBody();
}

void GrpcCall::Release() {
  is_held_ = false;
  if (!is_over_ && !is_taking_) {
    TakeKept();
  }
  if (!is_held_) {
    exchange_->ResumeBody();
  }
}

void GrpcCall::OnTime() {
  if (is_over_) {
    return;
  }
  const int64_t now = exchange_->loop()->now_nanos();
  if (now >= deadline_nanos_) {
    PROBE("grpc: deadline passed");
    End(absl::DeadlineExceededError("context deadline exceeded"));
    return;
  }
  const bool is_late = kept_ > 0 && now >= kept_since_nanos_ + services_->kept.patience_nanos();
  if (is_late && services_->kept.is_half_full()) {
    PROBE("grpc: a message that takes too long while there is little room");
    End(WireStatus(EtcdError::kTooManyRequests));
    DropKept();
    return;
  }
  const int64_t look = kept_ == 0
                           ? http::Loop::kNever
                           : (is_late ? now : kept_since_nanos_) + services_->kept.patience_nanos();
  exchange_->WakeAt(std::min(deadline_nanos_, look));
}

void GrpcCall::OnClosed() {
  if (!is_taking_) {
    DropKept();
  }
  if (!is_over_) {
    is_over_ = true;
    Handled(absl::StatusCode::kCancelled);
    OnEnd();
  }
  OnSent();
}

void GrpcCall::SendHead() {
  if (dialect_ == nullptr) {
    WriteHead();
  }
}

void GrpcCall::WriteHead() {
  has_head_ = true;
  if (dialect_ == nullptr) {
    exchange_->SendHead(200, {&kContentType, 1});
  } else {
    dialect_->SendHead(exchange_.get());
  }
}

template <typename Message>
void GrpcCall::SendMessage(const Message& message) {
  if (is_over_) {
    return;
  }
  if (const absl::Status sent = TrySend(message); !sent.ok()) [[unlikely]] {
    End(sent);
  }
}

template <typename Message>
absl::Status GrpcCall::TrySend(const Message& message) {
  std::string* const out = exchange_->buffer();
  const size_t start = out->size();
  RETURN_IF_ERROR(AppendFramed(message, services_->sent_bytes_max, out).status());
  if (dialect_ != nullptr) [[unlikely]] {
    dialect_->Translate(start, out);
  }
  AddedMessages(1, out->size() - start);
  return absl::OkStatus();
}

template void GrpcCall::SendMessage(const std::string_view& message);
template void GrpcCall::SendMessage(const google::protobuf::MessageLite& message);

void GrpcCall::AddedMessages(uint64_t messages, size_t bytes) {
  if (method_.has_value()) {
    services_->meter->Sent(*method_, messages, bytes);
  }
  if (!has_head_) {
    WriteHead();
  }
  exchange_->DataAdded(bytes);
}

absl::Status GrpcCall::EndWith(const google::protobuf::MessageLite& message) {
  if (is_over_) {
    return absl::OkStatus();
  }
  if (absl::Status sent = TrySend(message); !sent.ok()) [[unlikely]] {
    PROBE("grpc: an answer too large to be sent");
    End(sent);
    return sent;
  }
  EndAnswered();
  return absl::OkStatus();
}

void GrpcCall::EndWithSource(std::unique_ptr<http::BodySource> source, size_t message_bytes) {
  if (is_over_) {
    return;
  }
  if (method_.has_value()) {
    services_->meter->Sent(*method_, 1, message_bytes);
  }
  if (!has_head_) {
    WriteHead();
  }
  exchange_->SendSource(std::move(source));
  EndAnswered();
}

void GrpcCall::EndAnswered() {
  is_over_ = true;
  Handled(absl::StatusCode::kOk);
  if (dialect_ == nullptr) {
    exchange_->Finish({&kStatusOk, 1});
  } else {
    dialect_->End(absl::OkStatus(), has_head_, exchange_.get());
  }
  OnEnd();
}

void GrpcCall::End(const absl::Status& status) {
  if (is_over_) {
    return;
  }
  is_over_ = true;
  Handled(status.code());
  if (dialect_ != nullptr) {
    dialect_->End(status, has_head_, exchange_.get());
  } else if (!has_head_ && !status.ok()) {
    RefuseCall(exchange_.get(), status);
  } else {
    if (!has_head_) {
      WriteHead();
    }
    const std::string text = EncodeStatusText(MessageOf(status));
    const std::array trailers = {StatusField(status), http::Field{"grpc-message", text}};
    exchange_->Finish(http::Fields(trailers).first(text.empty() ? 1 : 2));
  }
  OnEnd();
}

void GrpcCall::Handled(absl::StatusCode code) {
  if (method_.has_value()) {
    services_->meter->Handled(*method_, code, began_nanos_);
  }
}

}  // namespace socle::server::h2
