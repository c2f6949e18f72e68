#include "bench/cmd/plane_command.h"

#include <cstdio>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/report/json.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

int Complain(const absl::Status& status) {
  fmt::print(stderr, "socle-bench: {}\n", MessageOf(status));
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

}  // namespace

void AddPlaneCommand(CLI::App* app, PlaneFlags* flags) {
  CLI::App* plane = app->add_subcommand(
      "plane", "pods, bindings, lists and watches on a fresh plane with hollow nodes");
  PlaneLoadOptions& load = flags->load;
  plane->add_option("--server", flags->server, "the API, http://host:port")->capture_default_str();
  plane->add_option("--server-pid", load.server_pid, "report its CPU time and memory");
  plane->add_option("--nodes", load.nodes, "hollow nodes that it runs")->capture_default_str();
  plane->add_option("--pods", load.pods, "pods to create, schedule and run")->capture_default_str();
  plane->add_option("--bound-pods", load.bound_pods, "pods to create and then bind by hand")
      ->capture_default_str();
  plane->add_option("--gets", load.gets, "reads of one pod each")->capture_default_str();
  plane->add_option("--patches", load.patches, "merge patches of a pod each")
      ->capture_default_str();
  plane->add_option("--renewals", load.renewals, "renewals of node leases")->capture_default_str();
  plane->add_option("--lists", load.lists, "of each kind of list")->capture_default_str();
  plane->add_option("--watches", load.watches, "watches, open at once")->capture_default_str();
  plane->add_option("--watched-changes", load.watched_changes, "changes that they all see")
      ->capture_default_str();
  plane->add_option("--workers", load.workers, "connections, each with one call in flight")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  plane->add_option("--seed", load.seed, "names and order follow from it")->capture_default_str();
  plane->add_option("--json", flags->json_path, "also write the result to this file");
  plane->add_flag("--no-progress", flags->no_progress, "no progress on stderr");
}

int RunPlaneCommand(PlaneFlags flags) {
  absl::StatusOr<RestAddress> address = ParseRestUrl(flags.server);
  if (!address.ok()) {
    return Complain(address.status());
  }
  flags.load.server = *std::move(address);
  if (!flags.no_progress) {
    flags.load.progress = [](std::string_view line) { fmt::print(stderr, "  {}\n", line); };
  }
  const absl::StatusOr<PlaneLoadResult> result = RunPlaneLoad(flags.load);
  if (!result.ok()) {
    return Complain(result.status());
  }
  fmt::print("{}", RenderPlaneLoad(flags.load, *result));
  if (!flags.json_path.empty()) {
    const absl::Status written = WriteTextFile(flags.json_path, PlaneLoadJson(*result));
    if (!written.ok()) {
      return Complain(written);
    }
  }
  return result->errors() == 0 ? 0 : 1;
}

}  // namespace socle::bench
