// Dialect: how the messages of a call lie in the bodies of request and response, when it is not in gRPC's frames.
//
// Laws     1. A call asks Take again and again until it says nullopt, after each piece of the body and after its end.
//          2. SendHead comes before the first message and at most once; End is the last call.
// Threads  the exchange's loop.
// Errors   Take: what the call ends with.
#ifndef SOCLE_SERVER_H2_DIALECT_H_
#define SOCLE_SERVER_H2_DIALECT_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "server/wire/http/exchange.h"

namespace socle::server {
class InFlight;
struct RangeAnswer;
}  // namespace socle::server

namespace socle::server::h2 {

class Dialect {
 public:
  virtual ~Dialect() = default;

  // The next message off `in` as protobuf bytes, valid until the next Take; nullopt: there is none yet. With `has_ended` none will
  // follow, and nothing is left in `in` then.
  virtual absl::StatusOr<std::optional<std::string_view>> Take(std::string_view* in,
                                                               bool has_ended) = 0;
  virtual void SendHead(http::Exchange* exchange) = 0;
  // What lies in `out` from `start`: room of kPrefixBytes and a protobuf message; instead of them, what is sent.
  virtual void Translate(size_t start, std::string* out) = 0;
  // The response to a Range that found much, made as the client takes it; never empty. `room` as RangeBytes::Detach.
  virtual std::unique_ptr<http::BodySource> RangeBody(RangeAnswer&& answer, InFlight* room) = 0;
  // The end of the response, and all of it when there was no head.
  virtual void End(const absl::Status& status, bool has_head, http::Exchange* exchange) = 0;
};

}  // namespace socle::server::h2

#endif  // SOCLE_SERVER_H2_DIALECT_H_
