#include "server/config/flags.h"

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/config/config_file.h"
#include "server/config/flag_table.h"
#include "server/config/listen_rules.h"
#include "server/config/yaml_tree.h"

namespace socle::server {
namespace {

bool IsDefault(const FlagRow& row, std::string_view text) {
  if (text == row.default_text) {
    return true;
  }
  if (row.is_bool()) {
    const absl::StatusOr<bool> given = ParseBool(text);
    return given.ok() && *given == (row.default_text == "true");
  }
  const absl::StatusOr<int64_t> given = ParseDurationNanos(text);
  const absl::StatusOr<int64_t> expected = ParseDurationNanos(row.default_text);
  return given.ok() && expected.ok() && *given == *expected;
}

// What etcd would refuse is refused, whether it would have an effect here or not.
absl::Status CheckKind(const FlagRow& row, std::string_view text) {
  int64_t number = 0;
  switch (row.kind) {
    case FlagKind::kBool:
      return ParseBool(text).status();
    case FlagKind::kDuration:
      return ParseDurationNanos(text).status();
    case FlagKind::kInteger:
      if (std::from_chars(text.data(), text.data() + text.size(), number).ptr !=
          text.data() + text.size()) {
        return absl::InvalidArgumentError(fmt::format("'{}' is not an integer", text));
      }
      return absl::OkStatus();
    case FlagKind::kText:
    case FlagKind::kList:
      break;
  }
  return absl::OkStatus();
}

// `source` is how the user spelled it: "--name" or "ETCD_NAME".
absl::Status Apply(const FlagRow& row, std::string_view source, std::string_view text,
                   ParsedFlags* parsed) {
  RETURN_IF_ERROR(Annotate(CheckKind(row, text), source));
  if (row.set != nullptr) {
    RETURN_IF_ERROR(Annotate(row.set(text, &parsed->settings), source));
  }
  switch (row.use) {
    case FlagUse::kUsed:
      return absl::OkStatus();
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

// The flag's name, in either spelling, that a variable stands for.
std::string FlagNameOf(std::string_view variable) {
  std::string name;
  for (const char c :
       variable.substr(std::min(variable.size(), std::string_view("ETCD_").size()))) {
    const bool is_capital = c >= 'A' && c <= 'Z';
    name.push_back(c == '_' ? '-' : static_cast<char>(is_capital ? c - 'A' + 'a' : c));
  }
  return name;
}

const FlagRow* FindVariable(std::string_view variable) {
  const bool is_spelled_right =
      variable.find_first_of("abcdefghijklmnopqrstuvwxyz-") == std::string_view::npos;
  return is_spelled_right ? FindFlag(FlagNameOf(variable)) : nullptr;
}

// Images of containers set ETCD_VERSION to the version that they hold.
bool IsForTheCommandLine(const FlagRow& row) {
  return row.name == "version" || row.name.starts_with("help");
}

absl::Status ApplyEnvironment(const Environment& environment, ParsedFlags* parsed) {
  for (const auto& [name, value] : environment) {
    const FlagRow* const found = FindVariable(name);
    if (found == nullptr) {
      parsed->warnings.push_back(fmt::format("the environment variable {} is not known", name));
      continue;
    }
    if (IsForTheCommandLine(*found)) {
      parsed->warnings.push_back(fmt::format("the environment variable {} is not read", name));
      continue;
    }
    if (!value.empty()) {
      RETURN_IF_ERROR(Apply(*found, name, value, parsed));
      if (FlagNameOf(name) == found->second_spelling) {
        parsed->warnings.push_back(
            fmt::format("{} is an old spelling of {}", name, EnvironmentNameOf(*found)));
      }
    }
  }
  return absl::OkStatus();
}

// `given`: the rows that the arguments speak of.
absl::Status ApplyArguments(std::span<const std::string> arguments, ParsedFlags* parsed,
                            std::vector<const FlagRow*>* given) {
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
    if (!value.has_value() && row->is_bool()) {
      value = "true";
    } else if (!value.has_value()) {
      if (i + 1 == arguments.size()) {
        return absl::InvalidArgumentError(fmt::format("--{} needs a value", body));
      }
      value = arguments[++i];
    }
    RETURN_IF_ERROR(Apply(*row, fmt::format("--{}", body), *value, parsed));
    given->push_back(row);
    if (body == row->second_spelling) {
      parsed->warnings.push_back(fmt::format("--{} is an old spelling of --{}", body, row->name));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(Env* env, const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(path, OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > kYamlBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("it has {} bytes; a configuration has at most {}", size, kYamlBytesMax));
  }
  std::string text(size, '\0');
  RETURN_IF_ERROR(file->ReadAt(0, text));
  return text;
}

absl::StatusOr<ParsedFlags> ParseFile(const std::string& path, Env* env) {
  const auto where = [&path](std::string_view place) {
    return fmt::format("--config-file {}: {}", path, place);
  };
  const absl::StatusOr<std::string> text = ReadFile(env, path);
  if (!text.ok()) {
    return Annotate(text.status(), fmt::format("--config-file {}", path));
  }
  const absl::StatusOr<std::vector<FileSetting>> settings = ReadConfig(*text);
  if (!settings.ok()) {
    return Annotate(settings.status(), fmt::format("--config-file {}", path));
  }
  ParsedFlags parsed;
  for (const FileSetting& setting : *settings) {
    RETURN_IF_ERROR(
        Annotate(Apply(*setting.row, setting.key, setting.text, &parsed), where(setting.place)));
    if (setting.key == setting.row->second_spelling) {
      parsed.warnings.push_back(
          fmt::format("{} is an old spelling of {}", setting.key, setting.row->name));
    }
  }
  parsed.settings.config_file = path;
  return parsed;
}

// What the configuration file keeps from having an effect.
void WarnOfShadowed(const std::vector<const FlagRow*>& given, const Environment& environment,
                    ParsedFlags* parsed) {
  std::string shadowed;
  const auto add = [&shadowed](std::string_view name) {
    shadowed += shadowed.empty() ? "" : ", ";
    shadowed += name;
  };
  for (const FlagRow* row : given) {
    if (row->name != "config-file") {
      add(fmt::format("--{}", row->name));
    }
  }
  for (const auto& [name, value] : environment) {
    if (!value.empty() && name != "ETCD_CONFIG_FILE" && FindVariable(name) != nullptr) {
      add(name);
    }
  }
  if (!shadowed.empty()) {
    parsed->warnings.push_back(
        fmt::format("the configuration file alone decides: {} ignored", shadowed));
  }
}

// The command line, over the environment.
absl::StatusOr<ParsedFlags> ParseLine(std::span<const std::string> arguments,
                                      const Environment& environment) {
  ParsedFlags parsed;
  std::vector<const FlagRow*> given;
  RETURN_IF_ERROR(ApplyEnvironment(environment, &parsed));
  RETURN_IF_ERROR(ApplyArguments(arguments, &parsed, &given));
  for (const FlagRow* row : given) {
    for (const auto& [name, value] : environment) {
      if (FindVariable(name) == row && !value.empty()) {
        parsed.warnings.push_back(fmt::format("{} is ignored: --{} is given", name, row->name));
      }
    }
  }
  return parsed;
}

// Sizes that etcd warns of.
void WarnOfSizes(const Settings& settings, std::vector<std::string>* warnings) {
  constexpr int64_t kRequestBytesAdvised = 10 << 20;
  constexpr int64_t kQuotaBytesAdvised = int64_t{8} << 30U;
  if (settings.max_request_bytes > kRequestBytesAdvised) {
    warnings->push_back(
        fmt::format("--max-request-bytes={} is more than the {} that clients expect",
                    settings.max_request_bytes, kRequestBytesAdvised));
  }
  if (settings.quota_backend_bytes > kQuotaBytesAdvised) {
    warnings->push_back(
        fmt::format("--quota-backend-bytes={} is more than the {} that etcd's tools expect",
                    settings.quota_backend_bytes, kQuotaBytesAdvised));
  }
}

// An audit log that misses calls would be worse than none.
absl::Status CheckObserving(const Settings& settings) {
  const bool observes = settings.slow_request_threshold_nanos > 0 ||
                        settings.warning_unary_request_nanos > 0 || !settings.audit_log.empty() ||
                        settings.hot_prefixes > 0;
  if (observes && settings.transport != "h2") {
    return absl::InvalidArgumentError(
        "--audit-log, --hot-prefixes, --slow-request-threshold and "
        "--warning-unary-request-duration need --experimental-transport=h2: the stock gRPC server "
        "tells nothing of its calls");
  }
  return absl::OkStatus();
}

// Details of an extension that is off.
void WarnOfIdle(const Settings& settings, std::vector<std::string>* warnings) {
  const Settings fresh;
  const auto check = [warnings](bool is_off, bool is_changed, std::string_view detail,
                                std::string_view main) {
    if (is_off && is_changed) {
      warnings->push_back(fmt::format("--{} has no effect without --{}", detail, main));
    }
  };
  const bool keeps_no_backup = settings.backup_dir.empty();
  check(keeps_no_backup, settings.backup_interval_nanos != fresh.backup_interval_nanos,
        "backup-interval", "backup-dir");
  check(keeps_no_backup,
        settings.backup_snapshot_interval_nanos != fresh.backup_snapshot_interval_nanos,
        "backup-snapshot-interval", "backup-dir");
  check(keeps_no_backup, settings.backup_retention_nanos != fresh.backup_retention_nanos,
        "backup-retention", "backup-dir");
  check(settings.audit_log.empty(), settings.audit_level != fresh.audit_level, "audit-level",
        "audit-log");
  check(settings.audit_log.empty(), settings.audit_failure != fresh.audit_failure, "audit-failure",
        "audit-log");
  check(settings.hot_prefixes == 0, settings.hot_prefix_depth != fresh.hot_prefix_depth,
        "hot-prefix-depth", "hot-prefixes");
}

// An absolute path; as it is when nobody knows where this process is.
std::string FromRoot(std::string_view path) {
  std::array<char, PATH_MAX> here{};
  if (path.starts_with('/') || ::getcwd(here.data(), here.size()) == nullptr) {
    return std::string(path);
  }
  return fmt::format("{}/{}", here.data(), path);
}

// The folders that a path names one in the other: "a/./b//" and "a/c/../b" are one, links aside.
std::vector<std::string> FoldersOf(std::string_view path) {
  const std::string whole = FromRoot(path);
  std::vector<std::string> folders;
  for (const absl::string_view piece : absl::StrSplit(whole, '/')) {
    if (piece == "..") {
      if (!folders.empty()) {
        folders.pop_back();
      }
    } else if (!piece.empty() && piece != ".") {
      folders.emplace_back(piece);
    }
  }
  return folders;
}

bool LiesIn(std::string_view path, std::string_view folder) {
  const std::vector<std::string> inner = FoldersOf(path);
  const std::vector<std::string> outer = FoldersOf(folder);
  return outer.size() <= inner.size() && std::equal(outer.begin(), outer.end(), inner.begin());
}

// A store would take the backup's files for its own, and who removes the one would remove the other.
absl::Status CheckBackupDirectory(const Settings& settings) {
  if (settings.backup_dir.empty()) {
    return absl::OkStatus();
  }
  if (LiesIn(settings.backup_dir, settings.data_dir) ||
      LiesIn(settings.data_dir, settings.backup_dir)) {
    return absl::InvalidArgumentError(fmt::format(
        "--backup-dir {} and --data-dir {} are one folder, or one lies in the other: give the "
        "backup a folder of its own, best on another disk",
        settings.backup_dir, settings.data_dir));
  }
  return absl::OkStatus();
}

// Lines appended to the database or to a file of the log would be the end of the store. Beside them, in the data directory
// itself, there is room: where the package lets the server write is nothing else.
absl::Status CheckAuditFile(const Settings& settings) {
  if (settings.audit_log.empty() || settings.audit_log == "stdout") {
    return absl::OkStatus();
  }
  for (const std::string& folder :
       {settings.data_dir + "/member", settings.data_dir + "/fixtures", settings.wal_dir}) {
    if (!folder.empty() && LiesIn(settings.audit_log, folder)) {
      return absl::InvalidArgumentError(
          fmt::format("--audit-log {} lies in {}, where the server's own files are: give the audit "
                      "log another path",
                      settings.audit_log, folder));
    }
  }
  return absl::OkStatus();
}

std::string TextOf(std::string_view first_lines, bool extensions_only) {
  std::string text(first_lines);
  std::string_view group;
  for (const FlagRow& row : FlagTable()) {
    if (extensions_only && !row.is_extension) {
      continue;
    }
    if (row.group != group) {
      group = row.group;
      text += fmt::format("\n{}:\n", group);
    }
    const std::string left = row.is_bool() ? fmt::format("--{}", row.name)
                                           : fmt::format("--{} '{}'", row.name, row.default_text);
    if (row.use == FlagUse::kUsed) {
      text += fmt::format("  {}\n      {}\n", left, row.help);
    } else {
      text += fmt::format("  {}: {}\n", left, row.help);
    }
  }
  return text;
}

}  // namespace

absl::StatusOr<ParsedFlags> ParseFlags(std::span<const std::string> arguments,
                                       const Environment& environment, Env* env) {
  ParsedFlags line;
  std::vector<const FlagRow*> given;
  RETURN_IF_ERROR(ApplyArguments(arguments, &line, &given));
  std::string file = line.settings.config_file;
  for (const auto& [name, value] : environment) {
    file = file.empty() && name == "ETCD_CONFIG_FILE" ? value : file;
  }
  const bool asks =
      line.settings.show_help || line.settings.show_version || line.settings.show_extensions;
  const bool has_file = !file.empty() && !asks;
  absl::StatusOr<ParsedFlags> result =
      has_file ? ParseFile(file, env) : ParseLine(arguments, environment);
  if (!result.ok()) {
    return result;
  }
  ParsedFlags& parsed = *result;
  if (has_file) {
    WarnOfShadowed(given, environment, &parsed);
  }
  Settings& settings = parsed.settings;
  WarnOfSizes(settings, &parsed.warnings);
  RETURN_IF_ERROR(CheckListening(settings, &parsed.warnings));
  RETURN_IF_ERROR(CheckObserving(settings));
  WarnOfIdle(settings, &parsed.warnings);
  if (settings.data_dir.empty()) {
    settings.data_dir = settings.name + ".etcd";
  }
  RETURN_IF_ERROR(CheckBackupDirectory(settings));
  RETURN_IF_ERROR(CheckAuditFile(settings));
  if (settings.advertise_client_urls.empty()) {
    settings.advertise_client_urls = settings.listen_client_urls;
  }
  return result;
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
  return TextOf(
      "socle-kv: a single-node key-value server that speaks the etcd v3 API.\n\n"
      "  socle-kv [--flag=value ...]\n"
      "  socle-kv --config-file=FILE\n\n"
      "Every flag can also be given as an environment variable: --data-dir is ETCD_DATA_DIR.\n",
      /*extensions_only=*/false);
}

std::string ExtensionsText() {
  return TextOf("What socle-kv has and etcd does not.\n",
                /*extensions_only=*/true);
}

}  // namespace socle::server
