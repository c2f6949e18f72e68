#include "bench/report/table.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "kv/base/clock.h"

namespace socle::bench {
namespace {

constexpr size_t kBarCells = 40;

// 1, 2, 5, 10, 20, 50 … µs; the first bound is above everything that a network can do.
std::vector<int64_t> RoundBounds() {
  std::vector<int64_t> bounds;
  for (int64_t decade = kNanosPerMicro; decade <= 10'000 * kNanosPerSecond; decade *= 10) {
    for (const int64_t step : {1, 2, 5}) {
      bounds.push_back(decade * step);
    }
  }
  return bounds;
}

std::string LatencyRow(std::string_view name, const Histogram& histogram) {
  std::string row = fmt::format("  {:<13}", name);
  for (const double nanos :
       {histogram.mean(), static_cast<double>(histogram.Percentile(50)),
        static_cast<double>(histogram.Percentile(90)),
        static_cast<double>(histogram.Percentile(99)),
        static_cast<double>(histogram.Percentile(99.9)), static_cast<double>(histogram.max())}) {
    row += fmt::format("{:>11}", FormatDuration(nanos));
  }
  return row + "\n";
}

std::string CpuRow(std::string_view name, int64_t cpu_nanos, const LoadResult& load) {
  const auto cpu = static_cast<double>(cpu_nanos);
  const double requests = static_cast<double>(std::max<uint64_t>(load.issued_measured, 1));
  const double elapsed = static_cast<double>(std::max<int64_t>(load.elapsed_nanos, 1));
  return fmt::format("  {:<13}{:.1f} µs per request (user+sys), {:.2f} cores\n", name,
                     cpu / requests / kNanosPerMicro, cpu / elapsed);
}

double Mib(int64_t bytes) {
  return static_cast<double>(bytes) / (1024 * 1024);
}

// What the server used from the first to the last sample; empty when nobody looked.
std::string UsageRows(const std::vector<ServerUsage>& usage) {
  if (usage.size() < 2) {
    return "";
  }
  int64_t most = 0;
  for (const ServerUsage& sample : usage) {
    most = std::max(most, sample.rss_bytes);
  }
  std::string row;
  if (most > 0) {
    row = fmt::format("  {:<14}{:.1f} MiB resident at the end, {:.1f} at most", "server memory",
                      Mib(usage.back().rss_bytes), Mib(most));
  }
  if (usage.front().written_bytes >= 0 && usage.back().written_bytes >= 0) {
    row += fmt::format("{}{:.1f} MiB written to disk", row.empty() ? "  server        " : "; ",
                       Mib(usage.back().written_bytes - usage.front().written_bytes));
  }
  row += row.empty() ? "" : "\n";
  int64_t commits = 0;
  int64_t slowest = -1;
  int compactions = 0;
  for (const ServerUsage& sample : usage) {
    commits += std::max<int64_t>(sample.commits, 0);
    slowest = std::max(slowest, sample.commit_p99_nanos);
    compactions += sample.has_compacted ? 1 : 0;
  }
  if (commits > 0) {
    row += fmt::format("  {:<14}{}, p99 of the worst second {}", "commits", commits,
                       slowest < 0 ? "not known" : FormatDuration(static_cast<double>(slowest)));
    row += compactions > 0 ? fmt::format("; compacted in {} of the seconds\n", compactions) : "\n";
  }
  return row;
}

std::string CompanionRows(const DriveResult& result) {
  std::string out;
  for (const CompanionReport& report : result.companions) {
    out += fmt::format("\n  beside it: {}\n", report.name);
    if (!report.error.empty()) {
      out += fmt::format("    FAILED  {}\n", report.error);
    }
    for (const auto& [name, count] : report.counters) {
      out += fmt::format("    {} {}\n", count, name);
    }
    if (!report.latency_of.empty()) {
      out += LatencyRow(report.latency_of, report.latency);
    }
  }
  for (const auto& [name, load] : result.beside) {
    out += fmt::format("\n  beside it: {}, {} of them\n", name, load.succeeded);
    for (const auto& [text, count] : load.errors) {
      out += fmt::format("    {:>8} × {}\n", count, text);
    }
    for (const auto& [what, count] : load.counters) {
      out += fmt::format("    {} {}\n", count, what);
    }
    out += LatencyRow("latency", load.latency);
  }
  return out;
}

std::string JoinEndpoints(const std::vector<std::string>& endpoints) {
  return fmt::format("{}", fmt::join(endpoints, ", "));
}

}  // namespace

std::string RenderUsage(const std::vector<ServerUsage>& usage, const std::string& why_not) {
  return UsageRows(usage) +
         (why_not.empty() ? "" : fmt::format("  {:<14}not sampled: {}\n", "server", why_not));
}

std::string FormatDuration(double nanos) {
  struct Unit {
    double nanos;
    std::string_view name;
  };

  constexpr Unit kUnits[] = {
      {kNanosPerSecond, "s"}, {kNanosPerMilli, "ms"}, {kNanosPerMicro, "µs"}, {1, "ns"}};
  const Unit* unit = std::begin(kUnits);
  while (unit->nanos > 1 && nanos < unit->nanos * 0.9995) {
    ++unit;
  }
  const double amount = nanos / unit->nanos;
  const int decimals = unit->nanos <= 1 || amount >= 99.95 ? 0 : amount >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}", amount, decimals, unit->name);
}

std::string RenderDistribution(const Histogram& histogram) {
  std::string out;
  if (histogram.count() == 0) {
    return out;
  }
  const auto total = static_cast<double>(histogram.count());
  uint64_t before = 0;
  for (const int64_t bound : RoundBounds()) {
    const uint64_t up_to = histogram.CountUpTo(bound);
    const double share = static_cast<double>(up_to - before) / total;
    if (up_to > 0) {
      const auto cells = static_cast<size_t>(share * static_cast<double>(kBarCells) + 0.5);
      std::string bar;
      for (size_t i = 0; i < cells; ++i) {
        bar += "█";
      }
      out += fmt::format("    ≤ {:>7} {:>9.4f} %  {}\n", FormatDuration(static_cast<double>(bound)),
                         share * 100, bar);
    }
    before = up_to;
    if (up_to == histogram.count()) {
      break;
    }
  }
  return out;
}

std::string RenderTable(const RunReport& report) {
  const LoadResult& load = report.result.load;
  const DriveOptions& drive = report.drive;
  const bool is_open = drive.rate > 0;
  std::string out = fmt::format("socle-bench {}: {}\n", report.command, report.description);
  const std::string amount = drive.duration_seconds > 0
                                 ? fmt::format("{} s of requests", drive.duration_seconds)
                                 : fmt::format("{} requests", drive.total);
  out += fmt::format("  {}, {} clients, {} connections to {}\n", amount, drive.clients, drive.conns,
                     JoinEndpoints(drive.endpoints));
  out += is_open
             ? fmt::format(
                   "  open loop at {} requests/s: latency counts from the intended send "
                   "time\n\n",
                   drive.rate)
             : "  closed loop: a client sends when its last request was answered; stalls of the "
               "server delay the load\n\n";
  if (!load.stop_reason.empty()) {
    out += fmt::format("  STOPPED EARLY  {}; {} of {} requests sent\n", load.stop_reason,
                       load.issued, drive.total);
  }
  out += fmt::format("  total time   {:.2f} s",
                     static_cast<double>(load.elapsed_nanos) / kNanosPerSecond);
  out += load.warmup_nanos == 0
             ? "\n"
             : fmt::format(" after {:.1f} s of warm-up\n",
                           static_cast<double>(load.warmup_nanos) / kNanosPerSecond);
  out += fmt::format("  throughput   {:.0f} requests/s, {:.1f} MB/s of responses\n",
                     report.requests_per_second(),
                     static_cast<double>(load.response_bytes) * 1e3 /
                         static_cast<double>(std::max<int64_t>(load.elapsed_nanos, 1)));
  uint64_t errors = 0;
  for (const auto& [text, count] : load.errors) {
    errors += count;
  }
  out += fmt::format("  errors       {}\n", errors);
  for (const auto& [text, count] : load.errors) {
    out += fmt::format("    {:>8} × {}\n", count, text);
  }
  for (const auto& [name, count] : load.counters) {
    out += fmt::format("  {:<13}{}\n", name, count);
  }
  out += CpuRow("client CPU", report.result.client_cpu_nanos, load);
  if (report.result.server_cpu_nanos >= 0) {
    out += CpuRow("server CPU", report.result.server_cpu_nanos, load);
  }
  out += RenderUsage(report.result.usage, report.result.why_no_usage);
  for (const std::string& warning : GeneratorWarnings(drive, report.result)) {
    out += fmt::format("  WARNING      {}\n", warning);
  }
  out += fmt::format("\n  {:<13}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}\n", "", "average", "p50",
                     "p90", "p99", "p99.9", "max");
  out += LatencyRow("latency", load.latency);
  if (is_open) {
    out += LatencyRow("once sent", load.service_time);
    out += LatencyRow("sent late by", load.lateness);
  }
  for (const LoadPart& part : load.parts) {
    if (part.latency.count() > 0) {
      out += LatencyRow(part.name, part.latency);
    }
  }
  out += CompanionRows(report.result);
  out += report.verified ? RenderVerification(*report.verified) : "";
  const std::string distribution = RenderDistribution(load.latency);
  return distribution.empty() ? out : out + "\n  distribution of latency\n" + distribution;
}

}  // namespace socle::bench
