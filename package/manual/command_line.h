// CommandLine: what a program takes on its command line, as words: the form between the tables that programs parse
// by (the flag table of socle-kv, the CLI11 apps of the others) and what is made of them (manual pages, completion).
//
// Laws     1. Nothing here is written by hand for one flag or command: a new one appears by itself.
// Threads  values.
#ifndef SOCLE_PACKAGE_MANUAL_COMMAND_LINE_H_
#define SOCLE_PACKAGE_MANUAL_COMMAND_LINE_H_

#include <string>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>

namespace socle::package {

enum class ValueKind {
  kNone,  // a switch
  kWord,
  kNumber,
  kFile,
  kFolder,
};

struct Argument {
  std::vector<std::string> names;  // "--write-out", "-w"; empty: told by its place
  std::string value;               // what stands for the value in a synopsis: "N", "FILE"
  ValueKind kind = ValueKind::kNone;
  std::vector<std::string> choices;  // empty: any value
  std::string about;
  std::string default_text;
  std::string environment;  // the variable that stands in for it
  bool is_required = false;
  bool repeats = false;

  bool operator==(const Argument&) const = default;
};

struct ArgumentGroup {
  std::string title;
  std::vector<Argument> flags;
  bool is_offered = true;  // by completion
};

struct Command {
  std::string name;  // of the program for the root
  std::string about;
  std::string more;  // paragraphs; indented lines are shown as they are
  std::vector<Argument> places;
  std::vector<ArgumentGroup> groups;
  std::vector<Command> commands;
};

Command DescribeApp(const CLI::App& app);
Command DescribeFlagTable();

// By what a name and a sentence say: "--data-dir" is a folder, "also write it to this file" a file.
ValueKind KindOfText(std::string_view name, std::string_view about);

}  // namespace socle::package

#endif  // SOCLE_PACKAGE_MANUAL_COMMAND_LINE_H_
