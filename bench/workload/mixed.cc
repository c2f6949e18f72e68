#include "bench/workload/mixed.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {
namespace {

enum Kind : size_t { kPut, kRange, kDelete, kList, kTxn };

constexpr uint64_t kRequestStream = 0x6D697865645F7265ULL;

}  // namespace

absl::Status MixedOptions::Validate() const {
  RETURN_IF_ERROR(shape.Validate());
  if (val_size_max != 0 && val_size_max < shape.val_size) {
    return absl::InvalidArgumentError("--val-size-max must not be below --val-size");
  }
  WriteShape largest = shape;
  largest.val_size = val_size_max;
  return largest.Validate();
}

absl::StatusOr<std::array<double, MixedOptions::kKinds>> ParseShares(
    const std::vector<std::string>& words) {
  std::array<double, MixedOptions::kKinds> shares{};
  double total = 0;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    const auto* const name = std::find(MixedOptions::kNames.begin(), MixedOptions::kNames.end(),
                                       std::string_view(word).substr(0, equals));
    double share = -1;
    if (equals != std::string::npos) {
      const char* const end = word.data() + word.size();
      const auto [stop, error] = std::from_chars(word.data() + equals + 1, end, share);
      share = error == std::errc() && stop == end && std::isfinite(share) ? share : -1;
    }
    if (name == MixedOptions::kNames.end() || share < 0) {
      return absl::InvalidArgumentError(
          fmt::format("--mix \"{}\" is not KIND=SHARE, where KIND is one of {}", word,
                      fmt::join(MixedOptions::kNames, ", ")));
    }
    shares.at(static_cast<size_t>(name - MixedOptions::kNames.begin())) = share;
    total += share;
  }
  if (total <= 0) {
    return absl::InvalidArgumentError("--mix gives nothing a share");
  }
  return shares;
}

MixedSource::MixedSource(const MixedOptions& options)
    : options_(options),
      keys_(options.keys, options.shape.key_space_size),
      sizes_(options.sizes, options.shape.val_size,
             std::max(options.shape.val_size, options.val_size_max)),
      value_shape_(options.shape) {
  for (const double share : options.shares) {
    total_share_ += share;
  }
  range_.set_serializable(options.is_serializable);
  list_.set_serializable(options.is_serializable);
  list_.set_limit(options.limit);
  list_.set_range_end(std::string(1, '\0'));
  txn_.add_success();
  txn_.add_success();
}

std::vector<std::string> MixedSource::parts() const {
  return {MixedOptions::kNames.begin(), MixedOptions::kNames.end()};
}

void MixedSource::AssignKey(Random* random, uint64_t sequence, std::string* key) const {
  options_.shape.AssignKey(keys_.Pick(random, sequence), key);
}

void MixedSource::AssignPut(Random* random, uint64_t sequence, etcdserverpb::PutRequest* put) {
  options_.shape.AssignKey(keys_.PickForWrite(random, sequence), put->mutable_key());
  value_shape_.val_size = sizes_.Pick(random);
  value_shape_.AssignValue(sequence, put->mutable_value());
}

const google::protobuf::MessageLite& MixedSource::Build(uint64_t sequence) {
  Random random((options_.shape.seed * 0xD1342543DE82EF95ULL) ^ kRequestStream ^
                (sequence * 0x9E3779B97F4A7C15ULL));
  double left = random.Fraction() * total_share_;
  part_ = 0;
  // The last kind with a share takes what rounding leaves.
  for (size_t kind = 0; kind < MixedOptions::kKinds; ++kind) {
    if (options_.shares.at(kind) > 0) {
      part_ = kind;
      if (left < options_.shares.at(kind)) {
        break;
      }
      left -= options_.shares.at(kind);
    }
  }
  switch (part_) {
    case kRange:
      path_ = server::method::kRange;
      AssignKey(&random, sequence, range_.mutable_key());
      return range_;
    case kDelete:
      path_ = server::method::kDeleteRange;
      AssignKey(&random, sequence, delete_.mutable_key());
      return delete_;
    case kList:
      path_ = server::method::kRange;
      AssignKey(&random, sequence, list_.mutable_key());
      return list_;
    case kTxn:
      path_ = server::method::kTxn;
      AssignPut(&random, sequence, txn_.mutable_success(1)->mutable_request_put());
      txn_.mutable_success(0)->mutable_request_range()->set_key(
          txn_.success(1).request_put().key());
      return txn_;
    default:
      path_ = server::method::kPut;
      AssignPut(&random, sequence, &put_);
      return put_;
  }
}

}  // namespace socle::bench
