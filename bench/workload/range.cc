#include "bench/workload/range.h"

#include "server/wire/client/etcd_methods.h"

namespace socle::bench {

RangeSource::RangeSource(const RangeOptions& options) : options_(options) {
  request_.set_key(options.key);
  request_.set_range_end(options.range_end);
  request_.set_serializable(options.is_serializable);
  request_.set_limit(options.limit);
  request_.set_keys_only(options.keys_only);
  request_.set_count_only(options.count_only);
}

std::string_view RangeSource::path() const {
  return server::method::kRange;
}

const google::protobuf::MessageLite& RangeSource::Build(uint64_t sequence) {
  if (options_.key.empty()) {
    options_.keys.AssignKey(options_.keys.KeyIndexOf(sequence), request_.mutable_key());
  }
  return request_;
}

}  // namespace socle::bench
