// Json: a run as a file, for programs and for `socle-bench check --from`.
// Threads  pure functions.
// Errors   InvalidArgument naming the field when a file is not that of a put run; file errors as
//          kv/env/env.h.
#ifndef SOCLE_BENCH_REPORT_JSON_H_
#define SOCLE_BENCH_REPORT_JSON_H_

#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "bench/report/run_report.h"
#include "bench/workload/check.h"

namespace socle::bench {

std::string ToJson(const RunReport& report);

// What to check after the put run that wrote the text; the endpoint is the first one of the run.
absl::StatusOr<CheckOptions> CheckOptionsFromJson(std::string_view text);

absl::Status WriteTextFile(const std::string& path, std::string_view text);
absl::StatusOr<std::string> ReadTextFile(const std::string& path);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_REPORT_JSON_H_
