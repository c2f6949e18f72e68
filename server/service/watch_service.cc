#include "server/service/watch_service.h"

#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/service/convert.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

// Bytes of one event inside the response: tag, length, message.
size_t FieldBytes(const mvccpb::Event& event) {
  const size_t bytes = event.ByteSizeLong();
  return 1 + google::protobuf::io::CodedOutputStream::VarintSize64(bytes) + bytes;
}

// As Go prints a gRPC error. A watch is refused for these reasons; what else there is reads as the last.
std::string GoText(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
      return fmt::format("rpc error: code = Unauthenticated desc = {}", MessageOf(status));
    case absl::StatusCode::kInvalidArgument:
      return fmt::format("rpc error: code = InvalidArgument desc = {}", MessageOf(status));
    default:
      return fmt::format("rpc error: code = PermissionDenied desc = {}", MessageOf(status));
  }
}

}  // namespace

WatchSession::WatchSession(Node* node, Caller caller, std::function<void()> on_ready)
    : node_(node),
      caller_(std::move(caller)),
      on_ready_(std::move(on_ready)),
      stream_(node->store().NewWatchStream(on_ready_)) {}

void WatchSession::Receive(const pb::WatchRequest& request) {
  switch (request.request_union_case()) {
    case pb::WatchRequest::kCreateRequest: {
      const pb::WatchCreateRequest& create = request.create_request();
      const absl::Status may = node_->guard().Watch(caller_, create.key(), create.range_end());
      // A negative revision is refused as such, by the stream.
      if (!may.ok() && create.start_revision() >= 0) {
        Refuse(may);
        return;
      }
      stream_->Create(ToStore(create));
      return;
    }
    case pb::WatchRequest::kCancelRequest:
      stream_->Cancel(request.cancel_request().watch_id());
      return;
    case pb::WatchRequest::kProgressRequest:
      stream_->RequestProgress();
      return;
    case pb::WatchRequest::REQUEST_UNION_NOT_SET:
      return;  // unknown kinds are ignored, as in etcd
  }
}

void WatchSession::Refuse(const absl::Status& why) {
  constexpr int64_t kNoWatchId = -1;
  pb::WatchResponse response;
  node_->FillHeader(response.mutable_header());
  response.set_watch_id(kNoWatchId);
  response.set_created(true);
  response.set_canceled(true);
  response.set_cancel_reason(GoText(why));
  {
    MutexLock lock(&mu_);
    refused_.push_back(std::move(response));
    has_refused_.store(true, std::memory_order_release);
  }
  on_ready_();
}

bool WatchSession::Next(pb::WatchResponse* response) {
  if (has_refused_.load(std::memory_order_acquire)) [[unlikely]] {
    MutexLock lock(&mu_);
    response->Swap(&refused_.front());
    refused_.erase(refused_.begin());
    has_refused_.store(!refused_.empty(), std::memory_order_release);
    return true;
  }
  if (!parts_.empty()) {
    response->Swap(&parts_.front());
    parts_.pop_front();
    return true;
  }
  const std::optional<mvcc::WatchResponse> next = stream_->Next();
  if (!next.has_value()) {
    return false;
  }
  // Not FillHeader: the cancel of a compacted watch keeps revision 0 (trap 15).
  response->mutable_header()->set_revision(next->revision);
  node_->FillIds(response->mutable_header());
  response->set_watch_id(next->watch_id);
  response->set_created(next->created);
  response->set_canceled(next->canceled);
  response->set_compact_revision(next->compact_revision);
  response->set_cancel_reason(next->cancel_reason);
  response->mutable_events()->Reserve(static_cast<int>(next->events.size()));
  for (const mvcc::WatchEvent& event : next->events) {
    FromStore(event, response->add_events());
  }
  const auto bytes_max = static_cast<size_t>(node_->request_bytes_max() + kGrpcOverheadBytes);
  if (next->fragment && response->events_size() > 1 && response->ByteSizeLong() >= bytes_max) {
    PROBE("watch: response cut into fragments");
    pb::WatchResponse whole;
    whole.Swap(response);
    std::vector<pb::WatchResponse> parts = CutResponse(std::move(whole), bytes_max);
    parts_.assign(std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
    response->Swap(&parts_.front());
    parts_.pop_front();
  }
  return true;
}

std::vector<pb::WatchResponse> CutResponse(pb::WatchResponse whole, size_t bytes_max) {
  google::protobuf::RepeatedPtrField<mvccpb::Event> events;
  events.Swap(whole.mutable_events());
  whole.set_fragment(true);
  const size_t empty_bytes = whole.ByteSizeLong();

  std::vector<pb::WatchResponse> parts;
  size_t part_bytes = 0;
  for (mvccpb::Event& event : events) {
    const size_t event_bytes = FieldBytes(event);
    if (parts.empty() || part_bytes + event_bytes >= bytes_max) {
      parts.push_back(whole);
      part_bytes = empty_bytes;
    }
    part_bytes += event_bytes;
    parts.back().add_events()->Swap(&event);
  }
  if (parts.empty()) {
    parts.push_back(std::move(whole));
  }
  parts.back().set_fragment(false);
  return parts;
}

}  // namespace socle::server
