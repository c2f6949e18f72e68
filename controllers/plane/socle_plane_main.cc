// socle-plane: the control plane as a program. Exit codes: 0 stopped by a signal, 1 could not start,
// 2 bad flags.
#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "controllers/plane/flags.h"
#include "controllers/plane/plane.h"
#include "kv/base/descriptor_limit.h"
#include "kv/base/log.h"
#include "kv/base/signals.h"
#include "kv/base/status_macros.h"

// Read by jemalloc: what a burst has taken goes back to the system within seconds, by a thread of its own.
extern "C" const char* malloc_conf;
const char* malloc_conf = "background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:0";

namespace socle::plane {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

LogLevel LevelOf(const std::string& name) {
  return name == "debug"  ? LogLevel::kDebug
         : name == "info" ? LogLevel::kInfo
         : name == "warn" ? LogLevel::kWarning
                          : LogLevel::kError;
}

int Fail(const absl::Status& status, int code) {
  fmt::print(stderr, "socle-plane: {}\n", MessageOf(status));
  return code;
}

int Main(std::vector<std::string> arguments) {
  HoldStandardDescriptors();
  IgnoreStraySignals();
  RaiseDescriptorLimit();
  const absl::StatusOr<ParsedFlags> flags = ParseFlags(std::move(arguments));
  if (!flags.ok()) {
    return Fail(flags.status(), kExitUsage);
  }
  if (!flags->help.empty()) {
    fmt::print("{}", flags->help);
    return 0;
  }
  if (flags->wants_version) {
    fmt::print("socle-plane {}\n", SOCLE_VERSION);
    return 0;
  }
  const Settings& settings = flags->settings;
  const bool is_json = settings.log_format == "json";
  if (const absl::Status log = InitLog({.level = LevelOf(settings.log_level),
                                        .format = is_json ? LogFormat::kJson : LogFormat::kText});
      !log.ok()) {
    return Fail(log, kExitFailure);
  }
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  absl::StatusOr<std::unique_ptr<Plane>> plane = Plane::Start(settings);
  if (!plane.ok()) {
    return Fail(plane.status(), kExitFailure);
  }
  int caught = 0;
  sigwait(&signals, &caught);
  LogInfo("stopping", {{"signal", caught == SIGTERM ? "SIGTERM" : "SIGINT"}});
  plane->reset();
  LogInfo("stopped");
  return 0;
}

}  // namespace
}  // namespace socle::plane

int main(int argc, char** argv) {
  return socle::plane::Main(std::vector<std::string>(argv + 1, argv + argc));
}
