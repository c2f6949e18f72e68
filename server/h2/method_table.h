// MethodTable: every gRPC method of the server, one row each.
//
// Laws     1. A method without a row is Unimplemented, with grpc-go's text.
// Threads  immutable.
// Source   spec etcd 1.1.
#ifndef SOCLE_SERVER_H2_METHOD_TABLE_H_
#define SOCLE_SERVER_H2_METHOD_TABLE_H_

#include <memory>
#include <span>
#include <string_view>

#include <absl/status/status.h>

#include "server/h2/grpc_call.h"

namespace socle::server::h2 {

struct MethodRow {
  std::string_view service;
  std::string_view method;
  std::shared_ptr<GrpcCall> (*make)(Services* services, std::shared_ptr<http::Exchange> exchange);
};

std::span<const MethodRow> MethodTable();

// By "/package.Service/Method"; null when there is none.
const MethodRow* FindMethod(std::string_view path);

// What a path that FindMethod does not know is answered.
absl::Status UnknownMethod(std::string_view path);

}  // namespace socle::server::h2

#endif  // SOCLE_SERVER_H2_METHOD_TABLE_H_
