// TxnRun: runs one transaction, put or delete against the applier, or a read-only transaction
// against a view.
//
// Laws     1. All compares, nested ones included, see the state before the transaction; then the
//             operations of the taken path are checked; only then anything is done (spec etcd 1.4).
//          2. A failing check fails the whole transaction without effect.
// Threads  as what it runs against.
// Source   spec etcd 1.4, 7.1 traps 5 to 9.
#ifndef SOCLE_MVCC_TXN_H_
#define SOCLE_MVCC_TXN_H_

#include <cstddef>
#include <vector>

#include <absl/status/statusor.h>

#include "mvcc/prefix_quota.h"
#include "mvcc/read_view.h"
#include "mvcc/request.h"

namespace socle::mvcc {

class Applier;

class TxnRun {
 public:
  // Runs against the write loop's state.
  explicit TxnRun(Applier* applier);

  // Read-only: runs against a view. Requires IsReadOnly requests (validate.h). The caller sets the
  // pins.
  explicit TxnRun(const ReadState& state) : before_(state) {}

  // Requires validated requests (validate.h).
  absl::StatusOr<TxnResult> Run(const TxnRequest& request);
  absl::StatusOr<PutResult> RunPut(const PutRequest& request);
  absl::StatusOr<DeleteRangeResult> RunDeleteRange(const DeleteRangeRequest& request);

  // Range operations done, those of transactions within included.
  uint64_t ranges() const { return ranges_; }

 private:
  absl::StatusOr<bool> Holds(const Compare& compare) const;
  absl::Status ChoosePath(const TxnRequest& request);
  template <typename Check>
  absl::Status CheckPath(const TxnRequest& request, const Check& check);
  absl::Status CheckPut(const PutRequest& request) const;
  absl::Status CheckLease(const PutRequest& request) const;
  absl::Status AddTo(PrefixQuotas::Addition* addition, const PutRequest& request) const;
  absl::Status CheckRange(const RangeRequest& request) const;

  // The operations themselves; errors here are failures of the store (the checks are done).
  absl::StatusOr<TxnResult> Execute(const TxnRequest& request);
  absl::StatusOr<RangeResult> Execute(const RangeRequest& request);
  absl::StatusOr<PutResult> Execute(const PutRequest& request);
  absl::StatusOr<DeleteRangeResult> Execute(const DeleteRangeRequest& request);

  ReadState Now() const;

  Applier* applier_ = nullptr;  // null: read-only
  ReadState before_;            // the state that compares and checks see
  std::vector<bool> path_;      // outcome of each transaction on the way, in order
  size_t path_position_ = 0;
  uint64_t ranges_ = 0;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_TXN_H_
