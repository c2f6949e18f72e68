// GrpcCall: one call: frames in, frames out, one status.
//
// Laws     1. A call ends once: by its status, its deadline, or its client.
//          2. A call that is busy with a message gets the next one when it says so; its client is held
//             back by flow control meanwhile.
//          3. Every call that was counted as started is counted as handled.
//          4. A message beyond what may be sent is not: the call ends with that instead.
// Threads  all of it on the exchange's loop.
// Memory   shared by the exchange and by answers under way; the exchange lets go when it is closed.
#ifndef SOCLE_SERVER_H2_GRPC_CALL_H_
#define SOCLE_SERVER_H2_GRPC_CALL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <google/protobuf/message_lite.h>

#include "server/h2/dialect.h"
#include "server/h2/grpc_frame.h"
#include "server/h2/services.h"
#include "server/wire/http/exchange.h"

namespace socle::server::h2 {

class GrpcCall : public http::Receiver {
 public:
  GrpcCall(Services* services, std::optional<RpcMethod> method,
           std::shared_ptr<http::Exchange> exchange);
  ~GrpcCall() override;

  // Before Begin, too: a client that says which version of the API it speaks, or does not (empty). False, and the call
  // is over, when that is no text.
  bool CountClient(std::string_view version);

  // Before the first byte: who makes the call, the request's encoding, and its deadline (INT64_MAX: none).
  // `dialect`: null for gRPC's own frames.
  void Begin(Caller caller, std::string_view encoding, int64_t deadline_nanos,
             std::unique_ptr<Dialect> dialect = nullptr);

  void OnBody(std::string_view bytes) final;
  void OnBodyEnd() final;
  void OnTime() final;
  void OnClosed() final;

 protected:
  // The call may answer from here on.
  virtual void OnBegin() {}

  // The bytes are valid during the call.
  virtual void OnMessage(std::string_view bytes) = 0;
  // The client sends no more messages; every one has been seen.
  virtual void OnHalfClose() = 0;

  // Ended, one way or the other: let go of everything.
  virtual void OnEnd() {}

  // The response is sent, or its client is gone.
  virtual void OnSent() {}

  // No OnMessage and no OnHalfClose between them.
  void Hold();
  void Release();

  // In a dialect the head goes out with the first message, so that an error may still choose the status.
  void SendHead();
  template <typename Message>
  void SendMessage(const Message& message);

  // As long as the connection can take more: sends what `append(std::string*)` appends to the buffer as
  // one message, until it says false, having appended nothing. Requires that the head was sent.
  template <typename Append>
  void SendAppended(const Append& append) {
    std::string* const out = exchange_->buffer();
    const size_t before = out->size();
    uint64_t messages = 0;
    absl::Status framed;
    while (!is_over_ && exchange_->CanWrite()) {
      const size_t start = out->size();
      AppendPrefixRoom(out);
      if (!append(out)) {
        out->resize(start);
        break;
      }
      framed = Frame(start, out);
      if (!framed.ok()) [[unlikely]] {
        break;
      }
      ++messages;
    }
    if (messages > 0) {
      AddedMessages(messages, out->size() - before);
    }
    if (!framed.ok()) [[unlikely]] {
      End(framed);
    }
  }

  void End(const absl::Status& status);
  // The unary answer: head, message and OK in one go. Returns what the call ended with.
  absl::Status EndWith(const google::protobuf::MessageLite& message);

  // The same, of what `append(std::string*)` appends to the buffer.
  template <typename Append>
  absl::Status EndWithAppended(const Append& append) {
    if (is_over_) {
      return absl::OkStatus();
    }
    std::string* const out = exchange_->buffer();
    const size_t start = out->size();
    AppendPrefixRoom(out);
    append(out);
    absl::Status framed = Frame(start, out);
    if (!framed.ok()) [[unlikely]] {
      End(framed);
      return framed;
    }
    AddedMessages(1, out->size() - start);
    EndAnswered();
    return framed;
  }

  // The same, of one that makes prefix and message, which may be sent; or what the dialect has instead.
  // `message_bytes`: of gRPC's message, for the meter.
  void EndWithSource(std::unique_ptr<http::BodySource> source, size_t message_bytes);

  // Null: gRPC's own frames.
  Dialect* dialect() const { return dialect_.get(); }

  bool is_over() const { return is_over_; }

  // For the observer, if there is one. The address is empty when the client has gone.
  CallOrigin Origin() const {
    return {.caller = &caller_,
            .certificate = exchange_->peer_name(),
            .remote = exchange_->peer_address()};
  }

  // What a request of a stream was answered.
  void NoteOpened(const google::protobuf::MessageLite& request, const absl::Status& status) const {
    if (services_->observer != nullptr) [[unlikely]] {
      services_->observer->Opened(*method_, Origin(), request, status);
    }
  }

  // False when it was ended because it could not be audited: to be asked before a stream opens.
  bool MayOpen(const google::protobuf::MessageLite& request) {
    if (services_->observer == nullptr) [[likely]] {
      return true;
    }
    const absl::Status may = services_->observer->MayBegin(*method_, request);
    if (!may.ok()) {
      End(may);
    }
    return may.ok();
  }

  const std::optional<RpcMethod>& method() const { return method_; }

  Services* services() const { return services_; }

  const Caller& caller() const { return caller_; }

  http::Exchange* exchange() const { return exchange_.get(); }

  const std::shared_ptr<http::Exchange>& shared_exchange() const { return exchange_; }

 private:
  // What lies in `out` from `start`, behind its prefix's room, as it is sent; or why it is not.
  absl::Status Frame(size_t start, std::string* out) {
    absl::Status framed = FrameInPlace(start, services_->sent_bytes_max, out);
    if (dialect_ != nullptr && framed.ok()) [[unlikely]] {
      dialect_->Translate(start, out);
    }
    return framed;
  }

  template <typename Message>
  absl::Status TrySend(const Message& message);
  absl::StatusOr<std::optional<std::string_view>> NextMessage(std::string_view* bytes);
  void WriteHead();
  void TakeMessages(std::string_view* bytes);
  void TakeKept();
  void NoteKept();
  void DropKept();
  void Handled(absl::StatusCode code);
  void EndAnswered();
  void AddedMessages(uint64_t messages, size_t bytes);

  Services* const services_;
  const std::optional<RpcMethod> method_;
  const std::shared_ptr<http::Exchange> exchange_;
  Caller caller_;
  std::string encoding_;
  std::unique_ptr<Dialect> dialect_;  // null: gRPC
  std::string in_;                    // frames not yet taken
  size_t kept_ = 0;                   // how much of it services_->kept knows of
  int64_t kept_since_nanos_ =
      0;  // since when the first of them is waited for, while kept_ is not 0
  int64_t deadline_nanos_ = http::Loop::kNever;
  int64_t began_nanos_ = 0;  // the meter's clock
  bool has_head_ = false;
  bool is_over_ = false;
  bool is_held_ = false;
  bool is_taking_ = false;
  bool has_body_ended_ = false;
  bool has_half_closed_ = false;
};

// Trailers alone, for a call that there is no GrpcCall for.
void RefuseCall(http::Exchange* exchange, const absl::Status& status);

}  // namespace socle::server::h2

#endif  // SOCLE_SERVER_H2_GRPC_CALL_H_
