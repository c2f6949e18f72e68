#include "bench/cmd/command.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/report/exports.h"
#include "bench/report/json.h"
#include "bench/report/table.h"
#include "bench/workload/ledger.h"
#include "bench/workload/watch_crowd.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/access_flags.h"

namespace socle::bench {
namespace {

constexpr uint64_t kIdleWatchersMax = 10'000'000;
constexpr uint64_t kWatchersPerStream = 100;

bool is_stdout_whole = true;

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
  if (drive->metrics == MetricsUse::kWithoutPid && !flags.outputs.page_path.empty()) {
    drive->metrics = MetricsUse::kAlways;  // the page marks commits and compactions
  }
  drive->progress_sink = [](std::string_view text) { Print(stderr, text); };
  if (flags.idle_watchers > kIdleWatchersMax) {
    return absl::InvalidArgumentError(
        fmt::format("--idle-watchers must be at most {}", kIdleWatchersMax));
  }
  return drive->Validate();
}

// A word of the command line that follows `before`: of --user and --password without what nobody should read.
std::string WithoutPassword(std::string_view before, std::string_view word) {
  const auto is_of = [before, word](const std::string& flag) {
    return before == flag || word.starts_with(flag + "=");
  };
  size_t shown = word.size();
  if (is_of("--user")) {
    shown = std::min(word.find(':'), word.size() - 1) + 1;
  } else if (is_of("--password")) {
    shown = before == "--password" ? 0 : word.find('=') + 1;
  }
  return std::string(word.substr(0, shown)) + (shown < word.size() ? "***" : "");
}

absl::StatusOr<VerifyResult> VerifyAgainst(const DriveOptions& drive, const Ledger& ledger) {
  ASSIGN_OR_RETURN(const std::vector<server::Endpoint> endpoints,
                   ReachAll({drive.endpoints.front()}, drive.access));
  return ledger.Verify(endpoints.front());
}

}  // namespace

void Print(std::FILE* stream, std::string_view text) {
  const bool is_whole =
      std::fwrite(text.data(), 1, text.size(), stream) == text.size() && std::fflush(stream) == 0;
  is_stdout_whole = is_stdout_whole && (is_whole || stream != stdout);
}

bool IsStdoutWhole() {
  return is_stdout_whole;
}

int Complain(const absl::Status& status) {
  std::string line(MessageOf(status));
  std::replace(line.begin(), line.end(), '\n', ' ');
  Print(stderr, fmt::format("socle-bench: {}\n", line));
  return absl::IsInvalidArgument(status) ? kExitUsage : kExitFailed;
}

void AddEndpointsFlag(CLI::App* app, std::vector<std::string>* endpoints,
                      server::ClientAccess* access) {
  app->add_option("--endpoints", *endpoints, "etcd v3 endpoints, comma separated")
      ->delimiter(',')
      ->capture_default_str();
  server::AddAccessFlags(app, access, server::Environment::kIgnored);
}

void AddEngineFlag(CLI::App* app, EngineKind* engine) {
  app->add_option_function<std::string>(
         "--client",
         [engine](const std::string& name) {
           *engine = name == "grpc" ? EngineKind::kGrpc : EngineKind::kFast;
         },
         "fast: our own, a few microseconds per call; grpc: stock gRPC C++, as most programs call")
      ->check(CLI::IsMember({"fast", "grpc"}))
      ->default_str("fast");
}

void AddServerFlags(CLI::App* app, pid_t* server_pid, MetricsUse* metrics) {
  app->add_option("--server-pid", *server_pid,
                  "pid of a local server: report its CPU time per request, memory and writes");
  app->add_option_function<std::string>(
         "--metrics",
         [metrics](const std::string& use) {
           *metrics = use == "always"  ? MetricsUse::kAlways
                      : use == "never" ? MetricsUse::kNever
                                       : MetricsUse::kWithoutPid;
         },
         "read the first endpoint's /metrics once a second: always, never, or auto: when its pid "
         "is not known or --report is given")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->default_str("auto");
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

void AddOutputFlags(CLI::App* app, OutputFlags* flags) {
  app->add_option("--json", flags->json_path, "also write the result to this file");
  app->add_option("--csv", flags->csv_path, "also write each second of the run to this file");
  app->add_option("--hdr", flags->hdr_path,
                  "also write the latencies to this file as an HDR percentile distribution");
  app->add_option("--report", flags->page_path, "also write a page (HTML) to this file");
}

absl::Status OpenOutputs(const OutputFlags& flags) {
  for (const std::string* path :
       {&flags.json_path, &flags.csv_path, &flags.hdr_path, &flags.page_path}) {
    RETURN_IF_ERROR(path->empty() ? absl::OkStatus() : WriteTextFile(*path, ""));
  }
  return absl::OkStatus();
}

absl::Status WriteOutputs(const OutputFlags& flags, const std::string& json,
                          const RunReport& report) {
  absl::Status status;
  const auto write = [&status](const std::string& path, const std::string& text) {
    if (!path.empty()) {
      status.Update(WriteTextFile(path, text));
    }
  };
  write(flags.json_path, json);
  write(flags.csv_path, ToCsv(report));
  write(flags.hdr_path, ToHdr(report));
  write(flags.page_path, ToPage(report));
  return status;
}

void AddRunFlags(CLI::App* app, RunFlags* flags) {
  AddEndpointsFlag(app, &flags->drive.endpoints, &flags->drive.access);
  AddEngineFlag(app, &flags->drive.engine);
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
  AddOutputFlags(app, &flags->outputs);
  app->add_flag("--verify", flags->verifies,
                "afterwards, compare every key with its last acknowledged change");
  app->add_flag("--no-progress", flags->no_progress, "no progress on stderr");
  AddServerFlags(app, &flags->drive.server_pid, &flags->drive.metrics);
}

std::string DescribeKeys(const WriteShape& shape) {
  return fmt::format("{}-byte keys ({} {}), seed {}", shape.key_size, shape.key_space_size,
                     shape.sequential_keys ? "sequential" : "random", shape.seed);
}

int RunLoad(const std::string& command, const std::string& description,
            const std::optional<WriteShape>& shape, const RunFlags& flags, RequestSource* source) {
  RunReport report{command, description, {}, shape, {}, CommandLine()};
  absl::Status status = CompleteDriveOptions(flags, &report.drive);
  if (status.ok()) {
    status = OpenOutputs(flags.outputs);
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
  VerifiedSource verified(source);
  absl::StatusOr<DriveResult> result = Drive(report.drive, flags.verifies ? &verified : source);
  if (!result.ok()) {
    return Complain(result.status());
  }
  report.result = *std::move(result);
  if (flags.verifies) {
    absl::StatusOr<VerifyResult> found = VerifyAgainst(report.drive, verified.Close());
    if (found.ok()) {
      report.verified = *std::move(found);
    } else {
      status = Annotate(found.status(), "nothing was verified");
    }
  }
  Print(stdout, RenderTable(report));
  status.Update(WriteOutputs(flags.outputs, ToJson(report), report));
  if (!status.ok()) {
    return Complain(status);
  }
  if (!IsClean(report.result) || (report.verified && !report.verified->is_good())) {
    return kExitFailed;
  }
  const std::string missed = RateMissed(report.drive, report.result);
  if (!missed.empty()) {
    Print(stderr, fmt::format("socle-bench: {}\n", missed));
    return kExitTooSlow;
  }
  return 0;
}

const std::string& RememberedCommandLine() {
  return CommandLine();
}

void RememberCommandLine(int argc, char** argv) {
  CommandLine() = "socle-bench";
  std::string_view before;
  for (int i = 1; i < argc; ++i) {
    CommandLine() += " " + WithoutPassword(before, argv[i]);
    before = argv[i];
  }
}

}  // namespace socle::bench
