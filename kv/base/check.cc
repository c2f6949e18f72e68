#include "kv/base/check.h"

#include <execinfo.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace socle::internal {

void CheckFailed(const char* file, int line, const char* expression, const std::string& operands) {
  const std::string message = fmt::format("{}:{}: CHECK failed: {}{}{}\n", file, line, expression,
                                          operands.empty() ? "" : ": ", operands);
  // A full pipe that nobody reads must not keep the process from ending.
  pollfd room{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (::poll(&room, 1, 0) > 0) {
    // write(2) and not a stream: the process may be in any state.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, message.data(), message.size());
    std::array<void*, 64> frames{};
    const int count = ::backtrace(frames.data(), static_cast<int>(frames.size()));
    ::backtrace_symbols_fd(frames.data(), count, STDERR_FILENO);
  }
  std::abort();
}

}  // namespace socle::internal
