#include "controllers/plane/history_keeper.h"

#include <algorithm>

#include "kv/base/status_macros.h"

namespace socle::plane {
namespace {

constexpr std::string_view kOnlyKey = "store";
constexpr int64_t kMarksPerHistory = 10;

}  // namespace

HistoryKeeper::HistoryKeeper(runtime::Runtime* runtime, storage::StateStore* store,
                             int64_t keep_nanos)
    : runtime_(runtime), store_(store), keep_nanos_(keep_nanos) {
  loop_ = runtime::ControllerLoop::Start(runtime, {.name = "history", .workers = 1}, this);
  loop_->queue()->Add(kOnlyKey);
}

absl::StatusOr<runtime::ReconcileResult> HistoryKeeper::Reconcile(const std::string& /*key*/) {
  const int64_t now = runtime_->clock()->MonotonicNanos();
  ASSIGN_OR_RETURN(const int64_t newest, store_->CurrentRevision());
  int64_t wanted = 0;
  while (!marks_.empty() && marks_.front().monotonic_nanos + keep_nanos_ <= now) {
    wanted = marks_.front().revision;
    marks_.pop_front();
  }
  if (marks_.empty() || marks_.back().revision != newest) {
    marks_.push_back({now, newest});
  }
  if (wanted > compacted_) {
    RETURN_IF_ERROR(store_->Compact(wanted));
    compacted_ = wanted;
  }
  return runtime::ReconcileResult{.again_after_nanos = keep_nanos_ / kMarksPerHistory};
}

}  // namespace socle::plane
