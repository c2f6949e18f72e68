// Inbox: what happened since the scheduling thread looked last.
//
// Laws     1. Items are taken in the order in which they were put.
//          2. is_busy() from the moment an item is in until its taker waits again.
// Threads  thread-safe; one taker. Put never waits for the taker.
// Memory   not bounded: an item is a pointer to a change that the plane's history holds as well.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_INBOX_H_
#define SOCLE_CONTROLLERS_SCHEDULER_INBOX_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>

#include "controllers/registry/object_cache.h"
#include "controllers/scheduler/engine.h"
#include "kv/base/mutex.h"

namespace socle::scheduler {

// A binding was answered.
struct BindResult {
  Decision decision;
  absl::Status status;
};

// Another write was answered: of a condition, or of a claim.
struct WriteResult {
  absl::Status status;
};

// A backoff is over.
struct Tick {};

using InboxItem = std::variant<registry::ChangeRef, BindResult, WriteResult, Tick>;

class Inbox {
 public:
  void Put(InboxItem item) {
    MutexLock lock(&mu_);
    items_.push_back(std::move(item));
    if (items_.size() == 1) {
      changed_.Signal();
    }
  }

  // What is there; waits for something unless `has_work`. False after Close.
  bool Take(bool has_work, std::vector<InboxItem>* items) {
    items->clear();
    MutexLock lock(&mu_);
    is_working_ = has_work;
    while (items_.empty() && !has_work && !is_closed_) {
      changed_.Wait(&mu_);
    }
    items->swap(items_);
    is_working_ = true;
    return !is_closed_;
  }

  bool is_empty() const {
    MutexLock lock(&mu_);
    return items_.empty();
  }

  bool is_busy() const {
    MutexLock lock(&mu_);
    return is_working_ || !items_.empty();
  }

  void Close() {
    MutexLock lock(&mu_);
    is_closed_ = true;
    changed_.Signal();
  }

 private:
  mutable Mutex mu_;
  CondVar changed_;
  std::vector<InboxItem> items_ ABSL_GUARDED_BY(mu_);
  bool is_working_ ABSL_GUARDED_BY(mu_) = true;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_INBOX_H_
