// LogReplay: applies entries of a log to the pages that they follow, one after the other, before the store serves.
//
// Laws     1. Entries are applied as the write loop applied them: what failed then fails again, without effect.
//          2. After each entry the state may be asked for: revision, hash, what a bucket holds.
// Threads  the opening thread's.
// Memory   bounded by StoreOptions::pending_bytes_max: what is applied is committed on the way.
// Errors   DataLoss names the entry.
// Source   mvcc/DESIGN.md (the log holds requests).
#ifndef SOCLE_MVCC_LOG_REPLAY_H_
#define SOCLE_MVCC_LOG_REPLAY_H_

#include <cstdint>
#include <functional>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/backend/backend.h"
#include "mvcc/applier.h"
#include "mvcc/request.h"

namespace socle::mvcc {

class LogReplay {
 public:
  // `last_index`: the last entry that the pages hold.
  LogReplay(kv::Backend* backend, Applier* applier, uint64_t last_index)
      : backend_(backend), applier_(applier), last_index_(last_index) {}

  LogReplay(const LogReplay&) = delete;
  LogReplay& operator=(const LogReplay&) = delete;

  // Whether compactions that entries ask for are done on the way, or left for later.
  void set_compacts(bool compacts) { compacts_ = compacts; }

  // Requires index == last_index() + 1 (DataLoss else).
  absl::Status Apply(uint64_t index, std::string_view entry);

  uint64_t last_index() const { return last_index_; }

  uint64_t count() const { return count_; }

  int64_t revision() const { return applier_->revision(); }

  int64_t compact_revision() const { return applier_->compact_revision(); }

  // mvcc/hash.h, at the current revision.
  absl::StatusOr<KvHash> Hash() const;

  // Every (key, value) of a bucket, in order.
  absl::Status Scan(
      kv::BucketId bucket,
      const std::function<absl::Status(std::string_view, std::string_view)>& visit) const;

  // Makes everything applied durable in the pages.
  absl::Status Commit();

 private:
  absl::Status Seal();

  kv::Backend* const backend_;
  Applier* const applier_;
  uint64_t last_index_;
  uint64_t count_ = 0;
  bool compacts_ = false;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_LOG_REPLAY_H_
