// WatchReport: a watch run as text and as JSON.
//
// Threads  pure functions.
#ifndef SOCLE_BENCH_REPORT_WATCH_REPORT_H_
#define SOCLE_BENCH_REPORT_WATCH_REPORT_H_

#include <string>

#include "bench/workload/watch_load.h"

namespace socle::bench {

std::string RenderWatchLoad(const WatchLoadOptions& options, const WatchLoadResult& result);
std::string WatchLoadJson(const WatchLoadOptions& options, const WatchLoadResult& result);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_REPORT_WATCH_REPORT_H_
