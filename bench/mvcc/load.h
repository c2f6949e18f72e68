// Load: threads that use a store at a steady rate or without pause, and what each call took.
//
// Laws     1. With a rate a call's latency counts from when it was due, whatever held it up.
//          2. A background load never ends before the measured one.
// Threads  the functions block; the callables run on threads of theirs.
// Memory   one histogram per measured load.
#ifndef SOCLE_BENCH_MVCC_LOAD_H_
#define SOCLE_BENCH_MVCC_LOAD_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/load/histogram.h"
#include "kv/base/thread.h"
#include "mvcc/store.h"

namespace socle::bench {

// The n-th key of a load: 32 bytes, in the order of n.
std::string KeyOf(uint64_t n);

// Fills the store with keys 0 … count-1 of `value_bytes` each; many writers at once.
void Fill(mvcc::Store* store, uint64_t count, size_t value_bytes);

// Calls `call(n)` at the rate for so many seconds; latencies by law 1.
Histogram AtRate(double rate, double seconds, const std::function<void(uint64_t)>& call);

// The same for calls that answer by callback: `call(n, done)`; `done` may run on any thread.
Histogram AtRateAsync(double rate, double seconds,
                      const std::function<void(uint64_t, std::function<void()>)>& call);

// Calls `call(n)` again and again on its own thread until it is destroyed.
class Background {
 public:
  Background(const std::string& name, std::function<void(uint64_t)> call);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  uint64_t calls() const { return calls_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> is_over_{false};
  std::atomic<uint64_t> calls_{0};
  Thread thread_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_MVCC_LOAD_H_
