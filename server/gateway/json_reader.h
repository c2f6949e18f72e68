// JsonReader: a protobuf message from JSON, as etcd's gateway reads it (Go's jsonpb).
//
//   names        the .proto's, or in lowerCamelCase; unknown ones are skipped
//   64 bits      numbers, or numbers in quotes          enums     names or numbers
//   bytes        base64 with padding, or an array of numbers
//   null         as if it were not there                repeated  an array
//
// Laws     1. What is not of its field's type is refused with jsonpb's text, and the message is of no use then.
//          2. Every byte is read once; messages nest at most kMessageDepthMax deep.
// Threads  pure function.
// Errors   InvalidArgument.
// Source   spec etcd 1.11; etcd 3.4's answers, which tests/acceptance/gateway compares.
#ifndef SOCLE_SERVER_GATEWAY_JSON_READER_H_
#define SOCLE_SERVER_GATEWAY_JSON_READER_H_

#include <string_view>

#include <absl/status/status.h>
#include <google/protobuf/message.h>

namespace socle::server::gateway {

// Protobuf's own readers go no deeper.
inline constexpr int kMessageDepthMax = 100;

// Requires: `json` is one value that JsonScanner found. The message is empty before.
absl::Status ReadJson(std::string_view json, google::protobuf::Message* message);

}  // namespace socle::server::gateway

#endif  // SOCLE_SERVER_GATEWAY_JSON_READER_H_
