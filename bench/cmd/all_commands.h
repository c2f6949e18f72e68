// All commands of socle-bench, and what it says of itself.
// Threads  the main thread.
#ifndef SOCLE_BENCH_CMD_ALL_COMMANDS_H_
#define SOCLE_BENCH_CMD_ALL_COMMANDS_H_

#include <functional>

#include "bench/cmd/command.h"
#include "bench/cmd/plane_command.h"

namespace socle::bench {

void AddAllCommands(CLI::App* app, Commands* commands, PlaneFlags* plane);

// All commands and flags, for manual pages and completion.
void ShowCommandLine(const std::function<void(const CLI::App&)>& show);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_CMD_ALL_COMMANDS_H_
