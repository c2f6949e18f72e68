// ReadView: the store at one revision: index, pending changes and pages that belong together,
// immutable.
//
// Laws     1. Taking one is one atomic operation and copies nothing (DESIGN law 3).
//          2. What it shows never changes, however long it is held; it pins only what it can see.
// Threads  immutable, thread-safe.
// Memory   views of records point into it; whoever hands them out hands out a pin.
#ifndef SOCLE_MVCC_READ_VIEW_H_
#define SOCLE_MVCC_READ_VIEW_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <absl/status/statusor.h>

#include "kv/backend/backend.h"
#include "mvcc/index.h"
#include "mvcc/published.h"
#include "mvcc/record.h"
#include "mvcc/request.h"

namespace socle::mvcc {

// What reads need, published or still being made by the write loop.
struct ReadState {
  int64_t revision = 1;           // newest revision that may be read
  int64_t compact_revision = -1;  // reads below are refused
  IndexRoot index;
  std::shared_ptr<const kv::BackendSnapshot> storage;
  uint64_t seq = 0;  // change number up to which `storage` is seen

  // The stored record of a revision that the index knows: DataLoss when it is not there or not a
  // record.
  absl::StatusOr<KeyValueView> Record(Revision revision) const;
};

class ReadView final : public PublishedBase {
 public:
  ReadView(ReadState state, Index* index, uint64_t index_version)
      : state_(std::move(state)), index_(index), index_version_(index_version) {}

  const ReadState& state() const { return state_; }

 private:
  template <typename T>
  friend class PublishedRef;

  void OnLastRelease() {
    Index* const index = index_;
    const uint64_t version = index_version_;
    delete this;
    index->NoteViewClosed(version);
  }

  ~ReadView() = default;

  const ReadState state_;
  Index* const index_;
  const uint64_t index_version_;
};

using ReadViewRef = PublishedRef<ReadView>;

// A view for one reader, with what its reads leave behind in memory: nothing on engines that map
// their file, copies on others. It is what pins the views of a result.
class OneReader {
 public:
  explicit OneReader(ReadViewRef view) : view_(std::move(view)) {
    const auto& shared = view_->state().storage;
    if (auto storage = kv::ForOneReader(shared); storage != shared) {
      own_ = view_->state();
      own_->storage = std::move(storage);
    }
  }

  const ReadState& state() const { return own_ ? *own_ : view_->state(); }

 private:
  ReadViewRef view_;
  std::optional<ReadState> own_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_READ_VIEW_H_
