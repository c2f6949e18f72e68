#include "bench/cmd/watch_commands.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/report/watch_report.h"
#include "bench/workload/range.h"
#include "bench/workload/watch_crowd.h"
#include "bench/workload/watch_load.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_client.h"

namespace socle::bench {
namespace {

struct WatchFlags {
  WatchLoadOptions load;
  uint64_t watchers_per_stream = 10;
  OutputFlags outputs;
};

int RunWatch(const std::string& command, WatchFlags& flags) {
  absl::Status status = flags.load.Validate();
  if (status.ok()) {
    status = OpenOutputs(flags.outputs);
  }
  if (!status.ok()) {
    return Complain(status);
  }
  if (flags.load.metrics == MetricsUse::kWithoutPid && !flags.outputs.page_path.empty()) {
    flags.load.metrics = MetricsUse::kAlways;  // the page marks commits and compactions
  }
  const absl::StatusOr<WatchLoadResult> result = RunWatchLoad(flags.load);
  if (!result.ok()) {
    return Complain(result.status());
  }
  Print(stdout, RenderWatchLoad(flags.load, *result));
  status = WriteOutputs(flags.outputs, WatchLoadJson(flags.load, *result),
                        WatchRunReport(command, flags.load, *result, RememberedCommandLine()));
  if (!status.ok()) {
    return Complain(status);
  }
  return result->is_good() ? 0 : kExitFailed;
}

// What both commands have.
void AddCommonFlags(CLI::App* app, WatchFlags* flags) {
  WatchLoadOptions& load = flags->load;
  AddEndpointsFlag(app, &load.endpoints, &load.access);
  AddEngineFlag(app, &load.engine);
  app->add_option("--conns", load.conns, "connections of the watch streams")->capture_default_str();
  app->add_option("--val-size", load.val_size, "bytes of a value, at least 8")
      ->capture_default_str();
  app->add_option("--warmup", load.warmup_seconds, "seconds at the beginning that are not measured")
      ->capture_default_str();
  AddServerFlags(app, &load.server_pid, &load.metrics);
  AddOutputFlags(app, &flags->outputs);
}

void AddWatch(CLI::App* app, Commands* commands) {
  const auto flags = std::make_shared<WatchFlags>();
  CLI::App* watch = app->add_subcommand(
      "watch", "watchers of one or many keys, puts to them, and when each watcher saw each put");
  WatchLoadOptions& load = flags->load;
  AddCommonFlags(watch, flags.get());
  watch->add_option("--streams", load.streams, "watch streams, on the connections in turn")
      ->capture_default_str();
  watch->add_option("--watchers", load.watchers, "watchers, on the streams in turn")
      ->capture_default_str();
  watch->add_option("--keys", load.keys, "different keys, which watchers watch in turn")
      ->capture_default_str();
  watch->add_flag("--prefixes", load.prefixes, "watch the range that begins with the key");
  watch->add_option("--total", load.total, "puts, to the keys in turn")->capture_default_str();
  watch
      ->add_option("--rate", load.rate,
                   "puts per second, open loop: latency counts from the intended send time; 0: the "
                   "next put when one was delivered to all")
      ->capture_default_str();
  watch->add_option("--in-flight", load.in_flight, "puts under way at a time, when --rate is 0")
      ->capture_default_str();
  commands->push_back({watch, [flags] { return RunWatch("watch", *flags); }});
}

// `watch` with the flags of etcd's watch-latency: one key, puts at a rate.
void AddWatchLatency(CLI::App* app, Commands* commands) {
  const auto flags = std::make_shared<WatchFlags>();
  WatchLoadOptions& load = flags->load;
  load.streams = 10;
  load.total = 1'000;
  load.rate = 100;
  load.val_size = 32;
  load.conns = 1;
  CLI::App* const latency = app->add_subcommand(
      "watch-latency", "one key, puts at a rate, and how long each takes to its watchers");
  AddCommonFlags(latency, flags.get());
  latency->add_option("--streams", load.streams, "watch streams")->capture_default_str();
  latency->add_option("--watchers-per-stream", flags->watchers_per_stream, "watchers of each")
      ->capture_default_str();
  latency->add_option("--put-total", load.total, "puts")->capture_default_str();
  latency->add_option("--put-rate", load.rate, "puts per second")->capture_default_str();
  commands->push_back({latency, [flags] {
                         flags->load.watchers = flags->load.streams * flags->watchers_per_stream;
                         return RunWatch("watch-latency", *flags);
                       }});
}

// Puts `events` values to the key; the revision of the first.
absl::StatusOr<int64_t> WriteHistory(const DriveOptions& drive, const std::string& key,
                                     uint64_t events) {
  const std::vector<std::string>& endpoints = drive.endpoints;
  if (endpoints.empty()) {
    return absl::InvalidArgumentError("--endpoints is empty");
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<server::EtcdClient> client,
                   server::EtcdClient::Open(endpoints.front(), {.access = drive.access}));
  int64_t first = 0;
  for (uint64_t i = 0; i < events; ++i) {
    const auto put = client->Put(key, fmt::format("{}", i));
    if (!put.ok()) {
      return Annotate(put.status(), endpoints.front());
    }
    first = first == 0 ? put->header().revision() : first;
  }
  return first;
}

struct WatchGetFlags {
  RunFlags run;
  uint64_t watchers = 10'000;
  uint64_t streams = 100;
  uint64_t events = 8;
};

int RunWatchGet(const WatchGetFlags& flags) {
  if (flags.watchers == 0 || flags.watchers > 10'000'000 || flags.streams == 0 ||
      flags.events == 0) {
    return Complain(absl::InvalidArgumentError(
        "--watchers must be 1 to 10000000, --streams and --events at least 1"));
  }
  const std::string key = "socle-bench/watch-get";
  const absl::StatusOr<int64_t> first = WriteHistory(flags.run.drive, key, flags.events);
  if (!first.ok()) {
    return Complain(first.status());
  }
  WatchCrowdOptions options;
  options.name = "watchers that began behind";
  options.watchers = flags.watchers;
  options.streams = flags.streams;
  options.create.set_key(key);
  options.create.set_start_revision(*first);
  options.expected_events = [&flags] { return flags.events; };
  options.waits_for_creation = false;
  WatchCrowd watchers(options);
  RangeOptions range;
  range.key = "socle-bench/abc";
  range.is_serializable = true;
  RangeSource source(range);
  RunFlags run = flags.run;
  run.drive.companions.push_back(&watchers);
  return RunLoad("watch-get",
                 fmt::format("serializable reads while {} watchers catch up with {} events each",
                             flags.watchers, flags.events),
                 std::nullopt, run, &source);
}

void AddWatchGet(CLI::App* app, Commands* commands) {
  CLI::App* const get = app->add_subcommand(
      "watch-get", "reads of one key while many watchers catch up with its history");
  const auto flags = std::make_shared<WatchGetFlags>();
  AddRunFlags(get, &flags->run);
  get->add_option("--watchers", flags->watchers, "watchers that begin in the past")
      ->capture_default_str();
  get->add_option("--streams", flags->streams, "watch streams")->capture_default_str();
  get->add_option("--events", flags->events, "events that each must catch up with")
      ->capture_default_str();
  commands->push_back({get, [flags] { return RunWatchGet(*flags); }});
}

}  // namespace

void AddWatchCommands(CLI::App* app, Commands* commands) {
  AddWatch(app, commands);
  AddWatchLatency(app, commands);
  AddWatchGet(app, commands);
}

}  // namespace socle::bench
