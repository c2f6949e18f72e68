// lease-grant, lease-keepalive, lease-expire: loads of leases.
// Threads  the main thread.
#ifndef SOCLE_BENCH_CMD_LEASE_COMMANDS_H_
#define SOCLE_BENCH_CMD_LEASE_COMMANDS_H_

#include "bench/cmd/command.h"

namespace socle::bench {

void AddLeaseCommands(CLI::App* app, Commands* commands);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_CMD_LEASE_COMMANDS_H_
