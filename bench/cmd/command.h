// Command: a subcommand of socle-bench, and what its load commands share: flags of a run, complaints, the run itself
// with all its reports.
//
// Laws     1. Exit codes: 0 done and clean, 1 the run failed or something is missing, 2 the command line makes no sense,
//             3 clean, but the rate that was asked for was not reached.
//          2. Every output file is opened before the load runs: a typo must not cost a run of hours.
// Threads  the main thread.
#ifndef SOCLE_BENCH_CMD_COMMAND_H_
#define SOCLE_BENCH_CMD_COMMAND_H_

#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>
#include <absl/status/status.h>

#include "bench/report/run_report.h"
#include "bench/workload/drive.h"
#include "bench/workload/write_shape.h"

namespace socle::bench {

inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitTooSlow = 3;

struct Command {
  CLI::App* app;
  std::function<int()> run;
};

using Commands = std::vector<Command>;

struct OutputFlags {
  std::string json_path;
  std::string csv_path;
  std::string hdr_path;
  std::string page_path;
};

struct RunFlags {
  DriveOptions drive;
  double timeout_seconds = 30;
  uint64_t idle_watchers = 0;
  OutputFlags outputs;
  bool no_progress = false;
  bool verifies = false;
};

void Print(std::FILE* stream, std::string_view text);

// Whether everything printed to stdout went out.
bool IsStdoutWhole();

// One line on stderr; the exit code.
int Complain(const absl::Status& status);

// And the flags of TLS and of a user.
void AddEndpointsFlag(CLI::App* app, std::vector<std::string>* endpoints,
                      server::ClientAccess* access);
void AddEngineFlag(CLI::App* app, EngineKind* engine);
void AddServerFlags(CLI::App* app, pid_t* server_pid, MetricsUse* metrics);
void AddOutputFlags(CLI::App* app, OutputFlags* flags);
void AddRunFlags(CLI::App* app, RunFlags* flags);

// Law 2: makes the files, empty.
absl::Status OpenOutputs(const OutputFlags& flags);
// All that can be written is; the first error. `json` is what goes to its file.
absl::Status WriteOutputs(const OutputFlags& flags, const std::string& json,
                          const RunReport& report);
void AddShapeFlags(CLI::App* app, WriteShape* shape);
void AddValSizeFlag(CLI::App* app, WriteShape* shape);

// "8-byte keys (1000 random), seed 1"
std::string DescribeKeys(const WriteShape& shape);

// Drives the source, prints and stores the reports; the exit code.
int RunLoad(const std::string& command, const std::string& description,
            const std::optional<WriteShape>& shape, const RunFlags& flags, RequestSource* source);

// The command line of this program, for reports: without passwords.
void RememberCommandLine(int argc, char** argv);
const std::string& RememberedCommandLine();

}  // namespace socle::bench

#endif  // SOCLE_BENCH_CMD_COMMAND_H_
