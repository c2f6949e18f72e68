#include "bench/workload/put.h"

#include "server/wire/client/etcd_methods.h"

namespace socle::bench {

std::string_view PutSource::path() const {
  return server::method::kPut;
}

const google::protobuf::MessageLite& PutSource::Build(uint64_t sequence) {
  shape_.AssignKey(shape_.KeyIndexOf(sequence), request_.mutable_key());
  shape_.AssignValue(sequence, request_.mutable_value());
  if (leases_.first != 0) {
    request_.set_lease(leases_.first + static_cast<int64_t>(sequence) * leases_.step);
  }
  return request_;
}

}  // namespace socle::bench
