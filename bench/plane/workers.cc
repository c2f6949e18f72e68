#include "bench/plane/workers.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <sstream>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "bench/load/cpu_meter.h"
#include "kv/base/bytes.h"
#include "kv/base/clock.h"
#include "kv/base/thread.h"
#include "kv/env/env.h"

namespace socle::bench {
namespace {

constexpr size_t kShownBodyMax = 160;

// What one worker saw; merged when all are done.
struct WorkerRecord {
  Histogram latency;
  std::map<std::string, uint64_t> errors;
  uint64_t done = 0;
};

}  // namespace

PhaseResult Workers::Run(const std::string& name, uint64_t count, const Call& call) const {
  PhaseResult phase{.name = name};
  Clock* clock = Clock::Real();
  std::atomic<uint64_t> next{0};
  std::vector<WorkerRecord> records(options_->workers);
  const int64_t cpu_before = ServerCpuNanos(*options_);
  const int64_t start = clock->MonotonicNanos();
  {
    std::vector<Thread> threads;
    for (WorkerRecord& record : records) {
      threads.emplace_back("bench-worker", [&, this] {
        RestClient client(options_->server);
        for (uint64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
          const int64_t sent = clock->MonotonicNanos();
          const absl::Status status = call(&client, i);
          if (status.ok()) {
            record.latency.Record(clock->MonotonicNanos() - sent);
            ++record.done;
          } else {
            ++record.errors[std::string(StdView(status.message()))];
          }
        }
      });
    }
  }
  phase.elapsed_nanos = clock->MonotonicNanos() - start;
  phase.server_cpu_nanos = ServerCpuNanos(*options_) - cpu_before;
  for (const WorkerRecord& record : records) {
    phase.latency.Merge(record.latency);
    phase.done += record.done;
    for (const auto& [what, times] : record.errors) {
      phase.errors[what] += times;
    }
  }
  options_->progress(fmt::format("{}: {} in {:.1f} s, {:.0f}/s{}", name, phase.done,
                                 static_cast<double>(phase.elapsed_nanos) / 1e9, phase.per_second(),
                                 phase.errors.empty() ? "" : ", WITH ERRORS"));
  return phase;
}

int64_t ServerCpuNanos(const PlaneLoadOptions& options) {
  if (options.server_pid == 0) {
    return 0;
  }
  const absl::StatusOr<int64_t> nanos = CpuNanosOf(options.server_pid);
  return nanos.ok() ? *nanos : 0;
}

int64_t ServerRssBytes(const PlaneLoadOptions& options) {
  if (options.server_pid == 0) {
    return 0;
  }
  // Pages: size, resident, shared. What is shared is mostly the mapped data file, the kernel's cache.
  const absl::StatusOr<std::unique_ptr<File>> file =
      Env::Posix()->Open(fmt::format("/proc/{}/statm", options.server_pid), OpenMode::kReadOnly);
  if (!file.ok()) {
    return 0;
  }
  // Such files have no size: byte after byte until they end.
  std::string text;
  char next = 0;
  while ((*file)->ReadAt(text.size(), {&next, 1}).ok()) {
    text.push_back(next);
  }
  int64_t size = 0;
  int64_t resident = 0;
  int64_t shared = 0;
  std::istringstream(text) >> size >> resident >> shared;
  return (resident - shared) * ::sysconf(_SC_PAGESIZE);
}

absl::Status Expect(const absl::StatusOr<RestResponse>& response, int status) {
  if (!response.ok()) {
    return response.status();
  }
  if (response->status != status) {
    return absl::InternalError(
        fmt::format("{}: {}", response->status,
                    response->body.substr(0, std::min(response->body.size(), kShownBodyMax))));
  }
  return absl::OkStatus();
}

}  // namespace socle::bench
