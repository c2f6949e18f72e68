// Completion: a bash function that completes a program's command line.
//
// Laws     1. It offers the commands, flags, and chosen values that the program takes at that place, and files or folders
//             where it takes those; nothing that it does not take.
//          2. It needs no other script, and leaves nothing behind but one function, _<program>.
// Threads  pure functions.
// Source   bash(1), Programmable Completion.
#ifndef SOCLE_PACKAGE_MANUAL_COMPLETION_H_
#define SOCLE_PACKAGE_MANUAL_COMPLETION_H_

#include <string>

#include "package/manual/command_line.h"

namespace socle::package {

std::string BashCompletion(const Command& program);

}  // namespace socle::package

#endif  // SOCLE_PACKAGE_MANUAL_COMPLETION_H_
