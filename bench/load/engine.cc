#include "bench/load/engine.h"

#include <utility>

#include "bench/grpc/grpc_caller.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

class FastStream final : public CallStream {
 public:
  explicit FastStream(std::shared_ptr<server::ClientStream> stream) : stream_(std::move(stream)) {}

  void Send(const google::protobuf::MessageLite& message) override { stream_->Send(message); }

  void HalfClose() override { stream_->HalfClose(); }

  void Cancel() override { stream_->Cancel(); }

  bool is_ended() const override { return stream_->is_ended(); }

 private:
  const std::shared_ptr<server::ClientStream> stream_;
};

class FastCaller final : public Caller {
 public:
  explicit FastCaller(server::Channel* channel) : channel_(channel) {}

  void Unary(std::string_view path, const google::protobuf::MessageLite& request,
             const server::CallOptions& options, server::UnaryDone done) override {
    channel_->Unary(path, request, options, std::move(done));
  }

  std::shared_ptr<CallStream> OpenStream(std::string_view path, const server::CallOptions& options,
                                         server::StreamCallbacks callbacks) override {
    return std::make_shared<FastStream>(channel_->OpenStream(path, options, std::move(callbacks)));
  }

  const std::string& authority() const override { return channel_->authority(); }

 private:
  server::Channel* const channel_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Start(EngineKind kind,
                                                      const std::string& thread_name) {
  if (kind == EngineKind::kGrpc && !HasGrpc()) {
    return absl::UnimplementedError("--client=grpc: this socle-bench was built without gRPC");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<server::ClientLoop> loop,
                   server::ClientLoop::Start(thread_name));
  return std::unique_ptr<Engine>(new Engine(kind, std::move(loop)));
}

Engine::Engine(EngineKind kind, std::unique_ptr<server::ClientLoop> loop)
    : kind_(kind), loop_(std::move(loop)) {}

Engine::~Engine() {
  if (kind_ == EngineKind::kGrpc) {
    callers_.clear();
  }
  // A stopping loop ends the calls of its channels, whose callbacks may still look at their callers.
  loop_.reset();
}

absl::StatusOr<Caller*> Engine::Connect(const server::Endpoint& endpoint) {
  if (kind_ == EngineKind::kGrpc) {
    ASSIGN_OR_RETURN(std::unique_ptr<Caller> caller, MakeGrpcCaller(loop_.get(), endpoint));
    callers_.push_back(std::move(caller));
  } else {
    callers_.push_back(std::make_unique<FastCaller>(loop_->AddChannel(endpoint)));
  }
  return callers_.back().get();
}

}  // namespace socle::bench
