#include "mvcc/log_replay.h"

#include <variant>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "mvcc/hash.h"
#include "mvcc/log_entry.h"
#include "mvcc/read_view.h"

namespace socle::mvcc {
namespace {

// Obsolete revisions dropped per entry, so that a compaction ends soon after it was asked for.
constexpr int64_t kCompactionSteps = 64;

}  // namespace

absl::Status LogReplay::Apply(uint64_t index, std::string_view entry) {
  if (index != last_index_ + 1) {
    return absl::DataLossError(
        fmt::format("log entry {} comes where entry {} is due", index, last_index_ + 1));
  }
  absl::StatusOr<Operation> operation = DecodeOperation(entry);
  if (!operation.ok()) {
    return Annotate(operation.status(), fmt::format("log entry {}", index));
  }
  // What failed when it was first applied fails again: the outcome was told then.
  std::visit([this](const auto& op) { applier_->Apply(op).status().IgnoreError(); }, *operation);
  RETURN_IF_ERROR(applier_->failure());
  last_index_ = index;
  ++count_;
  if (compacts_ && applier_->is_compacting()) {
    RETURN_IF_ERROR(applier_->CompactStep(kCompactionSteps).status());
  }
  return backend_->NeedsRoom() ? Seal() : absl::OkStatus();
}

absl::Status LogReplay::Seal() {
  RETURN_IF_ERROR(backend_->WaitForCommit());
  applier_->PutBookkeeping(last_index_);
  backend_->Seal();
  applier_->RefreshStorage();
  return absl::OkStatus();
}

absl::Status LogReplay::Commit() {
  RETURN_IF_ERROR(Seal());
  RETURN_IF_ERROR(backend_->WaitForCommit());
  applier_->RefreshStorage();
  return absl::OkStatus();
}

absl::StatusOr<KvHash> LogReplay::Hash() const {
  return HashKv(applier_->state(), 0);
}

absl::Status LogReplay::Scan(
    kv::BucketId bucket,
    const std::function<absl::Status(std::string_view, std::string_view)>& visit) const {
  const ReadState state = applier_->state();
  return state.storage->Scan(bucket, state.seq, visit);
}

}  // namespace socle::mvcc
