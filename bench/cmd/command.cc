#include "bench/cmd/command.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/report/exports.h"
#include "bench/report/json.h"
#include "bench/report/table.h"
#include "bench/workload/watch_crowd.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

constexpr uint64_t kIdleWatchersMax = 10'000'000;
constexpr uint64_t kWatchersPerStream = 100;

std::string& CommandLine() {
  static std::string line;
  return line;
}

absl::Status CompleteDriveOptions(const RunFlags& flags, DriveOptions* drive) {
  *drive = flags.drive;
  if (!(flags.timeout_seconds > 0) || flags.timeout_seconds > 86'400) {
    return absl::InvalidArgumentError("--timeout must be above 0 and at most 86400 seconds");
  }
  drive->timeout_nanos = static_cast<int64_t>(flags.timeout_seconds * kNanosPerSecond);
  if (!flags.no_progress) {
    drive->progress =
        ::isatty(STDERR_FILENO) == 1 ? Progress::Style::kBar : Progress::Style::kLines;
  }
  drive->progress_sink = [](std::string_view text) { Print(stderr, text); };
  if (flags.idle_watchers > kIdleWatchersMax) {
    return absl::InvalidArgumentError(
        fmt::format("--idle-watchers must be at most {}", kIdleWatchersMax));
  }
  return drive->Validate();
}

struct Output {
  const std::string& path;
  std::string (*render)(const RunReport& report);
};

}  // namespace

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

void AddEndpointsFlag(CLI::App* app, std::vector<std::string>* endpoints) {
  app->add_option("--endpoints", *endpoints, "etcd v3 endpoints, comma separated")
      ->delimiter(',')
      ->capture_default_str();
}

void AddShapeFlags(CLI::App* app, WriteShape* shape) {
  app->add_option("--seed", shape->seed, "keys and values follow from it")->capture_default_str();
  app->add_option("--key-size", shape->key_size, "bytes of a key")->capture_default_str();
  app->add_option("--key-space-size", shape->key_space_size, "number of different keys")
      ->capture_default_str();
  app->add_flag("--sequential-keys", shape->sequential_keys, "keys in order instead of at random");
}

void AddValSizeFlag(CLI::App* app, WriteShape* shape) {
  app->add_option("--val-size", shape->val_size, "bytes of a value")->capture_default_str();
}

void AddRunFlags(CLI::App* app, RunFlags* flags) {
  AddEndpointsFlag(app, &flags->drive.endpoints);
  app->add_option("--clients", flags->drive.clients, "clients, each with one request in flight")
      ->capture_default_str();
  app->add_option("--conns", flags->drive.conns, "connections that the clients share")
      ->capture_default_str();
  CLI::Option* const total =
      app->add_option("--total", flags->drive.total, "requests to send")->capture_default_str();
  app->add_option("--duration", flags->drive.duration_seconds,
                  "seconds to send for after the warm-up, instead of --total")
      ->excludes(total);
  app->add_option("--rate", flags->drive.rate,
                  "requests per second, open loop: latency counts from the intended send time; "
                  "0: as fast as the answers come")
      ->capture_default_str();
  app->add_option("--warmup", flags->drive.warmup_seconds,
                  "seconds at the beginning that are not measured")
      ->capture_default_str();
  app->add_option("--idle-watchers", flags->idle_watchers,
                  "watchers of keys that nobody writes, open while the load runs")
      ->capture_default_str();
  app->add_option("--timeout", flags->timeout_seconds, "seconds until a request counts as failed")
      ->capture_default_str();
  app->add_option("--json", flags->json_path, "also write the result to this file");
  app->add_option("--csv", flags->csv_path, "also write each second of the run to this file");
  app->add_option("--hdr", flags->hdr_path,
                  "also write the latencies to this file as an HDR percentile distribution");
  app->add_option("--report", flags->page_path, "also write a page (HTML) to this file");
  app->add_flag("--no-progress", flags->no_progress, "no progress on stderr");
  app->add_option("--server-pid", flags->drive.server_pid,
                  "pid of a local server: report its CPU time per request, memory and writes");
}

std::string DescribeKeys(const WriteShape& shape) {
  return fmt::format("{}-byte keys ({} {}), seed {}", shape.key_size, shape.key_space_size,
                     shape.sequential_keys ? "sequential" : "random", shape.seed);
}

int RunLoad(const std::string& command, const std::string& description,
            const std::optional<WriteShape>& shape, const RunFlags& flags, RequestSource* source) {
  RunReport report{command, description, {}, shape, {}, CommandLine()};
  const Output outputs[] = {{flags.json_path, ToJson},
                            {flags.csv_path, ToCsv},
                            {flags.hdr_path, ToHdr},
                            {flags.page_path, ToPage}};
  absl::Status status = CompleteDriveOptions(flags, &report.drive);
  for (const Output& output : outputs) {
    if (status.ok() && !output.path.empty()) {
      status = WriteTextFile(output.path, "");
    }
  }
  if (!status.ok()) {
    return Complain(status);
  }
  WatchCrowdOptions idle;
  idle.name = "idle watchers";
  idle.watchers = flags.idle_watchers;
  idle.streams = std::max<uint64_t>(1, flags.idle_watchers / kWatchersPerStream);
  idle.create.set_key("socle-bench/nobody-writes-this");
  idle.expected_events = [] { return uint64_t{0}; };
  WatchCrowd idle_watchers(idle);
  if (flags.idle_watchers > 0) {
    report.drive.companions.push_back(&idle_watchers);
  }
  absl::StatusOr<DriveResult> result = Drive(report.drive, source);
  if (!result.ok()) {
    return Complain(result.status());
  }
  report.result = *std::move(result);
  Print(stdout, RenderTable(report));
  for (const Output& output : outputs) {
    if (!output.path.empty()) {
      status.Update(WriteTextFile(output.path, output.render(report)));
    }
  }
  if (!status.ok()) {
    return Complain(status);
  }
  return IsClean(report.result) ? 0 : kExitFailed;
}

void RememberCommandLine(int argc, char** argv) {
  CommandLine() = "socle-bench";
  for (int i = 1; i < argc; ++i) {
    CommandLine() += std::string(" ") + argv[i];
  }
}

}  // namespace socle::bench
