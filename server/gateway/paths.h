// Paths: which path of the gateway is which method of gRPC.
//
// Threads  immutable.
// Source   spec etcd 1.11.
#ifndef SOCLE_SERVER_GATEWAY_PATHS_H_
#define SOCLE_SERVER_GATEWAY_PATHS_H_

#include <span>
#include <string_view>

#include <google/protobuf/descriptor.h>

#include "server/h2/method_table.h"

namespace socle::server::gateway {

struct PathRow {
  std::string_view path;    // after "/v3/"
  std::string_view method;  // "/package.Service/Method"
};

struct GatewayMethod {
  const h2::MethodRow* row;
  const google::protobuf::MethodDescriptor* types;
};

std::span<const PathRow> PathTable();

// By what follows "/v3/"; null when there is none.
const GatewayMethod* FindGatewayMethod(std::string_view path);

}  // namespace socle::server::gateway

#endif  // SOCLE_SERVER_GATEWAY_PATHS_H_
