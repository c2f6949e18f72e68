#include "package/manual/completion.h"

#include <algorithm>

#include <fmt/format.h>

namespace socle::package {
namespace {

// {0} is the program, {1} the function. `command`: the commands so far; `flag`: the one whose value is asked for; `glued`: its value follows an equals sign, so
// it is one even for a switch.
constexpr std::string_view kBegin =
    R"(# Completion of {0} for bash. Made by socle-manual from the command line that the program parses.
{1}() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
  local command={0} flag= glued= prefix= takes= words= flags= i
  COMPREPLY=()
  # Bash takes --flag=value apart at the equals sign, unless COMP_WORDBREAKS was changed.
  if [[ $word == = ]]; then
    flag=$before word= glued=yes
  elif [[ $before == = ]] && ((COMP_CWORD > 2)); then
    flag=${{COMP_WORDS[COMP_CWORD - 2]}} glued=yes
  elif [[ $word == --*=* ]]; then
    flag=${{word%%=*}} prefix=${{word%%=*}}= word=${{word#*=}} glued=yes
  elif [[ $before == -* ]]; then
    flag=$before
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command ${{COMP_WORDS[i]}}" in
)";

constexpr std::string_view kValues = R"(      *) ;;
    esac
  done
  case "$command $flag" in
)";

constexpr std::string_view kWords = R"(    *) ;;
  esac
  if [[ -z $takes ]]; then
    [[ -z $glued ]] || return 0
    case "$command" in
)";

constexpr std::string_view kEnd = R"(      *) ;;
    esac
    if [[ $word == -* || -z $takes ]]; then
      takes=word words=$flags
    fi
  fi
  case "$takes" in
    file)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -P "$prefix" -- "$word")
      ;;
    folder)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -P "$prefix" -- "$word")
      ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$words" -P "$prefix" -- "$word") ;;
  esac
}}
complete -F {1} {0}
)";

std::string QuotedWords(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : " ") + word;
  }
  return "'" + text + "'";
}

// What may stand in its place; a switch takes what is glued to it.
std::string_view TakesOf(const Argument& argument) {
  switch (argument.kind) {
    case ValueKind::kNone:
      return "${glued:+word}";
    case ValueKind::kFile:
      return argument.choices.empty() ? "file" : "word";
    case ValueKind::kFolder:
      return "folder";
    case ValueKind::kWord:
    case ValueKind::kNumber:
      break;
  }
  return "word";
}

void AddPaths(const Command& command, const std::string& path, std::string* text) {
  for (const Command& part : command.commands) {
    const std::string deeper = path + " " + part.name;
    *text += fmt::format("      '{}') command='{}' ;;\n", deeper, deeper);
    AddPaths(part, deeper, text);
  }
}

void AddValues(const Command& command, const std::string& path, std::string* text) {
  for (const ArgumentGroup& group : command.groups) {
    for (const Argument& flag : group.flags) {
      if (flag.kind == ValueKind::kNone && flag.choices.empty()) {
        continue;
      }
      std::string names;
      for (const std::string& name : flag.names) {
        names += fmt::format("{}'{} {}'", names.empty() ? "" : " | ", path, name);
      }
      *text += fmt::format("    {}) takes={} words={} ;;\n", names, TakesOf(flag),
                           QuotedWords(flag.choices));
    }
  }
  for (const Command& part : command.commands) {
    AddValues(part, path + " " + part.name, text);
  }
}

void AddWords(const Command& command, const std::string& path, std::string* text) {
  std::vector<std::string> flags;
  for (const ArgumentGroup& group : command.groups) {
    for (const Argument& flag : group.flags) {
      if (group.is_offered) {
        flags.insert(flags.end(), flag.names.begin(), flag.names.end());
      }
    }
  }
  std::vector<std::string> parts;
  parts.reserve(command.commands.size());
  for (const Command& part : command.commands) {
    parts.push_back(part.name);
  }
  std::string_view takes = parts.empty() ? "" : "word";
  for (const Argument& place : command.places) {
    takes = takes.empty() || takes == "word" ? TakesOf(place) : takes;
    parts.insert(parts.end(), place.choices.begin(), place.choices.end());
  }
  *text += fmt::format("      '{}') takes={} words={} flags={} ;;\n", path, takes,
                       QuotedWords(parts), QuotedWords(flags));
  for (const Command& part : command.commands) {
    AddWords(part, path + " " + part.name, text);
  }
}

}  // namespace

std::string BashCompletion(const Command& program) {
  std::string function = "_" + program.name;
  std::replace(function.begin(), function.end(), '-', '_');
  std::string text = fmt::format(kBegin, program.name, function);
  AddPaths(program, program.name, &text);
  text += kValues;
  AddValues(program, program.name, &text);
  text += kWords;
  AddWords(program, program.name, &text);
  return text + fmt::format(kEnd, program.name, function);
}

}  // namespace socle::package
