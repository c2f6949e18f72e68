// The `watch` subcommand: many watchers, and puts that they see.
//
// Threads  pure functions.
#ifndef SOCLE_BENCH_CMD_WATCH_COMMAND_H_
#define SOCLE_BENCH_CMD_WATCH_COMMAND_H_

#include <string>

#include <CLI/App.hpp>

#include "bench/workload/watch_load.h"

namespace socle::bench {

struct WatchFlags {
  WatchLoadOptions load;
  std::string json_path;
};

void AddWatchCommand(CLI::App* app, WatchFlags* flags);

// The exit code.
int RunWatchCommand(const WatchFlags& flags);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_CMD_WATCH_COMMAND_H_
