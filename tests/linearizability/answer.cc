// AnswerOf and PossibleAccesses: results of the store, and requests without one, as a history keeps
// them.
#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mvcc/testing/model_store.h"
#include "tests/linearizability/history.h"

namespace socle::linearizability {
namespace {

using mvcc::Compare;
using mvcc::CompareTarget;
using mvcc::DeleteRangeRequest;
using mvcc::DeleteRangeResult;
using mvcc::KeyValueView;
using mvcc::PutRequest;
using mvcc::PutResult;
using mvcc::RangeRequest;
using mvcc::RangeResult;
using mvcc::RequestOp;
using mvcc::TxnRequest;
using mvcc::TxnResult;

SeenKv SeenOf(const KeyValueView& kv) {
  return {.value = std::string(kv.value), .version = kv.version, .lease = kv.lease};
}

void AddPair(const KeyValueView& kv, bool has_value, Answer* answer) {
  answer->pairs.push_back({.key = std::string(kv.key),
                           .create_revision = kv.create_revision,
                           .mod_revision = kv.mod_revision,
                           .version = kv.version,
                           .value = std::string(kv.value),
                           .has_value = has_value});
}

// True when the answer lists all keys of the range as they are now.
bool IsPlain(const RangeRequest& r) {
  return r.limit <= 0 && r.revision <= 0 && !r.keys_only && !r.count_only &&
         r.min_mod_revision == 0 && r.max_mod_revision == 0 && r.min_create_revision == 0 &&
         r.max_create_revision == 0;
}

void Add(const RangeRequest& request, const RangeResult& result, Answer* answer) {
  for (const KeyValueView& kv : result.kvs) {
    AddPair(kv, !request.keys_only, answer);
  }
  if (IsPlain(request)) {
    Access access{.kind = Access::kSee, .key = request.key, .range_end = request.range_end};
    for (const KeyValueView& kv : result.kvs) {
      access.seen.emplace(kv.key, SeenOf(kv));
    }
    answer->accesses.push_back(std::move(access));
  } else if (request.revision <= 0 && request.range_end.empty()) {
    answer->accesses.push_back({.kind = Access::kCount, .key = request.key, .count = result.count});
  }
}

void Add(const PutRequest& request, const PutResult& result, Answer* answer) {
  answer->has_written = true;
  if (request.prev_kv) {
    Access access{.kind = Access::kSee, .key = request.key};
    if (result.prev_kv) {
      AddPair(*result.prev_kv, /*has_value=*/true, answer);
      access.seen.emplace(request.key, SeenOf(*result.prev_kv));
    }
    answer->accesses.push_back(std::move(access));
  }
  answer->accesses.push_back({.kind = Access::kPut, .key = request.key, .put = &request});
}

void Add(const DeleteRangeRequest& request, const DeleteRangeResult& result, Answer* answer) {
  answer->has_written = answer->has_written || result.deleted > 0;
  if (request.prev_kv) {
    Access access{.kind = Access::kSee, .key = request.key, .range_end = request.range_end};
    for (const KeyValueView& kv : result.prev_kvs) {
      AddPair(kv, /*has_value=*/true, answer);
      access.seen.emplace(kv.key, SeenOf(kv));
    }
    answer->accesses.push_back(std::move(access));
  } else if (request.range_end.empty()) {
    answer->accesses.push_back(
        {.kind = Access::kCount, .key = request.key, .count = result.deleted});
  }
  answer->accesses.push_back(
      {.kind = Access::kDelete, .key = request.key, .range_end = request.range_end});
}

bool IsAboutRevisions(const Compare& compare) {
  return compare.target == CompareTarget::kCreate || compare.target == CompareTarget::kMod;
}

// Comparisons see what was before the transaction, also those of nested ones: they go in front.
void AddCompares(const TxnRequest& request, bool succeeded, Answer* answer) {
  if (!succeeded && request.compares.size() != 1) {
    return;  // any of them may have failed
  }
  for (const Compare& compare : request.compares) {
    if (!IsAboutRevisions(compare) && compare.range_end.empty()) {
      answer->accesses.insert(answer->accesses.begin(), Access{.kind = Access::kCompare,
                                                               .key = compare.key,
                                                               .compare = &compare,
                                                               .holds = succeeded});
    }
  }
}

void Add(const TxnRequest& request, const TxnResult& result, Answer* answer) {
  const std::vector<RequestOp>& ops = result.succeeded ? request.success : request.failure;
  for (size_t i = 0; i < ops.size() && i < result.responses.size(); ++i) {
    std::visit(
        [&](const auto& op) {
          using Op = std::decay_t<decltype(op)>;
          if constexpr (std::is_same_v<Op, RangeRequest>) {
            Add(op, std::get<RangeResult>(result.responses[i]), answer);
          } else if constexpr (std::is_same_v<Op, PutRequest>) {
            Add(op, std::get<PutResult>(result.responses[i]), answer);
          } else if constexpr (std::is_same_v<Op, DeleteRangeRequest>) {
            Add(op, std::get<DeleteRangeResult>(result.responses[i]), answer);
          } else if constexpr (std::is_same_v<Op, std::unique_ptr<TxnRequest>>) {
            Add(*op, *std::get<std::unique_ptr<TxnResult>>(result.responses[i]), answer);
          }
        },
        ops[i]);
  }
  AddCompares(request, result.succeeded, answer);
}

void Add(const mvcc::CompactOp& /*request*/, const mvcc::CompactResult& /*result*/,
         Answer* /*answer*/) {}

void Add(const mvcc::LeaseGrantOp& /*request*/, const mvcc::LeaseGrantResult& /*result*/,
         Answer* /*answer*/) {}

Access RevokeOf(mvcc::LeaseId id) {
  const std::string zero(1, '\0');
  return {.kind = Access::kRevoke, .key = zero, .range_end = zero, .lease = id};
}

void Add(const mvcc::LeaseRevokeOp& request, const mvcc::LeaseRevokeResult& /*result*/,
         Answer* answer) {
  answer->accesses.push_back(RevokeOf(request.id));
}

template <typename Asked, typename Result>
Answer MakeAnswer(const Asked& request, const absl::StatusOr<Result>& result) {
  Answer answer;
  answer.text = mvcc::Describe(result);
  if (result.ok()) {
    answer.revision = result->revision;
    Add(request, *result, &answer);
  }
  return answer;
}

constexpr size_t kWaysMax = 256;

// What the operations can have done, by the ways that the transactions among them can have gone.
std::vector<std::vector<Access>> WaysOf(const std::vector<RequestOp>& ops) {
  std::vector<std::vector<Access>> ways(1);
  for (const RequestOp& op : ops) {
    std::vector<std::vector<Access>> parts(1);
    if (const auto* const put = std::get_if<PutRequest>(&op)) {
      parts[0].push_back({.kind = Access::kPut, .key = put->key, .put = put});
    } else if (const auto* const range = std::get_if<DeleteRangeRequest>(&op)) {
      parts[0].push_back(
          {.kind = Access::kDelete, .key = range->key, .range_end = range->range_end});
    } else if (const auto* const txn = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
      parts = WaysOf((*txn)->success);
      std::ranges::move(WaysOf((*txn)->failure), std::back_inserter(parts));
    }
    std::vector<std::vector<Access>> longer;
    for (const std::vector<Access>& way : ways) {
      for (const std::vector<Access>& part : parts) {
        longer.push_back(way);
        longer.back().insert(longer.back().end(), part.begin(), part.end());
      }
    }
    ways = std::move(longer);
    if (ways.size() > kWaysMax) {
      break;
    }
  }
  return ways;
}

}  // namespace

Answer AnswerOf(const RangeRequest& request, const absl::StatusOr<RangeResult>& result) {
  return MakeAnswer(request, result);
}

Answer AnswerOf(const PutRequest& request, const absl::StatusOr<PutResult>& result) {
  return MakeAnswer(request, result);
}

Answer AnswerOf(const DeleteRangeRequest& request,
                const absl::StatusOr<DeleteRangeResult>& result) {
  return MakeAnswer(request, result);
}

Answer AnswerOf(const TxnRequest& request, const absl::StatusOr<TxnResult>& result) {
  Answer answer = MakeAnswer(request, result);
  if (answer.has_written) {
    // What it saw of its own writes may be overwritten by itself (trap 11).
    std::erase_if(answer.pairs,
                  [&](const Answer::Pair& pair) { return pair.mod_revision == answer.revision; });
  }
  return answer;
}

Answer AnswerOf(const std::vector<lease::LeaseStatus>& leases) {
  Answer answer{.text = "leases:"};
  for (const lease::LeaseStatus& lease : leases) {
    answer.text += fmt::format(" {}{{{}}}", mvcc::Raw(lease.id), fmt::join(lease.keys, ","));
  }
  return answer;
}

Answer AnswerOf(const mvcc::CompactOp& request, const absl::StatusOr<mvcc::CompactResult>& result) {
  return MakeAnswer(request, result);
}

Answer AnswerOf(const mvcc::LeaseGrantOp& request,
                const absl::StatusOr<mvcc::LeaseGrantResult>& result) {
  return MakeAnswer(request, result);
}

Answer AnswerOf(const mvcc::LeaseRevokeOp& request,
                const absl::StatusOr<mvcc::LeaseRevokeResult>& result) {
  return MakeAnswer(request, result);
}

bool PossibleAccesses(const Request& request, std::vector<std::vector<Access>>* ways) {
  const auto* const operation = std::get_if<mvcc::Operation>(&request);
  if (operation == nullptr) {
    return true;
  }
  if (const auto* const put = std::get_if<PutRequest>(operation)) {
    ways->push_back({{.kind = Access::kPut, .key = put->key, .put = put}});
  } else if (const auto* const range = std::get_if<DeleteRangeRequest>(operation)) {
    ways->push_back({{.kind = Access::kDelete, .key = range->key, .range_end = range->range_end}});
  } else if (const auto* const revoke = std::get_if<mvcc::LeaseRevokeOp>(operation)) {
    ways->push_back({RevokeOf(revoke->id)});
  } else if (const auto* const txn = std::get_if<TxnRequest>(operation)) {
    *ways = WaysOf(txn->success);
    std::ranges::move(WaysOf(txn->failure), std::back_inserter(*ways));
  }
  return ways->size() <= kWaysMax;
}

}  // namespace socle::linearizability
