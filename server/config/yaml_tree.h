// YamlTree: a small YAML document as a tree of nodes, each with its place.
//
// Laws     1. Any bytes may come in; length, depth and number of nodes are bounded.
//          2. An alias stands for a scalar only, so that nothing expands.
// Threads  pure.
// Errors   InvalidArgument with line and column. Merge keys (<<), tags of others and several documents are refused.
// Source   YAML 1.1, as Go programs read it.
#ifndef SOCLE_SERVER_CONFIG_YAML_TREE_H_
#define SOCLE_SERVER_CONFIG_YAML_TREE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace socle::server {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  std::string text = {};                // of a scalar
  bool is_quoted = false;               // it is a text, whatever it looks like
  std::vector<YamlNode> children = {};  // of a list; of a map: key, value, key, value …
  int line = 1;
  int column = 1;
};

inline constexpr size_t kYamlBytesMax = size_t{1} << 20U;
inline constexpr size_t kYamlDepthMax = 16;

// A text without a document is kNull.
absl::StatusOr<YamlNode> ReadYaml(std::string_view text);

// InvalidArgument "line 3, column 7: what".
absl::Status ErrorAt(const YamlNode& node, std::string_view what);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CONFIG_YAML_TREE_H_
