// Http1Session: HTTP/1.1 (and 1.0) of one connection, on Beast's parser.
//
// Laws     1. One exchange at a time: the next request waits, unparsed, until the response is written.
//          2. A response known whole when it is written has a content-length, any other is chunked, or
//             ends with the connection (HTTP/1.0).
//          3. What is malformed, ambiguous (length and chunks, transfer codings, no Host) or too large is
//             answered 400, 431 or 501 and the connection ends: no guess about where the next one begins.
// Threads  confined to the connection's loop.
// Source   RFC 9112.
#ifndef SOCLE_SERVER_WIRE_HTTP_HTTP1_SESSION_H_
#define SOCLE_SERVER_WIRE_HTTP_HTTP1_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/wire/http/session.h"

namespace socle::server::http {

class Http1Session final : public Session {
 public:
  Http1Session(SessionHost* host, Handler* handler, const Limits* limits);
  ~Http1Session() override;

  bool Receive(std::string_view bytes) override;
  bool CollectOutput(std::string* out) override;
  bool wants_close() const override;
  void BeginStop() override;
  int64_t next_time_nanos() const override;
  bool OnTime(int64_t now_nanos) override;

  void HeadReady(Exchange* exchange, int status, Fields fields, bool is_end) override;
  void DataReady(Exchange* exchange) override;
  void FinishReady(Exchange* exchange) override;
  void ResetReady(Exchange* exchange, uint32_t http2_error) override;
  void BodyResumed(Exchange* exchange) override;

 private:
  class Parser;
  enum class Framing { kUndecided, kLength, kChunked, kUntilClose, kNoBody };

  // Parses what may be parsed now off the front.
  void Parse(std::string_view* bytes);
  void ParseKept();
  bool ParseStep(std::string_view* bytes);
  void BeginExchange();
  void EndRequest();
  void Refuse(int status);
  void WriteHead(std::string* out);
  void WriteBody(std::string* out);
  void EndResponse();
  void Touch();

  std::unique_ptr<Parser> parser_;
  Request request_;
  std::string in_;       // received, not parsed yet
  std::string interim_;  // "100 Continue", refusals
  Exchange* exchange_ = nullptr;
  std::string head_;  // status line and fields of the response, without framing
  int status_ = 0;
  Framing framing_ = Framing::kUndecided;
  int64_t since_nanos_;  // of what next_time_nanos counts from
  bool has_length_field_ = false;
  bool is_head_request_ = false;
  bool keeps_alive_ = true;
  bool is_parsing_ = false;
  bool is_over_ = false;
  bool is_stopping_ = false;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_HTTP1_SESSION_H_
