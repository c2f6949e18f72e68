// socle-linearizability: runs histories of concurrent clients on an embedded store and judges each.
//
//   socle-linearizability --seed 1 --histories 1000
//   socle-linearizability --minutes 60                     fresh seeds
//   socle-linearizability --seed 1 --histories 500 --plant stale-read    must find it
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "kv/base/clock.h"
#include "kv/base/log.h"
#include "kv/base/random.h"
#include "kv/base/status_macros.h"
#include "kv/env/env.h"
#include "tests/linearizability/embedded_run.h"
#include "tests/linearizability/judge.h"

namespace socle::linearizability {
namespace {

struct Flags {
  uint64_t seed = 0;
  uint64_t histories = 0;
  int64_t minutes = 0;
  std::string plant;
  std::string out = ".";
  bool print = false;
};

struct Totals {
  uint64_t histories = 0;
  uint64_t calls = 0;
  uint64_t unanswered = 0;
  uint64_t events = 0;
  uint64_t crashes = 0;
  uint64_t undecided = 0;
  uint64_t steps_most = 0;
  uint64_t steps = 0;
  int64_t judging_nanos = 0;
};

PlantedFault FaultNamed(const std::string& name) {
  for (const PlantedFaultRow& row : kPlantedFaults) {
    if (row.name == name) {
      return row.fault;
    }
  }
  return PlantedFault::kNone;
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  ASSIGN_OR_RETURN(const auto file, Env::Posix()->Open(path, OpenMode::kReadWriteCreate));
  RETURN_IF_ERROR(file->Truncate(0));
  return file->WriteAt(0, text);
}

void Count(const EmbeddedRun& run, const Judgement& judgement, Totals* totals) {
  ++totals->histories;
  totals->calls += run.history.calls.size();
  totals->unanswered +=
      static_cast<uint64_t>(std::count_if(run.history.calls.begin(), run.history.calls.end(),
                                          [](const Call& call) { return !call.is_answered; }));
  for (const WatchLog& watch : run.history.watches) {
    totals->events += watch.events.size();
  }
  totals->crashes += static_cast<uint64_t>(run.crashes);
  totals->undecided += judgement.is_undecided ? 1 : 0;
  totals->steps += judgement.steps;
  totals->steps_most = std::max(totals->steps_most, judgement.steps);
}

std::string Summary(const Totals& totals, int64_t nanos) {
  return fmt::format(
      "{} histories, {} calls ({} without an answer), {} watch events, {} crashes; {} undecided, "
      "search steps {:.2f} per call, at most {} in one history; {:.1f} s, of them {:.1f} judging",
      totals.histories, totals.calls, totals.unanswered, totals.events, totals.crashes,
      totals.undecided,
      static_cast<double>(totals.steps) / static_cast<double>(std::max<uint64_t>(1, totals.calls)),
      totals.steps_most, static_cast<double>(nanos) / kNanosPerSecond,
      static_cast<double>(totals.judging_nanos) / kNanosPerSecond);
}

// The file for the person who has to find out why.
void Report(const Flags& flags, uint64_t seed, const EmbeddedRun& run, const std::string& report) {
  const std::string path = fmt::format("{}/linearizability-{}.txt", flags.out, seed);
  const std::string text = fmt::format(
      "seed {}\nreproduce (threads interleave anew, so repeat): socle-linearizability --seed {} "
      "--histories 1\n\n{}\n{}\n--- The whole history ---\n{}",
      seed, seed, run.problem, report, DescribeHistory(run.history));
  const absl::Status written = WriteFile(path, text);
  fmt::print("seed {}: {}{}\nthe history is in {}{}\n", seed, run.problem, report.substr(0, 4'000),
             path, written.ok() ? "" : ", or not: " + written.ToString());
}

// Also says which of the checks object, since each is there for its own reason.
int ReportPlanted(const Flags& flags, const Totals& totals, const Judgement& judgement) {
  fmt::print("{}: found in history {} after {} calls, by:{}{}{}\n", flags.plant, totals.histories,
             totals.calls, judgement.broke_revisions ? " revisions" : "",
             judgement.broke_keys ? " one-key" : "", judgement.broke_whole ? " whole" : "");
  if (flags.print) {
    fmt::print("{}\n", judgement.report);
  }
  return 0;
}

int RunAll(const Flags& flags) {
  const PlantedFault fault = FaultNamed(flags.plant);
  const bool is_planted = fault != PlantedFault::kNone;
  const int64_t start = Clock::Real()->MonotonicNanos();
  const int64_t end = flags.minutes == 0 ? INT64_MAX : start + flags.minutes * 60 * kNanosPerSecond;
  const uint64_t first = flags.seed != 0 ? flags.seed : Random::FreshSeed() >> 16U;
  fmt::print("first seed {}\n", first);
  Totals totals;
  int failures = 0;
  for (uint64_t i = 0; flags.histories == 0 || i < flags.histories; ++i) {
    if (Clock::Real()->MonotonicNanos() > end) {
      break;
    }
    const EmbeddedRun run = RunEmbedded(first + i, fault);
    const int64_t judging = Clock::Real()->MonotonicNanos();
    const Judgement judgement = Judge(run.history, {.wants_smallest = !is_planted || flags.print});
    totals.judging_nanos += Clock::Real()->MonotonicNanos() - judging;
    Count(run, judgement, &totals);
    if (is_planted) {
      // That the store itself complains does not count.
      if (!judgement.is_good()) {
        return ReportPlanted(flags, totals, judgement);
      }
      continue;
    }
    const bool is_good = judgement.is_good() && !judgement.is_undecided && run.problem.empty();
    if (!is_good) {
      Report(flags, first + i, run, judgement.report);
      if (++failures == 3) {
        break;
      }
    } else if (flags.print) {
      fmt::print("{}", DescribeHistory(run.history));
    }
  }
  fmt::print("{}\n", Summary(totals, Clock::Real()->MonotonicNanos() - start));
  if (is_planted) {
    fmt::print("{}: NOT found\n", flags.plant);
    return 1;
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace socle::linearizability

int main(int argc, char** argv) {
  socle::linearizability::Flags flags;
  CLI::App app("Judges histories of concurrent clients on a store that crashes.");
  app.add_option("--seed", flags.seed,
                 "seed of the first history; the next ones count up; 0: fresh");
  app.add_option("--histories", flags.histories, "how many; 0: until the time is over");
  app.add_option("--minutes", flags.minutes, "stop after this long");
  app.add_option("--plant", flags.plant, "run with this fault; success is to find it");
  app.add_option("--out", flags.out, "folder for the histories that fail");
  app.add_flag("--print", flags.print, "print every history, or the planted fault's");
  CLI11_PARSE(app, argc, argv);
  if (flags.histories == 0 && flags.minutes == 0) {
    flags.histories = 100;
  }
  if (!flags.plant.empty() && socle::linearizability::FaultNamed(flags.plant) ==
                                  socle::linearizability::PlantedFault::kNone) {
    fmt::print("no planted fault is called {}\n", flags.plant);
    return 2;
  }
  // Stores that crash complain; here that is their everyday.
  if (!socle::InitLog({.level = socle::LogLevel::kError, .outputs = {"/dev/null"}}).ok()) {
    return 2;
  }
  return socle::linearizability::RunAll(flags);
}
