#include "bench/cmd/watch_command.h"

#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/report/json.h"
#include "bench/report/watch_report.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

int Complain(const absl::Status& status) {
  fmt::print(stderr, "socle-bench: {}\n", MessageOf(status));
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

}  // namespace

void AddWatchCommand(CLI::App* app, WatchFlags* flags) {
  CLI::App* watch = app->add_subcommand(
      "watch", "watchers of one or many keys, puts to them, and when each watcher saw each put");
  WatchLoadOptions& load = flags->load;
  watch->add_option("--endpoints", load.endpoints, "etcd v3 endpoints, comma separated")
      ->delimiter(',')
      ->capture_default_str();
  watch->add_option("--conns", load.conns, "connections of the watch streams")
      ->capture_default_str();
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
  watch->add_option("--val-size", load.val_size, "bytes of a value, at least 8")
      ->capture_default_str();
  watch->add_option("--server-pid", load.server_pid,
                    "pid of a local server: report its CPU time per delivery");
  watch->add_option("--json", flags->json_path, "also write the result to this file");
}

int RunWatchCommand(const WatchFlags& flags) {
  if (!flags.json_path.empty()) {
    const absl::Status touched = WriteTextFile(flags.json_path, "");
    if (!touched.ok()) {
      return Complain(touched);
    }
  }
  const absl::StatusOr<WatchLoadResult> result = RunWatchLoad(flags.load);
  if (!result.ok()) {
    return Complain(result.status());
  }
  fmt::print("{}", RenderWatchLoad(flags.load, *result));
  if (!flags.json_path.empty()) {
    const absl::Status written = WriteTextFile(flags.json_path, WatchLoadJson(flags.load, *result));
    if (!written.ok()) {
      return Complain(written);
    }
  }
  return result->is_good() ? 0 : 1;
}

}  // namespace socle::bench
