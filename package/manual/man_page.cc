#include "package/manual/man_page.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <set>

#include <fmt/format.h>

namespace socle::package {
namespace {

constexpr size_t kCommonFrom = 4;  // law 3

// The code point of the UTF-8 sequence at the front, and its length; malformed bytes one by one.
struct Decoded {
  uint32_t point;
  size_t bytes;
};

Decoded DecodeFront(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  const size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
  if (bytes == 1 || bytes > text.size()) {
    return {first, 1};
  }
  uint32_t point = first & (0xFFU >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    point = point << 6U | (byte(i) & 0x3FU);
  }
  return {point, bytes};
}

// Law 2.
std::string Escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Decoded next = DecodeFront(text);
    const char c = text.front();
    const bool begins_line = out.empty() || out.back() == '\n';
    if (next.point == 0x2026) {  // an ellipsis, which not every terminal has
      out += "...";
    } else if (next.point >= 0x80) {
      out += fmt::format("\\[u{:04X}]", next.point);
    } else if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '"') {
      out += "\\(dq";
    } else if (c == '\'') {
      out += "\\(aq";
    } else if (c == '`') {
      out += "\\(ga";
    } else if (c == '^') {
      out += "\\(ha";
    } else if (c == '~') {
      out += "\\(ti";
    } else if (c == '.' && begins_line) {
      out += "\\&.";
    } else {
      out += c;
    }
    text.remove_prefix(next.bytes);
  }
  return out;
}

std::string Bold(std::string_view text) {
  return "\\fB" + Escaped(text) + "\\fR";
}

std::string Italic(std::string_view text) {
  return "\\fI" + Escaped(text) + "\\fR";
}

std::string Upper(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

// Paragraphs are filled; lines that are indented stay as they are.
std::string Paragraphs(std::string_view text) {
  std::string out;
  bool is_verbatim = false;
  bool is_new = true;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const bool is_indented = line.starts_with("  ");
    if (is_verbatim && !is_indented) {
      out += ".fi\n.RE\n";
      is_verbatim = false;
      is_new = true;
    }
    if (line.empty()) {
      is_new = true;
      continue;
    }
    if (is_new && !is_indented) {
      out += ".PP\n";
    }
    is_new = false;
    if (is_indented && !is_verbatim) {
      out += ".PP\n.RS 2\n.nf\n";
      is_verbatim = true;
    }
    out += Escaped(is_indented ? line.substr(2) : line) + "\n";
  }
  return out + (is_verbatim ? ".fi\n.RE\n" : "");
}

std::string FlagEntry(const Argument& flag) {
  std::string names;
  for (const std::string& name : flag.names) {
    names += (names.empty() ? "" : ", ") + Bold(name);
  }
  const bool is_switch = flag.kind == ValueKind::kNone;
  if (!is_switch) {
    names += (flag.names.empty() ? "" : " ") + Italic(flag.value);
  } else if (!flag.default_text.empty() && !flag.choices.empty()) {
    names += "=" + Italic(fmt::format("{}", fmt::join(flag.choices, "|")));
  }
  std::string text = Escaped(flag.about);
  if (flag.is_required) {
    text += " Required.";
  }
  if (!flag.default_text.empty() && (!is_switch || !flag.choices.empty())) {
    text += " Default: " + Escaped(flag.default_text) + ".";
  }
  if (!flag.environment.empty()) {
    text += " Environment: " + Escaped(flag.environment) + ".";
  }
  return ".TP\n" + names + "\n" + (text.empty() ? "\\&" : text) + "\n";
}

std::string SynopsisOf(const Command& command, std::string_view path) {
  std::string line = Bold(path);
  for (const Argument& place : command.places) {
    const std::string name = Italic(place.value) + (place.repeats ? " ..." : "");
    line += place.is_required ? " " + name : " [" + name + "]";
  }
  if (!command.commands.empty()) {
    line += " " + Italic("COMMAND");
  }
  return line + " [" + Italic("OPTIONS") + "]\n";
}

bool IsHelp(const Argument& flag) {
  return std::find(flag.names.begin(), flag.names.end(), "--help") != flag.names.end();
}

struct Counted {
  const Argument* flag;
  size_t count;
};

void Count(const Argument& flag, std::vector<Counted>* counted) {
  const auto known = std::find_if(counted->begin(), counted->end(),
                                  [&](const Counted& entry) { return *entry.flag == flag; });
  if (known == counted->end()) {
    counted->push_back({&flag, 1});
  } else {
    ++known->count;
  }
}

void CountFlags(const Command& command, std::vector<Counted>* counted) {
  for (const Command& part : command.commands) {
    CountFlags(part, counted);
    for (const ArgumentGroup& group : part.groups) {
      for (const Argument& flag : group.flags) {
        Count(flag, counted);
      }
    }
  }
}

std::vector<const Argument*> CommonFlags(const Command& program) {
  std::vector<Counted> counted;
  CountFlags(program, &counted);
  std::vector<const Argument*> common;
  for (const Counted& entry : counted) {
    if (entry.count >= kCommonFrom && !IsHelp(*entry.flag)) {
      common.push_back(entry.flag);
    }
  }
  return common;
}

// Paragraphs are separated by empty lines. What has been said is left out, and said from now on.
std::string NotYetSaid(std::string_view text, std::set<std::string>* said) {
  std::string rest;
  while (!text.empty()) {
    const size_t end = std::min(text.find("\n\n"), text.size());
    const std::string_view paragraph = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    if (said->emplace(paragraph).second) {
      rest += (rest.empty() ? "" : "\n\n") + std::string(paragraph);
    }
  }
  return rest;
}

// `path`: the program and the commands to this one. `said`: paragraphs that several commands have.
void AddCommand(const Command& command, const std::string& path,
                const std::vector<const Argument*>& common, std::set<std::string>* said,
                std::string* page) {
  *page += ".SS " + Escaped(path.substr(path.find(' ') + 1)) + "\n" + SynopsisOf(command, path);
  *page += Paragraphs(command.about);
  for (const Argument& place : command.places) {
    *page += FlagEntry(place);
  }
  std::string also;
  for (const ArgumentGroup& group : command.groups) {
    for (const Argument& flag : group.flags) {
      const bool is_common = std::any_of(common.begin(), common.end(),
                                         [&](const Argument* other) { return *other == flag; });
      if (is_common) {
        also += (also.empty() ? "" : ", ") + Bold(flag.names.front());
      } else if (!IsHelp(flag)) {
        *page += FlagEntry(flag);
      }
    }
  }
  if (!also.empty()) {
    *page += ".PP\nOf the common options: " + also + ".\n";
  }
  *page += Paragraphs(NotYetSaid(command.more, said));
  for (const Command& part : command.commands) {
    AddCommand(part, path + " " + part.name, common, said, page);
  }
}

}  // namespace

std::string ManPage(const Command& program, const ManProse& prose, std::string_view version) {
  std::string page = fmt::format(
      ".\\\" Made by socle-manual from the command line that the program parses.\n"
      ".TH {} 1 \"\" \"Socle {}\" \"Socle\"\n.nh\n.ad l\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n",
      Escaped(Upper(program.name)), version, Escaped(program.name), Escaped(prose.one_line));
  page += SynopsisOf(program, program.name);
  page += ".SH DESCRIPTION\n" + Paragraphs(prose.description);
  page += ".SH OPTIONS\n";
  for (const ArgumentGroup& group : program.groups) {
    if (program.groups.size() > 1) {
      page += ".SS " + Escaped(group.title) + "\n";
    }
    for (const Argument& flag : group.flags) {
      page += FlagEntry(flag);
    }
  }
  const std::vector<const Argument*> common = CommonFlags(program);
  if (!common.empty()) {
    page += ".SH COMMON OPTIONS\nEach command below says which of these it takes.\n";
    for (const Argument* flag : common) {
      page += FlagEntry(*flag);
    }
  }
  std::set<std::string> said;
  const std::string examples = NotYetSaid(program.more, &said);
  if (!program.commands.empty()) {
    page += ".SH COMMANDS\n";
    for (const Command& command : program.commands) {
      AddCommand(command, program.name + " " + command.name, common, &said, &page);
    }
  }
  if (!examples.empty()) {
    constexpr std::string_view kHeading = "Examples:\n";
    page += ".SH EXAMPLES\n" + Paragraphs(std::string_view(examples).substr(
                                   examples.starts_with(kHeading) ? kHeading.size() : 0));
  }
  for (const ManSection& section : prose.sections) {
    page += ".SH " + Escaped(section.heading) + "\n" + Paragraphs(section.text);
  }
  return page;
}

}  // namespace socle::package
