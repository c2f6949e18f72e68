// put, range, delete, txn-put, txn-mixed, mixed, stm: loads of keys and values.
// Threads  the main thread.
#ifndef SOCLE_BENCH_CMD_KV_COMMANDS_H_
#define SOCLE_BENCH_CMD_KV_COMMANDS_H_

#include "bench/cmd/command.h"

namespace socle::bench {

void AddKvCommands(CLI::App* app, Commands* commands);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_CMD_KV_COMMANDS_H_
