#include "bench/load/progress.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kv/base/clock.h"

namespace socle::bench {
namespace {

constexpr size_t kBarCells = 30;

double FractionOf(const ProgressState& state) {
  return state.total == 0
             ? 1.0
             : std::min(1.0, static_cast<double>(state.done) / static_cast<double>(state.total));
}

std::string TimeLeft(const ProgressState& state) {
  if (state.done == 0) {
    return "?";
  }
  const double elapsed = static_cast<double>(state.elapsed_nanos) / kNanosPerSecond;
  const double left = elapsed *
                      static_cast<double>(state.total - std::min(state.done, state.total)) /
                      static_cast<double>(state.done);
  const auto seconds = static_cast<int64_t>(left + 0.5);
  return seconds >= 60 ? fmt::format("{}m{:02}s", seconds / 60, seconds % 60)
                       : fmt::format("{}s", seconds);
}

std::string P99(const ProgressState& state) {
  return state.recent_p99_nanos == 0
             ? ""
             : fmt::format("p99 {:.2f} ms, ",
                           static_cast<double>(state.recent_p99_nanos) / kNanosPerMilli);
}

}  // namespace

std::string RenderBar(const ProgressState& state) {
  const double fraction = FractionOf(state);
  const auto full = static_cast<size_t>(fraction * kBarCells);
  return fmt::format("[{}{}] {:5.1f} %  {}/{}  {:.0f}/s  {}{} errors  {} left",
                     std::string(full, '='), std::string(kBarCells - full, '.'), fraction * 100,
                     state.done, state.total, state.recent_rate, P99(state), state.errors,
                     TimeLeft(state));
}

std::string RenderLine(const ProgressState& state) {
  return fmt::format("{:.0f} s: {} of {} ({:.1f} %), {:.0f}/s, {}{} errors, {} left",
                     static_cast<double>(state.elapsed_nanos) / kNanosPerSecond, state.done,
                     state.total, FractionOf(state) * 100, state.recent_rate, P99(state),
                     state.errors, TimeLeft(state));
}

Progress::Progress(Style style, uint64_t total, Sink sink)
    : style_(style), total_(total), sink_(std::move(sink)) {}

void Progress::Tick(uint64_t done, uint64_t errors, int64_t elapsed_nanos,
                    int64_t recent_p99_nanos) {
  const int64_t interval = style_ == Style::kBar ? 200 * kNanosPerMilli : 5 * kNanosPerSecond;
  const int64_t since = elapsed_nanos - last_print_nanos_;
  if (style_ == Style::kNone || since < interval) {
    return;
  }
  const double rate =
      static_cast<double>(done - last_print_done_) * kNanosPerSecond / static_cast<double>(since);
  const ProgressState state{done, total_, errors, elapsed_nanos, rate, recent_p99_nanos};
  // "\x1b[K" clears what a longer line left behind.
  sink_(style_ == Style::kBar ? fmt::format("\r{}\x1b[K", RenderBar(state))
                              : RenderLine(state) + "\n");
  has_printed_ = true;
  last_print_nanos_ = elapsed_nanos;
  last_print_done_ = done;
}

void Progress::Finish() {
  if (style_ == Style::kBar && has_printed_) {
    sink_("\r\x1b[K");
  }
}

}  // namespace socle::bench
