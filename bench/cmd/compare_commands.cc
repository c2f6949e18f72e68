#include "bench/cmd/compare_commands.h"

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/peer/compare.h"
#include "bench/peer/limits.h"
#include "bench/peer/load_limits.h"
#include "bench/report/json.h"
#include "bench/report/machine.h"
#include "bench/report/table.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

struct CompareFlags {
  CompareOptions compare;
  std::string json_path;
};

struct HeadlineFlags {
  std::vector<std::string> peers;
  std::string dir = "/tmp";
  uint64_t total = 1'000'000;
  double rate = 5'000;
  std::string json_path;
};

absl::Status Touch(const std::string& path) {
  return path.empty() ? absl::OkStatus() : WriteTextFile(path, "");
}

int Conclude(const CompareOptions& options, const CompareResult& result,
             const std::string& json_path) {
  if (!json_path.empty()) {
    const absl::Status written = WriteTextFile(json_path, CompareJson(options, result));
    if (!written.ok()) {
      return Complain(written);
    }
  }
  return result.failure.empty() ? 0 : kExitFailed;
}

int RunCompareCommand(CompareFlags& flags, std::vector<std::string> workload) {
  flags.compare.workload = std::move(workload);
  flags.compare.progress = [](std::string_view text) { Print(stderr, text); };
  const absl::Status touched = Touch(flags.json_path);
  if (!touched.ok()) {
    return Complain(touched);
  }
  const absl::StatusOr<CompareResult> result = RunCompare(flags.compare);
  if (!result.ok()) {
    return Complain(result.status());
  }
  Print(stdout, RenderCompare(flags.compare, *result));
  return Conclude(flags.compare, *result, flags.json_path);
}

void AddCompare(CLI::App* app, Commands* commands) {
  CLI::App* const compare = app->add_subcommand(
      "compare",
      "a workload on several local servers by turns: compare --peer A --peer B WORKLOAD …");
  const auto flags = std::make_shared<CompareFlags>();
  compare
      ->add_option(
          "--peer", flags->compare.peers,
          "etcd, socle, socle:BACKEND, or one of them with =PATH; several times; the first "
          "is what the others are compared with")
      ->allow_extra_args(false);
  compare->add_option("--rounds", flags->compare.rounds, "runs of each peer")
      ->capture_default_str();
  compare->add_option("--dir", flags->compare.dir, "where the servers' scratch folders go")
      ->capture_default_str();
  compare->add_option("--before", flags->compare.before,
                      "a workload that fills each server first, in quotes");
  compare->add_flag("--restart", flags->compare.restarts, "start the server again after that");
  compare->add_option("--json", flags->json_path, "also write all rounds to this file");
  compare->prefix_command();  // from the first word that is no flag of ours on: the workload
  commands->push_back(
      {compare, [flags, compare] { return RunCompareCommand(*flags, compare->remaining()); }});
}

std::string RenderLimits(const Limits& limits) {
  const auto row = [](std::string_view name, const Histogram& histogram) {
    return fmt::format("  {:<36} p50 {:>9}  p99 {:>9}\n", name,
                       FormatDuration(static_cast<double>(histogram.Percentile(50))),
                       FormatDuration(static_cast<double>(histogram.Percentile(99))));
  };
  return "limits of this machine, measured just now\n" +
         row("4 KiB written and fdatasync", limits.sync) +
         row("TCP round trip over 127.0.0.1", limits.round_trip) +
         row("a round trip with that write in it", limits.durable_trip) + "\n";
}

// Each peer beside the limits and beside what was told at the time.
std::string RenderHeadline(const CompareResult& result, const Limits& limits) {
  constexpr double kTalkMicros = 97'600;
  const double floor = static_cast<double>(limits.durable_trip.Percentile(50)) / kNanosPerMicro;
  std::string out =
      "\n  against the limits (one round trip with an fdatasync in it), and the talk's 99.9 % "
      "within "
      "97.6 ms\n";
  for (const PeerRuns& runs : result.peers) {
    if (runs.rounds.empty()) {
      continue;
    }
    const std::map<std::string, double>& run = runs.rounds.front();
    const auto figure = [&run](const char* place) {
      const auto found = run.find(place);
      return found == run.end() ? 0.0 : found->second;
    };
    const double p999 = figure("latency/p99.9_us");
    out += fmt::format(
        "    {:<16}complete in {:.1f} s; p50 is {:.1f} × the limit; 99.9 % within {:.2f} ms, {}\n",
        runs.name, figure("elapsed_s"), figure("latency/p50_us") / floor, p999 / 1e3,
        p999 <= kTalkMicros ? fmt::format("{:.1f} × better", kTalkMicros / p999) : "worse");
  }
  return out;
}

int RunHeadline(const HeadlineFlags& flags) {
  CompareOptions options;
  options.rounds = 1;
  options.dir = flags.dir;
  options.peers = flags.peers;
  if (options.peers.empty()) {
    options.peers = {"socle"};
    const bool has_etcd = ParsePeer("etcd").ok();
    if (has_etcd) {
      options.peers.insert(options.peers.begin(), "etcd");
    } else {
      Print(stderr, "socle-bench: no etcd in PATH, so there is nothing beside ours\n");
    }
  }
  options.workload = {"put",
                      "--clients=100",
                      "--conns=10",
                      "--val-size=256",
                      "--key-space-size=1000000",
                      fmt::format("--total={}", flags.total),
                      fmt::format("--rate={}", flags.rate)};
  options.progress = [](std::string_view text) { Print(stderr, text); };
  const absl::Status touched = Touch(flags.json_path);
  if (!touched.ok()) {
    return Complain(touched);
  }
  for (const std::string& peer : options.peers) {
    const absl::StatusOr<Peer> parsed = ParsePeer(peer);
    if (!parsed.ok()) {
      return Complain(parsed.status());
    }
  }
  const absl::StatusOr<Limits> limits = MeasureLimits(flags.dir);
  if (!limits.ok()) {
    return Complain(limits.status());
  }
  for (const auto& [name, value] : MachineFacts()) {
    Print(stdout, fmt::format("{}: {}\n", name, value));
  }
  Print(stdout, RenderLimits(*limits));
  const absl::StatusOr<CompareResult> result = RunCompare(options);
  if (!result.ok()) {
    return Complain(result.status());
  }
  Print(stdout, RenderCompare(options, *result) + RenderHeadline(*result, *limits));
  return Conclude(options, *result, flags.json_path);
}

void AddHeadline(CLI::App* app, Commands* commands) {
  CLI::App* const headline = app->add_subcommand(
      "headline", "the founding figure: 100 clients, a million random pairs at 5,000 a second");
  const auto flags = std::make_shared<HeadlineFlags>();
  headline->add_option("--peer", flags->peers, "as compare; default: etcd when there is one, socle")
      ->allow_extra_args(false);
  headline->add_option("--dir", flags->dir, "the disk to measure on")->capture_default_str();
  headline->add_option("--total", flags->total, "pairs")->capture_default_str();
  headline->add_option("--rate", flags->rate, "pairs per second")->capture_default_str();
  headline->add_option("--json", flags->json_path, "also write the figures to this file");
  commands->push_back({headline, [flags] { return RunHeadline(*flags); }});
}

struct LimitsFlags {
  std::string dir = "/tmp";
  std::string json_path;
  bool is_loaded = false;
  double seconds = 4;
};

// Appends to the JSON of RunLimits.
absl::Status MeasureUnderLoad(const LimitsFlags& flags, std::string* json) {
  Print(stderr, fmt::format("measuring under load for {:g} s\n", 2 * flags.seconds));
  LoadLimitsOptions options{.dir = flags.dir};
  options.nanos = static_cast<int64_t>(flags.seconds * static_cast<double>(kNanosPerSecond));
  ASSIGN_OR_RETURN(const LoadLimits limits, MeasureLoadLimits(options));
  const auto p999 = static_cast<double>(limits.steady_append.Percentile(99.9));
  Print(stdout,
        fmt::format("  {:<36} p50 {:>9}  p99 {:>9}  p99.9 {:>9}\n  {:<36} {:>13.0f} /s\n",
                    "5,000 appends/s, from when due",
                    FormatDuration(static_cast<double>(limits.steady_append.Percentile(50))),
                    FormatDuration(static_cast<double>(limits.steady_append.Percentile(99))),
                    FormatDuration(p999), "bare exchanges, 1,000 connections",
                    limits.exchanges_per_second));
  *json += fmt::format(",\"steady_append_p999_us\":{},\"exchanges_per_second\":{}",
                       p999 / kNanosPerMicro, limits.exchanges_per_second);
  return absl::OkStatus();
}

int RunLimits(const LimitsFlags& flags) {
  const absl::StatusOr<Limits> limits = MeasureLimits(flags.dir);
  if (!limits.ok()) {
    return Complain(limits.status());
  }
  Print(stdout, RenderLimits(*limits));
  const auto micros = [](const Histogram& histogram) {
    return static_cast<double>(histogram.Percentile(50)) / kNanosPerMicro;
  };
  std::string json =
      fmt::format("\"fdatasync_p50_us\":{},\"round_trip_p50_us\":{},\"durable_trip_p50_us\":{}",
                  micros(limits->sync), micros(limits->round_trip), micros(limits->durable_trip));
  if (flags.is_loaded) {
    const absl::Status measured = MeasureUnderLoad(flags, &json);
    if (!measured.ok()) {
      return Complain(measured);
    }
  }
  if (flags.json_path.empty()) {
    return 0;
  }
  const absl::Status written = WriteTextFile(flags.json_path, fmt::format("{{{}}}\n", json));
  return written.ok() ? 0 : Complain(written);
}

void AddLimits(CLI::App* app, Commands* commands) {
  CLI::App* const limits =
      app->add_subcommand("limits", "this machine's fdatasync and loopback round trip");
  const auto flags = std::make_shared<LimitsFlags>();
  limits->add_option("--dir", flags->dir, "the disk to measure")->capture_default_str();
  limits->add_flag("--under-load", flags->is_loaded,
                   "also appends at 5,000 a second and bare requests over 1,000 connections");
  limits->add_option("--seconds", flags->seconds, "of each of these two")
      ->check(CLI::Range(0.1, 600.0))
      ->capture_default_str();
  limits->add_option("--json", flags->json_path, "also write them to this file");
  commands->push_back({limits, [flags] { return RunLimits(*flags); }});
}

}  // namespace

void AddCompareCommands(CLI::App* app, Commands* commands) {
  AddLimits(app, commands);
  AddCompare(app, commands);
  AddHeadline(app, commands);
}

}  // namespace socle::bench
