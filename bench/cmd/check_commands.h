// check: reads back what put wrote.
// Threads  the main thread.
#ifndef SOCLE_BENCH_CMD_CHECK_COMMANDS_H_
#define SOCLE_BENCH_CMD_CHECK_COMMANDS_H_

#include "bench/cmd/command.h"

namespace socle::bench {

void AddCheckCommands(CLI::App* app, Commands* commands);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_CMD_CHECK_COMMANDS_H_
