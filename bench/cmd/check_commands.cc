#include "bench/cmd/check_commands.h"

#include <memory>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "bench/report/json.h"
#include "bench/workload/check.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

struct CheckFlags {
  std::vector<std::string> endpoints = DriveOptions().endpoints;
  server::ClientAccess access;
  WriteShape shape;
  std::string from_path;
};

int RunCheck(const CheckFlags& flags, bool has_endpoints) {
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
    options.endpoint = flags.endpoints.empty() ? "" : flags.endpoints.front();
  }
  options.access = flags.access;
  const absl::StatusOr<CheckResult> result = CheckWrites(options);
  if (!result.ok()) {
    return Complain(result.status());
  }
  Print(stdout, RenderCheck(options, *result));
  return result->is_good() ? 0 : kExitFailed;
}

}  // namespace

void AddCheckCommands(CLI::App* app, Commands* commands) {
  CLI::App* const check = app->add_subcommand(
      "check", "read back what `put` wrote; exit code 1 when something is missing or wrong");
  const auto flags = std::make_shared<CheckFlags>();
  AddEndpointsFlag(check, &flags->endpoints, &flags->access);
  CLI::Option* from = check->add_option("--from", flags->from_path,
                                        "file that `put --json` wrote; replaces the flags below");
  AddShapeFlags(check, &flags->shape);
  AddValSizeFlag(check, &flags->shape);
  check->add_option("--total", flags->shape.total, "requests that the run sent")
      ->capture_default_str();
  for (const char* name :
       {"--seed", "--key-size", "--key-space-size", "--sequential-keys", "--val-size", "--total"}) {
    from->excludes(name);
  }
  commands->push_back(
      {check, [flags, check] { return RunCheck(*flags, check->count("--endpoints") > 0); }});
}

}  // namespace socle::bench
