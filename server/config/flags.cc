#include "server/config/flags.h"

#include <unistd.h>

#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/config/flag_table.h"
#include "server/config/listen_rules.h"

namespace socle::server {
namespace {

bool IsDefault(const FlagRow& row, std::string_view text) {
  if (text == row.default_text) {
    return true;
  }
  if (row.is_bool) {
    const absl::StatusOr<bool> given = ParseBool(text);
    return given.ok() && *given == (row.default_text == "true");
  }
  const absl::StatusOr<int64_t> given = ParseDurationNanos(text);
  const absl::StatusOr<int64_t> expected = ParseDurationNanos(row.default_text);
  return given.ok() && expected.ok() && *given == *expected;
}

// `source` is how the user spelled it: "--name" or "ETCD_NAME".
absl::Status Apply(const FlagRow& row, std::string_view source, std::string_view text,
                   ParsedFlags* parsed) {
  if (row.is_bool && !ParseBool(text).ok()) {
    return Annotate(ParseBool(text).status(), source);
  }
  switch (row.use) {
    case FlagUse::kUsed:
      return Annotate(row.set(text, &parsed->settings), source);
    case FlagUse::kNoEffect:
      if (!IsDefault(row, text)) {
        parsed->warnings.push_back(fmt::format("{} has no effect: {}", source, row.help));
      }
      return absl::OkStatus();
    case FlagUse::kMissing:
      if (!IsDefault(row, text)) {
        return absl::InvalidArgumentError(fmt::format("{}: {}", source, row.help));
      }
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status ApplyEnvironment(const Environment& environment, ParsedFlags* parsed) {
  for (const auto& [name, value] : environment) {
    const FlagRow* found = nullptr;
    for (const FlagRow& row : FlagTable()) {
      found = EnvironmentNameOf(row) == name ? &row : found;
    }
    if (found == nullptr) {
      parsed->warnings.push_back(fmt::format("the environment variable {} is not known", name));
      continue;
    }
    if (!value.empty()) {
      RETURN_IF_ERROR(Apply(*found, name, value, parsed));
    }
  }
  return absl::OkStatus();
}

absl::Status ApplyArguments(std::span<const std::string> arguments, ParsedFlags* parsed) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument.size() < 2 || argument[0] != '-' || argument == "--") {
      return absl::InvalidArgumentError(
          fmt::format("'{}' is not a flag (see socle-kv --help)", argument));
    }
    std::string_view body = argument.substr(argument[1] == '-' ? 2 : 1);
    std::optional<std::string_view> value;
    if (const size_t equals = body.find('='); equals != std::string_view::npos) {
      value = body.substr(equals + 1);
      body = body.substr(0, equals);
    }
    const FlagRow* row = FindFlag(body == "h" ? std::string_view("help") : body);
    if (row == nullptr) {
      return absl::InvalidArgumentError(
          fmt::format("unknown flag --{} (see socle-kv --help)", body));
    }
    if (!value.has_value() && row->is_bool) {
      value = "true";
    } else if (!value.has_value()) {
      if (i + 1 == arguments.size()) {
        return absl::InvalidArgumentError(fmt::format("--{} needs a value", body));
      }
      value = arguments[++i];
    }
    RETURN_IF_ERROR(Apply(*row, fmt::format("--{}", body), *value, parsed));
    if (body == row->second_spelling) {
      parsed->warnings.push_back(fmt::format("--{} is an old spelling of --{}", body, row->name));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ParsedFlags> ParseFlags(std::span<const std::string> arguments,
                                       const Environment& environment) {
  ParsedFlags parsed;
  RETURN_IF_ERROR(ApplyEnvironment(environment, &parsed));
  RETURN_IF_ERROR(ApplyArguments(arguments, &parsed));
  Settings& settings = parsed.settings;
  RETURN_IF_ERROR(CheckListening(settings, &parsed.warnings));
  if (settings.data_dir.empty()) {
    settings.data_dir = settings.name + ".etcd";
  }
  if (settings.advertise_client_urls.empty()) {
    settings.advertise_client_urls = settings.listen_client_urls;
  }
  return parsed;
}

Environment EtcdEnvironment() {
  Environment found;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (text.starts_with("ETCD_") && equals != std::string_view::npos) {
      found.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return found;
}

std::string HelpText() {
  std::string text =
      "socle-kv: a single-node key-value server that speaks the etcd v3 API.\n\n"
      "  socle-kv [--flag=value ...]\n\n"
      "Every flag can also be given as an environment variable: --data-dir is ETCD_DATA_DIR.\n";
  std::string_view group;
  for (const FlagRow& row : FlagTable()) {
    if (row.group != group) {
      group = row.group;
      text += fmt::format("\n{}:\n", group);
    }
    const std::string left = row.is_bool ? fmt::format("--{}", row.name)
                                         : fmt::format("--{} '{}'", row.name, row.default_text);
    if (row.use == FlagUse::kUsed) {
      text += fmt::format("  {}\n      {}\n", left, row.help);
    } else {
      text += fmt::format("  {}: {}\n", left, row.help);
    }
  }
  return text;
}

}  // namespace socle::server
