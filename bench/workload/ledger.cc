#include "bench/workload/ledger.h"

#include <xxhash.h>

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "bench/workload/key_reader.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_client.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {
namespace {

constexpr size_t kExamplesMax = 10;
constexpr int64_t kPageKeys = 2'000;

uint64_t HashOf(std::string_view value) {
  return XXH3_64bits(value.data(), value.size());
}

Change PutChange(const etcdserverpb::PutRequest& put) {
  return {.key = put.key(), .has_lease = put.lease() != 0, .value_hash = HashOf(put.value())};
}

Change DeleteChange(const etcdserverpb::DeleteRangeRequest& erase) {
  return {.key = erase.key(), .range_end = erase.range_end(), .is_delete = true};
}

void AddChanges(const google::protobuf::RepeatedPtrField<etcdserverpb::RequestOp>& operations,
                std::vector<Change>* out) {
  for (const etcdserverpb::RequestOp& one : operations) {
    if (one.has_request_put()) {
      out->push_back(PutChange(one.request_put()));
    } else if (one.has_request_delete_range()) {
      out->push_back(DeleteChange(one.request_delete_range()));
    }
  }
}

}  // namespace

void Ledger::PromiseOne(const Change& change, int64_t revision, Entry* entry) {
  // A delete of nothing is answered with the revision that it looked at, which may be an older change of the key's.
  if (revision < entry->revision || (revision == entry->revision && change.is_delete)) {
    return;
  }
  entry->revision = revision;
  entry->value_hash = change.value_hash;
  entry->is_deleted = change.is_delete;
  entry->may_be_gone = change.has_lease;
}

void Ledger::Promise(const std::vector<Change>& changes, int64_t revision) {
  for (const Change& change : changes) {
    PromiseOne(change, revision, &entries_[change.key]);
    if (!change.range_end.empty()) {
      const bool is_to_the_end = change.range_end == std::string_view("\0", 1);
      const auto end = is_to_the_end ? entries_.end() : entries_.lower_bound(change.range_end);
      for (auto entry = entries_.upper_bound(change.key); entry != end; ++entry) {
        PromiseOne(change, revision, &entry->second);
      }
    }
  }
}

void Ledger::Doubt(const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    entries_[change.key].is_uncertain = true;
    if (!change.range_end.empty()) {
      const bool is_to_the_end = change.range_end == std::string_view("\0", 1);
      const auto end = is_to_the_end ? entries_.end() : entries_.lower_bound(change.range_end);
      for (auto entry = entries_.upper_bound(change.key); entry != end; ++entry) {
        entry->second.is_uncertain = true;
      }
    }
  }
}

absl::StatusOr<VerifyResult> Ledger::Verify(const server::Endpoint& endpoint) const {
  VerifyResult result;
  if (entries_.empty()) {
    return result;
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<server::EtcdClient> client,
                   server::EtcdClient::Open(endpoint, {.timeout_nanos = 60 * kNanosPerSecond}));
  KeyReader reader(client.get(), entries_.begin()->first, entries_.rbegin()->first, kPageKeys);
  absl::StatusOr<const mvccpb::KeyValue*> found = reader.Next();
  for (const auto& [key, entry] : entries_) {
    // Keys of others may lie in between.
    while (found.ok() && *found != nullptr && (*found)->key() < key) {
      found = reader.Next();
    }
    if (!found.ok()) {
      return Annotate(found.status(), endpoint.shown);
    }
    Judge(key, entry, *found != nullptr && (*found)->key() == key ? *found : nullptr, &result);
  }
  result.revision = reader.revision();
  return result;
}

void Ledger::Judge(const std::string& key, const Entry& entry, const mvccpb::KeyValue* found,
                   VerifyResult* result) {
  const bool is_promised = entry.revision > 0;
  result->keys += is_promised ? 1 : 0;
  const bool is_right = entry.is_deleted
                            ? found == nullptr
                            : found != nullptr && found->mod_revision() == entry.revision &&
                                  HashOf(found->value()) == entry.value_hash;
  if (is_promised && is_right) {
    ++result->right;
    return;
  }
  const bool is_newer = found == nullptr || found->mod_revision() > entry.revision;
  if ((entry.is_uncertain && is_newer) || (entry.may_be_gone && found == nullptr)) {
    ++result->uncertain;
    return;
  }
  std::string what;
  if (found == nullptr) {
    ++result->missing;
    what = fmt::format("key {} is missing: it was written at revision {}", key, entry.revision);
  } else {
    ++result->wrong;
    what = fmt::format("key {} has mod_revision {} and a value of {} bytes: ", key,
                       found->mod_revision(), found->value().size());
    what += entry.is_deleted ? fmt::format("it was deleted at revision {}", entry.revision)
            : found->mod_revision() == entry.revision
                ? "it is not what was written at that revision"
                : fmt::format("its last acknowledged write was at revision {}", entry.revision);
  }
  if (result->examples.size() < kExamplesMax) {
    result->examples.push_back(std::move(what));
  }
}

const google::protobuf::MessageLite& VerifiedSource::Build(uint64_t sequence) {
  const google::protobuf::MessageLite& message = source_->Build(sequence);
  Remember(sequence, message);
  return message;
}

void VerifiedSource::Remember(uint64_t sequence, const google::protobuf::MessageLite& message) {
  Pending pending;
  if (source_->path() == server::method::kPut) {
    pending.is_put = true;
    pending.success.push_back(PutChange(dynamic_cast<const etcdserverpb::PutRequest&>(message)));
  } else if (source_->path() == server::method::kDeleteRange) {
    pending.success.push_back(
        DeleteChange(dynamic_cast<const etcdserverpb::DeleteRangeRequest&>(message)));
  } else if (source_->path() == server::method::kTxn) {
    const auto& txn = dynamic_cast<const etcdserverpb::TxnRequest&>(message);
    pending.is_txn = true;
    AddChanges(txn.success(), &pending.success);
    AddChanges(txn.failure(), &pending.failure);
  }
  if (pending.success.empty() && pending.failure.empty()) {
    pending_.erase(sequence);
  } else {
    pending_[sequence] = std::move(pending);
  }
}

absl::StatusOr<const google::protobuf::MessageLite*> VerifiedSource::Next(
    uint64_t sequence, std::string_view response) {
  const auto pending = pending_.find(sequence);
  if (pending != pending_.end()) {
    Settle(pending->second, response);
    pending_.erase(pending);
  }
  ASSIGN_OR_RETURN(const google::protobuf::MessageLite* const next,
                   source_->Next(sequence, response));
  if (next != nullptr) {
    Remember(sequence, *next);
  }
  return next;
}

void VerifiedSource::Settle(const Pending& pending, std::string_view response) {
  const int size = static_cast<int>(response.size());
  if (pending.is_txn) {
    etcdserverpb::TxnResponse answer;
    if (answer.ParseFromArray(response.data(), size)) {
      ledger_.Promise(answer.succeeded() ? pending.success : pending.failure,
                      answer.header().revision());
      return;
    }
  } else if (pending.is_put) {
    etcdserverpb::PutResponse answer;
    if (answer.ParseFromArray(response.data(), size)) {
      ledger_.Promise(pending.success, answer.header().revision());
      return;
    }
  } else {
    etcdserverpb::DeleteRangeResponse answer;
    if (answer.ParseFromArray(response.data(), size)) {
      ledger_.Promise(pending.success, answer.header().revision());
      return;
    }
  }
  ledger_.Doubt(pending.success);
  ledger_.Doubt(pending.failure);
}

const Ledger& VerifiedSource::Close() {
  for (const auto& [sequence, pending] : pending_) {
    ledger_.Doubt(pending.success);
    ledger_.Doubt(pending.failure);
  }
  pending_.clear();
  return ledger_;
}

std::string RenderVerification(const VerifyResult& result) {
  std::string out =
      fmt::format("\n  verified at revision {}: {} keys, {} right, {} missing, {} wrong\n",
                  result.revision, result.keys, result.right, result.missing, result.wrong);
  if (result.uncertain > 0) {
    out += fmt::format("    {} otherwise, as requests without an answer allow\n", result.uncertain);
  }
  for (const std::string& example : result.examples) {
    out += fmt::format("    WRONG  {}\n", example);
  }
  return out;
}

}  // namespace socle::bench
