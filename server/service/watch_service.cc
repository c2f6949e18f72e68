#include "server/service/watch_service.h"

#include <iterator>
#include <optional>
#include <utility>

#include <google/protobuf/io/coded_stream.h>

#include "kv/base/probe.h"
#include "server/service/convert.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

// Bytes of one event inside the response: tag, length, message.
size_t FieldBytes(const mvccpb::Event& event) {
  const size_t bytes = event.ByteSizeLong();
  return 1 + google::protobuf::io::CodedOutputStream::VarintSize64(bytes) + bytes;
}

}  // namespace

WatchSession::WatchSession(Node* node, std::function<void()> on_ready)
    : node_(node), stream_(node->store().NewWatchStream(std::move(on_ready))) {}

void WatchSession::Receive(const pb::WatchRequest& request) {
  switch (request.request_union_case()) {
    case pb::WatchRequest::kCreateRequest:
      stream_->Create(ToStore(request.create_request()));
      return;
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

bool WatchSession::Next(pb::WatchResponse* response) {
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
