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

// D1: ids and terms.
void NormalizeHeader(google::protobuf::Message* response) {
  const auto* const field = response->GetDescriptor()->FindFieldByName("header");
  const auto* const reflection = response->GetReflection();
  if (field != nullptr && reflection->HasField(*response, field)) {
    auto* const header = google::protobuf::DynamicCastToGenerated<etcdserverpb::ResponseHeader>(
        reflection->MutableMessage(response, field));
    header->clear_cluster_id();
    header->clear_member_id();
    header->clear_raft_term();
  }
}

void Normalize(const RangeRequest& request, RangeResponse* response) {
  NormalizeHeader(response);
  OrderTies(request, response);
}

void Normalize(const TxnRequest& request, TxnResponse* response) {
  NormalizeHeader(response);
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

void Normalize(const etcdserverpb::LeaseTimeToLiveRequest& /*request*/,
               etcdserverpb::LeaseTimeToLiveResponse* response) {
  NormalizeHeader(response);
  // D3: time passes, a second at a time; D4: attached keys come in no order.
  if (response->ttl() > 0) {
    const bool near_grant = response->grantedttl() - response->ttl() <= 600;
    response->set_ttl(near_grant ? response->grantedttl() : response->ttl() / kTtlRounding);
  }
  std::sort(response->mutable_keys()->begin(), response->mutable_keys()->end());
}

void Normalize(const etcdserverpb::HashKVRequest& /*request*/,
               etcdserverpb::HashKVResponse* response) {
  NormalizeHeader(response);
  response->clear_hash_revision();  // D5
}

void Normalize(const etcdserverpb::LeaseLeasesRequest& /*request*/,
               etcdserverpb::LeaseLeasesResponse* response) {
  NormalizeHeader(response);
  std::sort(response->mutable_leases()->begin(), response->mutable_leases()->end(),
            [](const auto& a, const auto& b) { return a.id() < b.id(); });
}

// D9: 3.4 has no header there.
void Normalize(const etcdserverpb::AlarmRequest& /*request*/,
               etcdserverpb::AlarmResponse* response) {
  response->clear_header();
}

// D6: what a status says of file and log; its alarms are compared by kind.
void Normalize(const etcdserverpb::StatusRequest& /*request*/,
               etcdserverpb::StatusResponse* response) {
  NormalizeHeader(response);
  etcdserverpb::StatusResponse compared;
  *compared.mutable_header() = response->header();
  compared.set_leader(response->leader() != 0 ? 1 : 0);
  compared.set_dbsize(response->dbsize() >= response->dbsizeinuse() ? 1 : 0);
  compared.set_raftterm(response->raftterm() > 0 ? 1 : 0);
  compared.set_raftappliedindex(response->raftappliedindex() > 0 &&
                                        response->raftappliedindex() <= response->raftindex()
                                    ? 1
                                    : 0);
  compared.set_islearner(response->islearner());
  for (const std::string& error : response->errors()) {
    compared.add_errors(
        error.substr(error.find("alarm:") == std::string::npos ? 0 : error.find("alarm:")));
  }
  *response = std::move(compared);
}

// D7: ids and URLs of the one member.
void Normalize(const etcdserverpb::MemberListRequest& /*request*/,
               etcdserverpb::MemberListResponse* response) {
  NormalizeHeader(response);
  for (auto& member : *response->mutable_members()) {
    member.set_id(member.id() != 0 ? 1 : 0);
    member.mutable_peerurls()->Clear();
    member.mutable_clienturls()->Clear();
  }
}

// D8: tokens.
void Normalize(const etcdserverpb::AuthenticateRequest& /*request*/,
               etcdserverpb::AuthenticateResponse* response) {
  NormalizeHeader(response);
  response->set_token(response->token().empty() ? "none" : "a token");
}

}  // namespace socle::conformance
