// SilentHost: what a session needs beside a connection, for sessions that are fed from strings; and their loop.
//
// Threads  sessions on it live and are called inside Run.
#ifndef SOCLE_SERVER_WIRE_HTTP_TESTING_SILENT_HOST_H_
#define SOCLE_SERVER_WIRE_HTTP_TESTING_SILENT_HOST_H_

#include <memory>

#include <absl/functional/function_ref.h>

#include "server/wire/http/session.h"

namespace socle::server::http {

class SilentHost final : public SessionHost {
 public:
  SilentHost();
  ~SilentHost() override;
  SilentHost(const SilentHost&) = delete;
  SilentHost& operator=(const SilentHost&) = delete;

  // Runs the task on the loop's thread and waits for it.
  void Run(absl::FunctionRef<void()> task);

  void OutputReady() override {}

  void SetReading(bool /*wants_bytes*/) override {}

  const std::shared_ptr<Loop>& loop() const override { return loop_; }

 private:
  std::shared_ptr<Loop> loop_;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_TESTING_SILENT_HOST_H_
