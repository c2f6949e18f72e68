// Exports: a run for other programs (CSV of its seconds, an HDR percentile distribution) and for people who were not
// there (a page).
//
//   ToCsv   one line per second: end_s, succeeded, failed, p50_us … max_us, server_cpu_cores, server_rss_bytes,
//           server_written_bytes, server_commits, server_commit_p99_us, server_has_compacted; what neither pid nor
//           metrics page tells of the server is empty
//   ToHdr   "Value Percentile TotalCount 1/(1-Percentile)" in milliseconds, as plotters of HDR histograms read it
//   ToPage  self-contained HTML: no network, light and dark, wide and narrow
// Threads  pure functions.
#ifndef SOCLE_BENCH_REPORT_EXPORTS_H_
#define SOCLE_BENCH_REPORT_EXPORTS_H_

#include <string>

#include "bench/report/run_report.h"

namespace socle::bench {

std::string ToCsv(const RunReport& report);
std::string ToHdr(const RunReport& report);
std::string ToPage(const RunReport& report);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_REPORT_EXPORTS_H_
