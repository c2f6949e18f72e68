// Answer: where a blocked caller meets the callback of its request.
//
//   Answer<WriteResult> answer;
//   store->Submit(write, [&answer](WriteResult result) { answer.Give(std::move(result)); });
//   return answer.Take();
// Threads  Give: once, any thread. Take: once, the owner.
#ifndef SOCLE_CONTROLLERS_STORAGE_ANSWER_H_
#define SOCLE_CONTROLLERS_STORAGE_ANSWER_H_

#include <optional>
#include <utility>

#include "kv/base/mutex.h"

namespace socle::storage {

template <typename T>
class Answer {
 public:
  void Give(T value) {
    MutexLock lock(&mu_);
    value_ = std::move(value);
    given_.Signal();  // Under the lock: the owner may be gone right after it.
  }

  T Take() {
    MutexLock lock(&mu_);
    while (!value_) {
      given_.Wait(&mu_);
    }
    return *std::move(value_);
  }

 private:
  Mutex mu_;
  CondVar given_;
  std::optional<T> value_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_ANSWER_H_
