#include "bench/cmd/maintenance_commands.h"

#include <memory>

#include <CLI/CLI.hpp>

#include "bench/report/table.h"
#include "bench/workload/maintenance.h"
#include "bench/workload/restart.h"

namespace socle::bench {
namespace {

std::shared_ptr<RunFlags> Begin(CLI::App* command) {
  auto flags = std::make_shared<RunFlags>();
  AddRunFlags(command, flags.get());
  flags->drive.total = 1;
  flags->timeout_seconds = 600;
  return flags;
}

int RunRestart(const RestartOptions& options) {
  const absl::StatusOr<RestartResult> result = RunRestarts(options);
  if (!result.ok()) {
    return Complain(result.status());
  }
  Print(stdout, RenderRestarts(options, *result));
  return 0;
}

}  // namespace

void AddMaintenanceCommands(CLI::App* app, Commands* commands) {
  CLI::App* const compact =
      app->add_subcommand("compact", "compact everything up to now, each time after one more put");
  const auto compacting = Begin(compact);
  const auto is_physical = std::make_shared<bool>(false);
  compact->add_flag("--physical", *is_physical, "wait until the revisions are really gone");
  commands->push_back({compact, [compacting, is_physical] {
                         CompactSource source(*is_physical);
                         return RunLoad("compact", *is_physical ? "physical" : "scheduled",
                                        std::nullopt, *compacting, &source);
                       }});

  CLI::App* const snapshot = app->add_subcommand("snapshot", "take snapshots and throw them away");
  const auto saving = Begin(snapshot);
  commands->push_back({snapshot, [saving] {
                         SnapshotSource source;
                         return RunLoad("snapshot", "whole snapshots", std::nullopt, *saving,
                                        &source);
                       }});

  CLI::App* const defrag = app->add_subcommand("defrag", "defragment the server");
  const auto shrinking = Begin(defrag);
  commands->push_back({defrag, [shrinking] {
                         DefragmentSource source;
                         return RunLoad("defrag", "one member", std::nullopt, *shrinking, &source);
                       }});

  CLI::App* const restart = app->add_subcommand(
      "restart", "start a local server on a directory with keys in it: the time until it serves");
  const auto options = std::make_shared<RestartOptions>();
  restart->add_option("--peer", options->peer, "etcd, socle, socle:BACKEND, or a path of either")
      ->capture_default_str();
  restart->add_option("--dir", options->dir, "where its scratch folder goes")
      ->capture_default_str();
  restart->add_option("--keys", options->keys, "keys in it")->capture_default_str();
  restart->add_option("--val-size", options->val_size, "bytes of a value")->capture_default_str();
  restart->add_option("--rounds", options->rounds, "restarts")->capture_default_str();
  restart->add_flag("--kill", options->kills, "kill it, instead of asking it to stop");
  commands->push_back({restart, [options] { return RunRestart(*options); }});
}

}  // namespace socle::bench
