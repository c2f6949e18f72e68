#include "bench/workload/maintenance.h"

#include <fmt/format.h>

#include "bench/workload/answer.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {

CompactSource::CompactSource(bool physical) {
  put_.set_key("socle-bench/compact");
  compact_.set_physical(physical);
}

std::string_view CompactSource::path() const {
  return part_ == 0 ? server::method::kPut : server::method::kCompact;
}

const google::protobuf::MessageLite& CompactSource::Build(uint64_t sequence) {
  part_ = 0;
  is_compacting_[sequence] = false;
  put_.set_value(fmt::format("{}", sequence));
  return put_;
}

absl::StatusOr<const google::protobuf::MessageLite*> CompactSource::Next(
    uint64_t sequence, std::string_view response) {
  bool& is_compacting = is_compacting_[sequence];
  if (is_compacting) {
    is_compacting_.erase(sequence);
    return nullptr;
  }
  etcdserverpb::PutResponse answer;
  RETURN_IF_ERROR(ParseAnswer(response, &answer));
  is_compacting = true;
  part_ = 1;
  compact_.set_revision(answer.header().revision());
  return &compact_;
}

std::string_view DefragmentSource::path() const {
  return server::method::kDefragment;
}

std::string_view SnapshotSource::path() const {
  return server::method::kSnapshot;
}

absl::StatusOr<const google::protobuf::MessageLite*> SnapshotSource::Next(
    uint64_t /*sequence*/, std::string_view response) {
  etcdserverpb::SnapshotResponse last;
  RETURN_IF_ERROR(ParseAnswer(response, &last));
  if (last.remaining_bytes() != 0) {
    return absl::DataLossError(
        fmt::format("the snapshot ended {} bytes early", last.remaining_bytes()));
  }
  return nullptr;
}

}  // namespace socle::bench
