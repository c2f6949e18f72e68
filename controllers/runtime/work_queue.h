// WorkQueue: keys that want attention, each at most once at a time.
//
// Laws     1. A key is handed to one worker at a time; added meanwhile, it comes again after Done.
//          2. A key added any number of times while it waits is handed out once.
//          3. AddRateLimited delays by 5 ms doubled per failure up to backoff_max, until Forget.
// Threads  thread-safe.
// Memory   one entry per key that waits, runs, is delayed or has failed.
#ifndef SOCLE_CONTROLLERS_RUNTIME_WORK_QUEUE_H_
#define SOCLE_CONTROLLERS_RUNTIME_WORK_QUEUE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controllers/runtime/timers.h"

namespace socle::runtime {

struct WorkQueueOptions {
  int64_t backoff_min_nanos = 5 * kNanosPerMilli;
  int64_t backoff_max_nanos = 30 * kNanosPerSecond;
};

class WorkQueue {
 public:
  static std::unique_ptr<WorkQueue> Make(Timers* timers, WorkQueueOptions options = {});
  virtual ~WorkQueue() = default;

  virtual void Add(std::string_view key) = 0;
  // The earlier of two delays of one key counts.
  virtual void AddAfter(std::string_view key, int64_t nanos) = 0;
  virtual void AddRateLimited(std::string_view key) = 0;
  virtual void Forget(std::string_view key) = 0;

  // Blocks for the next key; nullopt after Close.
  virtual std::optional<std::string> Take() = 0;
  virtual void Done(std::string_view key) = 0;
  virtual void Close() = 0;

  virtual size_t waiting() const = 0;  // ready to be taken
  // Nothing is ready or running (delayed keys are not counted).
  virtual bool is_idle() const = 0;
};

}  // namespace socle::runtime

#endif  // SOCLE_CONTROLLERS_RUNTIME_WORK_QUEUE_H_
