// WatchSwarm: many watches of one path on one thread: how many events arrive, and how late.
//
// An event counts when its line holds `"bench-sent":"<nanoseconds of the monotonic clock>"`: the writer
// puts it there, so delay is from before the write was sent to when the line was read.
//
// Threads  Start, counts, Stop: one thread; the swarm reads on one of its own.
// Memory   an unfinished line per watch.
// Errors   Unavailable: a watch could not be opened. Later ends are counted.
#ifndef SOCLE_BENCH_REST_WATCH_SWARM_H_
#define SOCLE_BENCH_REST_WATCH_SWARM_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "bench/load/histogram.h"
#include "bench/rest/rest_client.h"
#include "kv/base/thread.h"

namespace socle::bench {

class WatchSwarm {
 public:
  static absl::StatusOr<std::unique_ptr<WatchSwarm>> Start(const RestAddress& address,
                                                           const std::string& target,
                                                           size_t watches);
  ~WatchSwarm();

  uint64_t delivered() const { return delivered_.load(std::memory_order_relaxed); }

  uint64_t ended() const { return ended_.load(std::memory_order_relaxed); }

  // Ends the watches; afterwards delays() may be read.
  void Stop();

  const Histogram& delays() const { return delays_; }

 private:
  struct Watch {
    int fd = -1;
    std::string line;  // what came after the last whole event
  };

  WatchSwarm() = default;

  void Read();
  void Take(Watch* watch, std::string_view bytes);

  std::vector<Watch> watches_;
  int poll_fd_ = -1;
  std::atomic<bool> is_stopping_{false};
  std::atomic<uint64_t> delivered_{0};  // by the reader, for whoever waits
  std::atomic<uint64_t> ended_{0};
  Histogram delays_;  // of the reader until Stop
  Thread reader_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_REST_WATCH_SWARM_H_
