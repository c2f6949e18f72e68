#include "controllers/runtime/write_batch.h"

#include <optional>
#include <utility>

#include "kv/base/mutex.h"

namespace socle::runtime {

using registry::Written;

struct WriteBatch::State {
  Mutex mu;
  CondVar changed;
  std::vector<std::optional<absl::StatusOr<Written>>> results ABSL_GUARDED_BY(mu);
  size_t missing ABSL_GUARDED_BY(mu) = 0;

  void AwaitAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    while (missing > 0) {
      changed.Wait(&mu);
    }
  }
};

WriteBatch::WriteBatch() : state_(std::make_shared<State>()) {}

WriteBatch::~WriteBatch() {
  MutexLock lock(&state_->mu);
  state_->AwaitAll();
}

registry::Done WriteBatch::Add() {
  MutexLock lock(&state_->mu);
  const size_t place = state_->results.size();
  state_->results.emplace_back();
  ++state_->missing;
  // The state outlives the batch in callbacks that are about to return.
  return [state = state_, place](absl::StatusOr<Written> result) {
    MutexLock done_lock(&state->mu);
    state->results[place] = std::move(result);
    if (--state->missing == 0) {
      state->changed.SignalAll();
    }
  };
}

std::vector<absl::StatusOr<Written>> WriteBatch::Wait() {
  MutexLock lock(&state_->mu);
  state_->AwaitAll();
  std::vector<absl::StatusOr<Written>> results;
  results.reserve(state_->results.size());
  for (auto& result : state_->results) {
    results.push_back(*std::move(result));
  }
  state_->results.clear();
  return results;
}

}  // namespace socle::runtime
