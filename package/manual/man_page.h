// ManPage: the manual page of a program, in the man macros of groff.
//
// Laws     1. Every flag and command of the command line is in the page.
//          2. What groff would take for a request or an escape comes out as the text that it is.
//          3. Flags that four or more commands have in common are told once.
// Threads  pure functions.
// Source   man(7), groff_char(7).
#ifndef SOCLE_PACKAGE_MANUAL_MAN_PAGE_H_
#define SOCLE_PACKAGE_MANUAL_MAN_PAGE_H_

#include <string>
#include <string_view>
#include <vector>

#include "package/manual/command_line.h"

namespace socle::package {

// What no table of flags knows. Text is as in Command::more.
struct ManSection {
  std::string_view heading;
  std::string_view text;
};

struct ManProse {
  std::string_view one_line;         // for NAME
  std::string_view description;      // what it is
  std::vector<ManSection> sections;  // behind the flags
};

std::string ManPage(const Command& program, const ManProse& prose, std::string_view version);

}  // namespace socle::package

#endif  // SOCLE_PACKAGE_MANUAL_MAN_PAGE_H_
