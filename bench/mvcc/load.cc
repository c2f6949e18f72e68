#include "bench/mvcc/load.h"

#include <semaphore>
#include <utility>

#include <fmt/format.h>

#include "bench/load/schedule.h"
#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/mutex.h"

namespace socle::bench {
namespace {

constexpr std::ptrdiff_t kInFlight = 1'000;

// Sleeps most of the way and spins the rest: a sleep alone wakes up to 60 µs late.
void WaitUntil(int64_t due_nanos) {
  constexpr int64_t kSpinNanos = 80 * kNanosPerMicro;
  Clock* const clock = Clock::Real();
  for (int64_t left = due_nanos - clock->MonotonicNanos(); left > 0;
       left = due_nanos - clock->MonotonicNanos()) {
    if (left > kSpinNanos) {
      clock->SleepFor(left - kSpinNanos);
    }
  }
}

}  // namespace

std::string KeyOf(uint64_t n) {
  return fmt::format("/registry/objects/{:014x}", n);
}

void Fill(mvcc::Store* store, uint64_t count, size_t value_bytes) {
  std::counting_semaphore<> room(kInFlight);
  const std::string value(value_bytes, 'v');
  for (uint64_t n = 0; n < count; ++n) {
    room.acquire();
    store->Put({.key = KeyOf(n), .value = value},
               [&room](const absl::StatusOr<mvcc::PutResult>& result) {
                 CHECK(result.ok());
                 room.release();
               });
  }
  for (std::ptrdiff_t i = 0; i < kInFlight; ++i) {
    room.acquire();
  }
}

Histogram AtRate(double rate, double seconds, const std::function<void(uint64_t)>& call) {
  Histogram latency;
  Clock* const clock = Clock::Real();
  const int64_t start = clock->MonotonicNanos();
  const Schedule schedule(start, rate);
  const auto count = static_cast<uint64_t>(rate * seconds);
  for (uint64_t n = 0; n < count; ++n) {
    const int64_t due = schedule.DueNanos(n);
    WaitUntil(due);
    call(n);
    latency.Record(clock->MonotonicNanos() - due);
  }
  return latency;
}

Histogram AtRateAsync(double rate, double seconds,
                      const std::function<void(uint64_t, std::function<void()>)>& call) {
  struct State {
    Mutex mu;
    Histogram latency ABSL_GUARDED_BY(mu);
  };

  State state;
  std::counting_semaphore<> room(kInFlight);
  Clock* const clock = Clock::Real();
  const Schedule schedule(clock->MonotonicNanos(), rate);
  const auto count = static_cast<uint64_t>(rate * seconds);
  for (uint64_t n = 0; n < count; ++n) {
    const int64_t due = schedule.DueNanos(n);
    WaitUntil(due);
    room.acquire();
    call(n, [&state, &room, due, clock] {
      const int64_t took = clock->MonotonicNanos() - due;
      {
        MutexLock lock(&state.mu);
        state.latency.Record(took);
      }
      room.release();
    });
  }
  for (std::ptrdiff_t i = 0; i < kInFlight; ++i) {
    room.acquire();
  }
  MutexLock lock(&state.mu);
  return state.latency;
}

Background::Background(const std::string& name, std::function<void(uint64_t)> call)
    : thread_(name, [this, call = std::move(call)] {
        while (!is_over_.load(std::memory_order_relaxed)) {
          call(calls_.fetch_add(1, std::memory_order_relaxed));
        }
      }) {}

Background::~Background() {
  is_over_.store(true, std::memory_order_relaxed);
  thread_.Join();
}

}  // namespace socle::bench
