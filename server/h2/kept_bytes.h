// KeptBytes: what all requests that have not come whole may hold of memory together.
//
// Laws     1. Beyond the bound nothing grows: whoever needs more is refused. A request that comes in one piece needs
//             nothing, so that small ones are served whatever large ones do.
//          2. While more than half is taken, a message that takes longer than patience_nanos gives its room up.
// Threads  thread-safe.
#ifndef SOCLE_SERVER_H2_KEPT_BYTES_H_
#define SOCLE_SERVER_H2_KEPT_BYTES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace socle::server::h2 {

class KeptBytes {
 public:
  KeptBytes(size_t bytes_max, int64_t patience_nanos)
      : bytes_max_(bytes_max), patience_nanos_(patience_nanos) {}

  // False: there is no room, and nothing was taken.
  bool TryGrow(size_t bytes) {
    if (bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= bytes_max_) {
      return true;
    }
    Shrink(bytes);
    return false;
  }

  // Of nothing it costs nothing: every call says how much it gives back, and all loops share the number.
  void Shrink(size_t bytes) {
    if (bytes != 0) {
      bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    }
  }

  int64_t patience_nanos() const { return patience_nanos_; }

  bool is_half_full() const { return bytes_.load(std::memory_order_relaxed) > bytes_max_ / 2; }

 private:
  const size_t bytes_max_;
  const int64_t patience_nanos_;
  std::atomic<size_t> bytes_{0};
};

}  // namespace socle::server::h2

#endif  // SOCLE_SERVER_H2_KEPT_BYTES_H_
