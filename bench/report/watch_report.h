// WatchReport: a watch run as text, as JSON, and as a run like the others.
//
// Threads  pure functions.
#ifndef SOCLE_BENCH_REPORT_WATCH_REPORT_H_
#define SOCLE_BENCH_REPORT_WATCH_REPORT_H_

#include <string>

#include "bench/report/run_report.h"
#include "bench/workload/watch_load.h"

namespace socle::bench {

std::string RenderWatchLoad(const WatchLoadOptions& options, const WatchLoadResult& result);
std::string WatchLoadJson(const WatchLoadOptions& options, const WatchLoadResult& result);

// The run as the exports and the page show it: a request is a delivery.
RunReport WatchRunReport(const std::string& command, const WatchLoadOptions& options,
                         const WatchLoadResult& result, std::string command_line);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_REPORT_WATCH_REPORT_H_
