#include "server/service/watch_service.h"

#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "mvcc/watch_stream.h"
#include "server/service/convert.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

// Refusals never reach the store's stream, which bounds the other answers: the same bound for them.
constexpr int64_t kRefusedMax = mvcc::StreamQueue::kCommandsMax;

pb::ResponseHeader IdsOf(const Node& node) {
  pb::ResponseHeader header;
  node.FillIds(&header);
  return header;
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
      encoder_(IdsOf(*node), static_cast<size_t>(node->request_bytes_max() + kGrpcOverheadBytes)),
      stream_(node->store().NewWatchStream(on_ready_)) {}

absl::Status WatchSession::Receive(const pb::WatchRequest& request) {
  switch (request.request_union_case()) {
    case pb::WatchRequest::kCreateRequest: {
      const pb::WatchCreateRequest& create = request.create_request();
      const absl::Status may = node_->guard().Watch(caller_, create.key(), create.range_end());
      // A negative revision is refused as such, by the stream.
      if (!may.ok() && create.start_revision() >= 0) {
        Refuse(may);
        return may;
      }
      stream_->Create(ToStore(create));
      return absl::OkStatus();
    }
    case pb::WatchRequest::kCancelRequest:
      stream_->Cancel(request.cancel_request().watch_id());
      return absl::OkStatus();
    case pb::WatchRequest::kProgressRequest:
      stream_->RequestProgress();
      return absl::OkStatus();
    case pb::WatchRequest::REQUEST_UNION_NOT_SET:
      break;  // unknown kinds are ignored, as in etcd
  }
  return absl::OkStatus();
}

bool WatchSession::TakesRequests() const {
  if (refused_count_.load(std::memory_order_acquire) >= kRefusedMax) [[unlikely]] {
    PROBE("watch: a client that does not take its refusals is not listened to");
    return false;
  }
  return stream_->TakesCommands();
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
    refused_count_.fetch_add(1, std::memory_order_release);
  }
  on_ready_();
}

void WatchSession::Sample(const mvcc::SharedWatchResponse& next) const {
  const size_t events = next.response.events.size();
  if (events == 0 || !node_->hot()->IsSampled()) {
    return;
  }
  // A watcher's events are mostly of one prefix: the first speaks for all.
  const mvcc::WatchEvent& first = *next.response.events.begin();
  const size_t copies = next.watch_ids.size();
  node_->hot()->Add(HotPrefixes::Kind::kEvent, first.kv.key, events * copies * first.encoded.size(),
                    events * copies);
}

bool WatchSession::AppendNext(std::string* out) {
  if (encoder_.AppendNext(out)) {
    return true;
  }
  if (refused_count_.load(std::memory_order_acquire) > 0) [[unlikely]] {
    MutexLock lock(&mu_);
    refused_.front().AppendToString(out);
    refused_.pop_front();
    refused_count_.fetch_sub(1, std::memory_order_release);
    return true;
  }
  std::optional<mvcc::SharedWatchResponse> next = stream_->NextShared();
  if (!next.has_value()) {
    return false;
  }
  if (node_->hot() != nullptr) [[unlikely]] {
    Sample(*next);
  }
  encoder_.Start(*std::move(next));
  return encoder_.AppendNext(out);
}

}  // namespace socle::server
