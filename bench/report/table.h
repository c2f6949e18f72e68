// Table: a run as text, for people.
// Threads  pure functions.
#ifndef SOCLE_BENCH_REPORT_TABLE_H_
#define SOCLE_BENCH_REPORT_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bench/report/run_report.h"

namespace socle::bench {

// Three significant digits with a unit: "812 ns", "41.3 µs", "2.75 ms", "12.0 s".
std::string FormatDuration(double nanos);

// Shares of the recorded durations between round bounds, with bars; empty for an empty histogram.
std::string RenderDistribution(const Histogram& histogram);

// Memory, writes, commits and compactions of the server, or why nobody knows; empty when nobody asked.
std::string RenderUsage(const std::vector<ServerUsage>& usage, const std::string& why_not);

std::string RenderTable(const RunReport& report);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_REPORT_TABLE_H_
