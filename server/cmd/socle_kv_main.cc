// socle-kv: the standalone server. Exit codes: 0 stopped by a signal, 1 could not start, 2 bad
// flags.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "kv/base/descriptor_limit.h"
#include "kv/base/log.h"
#include "kv/base/signals.h"
#include "kv/base/status_macros.h"
#include "server/cmd/kv_server.h"
#include "server/config/flags.h"
#include "server/ops/supervisor.h"
#include "server/service/identity.h"

// Read by jemalloc: what a burst has taken goes back to the system within seconds, by a thread of its own.
extern "C" const char* malloc_conf;
const char* malloc_conf = "background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:0";

namespace socle::server {
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
  std::fprintf(stderr, "socle-kv: %s\n", std::string(MessageOf(status)).c_str());
  return code;
}

// Only a supervisor that waits for it notices what it was not told; the server serves all the same.
void TellSupervisor(std::string_view state) {
  const absl::Status told = Notify(SupervisorSocket(), state);
  if (!told.ok()) {
    LogWarning("the supervisor was not told", {{"state", state}, {"error", MessageOf(told)}});
  }
}

int WaitForSignal(const sigset_t& signals) {
  int caught = 0;
  while (::sigwait(&signals, &caught) != 0) {
  }
  return caught;
}

int Main(const std::vector<std::string>& arguments) {
  HoldStandardDescriptors();
  IgnoreStraySignals();
  const absl::StatusOr<ParsedFlags> flags = ParseFlags(arguments, EtcdEnvironment());
  if (!flags.ok()) {
    return Fail(flags.status(), kExitUsage);
  }
  const Settings& settings = flags->settings;
  if (settings.show_help) {
    std::fputs(HelpText().c_str(), stdout);
    return 0;
  }
  if (settings.show_extensions) {
    std::fputs(ExtensionsText().c_str(), stdout);
    return 0;
  }
  if (settings.show_version) {
    std::printf("socle-kv " SOCLE_VERSION "\netcd Version: %s\netcd API Version: 3.6\n",
                std::string(kServerVersion).c_str());
    return 0;
  }
  const bool is_json = settings.log_format == "json";
  if (const absl::Status log = InitLog({.level = LevelOf(settings.log_level),
                                        .format = is_json ? LogFormat::kJson : LogFormat::kText,
                                        .outputs = settings.log_outputs});
      !log.ok()) {
    return Fail(log, kExitFailure);
  }
  for (const std::string& warning : flags->warnings) {
    LogWarning("flag", {{"warning", warning}});
  }

  RaiseDescriptorLimit();
  if (DescriptorLimit() <= kReservedDescriptors) {
    return Fail(absl::ResourceExhaustedError(fmt::format(
                    "the limit of open files is {}, and {} of them are not for clients: raise it "
                    "(ulimit -n, LimitNOFILE= of the unit)",
                    DescriptorLimit(), kReservedDescriptors)),
                kExitFailure);
  }
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  absl::StatusOr<std::unique_ptr<KvServer>> server = KvServer::Start(settings);
  if (!server.ok()) {
    return Fail(server.status(), kExitFailure);
  }
  // For people; a collector of JSON lines sees only JSON lines.
  if (!is_json || ::isatty(STDERR_FILENO) != 0) {
    std::fputs((*server)->Summary().c_str(), stderr);
  }
  TellSupervisor("READY=1");
  const int caught = WaitForSignal(signals);
  TellSupervisor("STOPPING=1");
  LogInfo("stopping", {{"signal", caught == SIGTERM ? "SIGTERM" : "SIGINT"}});
  server->reset();
  LogInfo("stopped");
  return 0;
}

}  // namespace
}  // namespace socle::server

int main(int argc, char** argv) {
  return socle::server::Main(std::vector<std::string>(argv + 1, argv + argc));
}
