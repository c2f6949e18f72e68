// WriteBatch: many writes under way together, waited for as one: they share syncs of the log.
//
//   WriteBatch batch;
//   for (…) registry->Create(context, request, batch.Add());
//   for (const absl::StatusOr<Written>& result : batch.Wait()) …
//
// Threads  confined to the worker that made it; not for threads of the store, the cache or the timers.
#ifndef SOCLE_CONTROLLERS_RUNTIME_WRITE_BATCH_H_
#define SOCLE_CONTROLLERS_RUNTIME_WRITE_BATCH_H_

#include <memory>
#include <vector>

#include "controllers/registry/registry.h"

namespace socle::runtime {

class WriteBatch {
 public:
  WriteBatch();
  ~WriteBatch();  // waits
  WriteBatch(const WriteBatch&) = delete;
  WriteBatch& operator=(const WriteBatch&) = delete;

  // The `done` of one more write.
  registry::Done Add();
  // The results in the order of Add; the batch is empty afterwards.
  std::vector<absl::StatusOr<registry::Written>> Wait();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace socle::runtime

#endif  // SOCLE_CONTROLLERS_RUNTIME_WRITE_BATCH_H_
