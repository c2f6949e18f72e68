#include "kv/base/thread.h"

#include <pthread.h>

#include <cstdlib>
#include <system_error>
#include <utility>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "kv/base/log.h"

namespace socle {

absl::StatusOr<Thread> Thread::Start(const std::string& name, std::function<void()> body) {
  Thread thread;
  try {
    thread.thread_ = std::thread([name, body = std::move(body)] {
      ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
      body();
    });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        fmt::format("no thread '{}' can be started: {}; raise the limit of tasks (TasksMax= of the "
                    "unit, pids.max of the cgroup, ulimit -u) or of memory",
                    name, error.code().message()));
  }
  return thread;
}

Thread::Thread(const std::string& name, std::function<void()> body) {
  absl::StatusOr<Thread> started = Start(name, std::move(body));
  if (!started.ok()) {
    LogError("the process can't go on", {{"error", started.status()}});
    std::_Exit(EXIT_FAILURE);  // without destructors: they wait for threads that were never there
  }
  *this = *std::move(started);
}

}  // namespace socle
