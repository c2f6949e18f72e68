// Command: a subcommand of socle-bench, and what its load commands share: flags of a run, complaints, the run itself
// with all its reports.
//
// Laws     1. Exit codes: 0 done and clean, 1 the run failed or something is missing, 2 the command line makes no sense.
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

#include "bench/workload/drive.h"
#include "bench/workload/write_shape.h"

namespace socle::bench {

inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

struct Command {
  CLI::App* app;
  std::function<int()> run;
};

using Commands = std::vector<Command>;

struct RunFlags {
  DriveOptions drive;
  double timeout_seconds = 30;
  uint64_t idle_watchers = 0;
  std::string json_path;
  std::string csv_path;
  std::string hdr_path;
  std::string page_path;
  bool no_progress = false;
};

void Print(std::FILE* stream, std::string_view text);

// One line on stderr; the exit code.
int Complain(const absl::Status& status);

void AddEndpointsFlag(CLI::App* app, std::vector<std::string>* endpoints);
void AddRunFlags(CLI::App* app, RunFlags* flags);
void AddShapeFlags(CLI::App* app, WriteShape* shape);
void AddValSizeFlag(CLI::App* app, WriteShape* shape);

// "8-byte keys (1000 random), seed 1"
std::string DescribeKeys(const WriteShape& shape);

// Drives the source, prints and stores the reports; the exit code.
int RunLoad(const std::string& command, const std::string& description,
            const std::optional<WriteShape>& shape, const RunFlags& flags, RequestSource* source);

// The command line of this program, for reports.
void RememberCommandLine(int argc, char** argv);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_CMD_COMMAND_H_
