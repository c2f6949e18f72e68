// watch, watch-latency, watch-get: loads of watchers.
//
// Threads  the main thread.
#ifndef SOCLE_BENCH_CMD_WATCH_COMMANDS_H_
#define SOCLE_BENCH_CMD_WATCH_COMMANDS_H_

#include "bench/cmd/command.h"

namespace socle::bench {

void AddWatchCommands(CLI::App* app, Commands* commands);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_CMD_WATCH_COMMANDS_H_
