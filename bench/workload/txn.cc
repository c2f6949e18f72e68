#include "bench/workload/txn.h"

#include <cmath>

#include <fmt/format.h>

#include "kv/base/random.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {
namespace {

constexpr uint64_t kOpsMax = 100'000;
constexpr uint64_t kMixStream = 0x74786E5F6D697865ULL;

}  // namespace

absl::Status TxnPutSource::CheckOps(const WriteShape& shape, uint64_t ops) {
  if (ops == 0 || ops > kOpsMax || ops > shape.key_space_size) {
    return absl::InvalidArgumentError(
        fmt::format("--txn-ops must be 1 to --key-space-size ({}), and at most {}: the keys of a "
                    "transaction differ",
                    shape.key_space_size, kOpsMax));
  }
  return absl::OkStatus();
}

TxnPutSource::TxnPutSource(const WriteShape& shape, uint64_t ops) : shape_(shape), ops_(ops) {
  for (uint64_t i = 0; i < ops; ++i) {
    request_.add_success();
  }
}

std::string_view TxnPutSource::path() const {
  return server::method::kTxn;
}

const google::protobuf::MessageLite& TxnPutSource::Build(uint64_t sequence) {
  const uint64_t stride = shape_.sequential_keys ? 1 : shape_.key_space_size / ops_;
  const uint64_t first = shape_.sequential_keys ? sequence * ops_ : shape_.KeyIndexOf(sequence);
  for (uint64_t i = 0; i < ops_; ++i) {
    etcdserverpb::PutRequest* const put =
        request_.mutable_success(static_cast<int>(i))->mutable_request_put();
    shape_.AssignKey((first + i * stride) % shape_.key_space_size, put->mutable_key());
    shape_.AssignValue(sequence * ops_ + i, put->mutable_value());
  }
  return request_;
}

absl::Status TxnMixedOptions::Validate() const {
  if (!(rw_ratio >= 0) || !std::isfinite(rw_ratio)) {
    return absl::InvalidArgumentError("--rw-ratio must be 0 or more reads for each write");
  }
  return shape.Validate();
}

TxnMixedSource::TxnMixedSource(const TxnMixedOptions& options) : options_(options) {
  etcdserverpb::RangeRequest* const range = read_.add_success()->mutable_request_range();
  range->set_serializable(options.is_serializable);
  if (options.limit != 1) {
    range->set_limit(options.limit);
    range->set_range_end(std::string(1, '\0'));  // to the last key
  }
  write_.add_success();
}

std::string_view TxnMixedSource::path() const {
  return server::method::kTxn;
}

const google::protobuf::MessageLite& TxnMixedSource::Build(uint64_t sequence) {
  const WriteShape& shape = options_.shape;
  const double reads = options_.rw_ratio / (1 + options_.rw_ratio);
  const bool is_read =
      Random(shape.seed ^ kMixStream ^ (sequence * 0x9E3779B97F4A7C15ULL)).Fraction() < reads;
  part_ = is_read ? 0 : 1;
  const uint64_t key = shape.KeyIndexOf(sequence);
  if (is_read) {
    shape.AssignKey(key, read_.mutable_success(0)->mutable_request_range()->mutable_key());
    return read_;
  }
  etcdserverpb::PutRequest* const put = write_.mutable_success(0)->mutable_request_put();
  shape.AssignKey(key, put->mutable_key());
  shape.AssignValue(sequence, put->mutable_value());
  return write_;
}

}  // namespace socle::bench
