#include "bench/cmd/kube_commands.h"

#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/workload/kube.h"
#include "bench/workload/watch_crowd.h"

namespace socle::bench {
namespace {

struct KubeFlags {
  RunFlags run;
  uint64_t val_size = 0;

  uint64_t nodes = 1'000;
  uint64_t renewals = 3;
  double period_seconds = 10;

  uint64_t pods = 1'000;
  uint64_t watchers = 10;
  uint64_t listers = 1;
  double list_rate = 1;
  int64_t page = 500;
};

int RunLeases(const KubeFlags& flags, bool has_total, bool has_rate) {
  if (flags.nodes == 0 || flags.nodes > 10'000'000 || !(flags.period_seconds > 0)) {
    return Complain(
        absl::InvalidArgumentError("--nodes must be 1 to 10000000, and --period above 0 seconds"));
  }
  RunFlags run = flags.run;
  if (!has_total) {
    run.drive.total = flags.nodes * flags.renewals;
  }
  if (!has_rate) {
    run.drive.rate = static_cast<double>(flags.nodes) / flags.period_seconds;
  }
  KubeLeasesSource source(flags.nodes, flags.val_size);
  return RunLoad("kube-leases",
                 fmt::format("{} nodes renew Lease objects of {} bytes every {} s", flags.nodes,
                             flags.val_size, static_cast<double>(flags.nodes) / run.drive.rate),
                 std::nullopt, run, &source);
}

int RunPods(const KubeFlags& flags) {
  if (flags.watchers > 1'000'000 || flags.listers > 10'000 || flags.page <= 0 ||
      !(flags.list_rate >= 0)) {
    return Complain(absl::InvalidArgumentError(
        "--watchers must be at most 1000000, --listers at most 10000, --page positive and "
        "--list-rate not negative"));
  }
  KubePodsSource pods(flags.pods, flags.val_size);
  KubeListSource lists(kPodKeys, flags.page);
  WatchCrowdOptions options;
  options.name = "watchers of all pods";
  options.watchers = flags.watchers;
  options.streams = flags.watchers;
  options.create.set_key(std::string(kPodKeys));
  options.create.set_range_end(PrefixEnd(kPodKeys));
  options.create.set_prev_kv(true);
  options.create.set_progress_notify(true);
  options.expected_events = [&pods] { return pods.changes(); };
  WatchCrowd watchers(options);
  RunFlags run = flags.run;
  if (flags.watchers > 0) {
    run.drive.companions.push_back(&watchers);
  }
  if (flags.listers > 0) {
    run.drive.beside.push_back({"paged lists", &lists, flags.listers, flags.list_rate});
  }
  return RunLoad(
      "kube-pods",
      fmt::format("lives of pods of {} bytes (create, bind, status, delete of the oldest "
                  "above {}), {} watchers, {} listers in pages of {}",
                  flags.val_size, flags.pods, flags.watchers, flags.listers, flags.page),
      std::nullopt, run, &pods);
}

}  // namespace

void AddKubeCommands(CLI::App* app, Commands* commands) {
  CLI::App* const leases = app->add_subcommand(
      "kube-leases", "the node leases of a cluster: guarded updates, each node every 10 s");
  const auto renewing = std::make_shared<KubeFlags>();
  AddRunFlags(leases, &renewing->run);
  renewing->val_size = 400;
  renewing->run.drive.clients = 32;
  leases->add_option("--nodes", renewing->nodes, "nodes")->capture_default_str();
  leases->add_option("--renewals", renewing->renewals, "of each node, when --total is not given")
      ->capture_default_str();
  leases->add_option("--period", renewing->period_seconds, "seconds, when --rate is not given")
      ->capture_default_str();
  leases->add_option("--val-size", renewing->val_size, "bytes of a Lease")->capture_default_str();
  commands->push_back({leases, [renewing, leases] {
                         return RunLeases(*renewing, leases->count("--total") > 0,
                                          leases->count("--rate") > 0);
                       }});

  CLI::App* const pods = app->add_subcommand(
      "kube-pods", "the lives of pods: guarded transactions, watchers and paged lists beside them");
  const auto living = std::make_shared<KubeFlags>();
  AddRunFlags(pods, &living->run);
  living->val_size = 2'048;
  living->run.drive.clients = 32;
  pods->add_option("--pods", living->pods, "alive at a time")->capture_default_str();
  pods->add_option("--val-size", living->val_size, "bytes of a pod")->capture_default_str();
  pods->add_option("--watchers", living->watchers, "of all pods, each on its own stream")
      ->capture_default_str();
  pods->add_option("--listers", living->listers, "clients that read the whole list")
      ->capture_default_str();
  pods->add_option("--list-rate", living->list_rate, "lists per second; 0: one after the other")
      ->capture_default_str();
  pods->add_option("--page", living->page, "objects of a page of a list")->capture_default_str();
  commands->push_back({pods, [living] { return RunPods(*living); }});
}

}  // namespace socle::bench
