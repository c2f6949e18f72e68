// Session: one protocol (HTTP/1.1 or HTTP/2) on one connection, without its I/O.
//
// Laws     1. It never calls the socket: bytes come through Receive and go through CollectOutput.
//          2. An exchange belongs to one session until it is closed; the destructor closes all of them.
// Threads  confined to the connection's loop.
#ifndef SOCLE_SERVER_WIRE_HTTP_SESSION_H_
#define SOCLE_SERVER_WIRE_HTTP_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/wire/http/exchange.h"
#include "server/wire/http/limits.h"

namespace socle::server::http {

// What a session needs of its connection.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  // There is something for CollectOutput, or wants_close changed.
  virtual void OutputReady() = 0;
  // Whether the session takes more bytes now: reading stops meanwhile.
  virtual void SetReading(bool wants_bytes) = 0;
  virtual const std::shared_ptr<Loop>& loop() const = 0;

  // As ByteStream::peer_name.
  virtual std::string_view peer_name() { return {}; }

  // Where the client is: "127.0.0.1:1234", "[::1]:1234", "unix", or empty. Valid as long as the connection.
  virtual std::string_view peer_address() { return {}; }

  // As ByteStream::is_encrypted.
  virtual bool is_encrypted() const { return false; }
};

class Session {
 public:
  static constexpr size_t kOutputBatchBytes = 64 * 1024;

  Session(SessionHost* host, Handler* handler, const Limits* limits)
      : host_(host), handler_(handler), limits_(limits) {}

  virtual ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // False: the peer broke the protocol; what CollectOutput still says is to be sent, then it is over.
  virtual bool Receive(std::string_view bytes) = 0;
  // Appends to `out` until it has kOutputBatchBytes or there is nothing more to say now. False: broken.
  virtual bool CollectOutput(std::string* out) = 0;
  // Nothing will be said or heard any more.
  virtual bool wants_close() const = 0;
  // No new exchanges; wants_close when those under way are done.
  virtual void BeginStop() = 0;
  // When OnTime is wanted at the latest; Loop::kNever when not.
  virtual int64_t next_time_nanos() const = 0;
  // False: the client is to be cut off.
  virtual bool OnTime(int64_t now_nanos) = 0;

  // For exchanges.
  // `is_end`: no body and no trailers follow.
  virtual void HeadReady(Exchange* exchange, int status, Fields fields, bool is_end) = 0;
  virtual void DataReady(Exchange* exchange) = 0;
  virtual void FinishReady(Exchange* exchange) = 0;
  virtual void ResetReady(Exchange* exchange, uint32_t http2_error) = 0;
  virtual void BodyResumed(Exchange* exchange) = 0;

  // Bytes that wait to be sent, of all exchanges, and what those exchanges take beside them.
  size_t backlog_bytes() const { return backlog_bytes_; }

  // So much waits that the client gets no new answers.
  bool has_too_much_backlog() const {
    return backlog_bytes_ > limits_->backlog_refuse_bytes ||
           (host_->loop()->backlog_bytes() > limits_->loop_backlog_refuse_bytes &&
            backlog_bytes_ > limits_->backlog_pause_bytes);
  }

  // Its client is not read from for a while, and can't be blamed for what does not come.
  virtual void SetHeldBack(bool /*is_held_back*/) {}

  // Frames that wait to be sent beside them: answers without a body, resets, acknowledgements.
  virtual size_t waiting_frames() const { return 0; }

  bool has_exchanges() const { return first_ != nullptr; }

 protected:
  std::shared_ptr<Exchange> NewExchange();
  // Tells the receiver and forgets the exchange.
  void CloseExchange(Exchange* exchange);
  void CloseAll();
  void StopReceivers();

  SessionHost* const host_;
  Handler* const handler_;
  const Limits* const limits_;

 private:
  friend class Exchange;

  void AddBacklog(size_t bytes) {
    backlog_bytes_ += bytes;
    host_->loop()->AddBacklog(bytes);
  }

  void TakeBacklog(size_t bytes) {
    backlog_bytes_ -= bytes;
    host_->loop()->TakeBacklog(bytes);
  }

  Exchange* first_ = nullptr;
  size_t backlog_bytes_ = 0;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_SESSION_H_
