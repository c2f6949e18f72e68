// compact, snapshot, defrag: what keeps a server in shape, measured.
// Threads  the main thread.
#ifndef SOCLE_BENCH_CMD_MAINTENANCE_COMMANDS_H_
#define SOCLE_BENCH_CMD_MAINTENANCE_COMMANDS_H_

#include "bench/cmd/command.h"

namespace socle::bench {

void AddMaintenanceCommands(CLI::App* app, Commands* commands);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_CMD_MAINTENANCE_COMMANDS_H_
