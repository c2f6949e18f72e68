// KeptBytes: what all requests that have not come whole may hold of memory together.
//
// Laws     1. Beyond the bound nothing grows: whoever needs more is refused. A request that comes in one piece needs
//             nothing, so that small ones are served whatever large ones do.
// Threads  thread-safe.
#ifndef SOCLE_SERVER_H2_KEPT_BYTES_H_
#define SOCLE_SERVER_H2_KEPT_BYTES_H_

#include <atomic>
#include <cstddef>

namespace socle::server::h2 {

class KeptBytes {
 public:
  explicit KeptBytes(size_t bytes_max) : bytes_max_(bytes_max) {}

  // False: there is no room, and nothing was taken.
  bool TryGrow(size_t bytes) {
    if (bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= bytes_max_) {
      return true;
    }
    Shrink(bytes);
    return false;
  }

  void Shrink(size_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  bool is_half_full() const { return bytes_.load(std::memory_order_relaxed) > bytes_max_ / 2; }

 private:
  const size_t bytes_max_;
  std::atomic<size_t> bytes_{0};
};

}  // namespace socle::server::h2

#endif  // SOCLE_SERVER_H2_KEPT_BYTES_H_
