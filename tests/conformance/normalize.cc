#include "tests/conformance/normalize.h"

#include <algorithm>
#include <string>
#include <utility>

namespace socle::conformance {
namespace {

using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::RequestOp;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;
using mvccpb::KeyValue;

// etcd sorts so few elements by insertion, which keeps the order of ties.
constexpr int kStableSortMax = 12;
// How far the remaining seconds of a lease may differ between two servers asked in turn.
constexpr int64_t kTtlRounding = 10;

// D1: ids and terms.
template <typename Response>
void ClearIds(Response* response) {
  if (response->has_header()) {
    response->mutable_header()->clear_cluster_id();
    response->mutable_header()->clear_member_id();
    response->mutable_header()->clear_raft_term();
  }
}

bool SameRank(RangeRequest::SortTarget target, const KeyValue& a, const KeyValue& b) {
  switch (target) {
    case RangeRequest::VERSION:
      return a.version() == b.version();
    case RangeRequest::CREATE:
      return a.create_revision() == b.create_revision();
    case RangeRequest::MOD:
      return a.mod_revision() == b.mod_revision();
    case RangeRequest::VALUE:
      return a.value() == b.value();
    default:
      return a.key() == b.key();
  }
}

// D2: the order of ties, and which of them a limit cuts off.
void OrderTies(const RangeRequest& request, RangeResponse* response) {
  if (request.sort_target() == RangeRequest::KEY || response->count() <= kStableSortMax) {
    return;
  }
  const auto target = request.sort_target();
  // Without values the ties of a sort by value can't be seen: the whole answer is one group.
  const bool hidden = target == RangeRequest::VALUE && request.keys_only();
  auto* kvs = response->mutable_kvs();
  int first = 0;
  while (first < kvs->size()) {
    int end = first + 1;
    while (end < kvs->size() && (hidden || SameRank(target, (*kvs)[first], (*kvs)[end]))) {
      ++end;
    }
    std::sort(kvs->begin() + first, kvs->begin() + end,
              [](const KeyValue& a, const KeyValue& b) { return a.key() < b.key(); });
    if (response->more() && end == kvs->size()) {
      for (int i = first; i < end; ++i) {
        KeyValue rank;
        if (!hidden) {
          rank.set_version(target == RangeRequest::VERSION ? (*kvs)[i].version() : 0);
          rank.set_create_revision(target == RangeRequest::CREATE ? (*kvs)[i].create_revision()
                                                                  : 0);
          rank.set_mod_revision(target == RangeRequest::MOD ? (*kvs)[i].mod_revision() : 0);
          rank.set_value(target == RangeRequest::VALUE ? (*kvs)[i].value() : std::string());
        }
        (*kvs)[i] = std::move(rank);
      }
    }
    first = end;
  }
}

}  // namespace

void Normalize(const RangeRequest& request, RangeResponse* response) {
  ClearIds(response);
  OrderTies(request, response);
}

void Normalize(const etcdserverpb::PutRequest& /*request*/, etcdserverpb::PutResponse* response) {
  ClearIds(response);
}

void Normalize(const etcdserverpb::DeleteRangeRequest& /*request*/,
               etcdserverpb::DeleteRangeResponse* response) {
  ClearIds(response);
}

void Normalize(const TxnRequest& request, TxnResponse* response) {
  ClearIds(response);
  const auto& taken = response->succeeded() ? request.success() : request.failure();
  for (int i = 0; i < std::min(taken.size(), response->responses_size()); ++i) {
    const RequestOp& op = taken[i];
    auto* answer = response->mutable_responses(i);
    if (op.has_request_range() && answer->has_response_range()) {
      Normalize(op.request_range(), answer->mutable_response_range());
    } else if (op.has_request_txn() && answer->has_response_txn()) {
      Normalize(op.request_txn(), answer->mutable_response_txn());
    }
  }
}

void Normalize(const etcdserverpb::CompactionRequest& /*request*/,
               etcdserverpb::CompactionResponse* response) {
  ClearIds(response);
}

void Normalize(const etcdserverpb::LeaseGrantRequest& /*request*/,
               etcdserverpb::LeaseGrantResponse* response) {
  ClearIds(response);
}

void Normalize(const etcdserverpb::LeaseRevokeRequest& /*request*/,
               etcdserverpb::LeaseRevokeResponse* response) {
  ClearIds(response);
}

void Normalize(const etcdserverpb::LeaseTimeToLiveRequest& /*request*/,
               etcdserverpb::LeaseTimeToLiveResponse* response) {
  ClearIds(response);
  // D3: time passes, a second at a time; D4: attached keys come in no order.
  if (response->ttl() > 0) {
    const bool near_grant = response->grantedttl() - response->ttl() <= 600;
    response->set_ttl(near_grant ? response->grantedttl() : response->ttl() / kTtlRounding);
  }
  std::sort(response->mutable_keys()->begin(), response->mutable_keys()->end());
}

void Normalize(const etcdserverpb::HashKVRequest& /*request*/,
               etcdserverpb::HashKVResponse* response) {
  ClearIds(response);
  response->clear_hash_revision();  // D5
}

}  // namespace socle::conformance
