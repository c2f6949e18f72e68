#include "server/service/watch_service.h"

#include <optional>
#include <utility>

#include "server/service/convert.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

pb::ResponseHeader IdsOf(const Node& node) {
  pb::ResponseHeader header;
  node.FillIds(&header);
  return header;
}

}  // namespace

WatchSession::WatchSession(Node* node, std::function<void()> on_ready)
    : encoder_(IdsOf(*node), static_cast<size_t>(node->request_bytes_max() + kGrpcOverheadBytes)),
      stream_(node->store().NewWatchStream(std::move(on_ready))) {}

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

bool WatchSession::AppendNext(std::string* out) {
  if (encoder_.AppendNext(out)) {
    return true;
  }
  std::optional<mvcc::SharedWatchResponse> next = stream_->NextShared();
  if (!next.has_value()) {
    return false;
  }
  encoder_.Start(*std::move(next));
  return encoder_.AppendNext(out);
}

}  // namespace socle::server
