// Soclectl: the offline tool, as a function of its arguments and surroundings.
//
// Laws     1. No command changes a file that it is shown; `db convert`, `import`, `snapshot save` and `snapshot restore`
//             make new ones.
//          2. Exit code 0: done, and nothing is wrong with the file. 1: the file is broken. 2: nothing was looked at
//             (wrong usage, no such file, in use, no bbolt file), or the output could not be written.
// Threads  confined to the caller.
#ifndef SOCLE_SERVER_CMD_SOCLECTL_H_
#define SOCLE_SERVER_CMD_SOCLECTL_H_

#include <functional>
#include <string>
#include <vector>

#include "server/cmd/soclectl_console.h"

namespace CLI {  // NOLINT(readability-identifier-naming): theirs
class App;
}

namespace socle::server {

// `arguments` without the program's name. Returns the exit code.
int Soclectl(const std::vector<std::string>& arguments, const Console& console);

// All commands and flags, for manual pages and completion.
void ShowCommandLine(const std::function<void(const CLI::App&)>& show);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_SOCLECTL_H_
