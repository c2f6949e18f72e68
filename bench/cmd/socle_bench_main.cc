// socle-bench: load generator and checker for etcd v3 endpoints. Exit codes: 0 done and clean, 1
// the run failed or something is missing, 2 the command line makes no sense, 3 clean, but the rate
// was not reached.
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/cmd/all_commands.h"
#include "bench/cmd/command.h"
#include "bench/cmd/plane_command.h"
#include "kv/base/descriptor_limit.h"

namespace socle::bench {
namespace {

int Main(int argc, char** argv) {
  RememberCommandLine(argc, argv);
  RaiseDescriptorLimit();      // --conns
  ::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error, not the end
  CLI::App app;
  Commands commands;
  PlaneFlags plane;
  AddAllCommands(&app, &commands, &plane);
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
  int code = -1;
  for (const Command& command : commands) {
    if (command.app->parsed()) {
      code = command.run();
    }
  }
  if (code < 0) {
    code = RunPlaneCommand(std::move(plane));
  }
  if (!IsStdoutWhole()) {
    Print(stderr, "socle-bench: standard output could not be written: the disk may be full\n");
    return code == 0 ? kExitFailed : code;
  }
  return code;
}

}  // namespace
}  // namespace socle::bench

int main(int argc, char** argv) {
  return socle::bench::Main(argc, argv);
}
