// RunBench: socle-bench as a user runs it, with its exit code and what it printed.
// Threads  blocks its caller, for a minute at most.
#ifndef SOCLE_BENCH_TESTING_RUN_BENCH_H_
#define SOCLE_BENCH_TESTING_RUN_BENCH_H_

#include <sys/wait.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>

#include <fmt/format.h>

namespace socle::bench {

struct CommandResult {
  int exit_code = -1;
  std::string output;  // stdout and stderr
};

// `before`: shell commands for its surroundings.
inline CommandResult RunBench(const std::string& arguments, const std::string& before = "") {
  const std::string command =
      fmt::format("{}timeout 60 {} {} 2>&1", before, SOCLE_BENCH_PATH, arguments);
  std::FILE* pipe = ::popen(command.c_str(), "r");
  CommandResult result;
  std::array<char, 4096> buffer;
  size_t got = 0;
  while ((got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0) {
    result.output.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

}  // namespace socle::bench

#endif  // SOCLE_BENCH_TESTING_RUN_BENCH_H_
