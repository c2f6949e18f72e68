#include "server/service/auto_compactor.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "kv/base/log.h"
#include "kv/base/status_macros.h"
#include "mvcc/errors.h"
#include "server/config/flag_table.h"

namespace socle::server {
namespace {

constexpr int64_t kHourNanos = 3'600 * kNanosPerSecond;
constexpr int64_t kRevisionIntervalNanos = 300 * kNanosPerSecond;
constexpr size_t kSamplesPerInterval = 10;

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

absl::StatusOr<std::optional<CompactionPlan>> CompactionPlan::Make(std::string_view mode,
                                                                   std::string_view retention) {
  const std::optional<int64_t> integer = ParseInteger(retention);
  if (retention.empty() || integer == 0) {
    return std::nullopt;
  }
  CompactionPlan plan;
  plan.is_periodic_ = mode == "periodic";
  if (!plan.is_periodic_) {
    if (!integer.has_value() || *integer < 0) {
      return absl::InvalidArgumentError(
          fmt::format("--auto-compaction-retention: '{}' is not a number of revisions", retention));
    }
    plan.retention_revisions_ = *integer;
    plan.interval_nanos_ = kRevisionIntervalNanos;
    return plan;
  }
  if (integer.has_value()) {
    constexpr int64_t kHoursMax = 24 * 365 * 100;
    if (*integer < 0 || *integer > kHoursMax) {
      return absl::InvalidArgumentError(
          fmt::format("--auto-compaction-retention: {} hours is out of range", *integer));
    }
    plan.period_nanos_ = *integer * kHourNanos;
  } else {
    absl::StatusOr<int64_t> period = ParseDurationNanos(retention);
    if (!period.ok() || *period < 0) {
      return absl::InvalidArgumentError(fmt::format(
          "--auto-compaction-retention: '{}' is neither hours nor a duration", retention));
    }
    if (*period == 0) {
      return std::nullopt;
    }
    plan.period_nanos_ = *period;
  }
  plan.interval_nanos_ = std::max<int64_t>(
      std::min(plan.period_nanos_, kHourNanos) / static_cast<int64_t>(kSamplesPerInterval),
      kNanosPerMilli);
  return plan;
}

std::optional<int64_t> CompactionPlan::Sample(int64_t now_nanos, int64_t current_revision) {
  if (!is_periodic_) {
    const int64_t target = current_revision - retention_revisions_;
    return target > 0 ? std::optional<int64_t>(target) : std::nullopt;
  }
  samples_.push_back(current_revision);
  const auto samples_per_period = static_cast<size_t>(period_nanos_ / interval_nanos_);
  if (samples_.size() <= samples_per_period) {
    return std::nullopt;
  }
  while (samples_.size() > samples_per_period + 1) {
    samples_.pop_front();
  }
  const int64_t every = std::min(period_nanos_, kHourNanos);
  if (last_compaction_nanos_.has_value() && now_nanos - *last_compaction_nanos_ < every) {
    return std::nullopt;
  }
  last_compaction_nanos_ = now_nanos;
  return samples_.front();
}

AutoCompactor::AutoCompactor(CompactionPlan plan, mvcc::Store* store, Clock* clock)
    : plan_(std::move(plan)),
      store_(store),
      clock_(clock),
      thread_("auto-compact", [this] { Run(); }) {}

AutoCompactor::~AutoCompactor() {
  {
    MutexLock lock(&mu_);
    is_stopping_ = true;
    stop_.SignalAll();
  }
  thread_.Join();
}

void AutoCompactor::Run() {
  while (true) {
    const int64_t due = clock_->MonotonicNanos() + plan_.interval_nanos();
    {
      MutexLock lock(&mu_);
      int64_t left = plan_.interval_nanos();
      while (!is_stopping_ && left > 0) {
        stop_.WaitFor(&mu_, std::chrono::nanoseconds(left));
        left = due - clock_->MonotonicNanos();
      }
      if (is_stopping_) {
        return;
      }
    }
    const std::optional<int64_t> target =
        plan_.Sample(clock_->MonotonicNanos(), store_->current_revision());
    if (!target.has_value()) {
      continue;
    }
    const absl::Status compacted = store_->Compact(*target).status();
    if (compacted.ok()) {
      LogInfo("compacted automatically", {{"revision", *target}});
    } else if (mvcc::ErrorOf(compacted) != mvcc::StoreError::kCompacted) {
      LogWarning("automatic compaction failed", {{"revision", *target}, {"error", compacted}});
    }
  }
}

}  // namespace socle::server
