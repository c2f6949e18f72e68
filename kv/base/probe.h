// PROBE("wal: torn tail cut"): marks a rare branch that some test must reach.
//
// With SOCLE_PROBE_FILE set in the environment, each probe appends its name to that file the first
// time it is hit; `./dev test` fails when a probe of the sources was hit by no test. Otherwise it
// costs one relaxed load.
// Threads  thread-safe.
#ifndef SOCLE_KV_BASE_PROBE_H_
#define SOCLE_KV_BASE_PROBE_H_

#include <atomic>

namespace socle::internal {

void ProbeHit(const char* name);

}  // namespace socle::internal

#define PROBE(name)                                            \
  do {                                                         \
    static std::atomic<bool> socle_probe_seen{false};          \
    if (!socle_probe_seen.load(std::memory_order_relaxed)) {   \
      socle_probe_seen.store(true, std::memory_order_relaxed); \
      ::socle::internal::ProbeHit(name);                       \
    }                                                          \
  } while (false)

#endif  // SOCLE_KV_BASE_PROBE_H_
