// HistoryKeeper: gives up the store's old revisions, so that history is as long as was wanted and the
// file does not grow for ever.
//
// Laws     1. A revision is given up when it is older than `keep_nanos`, and not much later.
//          2. A plane in which nothing changes compacts nothing.
// Threads  one worker of its own; thread-compatible.
// Source   spec controllers 11, design consequence 3.
#ifndef SOCLE_CONTROLLERS_PLANE_HISTORY_KEEPER_H_
#define SOCLE_CONTROLLERS_PLANE_HISTORY_KEEPER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "controllers/runtime/controller_loop.h"
#include "controllers/storage/state_store.h"

namespace socle::plane {

class HistoryKeeper final : public runtime::Reconciler {
 public:
  // Both outlive it.
  HistoryKeeper(runtime::Runtime* runtime, storage::StateStore* store, int64_t keep_nanos);

  absl::StatusOr<runtime::ReconcileResult> Reconcile(const std::string& key) override;

 private:
  struct Mark {
    int64_t monotonic_nanos;
    int64_t revision;
  };

  runtime::Runtime* const runtime_;
  storage::StateStore* const store_;
  const int64_t keep_nanos_;
  std::deque<Mark> marks_;  // of the worker; oldest first
  int64_t compacted_ = 0;   // of the worker
  std::unique_ptr<runtime::ControllerLoop> loop_;
};

}  // namespace socle::plane

#endif  // SOCLE_CONTROLLERS_PLANE_HISTORY_KEEPER_H_
