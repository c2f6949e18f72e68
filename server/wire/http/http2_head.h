// RequestHead: makes a Request of the fields of an HTTP/2 head, and judges them.
//
// Laws     1. Beyond Limits::header_bytes_max nothing is kept; the fields are counted all the same.
// Threads  thread-compatible.
// Memory   keeps that of its Request: one serves a whole connection.
// Source   RFC 9113 sections 8.2, 8.3.
#ifndef SOCLE_SERVER_WIRE_HTTP_HTTP2_HEAD_H_
#define SOCLE_SERVER_WIRE_HTTP_HTTP2_HEAD_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/wire/http/limits.h"
#include "server/wire/http/message.h"

namespace socle::server::http {

class RequestHead {
 public:
  enum class Verdict { kGood, kTooLarge, kMalformed };

  explicit RequestHead(const Limits* limits) : limits_(limits) {}

  void Begin();
  void Add(std::string_view name, std::string_view value);
  // After the last field.
  Verdict End() const;

  const Request& request() const { return request_; }

  // The content-length; -1: none was said.
  int64_t body_bytes() const { return body_bytes_; }

 private:
  void AddPseudo(std::string_view name, std::string_view value);
  void AddField(std::string_view name, std::string_view value);

  const Limits* const limits_;
  Request request_;
  size_t bytes_ = 0;
  int64_t body_bytes_ = -1;
  unsigned pseudo_seen_ = 0;  // a bit for each
  bool has_fields_ = false;
  bool is_malformed_ = false;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_HTTP2_HEAD_H_
