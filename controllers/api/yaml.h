// Yaml: a manifest as JSON text, with the rules by which Kubernetes reads YAML (version 1.1 scalars).
//
//   replicas: 0x10      16          image: "1.0"    "1.0"        paused: yes    true
//   8080: web           "8080":     - ~             null         *anchor        the anchored node again
//
// Laws     1. Any bytes may come in; nesting is bounded, and so is what aliases expand to.
//          2. A key that comes twice comes twice in the JSON: who is strict can see it.
// Threads  pure.
// Errors   InvalidArgument with line and column. Merge keys (<<), several documents and numbers that JSON
//          lacks (.nan, .inf) are refused.
// Source   spec controllers 9.3; YAML 1.1.
#ifndef SOCLE_CONTROLLERS_API_YAML_H_
#define SOCLE_CONTROLLERS_API_YAML_H_

#include <cstddef>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace socle::api {

// `bytes_max` bounds the JSON text, aliases included. A text without a document is "null".
absl::StatusOr<std::string> YamlToJson(std::string_view text, size_t bytes_max);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_YAML_H_
