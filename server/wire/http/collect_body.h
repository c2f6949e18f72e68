// CollectBody: a Receiver that waits for the whole body, then answers once: what a unary API wants.
//
//   return CollectBody(exchange, 64 * 1024, [exchange](std::string body) { exchange->Respond(…); });
//
// Laws     1. A body over the limit is answered 413 and the callback never runs.
// Threads  the callback runs on the loop's thread.
#ifndef SOCLE_SERVER_WIRE_HTTP_COLLECT_BODY_H_
#define SOCLE_SERVER_WIRE_HTTP_COLLECT_BODY_H_

#include <cstddef>
#include <memory>
#include <string>

#include <absl/functional/any_invocable.h>

#include "server/wire/http/exchange.h"

namespace socle::server::http {

std::shared_ptr<Receiver> CollectBody(std::shared_ptr<Exchange> exchange, size_t body_bytes_max,
                                      absl::AnyInvocable<void(std::string body)> on_body);

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_COLLECT_BODY_H_
