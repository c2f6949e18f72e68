#include "server/wire/client/channel.h"

#include <algorithm>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/call.h"
#include "server/wire/client/client_loop.h"
#include "server/wire/client/connection.h"

namespace socle::server {
namespace {

constexpr int64_t kBackoffMin = 20 * kNanosPerMilli;
constexpr int64_t kBackoffMax = kNanosPerSecond;
// Same as gRPC's largest message; etcd's own clients use it for receiving.
constexpr size_t kMessageBytesMax = (size_t{1} << 31U) - 1;
constexpr size_t kPooledBufferBytesMax = size_t{1} << 20U;

void ClearForPool(std::string* buffer) {
  if (buffer->capacity() > kPooledBufferBytesMax) {
    *buffer = std::string();
  } else {
    buffer->clear();
  }
}

}  // namespace

struct Channel::Waiting {
  CallList calls;
};

void Call::OnDeadline() {
  channel->Abandon(this, absl::DeadlineExceededError(fmt::format("deadline exceeded after {} ms",
                                                                 timeout_nanos / kNanosPerMilli)));
}

void ClientStream::Send(const google::protobuf::MessageLite& message) {
  if (call_ != nullptr && !call_->is_half_closed) {
    AppendFramed(message, &call_->request);
    if (call_->connection != nullptr) {
      call_->connection->Resume(call_);
    }
  }
}

void ClientStream::Send(std::string_view serialised) {
  if (call_ != nullptr && !call_->is_half_closed) {
    AppendFramed(serialised, &call_->request);
    if (call_->connection != nullptr) {
      call_->connection->Resume(call_);
    }
  }
}

void ClientStream::HalfClose() {
  if (call_ != nullptr && !call_->is_half_closed) {
    call_->is_half_closed = true;
    if (call_->connection != nullptr) {
      call_->connection->Resume(call_);
    }
  }
}

void ClientStream::Cancel() {
  if (call_ != nullptr) {
    call_->channel->Abandon(call_, absl::CancelledError("cancelled by the client"));
  }
}

Channel::Channel(ClientLoop* loop, Endpoint endpoint)
    : loop_(loop), endpoint_(std::move(endpoint)), waiting_(std::make_unique<Waiting>()) {}

Channel::~Channel() = default;

void Channel::Unary(std::string_view path, const google::protobuf::MessageLite& request,
                    const CallOptions& options, UnaryDone done) {
  if (loop_->is_stopping()) {
    return;
  }
  Call* call = NewCall(path, options);
  AppendFramed(request, &call->request);
  StartUnary(call, std::move(done));
}

void Channel::Unary(std::string_view path, std::string_view serialised, const CallOptions& options,
                    UnaryDone done) {
  if (loop_->is_stopping()) {
    return;
  }
  Call* call = NewCall(path, options);
  AppendFramed(serialised, &call->request);
  StartUnary(call, std::move(done));
}

void Channel::StartUnary(Call* call, UnaryDone done) {
  call->done = std::move(done);
  call->is_half_closed = true;
  StartCall(call);
}

std::shared_ptr<ClientStream> Channel::OpenStream(std::string_view path, const CallOptions& options,
                                                  StreamCallbacks callbacks) {
  auto stream = std::make_shared<ClientStream>();
  if (loop_->is_stopping()) {
    return stream;
  }
  Call* call = NewCall(path, options);
  stream->callbacks_ = std::move(callbacks);
  stream->call_ = call;
  call->stream = stream;
  StartCall(call);
  return stream;
}

Call* Channel::NewCall(std::string_view path, const CallOptions& options) {
  DCHECK(loop_->IsLoopThread());
  if (pool_.empty()) {
    calls_.push_back(std::make_unique<Call>(this));
    pool_.push_back(calls_.back().get());
  }
  Call* call = pool_.back();
  pool_.pop_back();
  call->path = path;
  if (!options.metadata.empty()) {
    call->metadata = options.metadata;
  }
  if (options.timeout_nanos > 0) {
    if (call->timeout_nanos != options.timeout_nanos) {
      call->timeout_nanos = options.timeout_nanos;
      call->timeout_header = EncodeGrpcTimeout(options.timeout_nanos);
    }
    loop_->deadlines_.Add(call, Clock::Real()->MonotonicNanos() + options.timeout_nanos);
  } else {
    call->timeout_nanos = 0;
    call->timeout_header.clear();
  }
  return call;
}

void Channel::StartCall(Call* call) {
  if (current_ != nullptr && current_->takes_calls()) {
    current_->Submit(call);
    return;
  }
  if (current_ != nullptr && !current_->is_connecting()) {
    draining_.push_back(std::move(current_));
  }
  waiting_->calls.PushBack(call);
  if (current_ != nullptr) {
    return;
  }
  if (Clock::Real()->MonotonicNanos() >= retry_at_nanos_) {
    Connect();
  } else {
    ScheduleConnect();
  }
}

void Channel::Connect() {
  current_ = std::make_unique<Connection>(loop_, this);
  current_->Begin();
}

void Channel::ScheduleConnect() {
  if (is_connect_scheduled_) {
    return;
  }
  is_connect_scheduled_ = true;
  loop_->RunAt(retry_at_nanos_, [this] {
    is_connect_scheduled_ = false;
    if (current_ == nullptr && !waiting_->calls.empty()) {
      Connect();
    }
  });
}

void Channel::OnConnected(Connection* connection) {
  while (!waiting_->calls.empty() && connection->takes_calls()) {
    connection->Submit(waiting_->calls.front());
  }
}

void Channel::OnBroken(Connection* connection, const absl::Status& why) {
  CallList failed;
  const auto all = [](const Call*) { return true; };
  connection->calls().MoveIf(all, &failed);
  if (current_.get() == connection) {
    waiting_->calls.MoveIf(all, &failed);
    if (connection->has_heard()) {
      PROBE("wire client: connection lost");
      retry_at_nanos_ = 0;
    } else {
      PROBE("wire client: connect failed");
      backoff_nanos_ = std::clamp(backoff_nanos_ * 2, kBackoffMin, kBackoffMax);
      retry_at_nanos_ = Clock::Real()->MonotonicNanos() + backoff_nanos_;
    }
    loop_->DeleteLater(std::move(current_));
  } else {
    const auto place =
        std::find_if(draining_.begin(), draining_.end(),
                     [connection](const auto& owned) { return owned.get() == connection; });
    CHECK(place != draining_.end());
    loop_->DeleteLater(std::move(*place));
    draining_.erase(place);
  }
  while (!failed.empty()) {
    Complete(failed.front(), why);
  }
}

void Channel::Complete(Call* call, const absl::Status& status) {
  static_cast<ListLink<ByOwner>*>(call)->Unlink();
  loop_->deadlines_.Remove(call);
  if (!call->is_abandoned) {
    call->is_abandoned = true;
    if (call->stream != nullptr) {
      const std::shared_ptr<ClientStream> stream = std::move(call->stream);
      stream->call_ = nullptr;
      stream->callbacks_.on_end(status);
      stream->callbacks_ = StreamCallbacks();
    } else {
      CompleteUnary(call, status);
    }
  }
  Recycle(call);
}

void Channel::CompleteUnary(Call* call, const absl::Status& status) {
  UnaryDone done = std::move(call->done);
  if (!status.ok()) {
    done(status, {});
    return;
  }
  std::string_view bytes = call->response;
  std::string_view message;
  bool complete = false;
  const absl::Status framing = ConsumeFramed(&bytes, kMessageBytesMax, &message, &complete);
  if (!framing.ok()) {
    done(framing, {});
  } else if (!complete || !bytes.empty()) {
    done(absl::InternalError("the server answered OK without exactly one message"), {});
  } else {
    done(status, message);
  }
}

void Channel::Abandon(Call* call, const absl::Status& status) {
  if (call->connection == nullptr) {
    Complete(call, status);
    return;
  }
  if (call->is_abandoned) {
    return;
  }
  PROBE("wire client: call abandoned");
  call->is_abandoned = true;
  loop_->deadlines_.Remove(call);
  call->connection->Reset(call);
  if (call->stream != nullptr) {
    const std::shared_ptr<ClientStream> stream = std::move(call->stream);
    stream->call_ = nullptr;
    auto on_end = std::move(stream->callbacks_.on_end);
    on_end(status);
    // Callbacks may own their stream: let go of them, but not now, since on_message may be what cancels.
    loop_->RunAt(0, [stream] { stream->callbacks_ = StreamCallbacks(); });
  } else {
    UnaryDone done = std::move(call->done);
    done(status, {});
  }
}

void Channel::OnMessageBytes(Call* call) {
  const std::shared_ptr<ClientStream> stream = call->stream;
  std::string_view rest = call->response;
  while (!call->is_abandoned) {
    std::string_view message;
    bool complete = false;
    const absl::Status framing = ConsumeFramed(&rest, kMessageBytesMax, &message, &complete);
    if (!framing.ok()) {
      Abandon(call, framing);
      return;
    }
    if (!complete) {
      call->response.erase(0, call->response.size() - rest.size());
      return;
    }
    stream->callbacks_.on_message(message);
  }
}

void Channel::Recycle(Call* call) {
  call->connection = nullptr;
  call->stream_id = 0;
  call->unreported = 0;
  call->metadata.clear();
  ClearForPool(&call->request);
  call->request_sent = 0;
  call->is_half_closed = false;
  call->has_sent_end = false;
  call->is_cancelled = false;
  call->is_abandoned = false;
  ClearForPool(&call->response);
  call->outcome.http_status = 0;
  call->outcome.grpc_status = -1;
  call->outcome.grpc_message.clear();
  call->outcome.http2_error = http2::ErrorCode::kNoError;
  call->done = nullptr;
  pool_.push_back(call);
}

void Channel::Stop(const absl::Status& why) {
  CallList failed;
  const auto all = [](const Call*) { return true; };
  waiting_->calls.MoveIf(all, &failed);
  if (current_ != nullptr) {
    draining_.push_back(std::move(current_));
  }
  for (const auto& connection : draining_) {
    connection->Close();
    connection->calls().MoveIf(all, &failed);
  }
  while (!failed.empty()) {
    Complete(failed.front(), why);
  }
}

}  // namespace socle::server
