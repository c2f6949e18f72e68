// Engine: how calls leave this program: by our own client, which must never be the limit of a measurement, or by the
// stock gRPC C++ client, which is what most programs have.
//
// Laws     1. Every callback runs on the thread of loop(), never inside the function that started its call; with gRPC
//             it comes from gRPC's threads and is handed over.
//          2. Each caller is one connection, made when its first call needs it. Callers live as long as the engine.
// Threads  Start, Connect and the destructor (not from a callback): any thread; callers and their streams: the loop's.
// Errors   Start: what the kernel said; Unimplemented for kGrpc in a program without gRPC. Connect: InvalidArgument.
//          Calls: as server/wire/client/channel.h law 2.
#ifndef SOCLE_BENCH_LOAD_ENGINE_H_
#define SOCLE_BENCH_LOAD_ENGINE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>
#include <google/protobuf/message_lite.h>

#include "server/wire/client/channel.h"
#include "server/wire/client/client_loop.h"

namespace socle::bench {

enum class EngineKind { kFast, kGrpc };

// The sending half of a stream. After its end every function is a no-op.
class CallStream {
 public:
  virtual ~CallStream() = default;
  virtual void Send(const google::protobuf::MessageLite& message) = 0;
  virtual void HalfClose() = 0;
  virtual void Cancel() = 0;
  virtual bool is_ended() const = 0;
};

class Caller {
 public:
  virtual ~Caller() = default;
  virtual void Unary(std::string_view path, const google::protobuf::MessageLite& request,
                     const server::CallOptions& options, server::UnaryDone done) = 0;
  virtual std::shared_ptr<CallStream> OpenStream(std::string_view path,
                                                 const server::CallOptions& options,
                                                 server::StreamCallbacks callbacks) = 0;
  virtual const std::string& authority() const = 0;
};

class Engine {
 public:
  static absl::StatusOr<std::unique_ptr<Engine>> Start(EngineKind kind,
                                                       const std::string& thread_name);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  absl::StatusOr<Caller*> Connect(const server::Endpoint& endpoint);

  server::ClientLoop* loop() const { return loop_.get(); }

 private:
  Engine(EngineKind kind, std::unique_ptr<server::ClientLoop> loop);

  const EngineKind kind_;
  // Callers first: their last callbacks are posted to the loop, which drops them.
  std::vector<std::unique_ptr<Caller>> callers_;
  std::unique_ptr<server::ClientLoop> loop_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_LOAD_ENGINE_H_
