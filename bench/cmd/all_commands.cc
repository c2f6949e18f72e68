#include "bench/cmd/all_commands.h"

#include "bench/cmd/check_commands.h"
#include "bench/cmd/compare_commands.h"
#include "bench/cmd/kube_commands.h"
#include "bench/cmd/kv_commands.h"
#include "bench/cmd/lease_commands.h"
#include "bench/cmd/maintenance_commands.h"
#include "bench/cmd/watch_commands.h"

namespace socle::bench {

void AddAllCommands(CLI::App* app, Commands* commands, PlaneFlags* plane) {
  app->name("socle-bench");
  app->description("Load generator and checker for etcd v3 endpoints and Kubernetes APIs.");
  app->require_subcommand(1);
  app->set_version_flag("--version", "socle-bench " SOCLE_VERSION, "Print the version and exit");
  AddKvCommands(app, commands);
  AddLeaseCommands(app, commands);
  AddWatchCommands(app, commands);
  AddMaintenanceCommands(app, commands);
  AddKubeCommands(app, commands);
  AddCheckCommands(app, commands);
  AddCompareCommands(app, commands);
  AddPlaneCommand(app, plane);
}

void ShowCommandLine(const std::function<void(const CLI::App&)>& show) {
  CLI::App app;
  Commands commands;
  PlaneFlags plane;
  AddAllCommands(&app, &commands, &plane);
  show(app);
}

}  // namespace socle::bench
