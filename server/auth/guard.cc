#include "server/auth/guard.h"

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/service/error_table.h"

namespace socle::server {
namespace {

using lease::LeaseId;

// Who asks, as of one state.
class Asker {
 public:
  // Of a call without a token or a certificate.
  Asker(std::shared_ptr<const AuthState> state, lease::LeaseStore* leases)
      : state_(std::move(state)), leases_(leases) {}

  Asker(std::shared_ptr<const AuthState> state, lease::LeaseStore* leases, TokenOwner owner)
      : state_(std::move(state)),
        leases_(leases),
        owner_(std::move(owner)),
        user_(state_->FindUser(owner_.user)) {}

  const std::string& name() const { return owner_.user; }

  bool has_role(std::string_view role) const { return user_ != nullptr && user_->Has(role); }

  absl::Status IsRoot() const {
    if (is_free()) {
      return absl::OkStatus();
    }
    if (name().empty()) {
      return WireStatus(EtcdError::kUserNameEmpty);
    }
    if (user_ == nullptr) {
      return WireStatus(EtcdError::kUserNotFound);
    }
    return user_->is_root ? absl::OkStatus() : WireStatus(EtcdError::kPermissionDenied);
  }

  absl::Status IsAnybody() const {
    return is_free() || !name().empty() ? absl::OkStatus() : WireStatus(EtcdError::kUserNameEmpty);
  }

  absl::Status MayRead(std::string_view key, std::string_view range_end) const {
    return May(key, range_end, &AuthUser::readable);
  }

  absl::Status MayWrite(std::string_view key, std::string_view range_end) const {
    return May(key, range_end, &AuthUser::writable);
  }

  absl::Status MayWriteKeysOf(LeaseId id) const { return MayTouchKeysOf(id, &AuthUser::writable); }

  absl::Status MayReadKeysOf(LeaseId id) const { return MayTouchKeysOf(id, &AuthUser::readable); }

  absl::Status May(const mvcc::RangeRequest& range) const {
    return MayRead(range.key, range.range_end);
  }

  absl::Status May(const mvcc::PutRequest& put) const {
    RETURN_IF_ERROR(MayWrite(put.key, {}));
    // Else keys of others would hang on a lease that this user can't revoke.
    RETURN_IF_ERROR(MayWriteKeysOf(put.lease));
    return put.prev_kv ? MayRead(put.key, {}) : absl::OkStatus();
  }

  absl::Status May(const mvcc::DeleteRangeRequest& erase) const {
    RETURN_IF_ERROR(MayWrite(erase.key, erase.range_end));
    return erase.prev_kv ? MayRead(erase.key, erase.range_end) : absl::OkStatus();
  }

  // As deep as a valid transaction goes (kTxnDepthMax). One that touches nothing is anybody's, as in etcd.
  absl::Status May(const mvcc::TxnRequest& txn) const {
    for (const mvcc::Compare& compare : txn.compares) {
      RETURN_IF_ERROR(MayRead(compare.key, compare.range_end));
    }
    for (const auto* branch : {&txn.success, &txn.failure}) {
      for (const mvcc::RequestOp& op : *branch) {
        RETURN_IF_ERROR(std::visit([this](const auto& request) { return MayOp(request); }, op));
      }
    }
    return absl::OkStatus();
  }

 private:
  // Authentication went off between the question and the state.
  bool is_free() const { return !state_->is_enabled(); }

  absl::Status MayOp(const std::monostate& /*nothing*/) const { return absl::OkStatus(); }

  absl::Status MayOp(const std::unique_ptr<mvcc::TxnRequest>& nested) const { return May(*nested); }

  template <typename Request>
  absl::Status MayOp(const Request& request) const {
    return May(request);
  }

  absl::Status May(std::string_view key, std::string_view range_end,
                   RangeUnion AuthUser::*permitted) const {
    if (is_free()) {
      return absl::OkStatus();
    }
    if (owner_.revision == 0) {
      return WireStatus(EtcdError::kUserNameEmpty);
    }
    if (owner_.revision < state_->revision()) {
      return WireStatus(EtcdError::kAuthOldRevision);
    }
    if (user_ == nullptr) {
      return WireStatus(EtcdError::kPermissionDenied);
    }
    return user_->is_root || (user_->*permitted).Covers(key, range_end)
               ? absl::OkStatus()
               : WireStatus(EtcdError::kPermissionDenied);
  }

  absl::Status MayTouchKeysOf(LeaseId id, RangeUnion AuthUser::*permitted) const {
    if (id == mvcc::kNoLease || IsRoot().ok()) {
      return absl::OkStatus();
    }
    const std::optional<lease::LeaseStatus> status = leases_->TimeToLive(id, /*with_keys=*/true);
    if (!status.has_value()) {
      return absl::OkStatus();  // whoever acts on it is told so
    }
    for (const std::string& key : status->keys) {
      RETURN_IF_ERROR(May(key, {}, permitted));
    }
    return absl::OkStatus();
  }

  const std::shared_ptr<const AuthState> state_;
  lease::LeaseStore* const leases_;
  const TokenOwner owner_;
  const AuthUser* const user_ = nullptr;  // in state_; null: unknown
};

absl::StatusOr<Asker> AskerOf(const Caller& caller, AuthStore* auth, lease::LeaseStore* leases) {
  std::shared_ptr<const AuthState> state = auth->state();
  if (caller.token.has_value()) {
    std::optional<TokenOwner> owner = auth->OwnerOf(*caller.token, *state);
    if (!owner.has_value()) {
      return WireStatus(EtcdError::kInvalidAuthToken);
    }
    return Asker(std::move(state), leases, *std::move(owner));
  }
  if (!caller.certificate_name.empty() && !caller.is_gateway) {
    const uint64_t revision = state->revision();
    return Asker(std::move(state), leases,
                 TokenOwner{.user = caller.certificate_name, .revision = revision});
  }
  return Asker(std::move(state), leases);
}

// The answer to one question about a caller; always yes while authentication is off.
template <typename Question>
absl::Status Ask(bool is_on, const Caller& caller, AuthStore* auth, lease::LeaseStore* leases,
                 Question question) {
  if (!is_on) [[likely]] {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Asker asker, AskerOf(caller, auth, leases));
  return question(asker);
}

}  // namespace

std::string Guard::NameOf(const Caller& caller) const {
  if (!is_on()) {
    return {};
  }
  const absl::StatusOr<Asker> asker = AskerOf(caller, auth_, leases_);
  return asker.ok() ? asker->name() : std::string();
}

absl::Status Guard::KnownToken(const Caller& caller) const {
  return Ask(is_on(), caller, auth_, leases_,
             [](const Asker& /*asker*/) { return absl::OkStatus(); });
}

absl::Status Guard::AnyUser(const Caller& caller) const {
  return Ask(is_on(), caller, auth_, leases_, [](const Asker& asker) { return asker.IsAnybody(); });
}

absl::Status Guard::Root(const Caller& caller) const {
  return Ask(is_on(), caller, auth_, leases_, [](const Asker& asker) { return asker.IsRoot(); });
}

absl::Status Guard::AboutUser(const Caller& caller, std::string_view name) const {
  return Ask(is_on(), caller, auth_, leases_, [&](const Asker& asker) {
    return asker.name() == name ? absl::OkStatus() : asker.IsRoot();
  });
}

absl::Status Guard::AboutRole(const Caller& caller, std::string_view role) const {
  return Ask(is_on(), caller, auth_, leases_, [&](const Asker& asker) {
    return asker.has_role(role) ? absl::OkStatus() : asker.IsRoot();
  });
}

absl::Status Guard::Range(const Caller& caller, const mvcc::RangeRequest& request) const {
  return Ask(is_on(), caller, auth_, leases_,
             [&](const Asker& asker) { return asker.May(request); });
}

absl::Status Guard::Put(const Caller& caller, const mvcc::PutRequest& request) const {
  return Ask(is_on(), caller, auth_, leases_,
             [&](const Asker& asker) { return asker.May(request); });
}

absl::Status Guard::DeleteRange(const Caller& caller,
                                const mvcc::DeleteRangeRequest& request) const {
  return Ask(is_on(), caller, auth_, leases_,
             [&](const Asker& asker) { return asker.May(request); });
}

absl::Status Guard::Txn(const Caller& caller, const mvcc::TxnRequest& request) const {
  return Ask(is_on(), caller, auth_, leases_,
             [&](const Asker& asker) { return asker.May(request); });
}

absl::Status Guard::Watch(const Caller& caller, std::string_view key,
                          std::string_view range_end) const {
  return Ask(is_on(), caller, auth_, leases_, [&](const Asker& asker) {
    return asker.MayRead(key.empty() ? std::string_view("\0", 1) : key, range_end);
  });
}

absl::Status Guard::ChangeLease(const Caller& caller, LeaseId id) const {
  return Ask(is_on(), caller, auth_, leases_, [&](const Asker& asker) -> absl::Status {
    RETURN_IF_ERROR(asker.IsAnybody());
    return asker.MayWriteKeysOf(id);
  });
}

absl::Status Guard::SeeLeaseKeys(const Caller& caller, LeaseId id) const {
  return Ask(is_on(), caller, auth_, leases_, [&](const Asker& asker) -> absl::Status {
    RETURN_IF_ERROR(asker.IsAnybody());
    return asker.MayReadKeysOf(id);
  });
}

absl::Status Guard::SeeAllLeases(const Caller& caller) const {
  return Ask(is_on(), caller, auth_, leases_, [&](const Asker& asker) -> absl::Status {
    RETURN_IF_ERROR(asker.IsAnybody());
    if (asker.IsRoot().ok()) {
      return absl::OkStatus();
    }
    for (const LeaseId id : leases_->Leases()) {
      RETURN_IF_ERROR(asker.MayReadKeysOf(id));
    }
    return absl::OkStatus();
  });
}

absl::Status Guard::Contend(const Caller& caller, const std::string& prefix, const std::string& end,
                            LeaseId lease) const {
  return Ask(is_on(), caller, auth_, leases_, [&](const Asker& asker) -> absl::Status {
    RETURN_IF_ERROR(asker.IsAnybody());
    RETURN_IF_ERROR(asker.MayRead(prefix, end));
    if (lease == mvcc::kNoLease) {
      return asker.MayWrite(prefix, end);  // under a name that only chance knows
    }
    const auto number = static_cast<uint64_t>(mvcc::Raw(lease));
    RETURN_IF_ERROR(asker.MayWrite(fmt::format("{}{:x}", prefix, number), {}));
    return asker.MayWriteKeysOf(lease);
  });
}

}  // namespace socle::server
