#include "bench/report/exports.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "kv/base/clock.h"

namespace socle::bench {
namespace {

double Micros(int64_t nanos) {
  return static_cast<double>(nanos) / kNanosPerMicro;
}

// Empty when it is not known.
std::string Cell(int64_t number) {
  return number < 0 ? "" : std::to_string(number);
}

// The server's cells for what happened up to `end_nanos`.
std::string ServerCells(const std::vector<ServerUsage>& usage, int64_t end_nanos) {
  const auto after =
      std::find_if(usage.begin(), usage.end(), [end_nanos](const ServerUsage& sample) {
        return sample.at_nanos >= end_nanos - kNanosPerSecond / 2;
      });
  if (after == usage.end() || after == usage.begin()) {
    return ",,,,,";
  }
  const ServerUsage& before = *(after - 1);
  const int64_t span = std::max<int64_t>(after->at_nanos - before.at_nanos, 1);
  const std::string cores =
      before.cpu_nanos < 0 || after->cpu_nanos < 0
          ? ""
          : fmt::format("{:.3f}", static_cast<double>(after->cpu_nanos - before.cpu_nanos) /
                                      static_cast<double>(span));
  return fmt::format(
      "{},{},{},{},{},{}", cores, Cell(after->rss_bytes), Cell(after->written_bytes),
      Cell(after->commits),
      after->commit_p99_nanos < 0 ? "" : fmt::format("{:.1f}", Micros(after->commit_p99_nanos)),
      after->commits < 0     ? ""
      : after->has_compacted ? "1"
                             : "0");
}

}  // namespace

std::string ToCsv(const RunReport& report) {
  std::string out =
      "end_s,succeeded,failed,p50_us,p99_us,p99.9_us,max_us,server_cpu_cores,server_rss_bytes,"
      "server_written_bytes,server_commits,server_commit_p99_us,server_has_compacted\n";
  for (const LoadSlot& slot : report.result.load.slots) {
    out += fmt::format("{:.3f},{},{},{:.1f},{:.1f},{:.1f},{:.1f},{}\n",
                       static_cast<double>(slot.end_nanos) / kNanosPerSecond, slot.succeeded,
                       slot.failed, Micros(slot.p50_nanos), Micros(slot.p99_nanos),
                       Micros(slot.p999_nanos), Micros(slot.max_nanos),
                       ServerCells(report.result.usage, slot.end_nanos));
  }
  return out;
}

std::string ToHdr(const RunReport& report) {
  const Histogram& latency = report.result.load.latency;
  std::string out = fmt::format("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile",
                                "TotalCount", "1/(1-Percentile)");
  const auto total = static_cast<double>(latency.count());
  uint64_t seen = 0;
  for (const Histogram::Bucket& bucket : latency.Buckets()) {
    seen += bucket.count;
    const double share = static_cast<double>(seen) / total;
    const double value = static_cast<double>(bucket.high_nanos) / kNanosPerMilli;
    out += seen == latency.count()
               ? fmt::format("{:12.6f} {:14.12f} {:10}\n",
                             static_cast<double>(latency.max()) / kNanosPerMilli, share, seen)
               : fmt::format("{:12.6f} {:14.12f} {:10} {:14.2f}\n", value, share, seen,
                             1 / (1 - share));
  }
  double squares = 0;
  for (const Histogram::Bucket& bucket : latency.Buckets()) {
    const double middle =
        static_cast<double>(bucket.low_nanos) / 2 + static_cast<double>(bucket.high_nanos) / 2;
    squares +=
        static_cast<double>(bucket.count) * (middle - latency.mean()) * (middle - latency.mean());
  }
  out += fmt::format("#[Mean    = {:12.6f}, StdDeviation   = {:12.6f}]\n",
                     latency.mean() / kNanosPerMilli,
                     std::sqrt(squares / std::max(total, 1.0)) / kNanosPerMilli);
  out += fmt::format("#[Max     = {:12.6f}, Total count    = {:12}]\n",
                     static_cast<double>(latency.max()) / kNanosPerMilli, latency.count());
  return out;
}

}  // namespace socle::bench
