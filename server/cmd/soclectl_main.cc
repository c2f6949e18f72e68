// soclectl: the offline tool. Exit codes: soclectl.h law 2.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "kv/base/clock.h"
#include "kv/base/descriptor_limit.h"
#include "kv/base/log.h"
#include "kv/env/env.h"
#include "server/cmd/soclectl.h"

namespace {

constexpr int kExitNothing = socle::server::kExitNothing;

// Files are mapped: what the disk can't read, and what somebody cut off meanwhile, arrives as a signal.
void OnBusError(int /*signal*/) {
  constexpr std::string_view kText =
      "soclectl: the file could not be read: I/O error, or it was cut short meanwhile (SIGBUS)\n";
  if (::write(STDERR_FILENO, kText.data(), kText.size()) < 0) {
    ::_exit(kExitNothing + 1);
  }
  ::_exit(kExitNothing);
}

}  // namespace

int main(int argc, char** argv) {
  socle::HoldStandardDescriptors();
  ::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error, not the end
  struct sigaction action = {};
  action.sa_handler = OnBusError;
  ::sigaction(SIGBUS, &action, nullptr);
  // What the store would tell a server's operator is not for this console; errors come as results.
  socle::LogOptions quiet;
  quiet.level = socle::LogLevel::kError;
  if (const absl::Status log = socle::InitLog(quiet); !log.ok()) {
    std::fputs("soclectl: the log could not be set up\n", stderr);
    return kExitNothing;
  }
  const auto print = [](std::FILE* stream) {
    return [stream](std::string_view text) {
      std::fwrite(text.data(), 1, text.size(), stream);
      if (stream == stdout && text.ends_with('\n')) {
        std::fflush(stream);  // a live table must not wait for the next one
      }
    };
  };
  const socle::server::Console console{.env = socle::Env::Posix(),
                                       .clock = socle::Clock::Real(),
                                       .out = print(stdout),
                                       .err = print(stderr),
                                       .err_is_terminal = ::isatty(STDERR_FILENO) == 1,
                                       .out_is_terminal = ::isatty(STDOUT_FILENO) == 1};
  const int code =
      socle::server::Soclectl(std::vector<std::string>(argv + 1, argv + argc), console);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    console.Complain("standard output could not be written");
    return kExitNothing;
  }
  return code;
}
