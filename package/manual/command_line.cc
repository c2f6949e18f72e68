#include "package/manual/command_line.h"

#include <algorithm>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "server/config/flag_table.h"

namespace socle::package {
namespace {

std::string Without(std::string text, std::string_view ends) {
  text.erase(0, text.find_first_not_of(ends));
  text.erase(text.find_last_not_of(ends) + 1);
  return text;
}

std::vector<std::string> Split(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(at), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// CLI11 says a type and its checks as "TEXT:{a,b}" or "UINT:INT in [1 - 5]".
std::vector<std::string> ChoicesIn(std::string_view type) {
  const size_t begin = type.find('{');
  const size_t end = type.find('}');
  if (begin == std::string_view::npos || end == std::string_view::npos) {
    return {};
  }
  return Split(type.substr(begin + 1, end - begin - 1), ',');
}

std::string BoundsIn(std::string_view type) {
  const size_t begin = type.find("in [");
  const size_t end = type.find(']', std::min(begin, type.size()));
  const size_t dash = type.find(" - ", std::min(begin, type.size()));
  if (begin == std::string_view::npos || end == std::string_view::npos ||
      dash == std::string_view::npos) {
    return {};
  }
  return fmt::format(" From {} to {}.", type.substr(begin + 4, dash - begin - 4),
                     type.substr(dash + 3, end - dash - 3));
}

std::string PlaceholderOf(const Argument& argument) {
  if (!argument.choices.empty()) {
    return fmt::format("{}", fmt::join(argument.choices, "|"));
  }
  switch (argument.kind) {
    case ValueKind::kNone:
      return {};
    case ValueKind::kNumber:
      return "N";
    case ValueKind::kFile:
      return "FILE";
    case ValueKind::kFolder:
      return "DIR";
    case ValueKind::kWord:
      break;
  }
  return "TEXT";
}

std::string WithFullStop(std::string text) {
  const bool has_one =
      text.empty() || std::string_view(".?!").find(text.back()) != std::string_view::npos;
  return has_one ? text : text + ".";
}

// Sorted: the set is by address.
std::string NamesOf(const std::set<CLI::Option*>& options) {
  std::vector<std::string> names;
  names.reserve(options.size());
  for (const CLI::Option* option : options) {
    names.push_back(option->get_name());
  }
  std::sort(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, ", "));
}

Argument DescribeOption(const CLI::Option& option) {
  Argument argument;
  for (const std::string& name : option.get_lnames()) {
    argument.names.push_back("--" + name);
  }
  for (const std::string& name : option.get_snames()) {
    argument.names.push_back("-" + name);
  }
  const std::string type = option.get_type_name();
  argument.about = WithFullStop(option.get_description()) + BoundsIn(type);
  if (const std::string others = NamesOf(option.get_excludes()); !others.empty()) {
    argument.about += " Not together with " + others + ".";
  }
  if (const std::string others = NamesOf(option.get_needs()); !others.empty()) {
    argument.about += " Needs " + others + ".";
  }
  argument.default_text = Without(option.get_default_str(), "[]");
  argument.environment = option.get_envname();
  argument.is_required = option.get_required();
  argument.repeats = option.get_expected_max() > 1;
  argument.choices = ChoicesIn(type);
  if (option.get_items_expected_max() > 0) {
    const bool is_number =
        type.starts_with("UINT") || type.starts_with("INT") || type.starts_with("FLOAT");
    argument.kind = is_number ? ValueKind::kNumber
                              : KindOfText(option.get_single_name(), option.get_description());
  }
  argument.value = argument.names.empty() ? option.get_single_name() : PlaceholderOf(argument);
  return argument;
}

Argument DescribeRow(const server::FlagRow& row) {
  Argument argument;
  argument.names = {fmt::format("--{}", row.name)};
  argument.default_text = row.default_text;
  argument.choices.assign(row.choices.begin(), row.choices.end());
  argument.about = WithFullStop(std::string(row.help));
  if (row.is_extension) {
    argument.about += " Not in etcd.";
  }
  if (!row.second_spelling.empty()) {
    argument.about += fmt::format(" Old spelling: --{}.", row.second_spelling);
  }
  switch (row.kind) {
    case server::FlagKind::kBool:
      argument.choices = {"true", "false"};
      if (row.default_text == "false") {
        argument.default_text.clear();  // it is there, or it is not
      }
      break;
    case server::FlagKind::kInteger:
      argument.kind = ValueKind::kNumber;
      argument.value = "N";
      break;
    case server::FlagKind::kDuration:
      argument.kind = ValueKind::kNumber;
      argument.value = "DURATION";
      break;
    case server::FlagKind::kText:
      argument.kind = KindOfText(row.name, {});
      argument.value = PlaceholderOf(argument);
      break;
    case server::FlagKind::kList:
      argument.kind = KindOfText(row.name, {});
      argument.value = PlaceholderOf(argument) + ",...";
      break;
  }
  return argument;
}

}  // namespace

ValueKind KindOfText(std::string_view name, std::string_view about) {
  if (name.ends_with("dir") || name.ends_with("DIR") || about.find("folder") != about.npos) {
    return ValueKind::kFolder;
  }
  for (const std::string_view sign : {"file", "FILE", "PATH", "crl"}) {
    if (name.find(sign) != name.npos) {
      return ValueKind::kFile;
    }
  }
  return about.find("file") != about.npos ? ValueKind::kFile : ValueKind::kWord;
}

Command DescribeApp(const CLI::App& app) {
  Command command{.name = app.get_name(), .about = app.get_description(), .more = app.get_footer()};
  ArgumentGroup flags{.title = "Options"};
  for (const CLI::Option* option : app.get_options()) {
    Argument argument = DescribeOption(*option);
    (argument.names.empty() ? command.places : flags.flags).push_back(std::move(argument));
  }
  command.groups.push_back(std::move(flags));
  for (const CLI::App* part : app.get_subcommands(std::function<bool(const CLI::App*)>())) {
    command.commands.push_back(DescribeApp(*part));
  }
  return command;
}

Command DescribeFlagTable() {
  Command command{.name = "socle-kv"};
  for (const server::FlagRow& row : server::FlagTable()) {
    if (command.groups.empty() || command.groups.back().title != row.group) {
      command.groups.push_back({.title = std::string(row.group)});
    }
    command.groups.back().flags.push_back(DescribeRow(row));
    command.groups.back().is_offered = row.use == server::FlagUse::kUsed;
  }
  return command;
}

}  // namespace socle::package
