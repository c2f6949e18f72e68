#include "server/service/election_service.h"

#include <optional>
#include <utility>
#include <variant>

#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"
#include "server/service/contender.h"
#include "server/service/convert.h"
#include "server/service/error_table.h"

namespace socle::server {
namespace {

namespace pb = v3electionpb;

constexpr int64_t kCostPerCampaign = 256 + 64;  // a put and a lease, as etcd estimates them
constexpr std::string_view kNoLeaderField = "\"leader\" field must be provided";

mvcc::RangeRequest OldestOf(std::string_view name) {
  return {.key = PrefixOfContest(name),
          .range_end = EndOfContest(name),
          .limit = 1,
          .sort_order = mvcc::SortOrder::kAscend,
          .sort_target = mvcc::SortTarget::kCreate};
}

// A transaction that happens only while the key is the one that was elected.
mvcc::TxnRequest IfStill(const pb::LeaderKey& leader) {
  mvcc::TxnRequest txn;
  txn.compares.push_back({.op = mvcc::CompareOp::kEqual,
                          .target = mvcc::CompareTarget::kCreate,
                          .key = leader.key(),
                          .number = leader.rev()});
  return txn;
}

}  // namespace

Withdrawal ElectionService::Campaign(const Caller& caller, const pb::CampaignRequest& request,
                                     pb::CampaignResponse* response, Done done) {
  done = AsContest(std::move(done));
  if (const absl::Status may =
          node_->guard().Contend(caller, PrefixOfContest(request.name()),
                                 EndOfContest(request.name()), mvcc::LeaseId{request.lease()});
      !may.ok()) {
    done(may);
    return [] {};
  }
  if (!node_->Admit(kCostPerCampaign + static_cast<int64_t>(request.value().size()), done)) {
    return [] {};
  }
  const std::shared_ptr<Contender> contender =
      Contender::Start(node_,
                       {.name = request.name(),
                        .lease = request.lease(),
                        .value = request.value(),
                        .sets_value = true},
                       [this, name = request.name(), response,
                        done = std::move(done)](absl::StatusOr<Held> held) mutable {
                         if (held.ok()) {
                           pb::LeaderKey* const leader = response->mutable_leader();
                           leader->set_name(std::move(name));
                           leader->set_key(std::move(held->key));
                           leader->set_rev(held->create_revision);
                           leader->set_lease(held->lease);
                           response->mutable_header()->set_revision(held->revision);
                           node_->FillHeader(response->mutable_header());
                         }
                         done(held.status());
                       });
  return [contender] { contender->Cancel(); };
}

void ElectionService::Proclaim(const Caller& caller, const pb::ProclaimRequest& request,
                               pb::ProclaimResponse* response, Done done) {
  done = AsContest(std::move(done));
  if (!request.has_leader()) {
    done(absl::UnknownError(AbslView(kNoLeaderField)));
    return;
  }
  mvcc::TxnRequest txn = IfStill(request.leader());
  txn.success.emplace_back(mvcc::PutRequest{.key = request.leader().key(),
                                            .value = request.value(),
                                            .lease = mvcc::LeaseId{request.leader().lease()}});
  if (!Admits(caller, txn, kCostPerCampaign + static_cast<int64_t>(request.value().size()), done)) {
    return;
  }
  node_->store().Txn(std::move(txn), [this, response, done = std::move(done)](
                                         const absl::StatusOr<mvcc::TxnResult>& result) mutable {
    if (!result.ok()) {
      done(WireStatus(result.status()));
      return;
    }
    if (!result->succeeded) {
      done(absl::UnknownError(AbslView(kNotLeaderText)));
      return;
    }
    response->mutable_header()->set_revision(result->revision);
    node_->FillHeader(response->mutable_header());
    done(absl::OkStatus());
  });
}

absl::Status ElectionService::Leader(const Caller& caller, const pb::LeaderRequest& request,
                                     pb::LeaderResponse* response) const {
  const mvcc::RangeRequest range = OldestOf(request.name());
  RETURN_IF_ERROR(RefusedContest(node_->guard().Range(caller, range)));
  const absl::StatusOr<mvcc::RangeResult> oldest = node_->store().Range(range);
  if (!oldest.ok()) {
    return RefusedContest(WireStatus(oldest.status()));
  }
  if (oldest->kvs.empty()) {
    return absl::UnknownError("election: no leader");
  }
  FromStore(oldest->kvs[0], response->mutable_kv());
  response->mutable_header()->set_revision(oldest->revision);
  node_->FillHeader(response->mutable_header());
  return absl::OkStatus();
}

bool ElectionService::Admits(const Caller& caller, const mvcc::TxnRequest& txn, int64_t cost,
                             Done& done) {
  // An empty key is refused as such, by the store.
  const absl::Status may = node_->guard().Txn(caller, txn);
  if (!may.ok() && !txn.compares.front().key.empty()) {
    done(may);
    return false;
  }
  return node_->Admit(cost, done);
}

void ElectionService::Resign(const Caller& caller, const pb::ResignRequest& request,
                             pb::ResignResponse* response, Done done) {
  done = AsContest(std::move(done));
  if (!request.has_leader()) {
    done(absl::UnknownError(AbslView(kNoLeaderField)));
    return;
  }
  mvcc::TxnRequest txn = IfStill(request.leader());
  txn.success.emplace_back(mvcc::DeleteRangeRequest{.key = request.leader().key()});
  if (!Admits(caller, txn, 0, done)) {
    return;
  }
  node_->store().Txn(std::move(txn), [this, response, done = std::move(done)](
                                         const absl::StatusOr<mvcc::TxnResult>& result) mutable {
    if (result.ok()) {
      response->mutable_header()->set_revision(result->revision);
      node_->FillHeader(response->mutable_header());
    }
    done(WireStatus(result.status()));
  });
}

absl::StatusOr<std::unique_ptr<LeaderStream>> ElectionService::Observe(
    const Caller& caller, const pb::LeaderRequest& request, std::function<void()> on_ready) {
  RETURN_IF_ERROR(RefusedContest(node_->guard().Range(caller, OldestOf(request.name()))));
  return std::make_unique<LeaderStream>(node_, request.name(), std::move(on_ready));
}

LeaderStream::LeaderStream(Node* node, std::string name, std::function<void()> on_ready)
    : node_(node), name_(std::move(name)), on_ready_(std::move(on_ready)) {}

void LeaderStream::Watch(mvcc::WatchRequest request) {
  if (watch_ == nullptr) {
    watch_ = node_->store().NewWatchStream(on_ready_);
  } else {
    watch_->Cancel(watch_id_);
  }
  request.watch_id = ++watch_id_;
  watch_->Create(std::move(request));
}

absl::StatusOr<bool> LeaderStream::FindLeader(pb::LeaderResponse* response) {
  const absl::StatusOr<mvcc::RangeResult> oldest = node_->store().Range(OldestOf(name_));
  if (!oldest.ok()) {
    return RefusedContest(WireStatus(oldest.status()));
  }
  if (oldest->kvs.empty()) {
    leader_.clear();
    Watch({.key = PrefixOfContest(name_),
           .range_end = EndOfContest(name_),
           .start_revision = oldest->revision + 1,
           .no_delete = true});
    return false;
  }
  leader_ = oldest->kvs[0].key;
  Watch({.key = leader_, .start_revision = oldest->revision + 1});
  FromStore(oldest->kvs[0], response->mutable_kv());
  response->mutable_header()->set_revision(oldest->revision);
  node_->FillHeader(response->mutable_header());
  return true;
}

absl::StatusOr<bool> LeaderStream::Next(pb::LeaderResponse* response) {
  if (watch_ == nullptr) {
    return FindLeader(response);
  }
  while (std::optional<mvcc::WatchResponse> seen = watch_->Next()) {
    if (seen->watch_id != watch_id_) {
      continue;  // of a leader before
    }
    // A watch that ends by itself has fallen behind a compaction: what is now is told.
    const bool is_lost = seen->canceled || (!seen->events.empty() && leader_.empty());
    if (is_lost || (!seen->events.empty() && seen->events.back().is_delete)) {
      ASSIGN_OR_RETURN(const bool is_there, FindLeader(response));
      if (is_there) {
        return true;
      }
    } else if (!seen->events.empty()) {
      FromStore(seen->events.back().kv, response->mutable_kv());
      response->mutable_header()->set_revision(seen->revision);
      node_->FillHeader(response->mutable_header());
      return true;
    }
  }
  return false;
}

}  // namespace socle::server
