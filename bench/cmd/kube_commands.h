// kube-leases, kube-pods: the load of a Kubernetes API server.
// Threads  the main thread.
#ifndef SOCLE_BENCH_CMD_KUBE_COMMANDS_H_
#define SOCLE_BENCH_CMD_KUBE_COMMANDS_H_

#include "bench/cmd/command.h"

namespace socle::bench {

void AddKubeCommands(CLI::App* app, Commands* commands);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_CMD_KUBE_COMMANDS_H_
