// RunReport: what was run and what came of it.
// Threads  immutable once built.
#ifndef SOCLE_BENCH_REPORT_RUN_REPORT_H_
#define SOCLE_BENCH_REPORT_RUN_REPORT_H_

#include <optional>
#include <string>

#include "bench/workload/drive.h"
#include "bench/workload/ledger.h"
#include "bench/workload/write_shape.h"

namespace socle::bench {

struct RunReport {
  std::string command;      // put, range …
  std::string description;  // what a request is: "8-byte keys (…), 256-byte values"
  DriveOptions drive;
  std::optional<WriteShape> shape;  // of a put run
  DriveResult result;
  std::string command_line;
  std::optional<VerifyResult> verified = std::nullopt;  // when --verify was given

  // Successful requests per second.
  double requests_per_second() const {
    return result.load.elapsed_nanos == 0
               ? 0
               : static_cast<double>(result.load.succeeded) * kNanosPerSecond /
                     static_cast<double>(result.load.elapsed_nanos);
  }
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_REPORT_RUN_REPORT_H_
