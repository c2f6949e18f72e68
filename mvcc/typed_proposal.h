// TypedProposal: an operation of the store on its way through the write loop.
//
// Threads  as Proposal (write_loop.h).
#ifndef SOCLE_MVCC_TYPED_PROPOSAL_H_
#define SOCLE_MVCC_TYPED_PROPOSAL_H_

#include <string>
#include <type_traits>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "mvcc/applier.h"
#include "mvcc/log_entry.h"
#include "mvcc/store.h"
#include "mvcc/write_loop.h"

namespace socle::mvcc {

// Whether applying it changes what leases have: what leases show is not of a view, so it must be durable first.
bool TouchesLeases(const PutRequest& put, const Applier& applier);
bool TouchesLeases(const DeleteRangeRequest& erase, const Applier& applier);
bool TouchesLeases(const TxnRequest& txn, const Applier& applier);

template <typename Request>
bool TouchesLeases(const Request& /*request*/, const Applier& /*applier*/) {
  return std::is_same_v<Request, LeaseGrantOp> || std::is_same_v<Request, LeaseRevokeOp> ||
         std::is_same_v<Request, CheckpointOp>;
}

template <typename Request>
struct KindOf;

template <>
struct KindOf<PutRequest> : std::integral_constant<EntryKind, EntryKind::kPut> {};

template <>
struct KindOf<DeleteRangeRequest> : std::integral_constant<EntryKind, EntryKind::kDeleteRange> {};

template <>
struct KindOf<TxnRequest> : std::integral_constant<EntryKind, EntryKind::kTxn> {};

template <>
struct KindOf<CompactOp> : std::integral_constant<EntryKind, EntryKind::kCompaction> {};

template <>
struct KindOf<LeaseGrantOp> : std::integral_constant<EntryKind, EntryKind::kLeaseGrant> {};

template <>
struct KindOf<LeaseRevokeOp> : std::integral_constant<EntryKind, EntryKind::kLeaseRevoke> {};

template <>
struct KindOf<CheckpointOp> : std::integral_constant<EntryKind, EntryKind::kLeaseCheckpoint> {};

template <>
struct KindOf<SystemOp> : std::integral_constant<EntryKind, EntryKind::kSystem> {};

// Carries one request through the write loop to its callback.
template <typename Request, typename Result>
class TypedProposal final : public Proposal {
 public:
  TypedProposal(std::string entry, Request request, Callback<Result> done)
      : Proposal(KindOf<Request>::value, std::move(entry)),
        request_(std::move(request)),
        done_(std::move(done)) {}

  void Apply(Applier* applier) override { result_ = applier->Apply(request_); }

  bool TouchesLeases(const Applier& applier) const override {
    return mvcc::TouchesLeases(request_, applier);
  }

  bool has_succeeded() const override { return result_.ok(); }

  void Answer() override { done_(std::move(result_)); }

  void Fail(const absl::Status& status) override { done_(status); }

 private:
  Request request_;
  Callback<Result> done_;
  absl::StatusOr<Result> result_ = absl::UnknownError("not applied");
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_TYPED_PROPOSAL_H_
