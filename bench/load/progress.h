// Progress: how far a run is, on stderr; a bar on a terminal, a plain line every five seconds
// otherwise.
// Threads  thread-compatible.
#ifndef SOCLE_BENCH_LOAD_PROGRESS_H_
#define SOCLE_BENCH_LOAD_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace socle::bench {

struct ProgressState {
  uint64_t done = 0;
  uint64_t total = 0;
  uint64_t errors = 0;
  int64_t elapsed_nanos = 0;
  double recent_rate = 0;        // requests per second since the last line
  int64_t recent_p99_nanos = 0;  // 0: not known
};

std::string RenderBar(const ProgressState& state);
std::string RenderLine(const ProgressState& state);

class Progress {
 public:
  enum class Style { kNone, kBar, kLines };
  using Sink = std::function<void(std::string_view)>;

  Progress(Style style, uint64_t total, Sink sink);

  // Call a few times a second; prints when it is time.
  void Tick(uint64_t done, uint64_t errors, int64_t elapsed_nanos, int64_t recent_p99_nanos = 0);
  // Leaves the terminal's cursor on a line of its own.
  void Finish();

 private:
  const Style style_;
  const uint64_t total_;
  const Sink sink_;
  bool has_printed_ = false;
  int64_t last_print_nanos_ = 0;
  uint64_t last_print_done_ = 0;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_LOAD_PROGRESS_H_
