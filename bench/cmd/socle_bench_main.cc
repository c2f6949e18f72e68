// socle-bench: load generator and checker for etcd v3 endpoints. Exit codes: 0 done and clean, 1
// the run failed or something is missing, 2 the command line makes no sense.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/cmd/plane_command.h"
#include "bench/cmd/watch_command.h"
#include "bench/report/json.h"
#include "bench/report/table.h"
#include "bench/workload/check.h"
#include "bench/workload/drive.h"
#include "bench/workload/lease.h"
#include "bench/workload/put.h"
#include "bench/workload/range.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

struct Flags {
  DriveOptions drive;
  WriteShape shape;
  double timeout_seconds = 30;
  std::string json_path;
  bool no_progress = false;

  RangeOptions range;
  std::string consistency = "l";

  std::string from_path;

  LeaseShape leases;
  bool renews_once = false;
  int64_t first_lease = 0;
  int64_t lease = 0;
};

void Print(std::FILE* stream, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

int Complain(const absl::Status& status) {
  std::string line(MessageOf(status));
  std::replace(line.begin(), line.end(), '\n', ' ');
  Print(stderr, fmt::format("socle-bench: {}\n", line));
  return absl::IsInvalidArgument(status) ? kExitUsage : kExitFailed;
}

void AddEndpointsFlag(CLI::App* app, Flags* flags) {
  app->add_option("--endpoints", flags->drive.endpoints, "etcd v3 endpoints, comma separated")
      ->delimiter(',')
      ->capture_default_str();
}

void AddShapeFlags(CLI::App* app, Flags* flags) {
  app->add_option("--seed", flags->shape.seed, "keys and values follow from it")
      ->capture_default_str();
  app->add_option("--key-size", flags->shape.key_size, "bytes of a key")->capture_default_str();
  app->add_option("--key-space-size", flags->shape.key_space_size, "number of different keys")
      ->capture_default_str();
  app->add_flag("--sequential-keys", flags->shape.sequential_keys,
                "keys in order instead of at random");
}

void AddRunFlags(CLI::App* app, Flags* flags) {
  AddEndpointsFlag(app, flags);
  app->add_option("--clients", flags->drive.clients, "clients, each with one request in flight")
      ->capture_default_str();
  app->add_option("--conns", flags->drive.conns, "connections that the clients share")
      ->capture_default_str();
  app->add_option("--total", flags->drive.total, "requests to send")->capture_default_str();
  app->add_option("--rate", flags->drive.rate,
                  "requests per second, open loop: latency counts from the intended send time; "
                  "0: as fast as the answers come")
      ->capture_default_str();
  app->add_option("--timeout", flags->timeout_seconds, "seconds until a request counts as failed")
      ->capture_default_str();
  app->add_option("--json", flags->json_path, "also write the result to this file");
  app->add_flag("--no-progress", flags->no_progress, "no progress on stderr");
  app->add_option("--server-pid", flags->drive.server_pid,
                  "pid of a local server: report its CPU time per request");
}

void AddPutCommand(CLI::App* app, Flags* flags) {
  CLI::App* put = app->add_subcommand("put", "write keys");
  AddRunFlags(put, flags);
  AddShapeFlags(put, flags);
  put->add_option("--val-size", flags->shape.val_size, "bytes of a value")->capture_default_str();
  CLI::Option* const first =
      put->add_option("--first-lease", flags->first_lease,
                      "attach the key of the n-th request to the lease of this id plus n")
          ->check(CLI::NonNegativeNumber);
  put->add_option("--lease", flags->lease, "attach every key to the lease of this id")
      ->check(CLI::NonNegativeNumber)
      ->excludes(first);
}

void AddLeaseCommands(CLI::App* app, Flags* flags) {
  CLI::App* grant = app->add_subcommand("lease-grant", "grant leases with ids in a row");
  CLI::App* renew = app->add_subcommand("lease-keepalive", "renew leases that lease-grant made");
  for (CLI::App* command : {grant, renew}) {
    AddRunFlags(command, flags);
    command->add_option("--first-id", flags->leases.first_id, "id of the first lease")
        ->capture_default_str();
    command->add_option("--leases", flags->leases.leases, "how many leases; then from the first on")
        ->capture_default_str();
  }
  renew->add_flag("--once", flags->renews_once,
                  "a stream for each renewal instead of one for each client");
  grant->add_option("--ttl", flags->leases.ttl_seconds, "seconds that a lease lives")
      ->capture_default_str();
  grant->add_option("--expire-after", flags->leases.expire_after_seconds,
                    "all leases end this many seconds after the first request");
}

void AddRangeCommand(CLI::App* app, Flags* flags) {
  CLI::App* range = app->add_subcommand(
      "range", "read KEY, or [KEY, END); without KEY the random keys of `put` with the same flags");
  range->add_option("KEY", flags->range.key, "first key");
  range->add_option("END", flags->range.range_end, "end of the interval, exclusive");
  AddRunFlags(range, flags);
  AddShapeFlags(range, flags);
  range->add_option("--consistency", flags->consistency, "l: linearizable, s: serializable")
      ->check(CLI::IsMember({"l", "s"}))
      ->capture_default_str();
  range->add_option("--limit", flags->range.limit, "most keys per answer, 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  range->add_flag("--keys-only", flags->range.keys_only, "without values");
  range->add_flag("--count-only", flags->range.count_only, "only how many keys there are");
}

void AddCheckCommand(CLI::App* app, Flags* flags) {
  CLI::App* check = app->add_subcommand(
      "check", "read back what `put` wrote; exit code 1 when something is missing or wrong");
  AddEndpointsFlag(check, flags);
  CLI::Option* from = check->add_option("--from", flags->from_path,
                                        "file that `put --json` wrote; replaces the flags below");
  AddShapeFlags(check, flags);
  check->add_option("--val-size", flags->shape.val_size, "bytes of a value")->capture_default_str();
  check->add_option("--total", flags->shape.total, "requests that the run sent")
      ->capture_default_str();
  for (const char* name :
       {"--seed", "--key-size", "--key-space-size", "--sequential-keys", "--val-size", "--total"}) {
    from->excludes(name);
  }
}

absl::Status CompleteDriveOptions(Flags* flags) {
  if (!(flags->timeout_seconds > 0) || flags->timeout_seconds > 86'400) {
    return absl::InvalidArgumentError("--timeout must be above 0 and at most 86400 seconds");
  }
  flags->drive.timeout_nanos = static_cast<int64_t>(flags->timeout_seconds * kNanosPerSecond);
  if (!flags->no_progress) {
    flags->drive.progress =
        ::isatty(STDERR_FILENO) == 1 ? Progress::Style::kBar : Progress::Style::kLines;
  }
  flags->drive.progress_sink = [](std::string_view text) { Print(stderr, text); };
  return absl::OkStatus();
}

std::string DescribeKeys(const WriteShape& shape) {
  return fmt::format("{}-byte keys ({} {}), seed {}", shape.key_size, shape.key_space_size,
                     shape.sequential_keys ? "sequential" : "random", shape.seed);
}

// Prints and stores the report; the exit code.
int Conclude(const RunReport& report, const std::string& json_path) {
  Print(stdout, RenderTable(report));
  if (!json_path.empty()) {
    const absl::Status written = WriteTextFile(json_path, ToJson(report));
    if (!written.ok()) {
      return Complain(written);
    }
  }
  const LoadResult& load = report.result.load;
  return load.errors.empty() && load.stop_reason.empty() ? 0 : kExitFailed;
}

// The file is opened before the load runs: a typo must not cost a run of hours.
absl::Status TouchJson(const std::string& path) {
  return path.empty() ? absl::OkStatus() : WriteTextFile(path, "");
}

int RunLoad(std::string command, std::string description, std::optional<WriteShape> shape,
            const Flags& flags, RequestSource* source) {
  RunReport report{std::move(command), std::move(description), flags.drive, shape, {}};
  absl::Status status = flags.drive.Validate();
  if (status.ok()) {
    status = TouchJson(flags.json_path);
  }
  if (!status.ok()) {
    return Complain(status);
  }
  absl::StatusOr<DriveResult> result = Drive(flags.drive, source);
  if (!result.ok()) {
    return Complain(result.status());
  }
  report.result = *std::move(result);
  return Conclude(report, flags.json_path);
}

int RunPut(Flags flags) {
  flags.shape.total = flags.drive.total;
  const absl::Status valid = flags.shape.Validate();
  if (!valid.ok()) {
    return Complain(valid);
  }
  const PutLeases leases =
      flags.lease != 0 ? PutLeases{flags.lease, 0} : PutLeases{flags.first_lease, 1};
  PutSource source(flags.shape, leases);
  return RunLoad("put",
                 fmt::format("{}, {}-byte values", DescribeKeys(flags.shape), flags.shape.val_size),
                 flags.shape, flags, &source);
}

int RunRange(Flags flags) {
  const absl::Status valid = flags.shape.Validate();
  if (!valid.ok()) {
    return Complain(valid);
  }
  RangeOptions& range = flags.range;
  range.keys = flags.shape;
  range.is_serializable = flags.consistency == "s";
  std::string what = range.key.empty() ? DescribeKeys(flags.shape)
                     : range.range_end.empty()
                         ? fmt::format("key \"{}\"", range.key)
                         : fmt::format("[\"{}\", \"{}\")", range.key, range.range_end);
  what += range.is_serializable ? ", serializable" : ", linearizable";
  if (range.limit > 0) {
    what += fmt::format(", limit {}", range.limit);
  }
  RangeSource source(range);
  return RunLoad("range", what, std::nullopt, flags, &source);
}

int RunLeases(bool grants, const Flags& flags) {
  const absl::Status valid = flags.leases.Validate();
  if (!valid.ok()) {
    return Complain(valid);
  }
  const std::string what =
      fmt::format("{} leases from id {} on", flags.leases.leases, flags.leases.first_id);
  if (grants) {
    LeaseGrantSource source(flags.leases);
    return RunLoad("lease-grant", what, std::nullopt, flags, &source);
  }
  LeaseKeepAliveSource source(flags.leases, flags.renews_once);
  return RunLoad("lease-keepalive", what, std::nullopt, flags, &source);
}

int RunCheck(const Flags& flags, bool has_endpoints) {
  CheckOptions options;
  if (flags.from_path.empty()) {
    options.shape = flags.shape;
    options.issued = flags.shape.total;
  } else {
    const absl::StatusOr<std::string> text = ReadTextFile(flags.from_path);
    if (!text.ok()) {
      return Complain(text.status());
    }
    absl::StatusOr<CheckOptions> from_file = CheckOptionsFromJson(*text);
    if (!from_file.ok()) {
      return Complain(Annotate(from_file.status(), flags.from_path));
    }
    options = *std::move(from_file);
  }
  if (has_endpoints || flags.from_path.empty()) {
    options.endpoint = flags.drive.endpoints.empty() ? "" : flags.drive.endpoints.front();
  }
  const absl::StatusOr<CheckResult> result = CheckWrites(options);
  if (!result.ok()) {
    return Complain(result.status());
  }
  Print(stdout, RenderCheck(options, *result));
  return result->is_good() ? 0 : kExitFailed;
}

int Main(int argc, char** argv) {
  CLI::App app("Load generator and checker for etcd v3 endpoints and Kubernetes APIs.",
               "socle-bench");
  app.require_subcommand(1);
  Flags flags;
  AddPutCommand(&app, &flags);
  AddLeaseCommands(&app, &flags);
  AddRangeCommand(&app, &flags);
  AddCheckCommand(&app, &flags);
  PlaneFlags plane;
  AddPlaneCommand(&app, &plane);
  WatchFlags watch;
  AddWatchCommand(&app, &watch);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return app.exit(error);  // --help
    }
    std::string line = error.what();
    std::replace(line.begin(), line.end(), '\n', ' ');
    Print(stderr, fmt::format("socle-bench: {} (see socle-bench --help)\n", line));
    return kExitUsage;
  }
  const absl::Status completed = CompleteDriveOptions(&flags);
  if (!completed.ok()) {
    return Complain(completed);
  }
  if (app.got_subcommand("put")) {
    return RunPut(flags);
  }
  for (const char* name : {"lease-grant", "lease-keepalive"}) {
    if (app.got_subcommand(name)) {
      return RunLeases(std::string_view(name) == "lease-grant", flags);
    }
  }
  if (app.got_subcommand("range")) {
    return RunRange(flags);
  }
  if (app.got_subcommand("plane")) {
    return RunPlaneCommand(std::move(plane));
  }
  if (app.got_subcommand("watch")) {
    return RunWatchCommand(watch);
  }
  return RunCheck(flags, app.get_subcommand("check")->count("--endpoints") > 0);
}

}  // namespace
}  // namespace socle::bench

int main(int argc, char** argv) {
  return socle::bench::Main(argc, argv);
}
