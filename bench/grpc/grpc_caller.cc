#include "bench/grpc/grpc_caller.h"

#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <grpc/support/time.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/tls_session.h"
#include "server/wire/http/pem_files.h"

namespace socle::bench {
namespace {

grpc::ByteBuffer BufferOf(const google::protobuf::MessageLite& message) {
  const std::string bytes = message.SerializeAsString();
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (!buffer.DumpToSingleSlice(&slice).ok()) {
    return {};
  }
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

absl::Status StatusOf(const grpc::Status& status) {
  if (status.ok()) {
    return absl::OkStatus();
  }
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

// Calls that gRPC still knows of, so that they can be ended and waited for.
class Ongoing {
 public:
  void Begin(grpc::ClientContext* context) {
    MutexLock lock(&mu_);
    all_.insert(context);
  }

  void End(grpc::ClientContext* context) {
    MutexLock lock(&mu_);
    all_.erase(context);
    if (all_.empty()) {
      changed_.SignalAll();
    }
  }

  void CancelAll() {
    MutexLock lock(&mu_);
    for (grpc::ClientContext* context : all_) {
      context->TryCancel();
    }
    while (!all_.empty()) {
      changed_.Wait(&mu_);
    }
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::set<grpc::ClientContext*> all_ ABSL_GUARDED_BY(mu_);
};

struct UnaryCall {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
  server::UnaryDone done;
};

// Lives until gRPC is done with it and nobody holds it.
class GrpcStream final : public CallStream,
                         public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                         public std::enable_shared_from_this<GrpcStream> {
 public:
  GrpcStream(server::ClientLoop* loop, Ongoing* ongoing, server::StreamCallbacks callbacks)
      : loop_(loop), ongoing_(ongoing), callbacks_(std::move(callbacks)) {}

  void Begin(grpc::GenericStub* stub, const std::string& path) {
    self_ = shared_from_this();
    ongoing_->Begin(&context);
    stub->PrepareBidiStreamingCall(&context, path, {}, this);
    // One for reads and one for writes, which are started outside of reactions.
    AddMultipleHolds(2);
    StartRead(&incoming_);
    StartCall();
  }

  // CallStream, on the loop's thread.
  void Send(const google::protobuf::MessageLite& message) override {
    Write({BufferOf(message), Last::kNo});
  }

  void HalfClose() override { Write({grpc::ByteBuffer(), Last::kYes}); }

  void Cancel() override { context.TryCancel(); }

  bool is_ended() const override { return is_ended_; }

  // Reactions, on gRPC's threads.
  void OnReadDone(bool ok) override {
    if (!ok) {
      EndWrites();
      RemoveHold();
      return;
    }
    loop_->Post([self = shared_from_this(), bytes = BytesOf(incoming_)] {
      self->callbacks_.on_message(bytes);
      self->StartRead(&self->incoming_);
    });
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(&mu_);
    is_writing_ = false;
    if (!ok) {
      outgoing_.clear();
    } else {
      WriteNext();
    }
  }

  void OnWritesDoneDone(bool /*ok*/) override { EndWrites(); }

  void OnDone(const grpc::Status& status) override {
    loop_->Post([self = shared_from_this(), status = StatusOf(status)] {
      self->is_ended_ = true;
      self->callbacks_.on_end(status);
      self->callbacks_ = {};
    });
    ongoing_->End(&context);
    self_.reset();
  }

  grpc::ClientContext context;

 private:
  enum class Last { kNo, kYes };

  struct Outgoing {
    grpc::ByteBuffer message;
    Last last = Last::kNo;
  };

  void Write(Outgoing outgoing) {
    MutexLock lock(&mu_);
    if (!has_ended_writes_) {
      outgoing_.push_back(std::move(outgoing));
      WriteNext();
    }
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (is_writing_ || outgoing_.empty() || has_ended_writes_) {
      return;
    }
    is_writing_ = true;
    written_ = std::move(outgoing_.front());
    outgoing_.pop_front();
    if (written_.last == Last::kYes) {
      StartWritesDone();
    } else {
      StartWrite(&written_.message);
    }
  }

  void EndWrites() {
    {
      MutexLock lock(&mu_);
      if (has_ended_writes_) {
        return;
      }
      has_ended_writes_ = true;
    }
    RemoveHold();
  }

  server::ClientLoop* const loop_;
  Ongoing* const ongoing_;
  std::shared_ptr<GrpcStream> self_;  // until OnDone

  // Confined to the loop's thread.
  server::StreamCallbacks callbacks_;
  bool is_ended_ = false;

  grpc::ByteBuffer incoming_;  // of the read under way

  Mutex mu_;
  std::deque<Outgoing> outgoing_ ABSL_GUARDED_BY(mu_);
  Outgoing written_ ABSL_GUARDED_BY(mu_);  // gRPC reads it until OnWriteDone
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  bool has_ended_writes_ ABSL_GUARDED_BY(mu_) = false;
};

class GrpcCaller final : public Caller {
 public:
  GrpcCaller(server::ClientLoop* loop, const server::Endpoint& endpoint,
             const std::shared_ptr<grpc::Channel>& channel)
      : loop_(loop), endpoint_(endpoint), stub_(channel) {}

  ~GrpcCaller() override { ongoing_.CancelAll(); }

  void Unary(std::string_view path, const google::protobuf::MessageLite& request,
             const server::CallOptions& options, server::UnaryDone done) override {
    auto call = std::make_shared<UnaryCall>();
    Prepare(options, &call->context);
    call->request = BufferOf(request);
    call->done = std::move(done);
    ongoing_.Begin(&call->context);
    stub_.UnaryCall(&call->context, std::string(path), {}, &call->request, &call->response,
                    [this, call](const grpc::Status& status) {
                      loop_->Post([call, status = StatusOf(status)] {
                        call->done(status, status.ok() ? BytesOf(call->response) : std::string());
                      });
                      ongoing_.End(&call->context);
                    });
  }

  std::shared_ptr<CallStream> OpenStream(std::string_view path, const server::CallOptions& options,
                                         server::StreamCallbacks callbacks) override {
    auto stream = std::make_shared<GrpcStream>(loop_, &ongoing_, std::move(callbacks));
    Prepare(options, &stream->context);
    stream->Begin(&stub_, std::string(path));
    return stream;
  }

  const std::string& authority() const override { return endpoint_.shown; }

 private:
  void Prepare(const server::CallOptions& options, grpc::ClientContext* context) const {
    if (options.timeout_nanos > 0) {
      context->set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                         gpr_time_from_nanos(options.timeout_nanos, GPR_TIMESPAN)));
    }
    for (const server::Metadata* some : {&endpoint_.metadata, &options.metadata}) {
      for (const auto& [name, value] : *some) {
        context->AddMetadata(name, value);
      }
    }
  }

  server::ClientLoop* const loop_;
  const server::Endpoint endpoint_;
  grpc::GenericStub stub_;
  Ongoing ongoing_;
};

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CredentialsOf(
    const server::Endpoint& endpoint) {
  if (endpoint.tls == nullptr) {
    return grpc::InsecureChannelCredentials();
  }
  const server::ClientAccess& access = endpoint.tls->access();
  if (access.insecure_skip_tls_verify) {
    return absl::InvalidArgumentError(
        "--client=grpc verifies every server: give --cacert instead of "
        "--insecure-skip-tls-verify");
  }
  grpc::SslCredentialsOptions options;
  if (!access.cacert.empty()) {
    ASSIGN_OR_RETURN(options.pem_root_certs,
                     server::http::ReadPemFile("authorities", access.cacert));
  }
  if (!access.cert.empty()) {
    ASSIGN_OR_RETURN(options.pem_cert_chain, server::http::ReadPemFile("certificate", access.cert));
    ASSIGN_OR_RETURN(options.pem_private_key, server::http::ReadPemFile("private key", access.key));
  }
  return grpc::SslCredentials(options);
}

}  // namespace

bool HasGrpc() {
  return true;
}

absl::StatusOr<std::unique_ptr<Caller>> MakeGrpcCaller(server::ClientLoop* loop,
                                                       const server::Endpoint& endpoint) {
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelCredentials> credentials,
                   CredentialsOf(endpoint));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // the server may have acted
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return std::make_unique<GrpcCaller>(
      loop, endpoint, grpc::CreateCustomChannel(endpoint.shown, credentials, arguments));
}

}  // namespace socle::bench
