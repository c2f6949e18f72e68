// JsonDialect: a call in the gateway's JSON, both ways.
//
//   one answer      {…}                                   errors  {"error":"…","message":"…","code":n,"details":[]}, status by code
//   a stream        {"result":{…}} a line for each        errors  {"error":{"grpc_code":n,"http_code":n,"message":"…",
//                                                                  "http_status":"…"}}, in place of a line
//
// Laws     1. A method that takes one message takes the first value of the body, or an empty message when there is none; what follows
//             is passed over.
//          2. One that takes many takes value after value. The first has to be good; after it, what is not ends the client's side.
//          3. Texts, statuses and shapes are those of etcd 3.4 and 3.5; what deviates is listed in DESIGN.md.
// Memory   a value that is not all there waits in the call: at most TextBytesMax of it.
// Source   spec etcd 1.11.
#ifndef SOCLE_SERVER_GATEWAY_JSON_DIALECT_H_
#define SOCLE_SERVER_GATEWAY_JSON_DIALECT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "server/gateway/access.h"
#include "server/gateway/json_scanner.h"
#include "server/h2/dialect.h"

namespace socle::server::gateway {

// The HTTP status that a gRPC code is answered with.
int HttpStatusOf(absl::StatusCode code);

// Answers with the error alone, in the first of the two shapes.
void RefuseInJson(const absl::Status& status, const CorsOrigin& cors, http::Exchange* exchange);

class JsonDialect final : public h2::Dialect {
 public:
  // As h2::Dialect::RangeBody: what it needs of the services is not linked into who needs JSON alone.
  using RangeWriter = std::unique_ptr<http::BodySource>(RangeAnswer&& answer, InFlight* room);

  JsonDialect(const google::protobuf::MethodDescriptor* method, size_t message_bytes_max,
              CorsOrigin cors, RangeWriter* range_writer);

  absl::StatusOr<std::optional<std::string_view>> Take(std::string_view* in,
                                                       bool has_ended) override;
  void SendHead(http::Exchange* exchange) override;
  void Translate(size_t start, std::string* out) override;

  std::unique_ptr<http::BodySource> RangeBody(RangeAnswer&& answer, InFlight* room) override {
    return range_writer_(std::move(answer), room);
  }

  void End(const absl::Status& status, bool has_head, http::Exchange* exchange) override;

  // Of one value, as it lies in the body: base64 and the names around it fit in.
  static size_t TextBytesMax(size_t message_bytes_max) { return 2 * message_bytes_max; }

 private:
  absl::StatusOr<std::optional<std::string_view>> TakeValue(std::string_view* in, bool has_ended);
  absl::StatusOr<std::optional<std::string_view>> Refuse(std::string_view text);
  absl::StatusOr<std::optional<std::string_view>> Encode(std::string_view json);

  const google::protobuf::MethodDescriptor* const method_;
  const size_t message_bytes_max_;
  const CorsOrigin cors_;
  RangeWriter* const range_writer_;
  JsonScanner scanner_;
  size_t scanned_ = 0;       // of the value under way
  size_t taken_ = 0;         // messages
  bool is_deaf_ = false;     // passes over the rest of the body
  bool is_refused_ = false;  // Take said an error
  const std::unique_ptr<google::protobuf::Message> request_;
  const std::unique_ptr<google::protobuf::Message> response_;
  std::string serialised_;
};

}  // namespace socle::server::gateway

#endif  // SOCLE_SERVER_GATEWAY_JSON_DIALECT_H_
