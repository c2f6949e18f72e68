// storage_bench: our storage engine beside LMDB and RocksDB, in one process, and the bars of the
// project. Exit codes: 0 everything ran (bars met or not), 2 the command line makes no sense.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/storage/disk.h"
#include "bench/storage/workload.h"

namespace socle::bench {
namespace {

struct NamedWorkload {
  const char* name;
  void (*run)(const WorkloadOptions&, StorageReport*);
};

// Memory first: it forks, which is for programs of one thread.
constexpr NamedWorkload kWorkloads[] = {
    {"memory", RunMemory},     {"append", RunAppend},
    {"random", RunRandomKeys}, {"reads", RunReads},
    {"refill", RunRefill},     {"acknowledgements", RunAcknowledgements},
    {"freelist", RunFreelist}, {"reads-beside-writer", RunReadsBesideWriter},
};

int Run(int argc, char** argv) {
  CLI::App app("Our storage engine beside LMDB and RocksDB, by turns on one disk.");
  double scale = 1;
  int rounds = 3;
  std::string dir = "storage_bench.scratch";
  std::vector<std::string> only;
  app.add_option("--scale", scale, "share of the 1,000,000 entries, for a quick look")
      ->check(CLI::Range(0.001, 10.0))
      ->capture_default_str();
  app.add_option("--rounds", rounds, "turns of each peer")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--dir", dir, "scratch directory, on the disk to measure; removed at the end")
      ->capture_default_str();
  std::vector<std::string> names;
  for (const NamedWorkload& workload : kWorkloads) {
    names.emplace_back(workload.name);
  }
  app.add_option("--only", only, "workloads, comma separated")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const ScratchDir scratch(dir, fmt::format("run.{}", ::getpid()));
  const auto keys = static_cast<uint64_t>(1'000'000 * scale);
  const WorkloadOptions options{.dir = scratch.path(),
                                .keys = keys,
                                .per_commit = std::clamp<uint64_t>(keys / 100, 1000, 10'000),
                                .rounds = rounds};
  StorageReport report;
  for (const NamedWorkload& workload : kWorkloads) {
    if (only.empty() || std::find(only.begin(), only.end(), workload.name) != only.end()) {
      const Stopwatch watch;
      workload.run(options, &report);
      fmt::print(stderr, "{:20} {:6.1f} s\n", workload.name, watch.Seconds());
    }
  }
  fmt::print("{} entries of {} bytes of value, durable commit every {}, {} rounds by turns\n\n{}",
             options.keys, kValueBytes, options.per_commit, options.rounds, report.Text());
  fmt::print("\n{} bars missed\n", report.missed());
  return 0;
}

}  // namespace
}  // namespace socle::bench

int main(int argc, char** argv) {
  return socle::bench::Run(argc, argv);
}
