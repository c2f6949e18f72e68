#include "bench/workload/stm.h"

#include "bench/workload/answer.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {
namespace {

constexpr uint64_t kKeysMax = 1'000;

}  // namespace

absl::Status StmOptions::Validate() const {
  if (keys_per_txn == 0 || keys_per_txn > shape.key_space_size || keys_per_txn > kKeysMax) {
    return absl::InvalidArgumentError(
        "--keys-per-txn must be 1 to the number of --keys, and at most 1000");
  }
  if (write_percent > 100) {
    return absl::InvalidArgumentError("--txn-wr-percent must be 0 to 100");
  }
  return shape.Validate();
}

StmSource::StmSource(const StmOptions& options)
    : options_(options),
      // Rounded up: a transaction that writes nothing commits nothing.
      writes_((options.keys_per_txn * options.write_percent + 99) / 100) {
  for (uint64_t i = 0; i < options.keys_per_txn; ++i) {
    read_.add_success();
  }
}

std::string_view StmSource::path() const {
  return server::method::kTxn;
}

void StmSource::AssignKey(uint64_t sequence, uint64_t index, std::string* key) const {
  const WriteShape& shape = options_.shape;
  shape.AssignKey((shape.KeyIndexOf(sequence) + index) % shape.key_space_size, key);
}

const google::protobuf::MessageLite& StmSource::Build(uint64_t sequence) {
  part_ = 0;
  has_read_[sequence] = false;
  for (uint64_t i = 0; i < options_.keys_per_txn; ++i) {
    AssignKey(sequence, i,
              read_.mutable_success(static_cast<int>(i))->mutable_request_range()->mutable_key());
  }
  return read_;
}

absl::StatusOr<const google::protobuf::MessageLite*> StmSource::Next(uint64_t sequence,
                                                                     std::string_view response) {
  etcdserverpb::TxnResponse answer;
  RETURN_IF_ERROR(ParseAnswer(response, &answer));
  const auto request = has_read_.find(sequence);
  const bool is_commit = request->second;
  if (is_commit && answer.succeeded()) {
    has_read_.erase(request);
    return nullptr;
  }
  if (answer.responses_size() != static_cast<int>(options_.keys_per_txn)) {
    has_read_.erase(request);
    return absl::InternalError("a transaction's answer lacks a part");
  }
  conflicts_ += is_commit ? 1U : 0U;
  request->second = true;
  part_ = 1;
  return &BuildCommit(sequence, answer);
}

const etcdserverpb::TxnRequest& StmSource::BuildCommit(uint64_t sequence,
                                                       const etcdserverpb::TxnResponse& read) {
  commit_.Clear();
  for (uint64_t i = 0; i < options_.keys_per_txn; ++i) {
    std::string key;
    AssignKey(sequence, i, &key);
    const etcdserverpb::RangeResponse& got = read.responses(static_cast<int>(i)).response_range();
    if (options_.compares) {
      etcdserverpb::Compare* const compare = commit_.add_compare();
      compare->set_target(etcdserverpb::Compare::MOD);
      compare->set_result(etcdserverpb::Compare::EQUAL);
      compare->set_key(key);
      compare->set_mod_revision(got.kvs_size() == 0 ? 0 : got.kvs(0).mod_revision());
    }
    if (i < writes_) {
      etcdserverpb::PutRequest* const put = commit_.add_success()->mutable_request_put();
      put->set_key(key);
      options_.shape.AssignValue(sequence * options_.keys_per_txn + i, put->mutable_value());
    }
    commit_.add_failure()->mutable_request_range()->set_key(key);
  }
  return commit_;
}

}  // namespace socle::bench
