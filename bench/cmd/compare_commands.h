// compare, headline: one workload on several servers of this machine by turns, and the ratios.
// Threads  the main thread.
#ifndef SOCLE_BENCH_CMD_COMPARE_COMMANDS_H_
#define SOCLE_BENCH_CMD_COMPARE_COMMANDS_H_

#include "bench/cmd/command.h"

namespace socle::bench {

void AddCompareCommands(CLI::App* app, Commands* commands);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_CMD_COMPARE_COMMANDS_H_
