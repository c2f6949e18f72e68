// JsonWriter: a protobuf message as JSON, byte for byte as etcd's gateway writes it (Go's jsonpb).
//
// Laws     1. The .proto's names, in the order of field numbers; what is default is left out; 64 bits in quotes, enums by
//             name, bytes in base64 with padding; no space.
// Threads  pure function.
// Source   spec etcd 1.11.
#ifndef SOCLE_SERVER_GATEWAY_JSON_WRITER_H_
#define SOCLE_SERVER_GATEWAY_JSON_WRITER_H_

#include <string>

#include <google/protobuf/message.h>

namespace socle::server::gateway {

void AppendJson(const google::protobuf::Message& message, std::string* out);

}  // namespace socle::server::gateway

#endif  // SOCLE_SERVER_GATEWAY_JSON_WRITER_H_
