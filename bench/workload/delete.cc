#include "bench/workload/delete.h"

#include "bench/workload/answer.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {

std::string_view DeleteSource::path() const {
  return server::method::kDeleteRange;
}

const google::protobuf::MessageLite& DeleteSource::Build(uint64_t sequence) {
  const uint64_t first = shape_.KeyIndexOf(sequence);
  shape_.AssignKey(first, request_.mutable_key());
  if (span_ > 1) {
    shape_.AssignKey(first + span_, request_.mutable_range_end());
  }
  return request_;
}

absl::StatusOr<const google::protobuf::MessageLite*> DeleteSource::Next(uint64_t /*sequence*/,
                                                                        std::string_view response) {
  etcdserverpb::DeleteRangeResponse answer;
  RETURN_IF_ERROR(ParseAnswer(response, &answer));
  deleted_ += static_cast<uint64_t>(answer.deleted());
  return nullptr;
}

}  // namespace socle::bench
