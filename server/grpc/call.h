// Call: what every adapter does with a call: count it, answer it, translate its status.
// Threads  as the callback API says: Finish may come from any thread.
#ifndef SOCLE_SERVER_GRPC_CALL_H_
#define SOCLE_SERVER_GRPC_CALL_H_

#include <optional>
#include <string>
#include <string_view>

#include <grpcpp/grpcpp.h>

#include "kv/base/status_macros.h"
#include "server/ops/rpc_meter.h"
#include "server/service/node.h"

namespace socle::server {

// Codes of absl and gRPC are the same numbers.
inline grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) {
    return grpc::Status::OK;
  }
  return {static_cast<grpc::StatusCode>(status.code()), std::string(MessageOf(status))};
}

inline std::optional<std::string_view> FieldOf(const grpc::CallbackServerContext& context,
                                               std::string_view name) {
  const auto found = context.client_metadata().find(grpc::string_ref(name.data(), name.size()));
  if (found == context.client_metadata().end()) {
    return std::nullopt;
  }
  return std::string_view(found->second.data(), found->second.size());
}

inline Caller CallerOf(const grpc::CallbackServerContext& context) {
  return {.token = TokenOf(FieldOf(context, kTokenField), FieldOf(context, kAuthorizationField))};
}

inline void CountClient(const grpc::CallbackServerContext& context, RpcMeter* meter,
                        RpcMethod method) {
  meter->CountClient(method, FieldOf(context, "client-api-version").value_or(""));
}

// Runs a unary call; `start(done)` answers now or later, through `done`.
template <typename Start>
grpc::ServerUnaryReactor* StartUnary(grpc::CallbackServerContext* context, RpcMeter* meter,
                                     RpcMethod method, const google::protobuf::Message& request,
                                     const google::protobuf::Message& response, Start start) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const int64_t began_nanos = meter->Started(method);
  meter->Received(method, request.ByteSizeLong());
  CountClient(*context, meter, method);
  start(Done([reactor, meter, method, began_nanos, &response](const absl::Status& status) {
    meter->Handled(method, status.code(), began_nanos);
    if (status.ok()) {
      meter->Sent(method, 1, response.ByteSizeLong());
    }
    reactor->Finish(ToGrpc(status));
  }));
  return reactor;
}

// The same for a call whose answer is there at once.
template <typename Answer>
grpc::ServerUnaryReactor* AnswerUnary(grpc::CallbackServerContext* context, RpcMeter* meter,
                                      RpcMethod method, const google::protobuf::Message& request,
                                      const google::protobuf::Message& response, Answer answer) {
  return StartUnary(context, meter, method, request, response,
                    [&answer](Done done) { done(answer()); });
}

}  // namespace socle::server

#endif  // SOCLE_SERVER_GRPC_CALL_H_
