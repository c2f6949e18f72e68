// ways_bench: the store in this process, as it is and with what etcd did before switched on. Exit codes: 0
// done, 1 it failed, 2 the command line makes no sense.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/mvcc/rows.h"
#include "bench/mvcc/workload.h"
#include "bench/report/json.h"
#include "bench/storage/disk.h"
#include "kv/base/log.h"

namespace socle::bench {
namespace {

struct Workload {
  const char* name;
  std::vector<Row> (*run)(const MvccBenchOptions& options);
};

constexpr Workload kWorkloads[] = {
    {"reads", ReadsBesideRanges},
    {"puts", PutsBesideRanges},
    {"compaction", PutsBesideCompaction},
};

// Each row from the round that had the median ratio: the disk of a shared machine stalls now and then.
std::vector<Row> MedianRows(std::vector<std::vector<Row>> rounds) {
  std::vector<Row> rows;
  for (size_t i = 0; i < rounds.front().size(); ++i) {
    std::ranges::sort(rounds, {}, [i](const std::vector<Row>& round) {
      return round[i].alone > 0 ? round[i].beside / round[i].alone : 0;
    });
    rows.push_back(rounds[rounds.size() / 2][i]);
  }
  return rows;
}

void Say(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

int Main(int argc, char** argv) {
  CLI::App app("The multi-version store, each founding optimisation against its absence.",
               "ways_bench");
  MvccBenchOptions options;
  std::string parent = ".";
  std::string only;
  int rounds = 1;
  std::string json_path;
  app.add_option("--dir", parent, "folder on the disk that is measured")->capture_default_str();
  app.add_option("--keys", options.keys, "keys of 32 bytes with values of 256")
      ->check(CLI::Range(uint64_t{10'000}, uint64_t{100'000'000}))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "of each measurement")
      ->check(CLI::Range(0.05, 3600.0))
      ->capture_default_str();
  app.add_option("--rounds", rounds, "of each; a row is that of the round with the median ratio")
      ->check(CLI::Range(1, 99))
      ->capture_default_str();
  app.add_option("--only", only, "reads, puts, compaction or sweep")
      ->check(CLI::IsMember({"reads", "puts", "compaction", "sweep"}));
  app.add_option("--json", json_path, "also write the rows to this file");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  InitLog({.level = LogLevel::kWarning}).IgnoreError();  // lines at start and end of each store
  const ScratchDir scratch(parent, fmt::format("ways_bench.{}", ::getpid()));
  options.dir = scratch.path();
  std::vector<Row> rows;
  for (const Workload& workload : kWorkloads) {
    if (only.empty() || only == workload.name) {
      std::vector<std::vector<Row>> results;
      results.reserve(static_cast<size_t>(rounds));
      for (int round = 0; round < rounds; ++round) {
        results.push_back(workload.run(options));
      }
      const std::vector<Row> more = MedianRows(std::move(results));
      Say(RenderRows(more) + "\n");
      rows.insert(rows.end(), more.begin(), more.end());
    }
  }
  if (only.empty() || only == "sweep") {
    Say(BatchSweep(options));
  }
  if (!json_path.empty() && !WriteTextFile(json_path, RowsAsJson(rows)).ok()) {
    Say(fmt::format("ways_bench: {} can't be written\n", json_path));
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace socle::bench

int main(int argc, char** argv) {
  return socle::bench::Main(argc, argv);
}
