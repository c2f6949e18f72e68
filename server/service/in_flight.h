// InFlight: bounds the memory of answers under way; whoever finds no room waits for those before it.
//
// Laws     1. Shares together stay within the bound, but for one that is larger than it and alone.
//          2. First come, first served: a small one doesn't pass a large one that waits.
//          3. The queue is bounded: beyond it clients are told "too many requests".
//          4. One starts after the other, never inside it: a thousand that are done at once take no stack.
// Threads  thread-safe. `start` runs on the thread that entered, or that gave room back.
// Memory   must outlive its shares.
#ifndef SOCLE_SERVER_SERVICE_IN_FLIGHT_H_
#define SOCLE_SERVER_SERVICE_IN_FLIGHT_H_

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include "kv/base/mutex.h"

namespace socle::server {

class InFlight {
 public:
  // Room that is given back when it goes.
  class Share {
   public:
    Share() = default;

    Share(InFlight* owner, size_t bytes) : owner_(owner), bytes_(bytes) {}

    Share(Share&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

    Share& operator=(Share&& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }

    ~Share() {
      if (owner_ != nullptr) {
        owner_->Leave(bytes_);
      }
    }

    size_t bytes() const { return bytes_; }

   private:
    InFlight* owner_ = nullptr;
    size_t bytes_ = 0;
  };

  using Start = absl::AnyInvocable<void(absl::StatusOr<Share>)>;

  InFlight(size_t bytes_max, size_t waiting_max)
      : bytes_max_(bytes_max), waiting_max_(waiting_max) {}

  // Calls `start` with its share, now or when there is room; or with the refusal, for the wire.
  void Enter(size_t bytes, Start start);
  // A share at once, or an empty one.
  Share TryEnter(size_t bytes);

 private:
  struct Waiting {
    size_t bytes;
    Start start;
  };

  bool HasRoom(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return used_ == 0 || used_ + bytes <= bytes_max_;
  }

  void Leave(size_t bytes);
  void StartAll(std::vector<Waiting> granted);

  const size_t bytes_max_;
  const size_t waiting_max_;
  Mutex mu_;
  size_t used_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_IN_FLIGHT_H_
