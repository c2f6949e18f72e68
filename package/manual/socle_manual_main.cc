// socle-manual: writes the manual pages and bash completions of all programs below a folder, from the tables that the
// programs parse by. Runs in the build and is not installed. Exit codes: 0 written, 1 not.
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "package/manual/command_line.h"
#include "package/manual/completion.h"
#include "package/manual/man_page.h"
#include "package/manual/prose.h"
#include <CLI/App.hpp>
#include <fmt/format.h>

#include "bench/cmd/all_commands.h"
#include "controllers/plane/flags.h"
#include "server/cmd/soclectl.h"

namespace socle::package {
namespace {

// In the build, on files that make one anew when it is cut short: not through Env.
bool Write(const std::string& path, const std::string& text) {
  std::FILE* file =
      std::fopen(path.c_str(), "w");  // tidy: allow file because a build makes them anew
  if (file == nullptr) {
    return false;
  }
  const bool is_whole = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && is_whole;
}

int Main(const std::string& folder) {
  std::vector<std::pair<Command, ManProse>> programs;
  const auto add = [&programs](const ManProse& prose) {
    return
        [&programs, prose](const CLI::App& app) { programs.emplace_back(DescribeApp(app), prose); };
  };
  programs.emplace_back(DescribeFlagTable(), ProseOfSocleKv());
  server::ShowCommandLine(add(ProseOfSoclectl()));
  bench::ShowCommandLine(add(ProseOfSocleBench()));
  plane::ShowCommandLine(add(ProseOfSoclePlane()));
  for (const auto& [program, prose] : programs) {
    const std::string page = fmt::format("{}/man/man1/{}.1", folder, program.name);
    const std::string completion =
        fmt::format("{}/bash-completion/completions/{}", folder, program.name);
    for (const auto& [path, text] : {std::pair(page, ManPage(program, prose, SOCLE_VERSION)),
                                     std::pair(completion, BashCompletion(program))}) {
      if (!Write(path, text)) {
        std::fprintf(stderr, "socle-manual: %s could not be written\n", path.c_str());
        return 1;
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace socle::package

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr,
                 "socle-manual: say one folder; it has man/man1 and bash-completion/completions\n");
    return 1;
  }
  return socle::package::Main(argv[1]);
}
