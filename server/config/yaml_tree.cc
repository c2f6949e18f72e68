#include "server/config/yaml_tree.h"

#include <map>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "kv/base/probe.h"

namespace socle::server {
namespace {

absl::Status ErrorAtMark(const YAML::Mark& mark, std::string_view what) {
  return absl::InvalidArgumentError(
      fmt::format("line {}, column {}: {}", mark.line + 1, mark.column + 1, what));
}

// Builds the tree as the parser walks the document. After an error it takes events and does nothing.
class TreeBuilder final : public YAML::EventHandler {
 public:
  const absl::Status& status() const { return status_; }

  YamlNode Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(At(mark, YamlNode::Kind::kNull), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = scalars_.find(anchor);
    if (found == scalars_.end()) {
      Fail(mark, "an alias can only stand for a text, a number or true and false: write it out");
      return;
    }
    YamlNode node = found->second;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    Add(std::move(node), 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag != "!" && tag != "?" && !tag.starts_with("tag:yaml.org,2002:")) {
      Fail(mark, fmt::format("unknown tag {}", tag));
      return;
    }
    YamlNode node = At(mark, YamlNode::Kind::kScalar);
    node.is_quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (!node.is_quoted &&
        (value == "~" || value == "null" || value == "Null" || value == "NULL")) {
      node.kind = YamlNode::Kind::kNull;
    }
    if (IsKeyNext() && value == "<<" && !node.is_quoted) {
      Fail(mark, "merge keys (<<) are not read: write the settings out");
      return;
    }
    node.text = value;
    Add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/,
                       YAML::anchor_t /*anchor*/, YAML::EmitterStyle::value /*style*/) override {
    Open(mark, YamlNode::Kind::kList);
  }

  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {
    Open(mark, YamlNode::Kind::kMap);
  }

  void OnMapEnd() override { Close(); }

 private:
  static YamlNode At(const YAML::Mark& mark, YamlNode::Kind kind) {
    return {.kind = kind, .line = mark.line + 1, .column = mark.column + 1};
  }

  bool IsKeyNext() const {
    return !open_.empty() && open_.back().kind == YamlNode::Kind::kMap &&
           open_.back().children.size() % 2 == 0;
  }

  void Fail(const YAML::Mark& mark, std::string_view what) {
    if (status_.ok()) {
      status_ = ErrorAtMark(mark, what);
    }
  }

  void Add(YamlNode node, YAML::anchor_t anchor) {
    if (!status_.ok()) {
      return;
    }
    if (IsKeyNext() && node.kind != YamlNode::Kind::kScalar) {
      status_ = ErrorAt(node, "the name of a setting must be a text");
      return;
    }
    if (anchor != 0) {
      scalars_.insert_or_assign(anchor, node);
    }
    (open_.empty() ? root_ : open_.back().children.emplace_back()) = std::move(node);
  }

  void Open(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (!status_.ok()) {
      return;
    }
    if (IsKeyNext()) {
      Fail(mark, "the name of a setting must be a text");
    } else if (open_.size() >= kYamlDepthMax) {
      Fail(mark, fmt::format("nested deeper than {}", kYamlDepthMax));
    } else {
      open_.push_back(At(mark, kind));
    }
  }

  void Close() {
    if (!status_.ok() || open_.empty()) {
      return;
    }
    YamlNode node = std::move(open_.back());
    open_.pop_back();
    (open_.empty() ? root_ : open_.back().children.emplace_back()) = std::move(node);
  }

  absl::Status status_;
  YamlNode root_;
  std::vector<YamlNode> open_;  // from the root down
  std::map<YAML::anchor_t, YamlNode> scalars_;
};

}  // namespace

absl::Status ErrorAt(const YamlNode& node, std::string_view what) {
  return absl::InvalidArgumentError(
      fmt::format("line {}, column {}: {}", node.line, node.column, what));
}

absl::StatusOr<YamlNode> ReadYaml(std::string_view text) {
  if (text.size() > kYamlBytesMax) {
    return absl::InvalidArgumentError(fmt::format("it is longer than {} bytes", kYamlBytesMax));
  }
  std::istringstream stream{std::string(text)};
  TreeBuilder tree;
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(tree)) {
      return YamlNode();
    }
    if (!tree.status().ok()) {
      return tree.status();
    }
    TreeBuilder others;
    if (parser.HandleNextDocument(others) &&
        (!others.status().ok() || others.Take().kind != YamlNode::Kind::kNull)) {
      return absl::InvalidArgumentError("several YAML documents: only one is read");
    }
  } catch (const YAML::DeepRecursion& error) {
    PROBE("config file: nested deeper than the parser goes");
    return ErrorAtMark(error.mark, "nested too deep");
  } catch (const YAML::Exception& error) {
    return ErrorAtMark(error.mark, error.msg);
  }
  return tree.Take();
}

}  // namespace socle::server
