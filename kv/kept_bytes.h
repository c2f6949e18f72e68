// KeptBytes: copies of bytes that live as long as their owner, a read transaction whose engine has no
// mapping to point into.
// Threads  thread-safe.
// Memory   blocks of 32 KiB; larger bytes get one of their own.
#ifndef SOCLE_KV_KEPT_BYTES_H_
#define SOCLE_KV_KEPT_BYTES_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "kv/base/mutex.h"

namespace socle::kv {

class KeptBytes {
 public:
  std::string_view Keep(std::string_view bytes) {
    MutexLock lock(&mu_);
    if (bytes.size() > left_) {
      const size_t size = std::max(bytes.size(), kBlockBytes);
      next_ = blocks_.emplace_back(new char[size]).get();
      left_ = size;
    }
    char* const copy = next_;
    bytes.copy(copy, bytes.size());
    next_ += bytes.size();
    left_ -= bytes.size();
    return {copy, bytes.size()};
  }

 private:
  static constexpr size_t kBlockBytes = size_t{32} << 10U;

  Mutex mu_;
  std::vector<std::unique_ptr<char[]>> blocks_ ABSL_GUARDED_BY(mu_);
  char* next_ ABSL_GUARDED_BY(mu_) = nullptr;
  size_t left_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace socle::kv

#endif  // SOCLE_KV_KEPT_BYTES_H_
