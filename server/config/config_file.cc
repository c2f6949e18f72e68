#include "server/config/config_file.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/config/yaml_tree.h"

namespace socle::server {
namespace {

constexpr std::string_view kClientTls = "client-transport-security";
constexpr std::string_view kPeerTls = "peer-transport-security";
constexpr std::string_view kSockets = "socket-options";
constexpr std::string_view kDiscovery = "discovery-config";

struct SectionKey {
  std::string_view section;
  std::string_view key;
  std::string_view flag;
};

constexpr std::array kSectionKeys = {
    SectionKey{kClientTls, "cert-file", "cert-file"},
    SectionKey{kClientTls, "key-file", "key-file"},
    SectionKey{kClientTls, "client-cert-file", "client-cert-file"},
    SectionKey{kClientTls, "client-key-file", "client-key-file"},
    SectionKey{kClientTls, "client-cert-auth", "client-cert-auth"},
    SectionKey{kClientTls, "trusted-ca-file", "trusted-ca-file"},
    SectionKey{kClientTls, "auto-tls", "auto-tls"},
    SectionKey{kClientTls, "allowed-hostname", "client-cert-allowed-hostname"},
    // etcd's file has no place for it.
    SectionKey{kClientTls, "client-crl-file", "client-crl-file"},
    SectionKey{kPeerTls, "cert-file", "peer-cert-file"},
    SectionKey{kPeerTls, "key-file", "peer-key-file"},
    SectionKey{kPeerTls, "client-cert-file", "peer-client-cert-file"},
    SectionKey{kPeerTls, "client-key-file", "peer-client-key-file"},
    SectionKey{kPeerTls, "client-cert-auth", "peer-client-cert-auth"},
    SectionKey{kPeerTls, "trusted-ca-file", "peer-trusted-ca-file"},
    SectionKey{kPeerTls, "auto-tls", "peer-auto-tls"},
    SectionKey{kPeerTls, "allowed-cn", "peer-cert-allowed-cn"},
    SectionKey{kPeerTls, "allowed-hostname", "peer-cert-allowed-hostname"},
    SectionKey{kPeerTls, "skip-client-san-verification", "peer-skip-client-san-verification"},
    SectionKey{kSockets, "reuse-port", "socket-reuse-port"},
    SectionKey{kSockets, "reuse-address", "socket-reuse-address"},
};

constexpr std::array<std::string_view, 4> kCommandLineOnly = {"config-file", "help",
                                                              "help-extensions", "version"};

bool IsSection(std::string_view key) {
  return key == kClientTls || key == kPeerTls || key == kSockets || key == kDiscovery;
}

// These keep what they were when the file leaves them empty.
bool KeepsDefaultWhenEmpty(const FlagRow& row) {
  return row.use != FlagUse::kUsed || row.name.ends_with("-urls") || row.name == "cors" ||
         row.name == "host-whitelist";
}

absl::StatusOr<std::string> BoolText(const YamlNode& node) {
  if (!node.is_quoted) {
    for (const std::string_view yes :
         {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"}) {
      if (node.text == yes) {
        return "true";
      }
    }
    for (const std::string_view no :
         {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"}) {
      if (node.text == no) {
        return "false";
      }
    }
  }
  return absl::InvalidArgumentError(node.is_quoted ? "must be true or false, without quotes"
                                                   : "must be true or false");
}

bool IsWholeNumber(const YamlNode& node) {
  const std::string_view digits = std::string_view(node.text).substr(node.text.starts_with('-'));
  return !node.is_quoted && !digits.empty() &&
         digits.find_first_not_of("0123456789") == std::string_view::npos;
}

absl::StatusOr<std::string> DurationText(const YamlNode& node) {
  if (IsWholeNumber(node)) {
    return node.text + "ns";
  }
  const absl::StatusOr<int64_t> nanos = ParseDurationNanos(node.text);
  return absl::InvalidArgumentError(
      nanos.ok() ? fmt::format("durations are nanoseconds here: write {}", *nanos)
                 : "must be a whole number of nanoseconds");
}

absl::StatusOr<std::string> ListText(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kList) {
    return absl::InvalidArgumentError("must be a list, such as [a, b]");
  }
  std::string text;
  for (const YamlNode& item : node.children) {
    if (item.kind != YamlNode::Kind::kScalar || item.text.empty() ||
        item.text.find(',') != std::string::npos) {
      return absl::InvalidArgumentError("each part of the list must be a text without commas");
    }
    text += text.empty() ? "" : ",";
    text += item.text;
  }
  return text;
}

absl::StatusOr<std::string> TextOf(const FlagRow& row, const YamlNode& node) {
  if (row.kind == FlagKind::kList) {
    return ListText(node);
  }
  if (node.kind != YamlNode::Kind::kScalar) {
    return absl::InvalidArgumentError(node.kind == YamlNode::Kind::kList
                                          ? "must be one text: with commas if it has parts"
                                          : "has no settings below it");
  }
  switch (row.kind) {
    case FlagKind::kBool:
      return BoolText(node);
    case FlagKind::kInteger:
      if (!IsWholeNumber(node)) {
        return absl::InvalidArgumentError("must be a whole number, without quotes");
      }
      return node.text;
    case FlagKind::kDuration:
      return DurationText(node);
    case FlagKind::kText:
    case FlagKind::kList:
      break;
  }
  return node.text;
}

class Reader {
 public:
  absl::StatusOr<std::vector<FileSetting>> Read(const YamlNode& root) {
    if (root.kind == YamlNode::Kind::kNull) {
      return std::move(settings_);
    }
    if (root.kind != YamlNode::Kind::kMap) {
      return ErrorAt(root, "must be settings, each as 'key: value'");
    }
    RETURN_IF_ERROR(EachKey(root, {}, [this](const YamlNode& key, const YamlNode& value) {
      return IsSection(key.text) ? ReadSection(key, value) : ReadTop(key, value);
    }));
    return std::move(settings_);
  }

 private:
  template <typename Visit>
  static absl::Status EachKey(const YamlNode& map, std::string_view section, const Visit& visit) {
    std::set<std::string_view> seen;
    for (size_t i = 0; i + 1 < map.children.size(); i += 2) {
      const YamlNode& key = map.children[i];
      if (!seen.insert(key.text).second) {
        return ErrorAt(key, fmt::format("{}{} is given twice", section, key.text));
      }
      RETURN_IF_ERROR(visit(key, map.children[i + 1]));
    }
    return absl::OkStatus();
  }

  absl::Status ReadTop(const YamlNode& key, const YamlNode& value) {
    for (const SectionKey& known : kSectionKeys) {
      if (known.flag == key.text) {
        return ErrorAt(
            key, fmt::format("{} belongs below {}, as {}", key.text, known.section, known.key));
      }
    }
    const auto& barred = kCommandLineOnly;
    if (std::find(barred.begin(), barred.end(), key.text) != barred.end()) {
      return ErrorAt(key, fmt::format("{} is for the command line only", key.text));
    }
    const FlagRow* const row = FindFlag(key.text);
    if (row == nullptr) {
      return ErrorAt(key, fmt::format("unknown key {} (see socle-kv --help)", key.text));
    }
    return Add(*row, key.text, value);
  }

  absl::Status ReadSection(const YamlNode& section, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::kNull) {
      return absl::OkStatus();
    }
    if (value.kind != YamlNode::Kind::kMap) {
      return ErrorAt(value, fmt::format("{} must have settings below it", section.text));
    }
    if (section.text == kDiscovery) {
      // Whatever it says, there is nobody to discover.
      settings_.push_back({.row = FindFlag("discovery-endpoints"),
                           .key = section.text,
                           .text = "given",
                           .place = PlaceOf(section)});
      return absl::OkStatus();
    }
    const std::string prefix = section.text + ".";
    return EachKey(value, prefix, [&](const YamlNode& key, const YamlNode& its_value) {
      const auto* const known =
          std::find_if(kSectionKeys.begin(), kSectionKeys.end(), [&](const SectionKey& row) {
            return row.section == section.text && row.key == key.text;
          });
      if (known != kSectionKeys.end()) {
        const FlagRow& row = *FindFlag(known->flag);
        if (row.kind == FlagKind::kList && its_value.kind == YamlNode::Kind::kScalar) {
          // allowed-hostname and allowed-cn, as etcd 3.5 and before have them.
          settings_.push_back({&row, prefix + key.text, its_value.text, PlaceOf(its_value)});
          return absl::OkStatus();
        }
        return Add(row, prefix + key.text, its_value);
      }
      if (section.text == kClientTls && key.text == "allowed-cn") {
        return ErrorAt(key,
                       "allowed-cn: clients are not judged by the common name of their "
                       "certificates, only by allowed-hostname");
      }
      if (section.text == kClientTls && key.text == "skip-client-san-verification") {
        return absl::OkStatus();  // etcd looks at it for peers only
      }
      return ErrorAt(key, fmt::format("unknown key {}{}", prefix, key.text));
    });
  }

  static std::string PlaceOf(const YamlNode& node) {
    return fmt::format("line {}, column {}", node.line, node.column);
  }

  absl::Status Add(const FlagRow& row, const std::string& key, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::kNull || (value.kind == YamlNode::Kind::kScalar &&
                                                value.text.empty() && KeepsDefaultWhenEmpty(row))) {
      return absl::OkStatus();
    }
    const absl::StatusOr<std::string> text = TextOf(row, value);
    if (!text.ok()) {
      return ErrorAt(value, fmt::format("{}: {}", key, MessageOf(text.status())));
    }
    settings_.push_back({.row = &row, .key = key, .text = *text, .place = PlaceOf(value)});
    return absl::OkStatus();
  }

  std::vector<FileSetting> settings_;
};

}  // namespace

absl::StatusOr<std::vector<FileSetting>> ReadConfig(std::string_view text) {
  ASSIGN_OR_RETURN(const YamlNode root, ReadYaml(text));
  return Reader().Read(root);
}

}  // namespace socle::server
