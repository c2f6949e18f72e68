#include "tests/linearizability/random_client.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "mvcc/validate.h"

namespace socle::linearizability {
namespace {

constexpr int64_t kTxnOpsMax = 128;

// Invalid requests never reach what is tested here; checkpoints and system writes leave no trace
// that a client can see.
bool IsForModel(const mvcc::Operation& operation) {
  if (const auto* const txn = std::get_if<mvcc::TxnRequest>(&operation)) {
    return mvcc::Validate(*txn, kTxnOpsMax).ok();
  }
  return mvcc::IsLogged(operation) && !std::holds_alternative<mvcc::CheckpointOp>(operation) &&
         !std::holds_alternative<mvcc::SystemOp>(operation);
}

}  // namespace

RandomClient::RandomClient(int client, uint64_t seed, HistoryClock* clock, bool grants_for_keys)
    : log_(client, clock), operations_(seed, fmt::format("{}.", client)) {
  operations_.set_grants_for_keys(grants_for_keys);
}

// More often than RandomOperations, which must fill a store with keys first: histories are short.
mvcc::Operation RandomClient::LeaseOperation() {
  const mvcc::LeaseId id{static_cast<int64_t>(1 + operations_.random()->Below(4))};
  if (operations_.random()->OneIn(3)) {
    return mvcc::LeaseRevokeOp{.id = id};
  }
  return mvcc::LeaseGrantOp{.id = id, .ttl_seconds = 60};
}

Request RandomClient::Next() {
  while (true) {
    if (operations_.random()->OneIn(3)) {
      mvcc::RangeRequest range = operations_.Range(revision_);
      if (mvcc::Validate(range).ok()) {
        return range;
      }
    }
    mvcc::Operation operation =
        operations_.random()->OneIn(12) ? LeaseOperation() : operations_.Next(revision_);
    if (IsForModel(operation)) {
      return operation;
    }
  }
}

bool RandomClient::Ask(Asker* asker, Request request) {
  Answer answer;
  if (!asker->Ask(log_.Begin(std::move(request)), &answer)) {
    return false;
  }
  revision_ = std::max(revision_, answer.revision);
  log_.End(std::move(answer));
  return true;
}

bool RandomClient::AskSomething(Asker* asker) {
  return Ask(asker, Next());
}

bool RandomClient::AskAll(Asker* asker) {
  const std::string zero(1, '\0');
  return Ask(asker, mvcc::RangeRequest{.key = zero, .range_end = zero}) &&
         Ask(asker, LeaseListing());
}

void Collect(const ClientLog& log, History* history) {
  history->calls.insert(history->calls.end(), log.calls().begin(), log.calls().end());
}

void SortCalls(History* history) {
  std::sort(history->calls.begin(), history->calls.end(),
            [](const Call& a, const Call& b) { return a.invoked < b.invoked; });
}

}  // namespace socle::linearizability
