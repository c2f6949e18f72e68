#include "bench/load/server_meter.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "bench/load/cpu_meter.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/http_get.h"

namespace socle::bench {
namespace {

constexpr int64_t kPageTimeoutNanos = kNanosPerSecond;

int64_t NanosOf(double seconds) {
  return seconds < 0 ? -1 : static_cast<int64_t>(seconds * kNanosPerSecond);
}

// The number behind `name`; -1 when the file or the name is not there.
int64_t NumberIn(const std::string& path, std::string_view name) {
  // tidy: allow file because files of /proc have no size and can't be read through Env
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return -1;
  }
  std::array<char, 8192> text;
  const ssize_t got = ::read(fd, text.data(), text.size());
  ::close(fd);
  const std::string_view all(text.data(), got > 0 ? static_cast<size_t>(got) : 0);
  size_t at = all.find(name);
  if (at == std::string_view::npos) {
    return -1;
  }
  at = all.find_first_of("0123456789", at + name.size());
  if (at == std::string_view::npos) {
    return -1;
  }
  int64_t number = -1;
  std::from_chars(all.data() + at, all.data() + all.size(), number);
  return number;
}

}  // namespace

absl::StatusOr<ServerUsage> UsageOf(pid_t pid) {
  ServerUsage usage;
  ASSIGN_OR_RETURN(usage.cpu_nanos, CpuNanosOf(pid));
  const int64_t kib = NumberIn(fmt::format("/proc/{}/status", pid), "VmRSS:");
  usage.rss_bytes = kib < 0 ? -1 : kib * 1024;
  usage.written_bytes = NumberIn(fmt::format("/proc/{}/io", pid), "\nwrite_bytes:");
  return usage;
}

ServerSampler::ServerSampler(pid_t pid, const server::Endpoint& endpoint, MetricsUse use)
    : pid_(pid),
      endpoint_(endpoint),
      reads_page_(use == MetricsUse::kAlways || (use == MetricsUse::kWithoutPid && pid == 0)) {}

void ServerSampler::SampleIfDue(int64_t elapsed_nanos) {
  if (elapsed_nanos >= next_nanos_) {
    Sample(elapsed_nanos);
  }
}

void ServerSampler::Sample(int64_t elapsed_nanos) {
  next_nanos_ = elapsed_nanos + kNanosPerSecond;
  ServerUsage usage;
  const bool has_page = reads_page_ && ReadPage(&usage);
  const absl::StatusOr<ServerUsage> by_pid = pid_ != 0 ? UsageOf(pid_) : ServerUsage();
  if (pid_ != 0 && by_pid.ok()) {
    usage.cpu_nanos = by_pid->cpu_nanos;
    usage.rss_bytes = by_pid->rss_bytes;
    usage.written_bytes = by_pid->written_bytes >= 0 ? by_pid->written_bytes : usage.written_bytes;
  }
  if (has_page || (pid_ != 0 && by_pid.ok())) {
    usage.at_nanos = elapsed_nanos;
    samples_.push_back(usage);
  }
}

bool ServerSampler::ReadPage(ServerUsage* usage) {
  const absl::StatusOr<std::string> page =
      server::HttpGet(endpoint_, "/metrics", kPageTimeoutNanos);
  if (!page.ok()) {
    // Once there was a page, a server that is late with it or away will be asked again.
    reads_page_ = last_.has_value();
    why_no_page_ = reads_page_ ? "" : std::string(MessageOf(page.status()));
    return false;
  }
  ServerMetrics now = ParseMetrics(*page);
  if (now.cpu_seconds < 0 && now.resident_bytes < 0) {
    reads_page_ = false;
    why_no_page_ = fmt::format("/metrics of {} tells nothing of its process", endpoint_.shown);
    return false;
  }
  usage->cpu_nanos = NanosOf(now.cpu_seconds);
  usage->rss_bytes = static_cast<int64_t>(now.resident_bytes);
  usage->written_bytes = static_cast<int64_t>(now.log_bytes);
  if (last_.has_value() && !now.commits.empty()) {
    usage->commits = static_cast<int64_t>(CountOf(now.commits) - CountOf(last_->commits));
    usage->commit_p99_nanos = NanosOf(P99Between(last_->commits, now.commits));
    usage->sync_p99_nanos = NanosOf(P99Between(last_->syncs, now.syncs));
  }
  usage->has_compacted = last_.has_value() && now.compacted > last_->compacted;
  last_ = std::move(now);
  return true;
}

int64_t ServerSampler::CpuNanos() const {
  if (pid_ != 0) {
    return CpuNanosOf(pid_).value_or(-1);
  }
  if (!reads_page_) {
    return -1;
  }
  const absl::StatusOr<std::string> page =
      server::HttpGet(endpoint_, "/metrics", kPageTimeoutNanos);
  return page.ok() ? NanosOf(ParseMetrics(*page).cpu_seconds) : -1;
}

}  // namespace socle::bench
