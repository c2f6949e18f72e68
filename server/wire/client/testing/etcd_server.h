// ChildServer and EtcdServer: a server as a child of the test, on ports of its own; gone when the
// object is, and when the test dies.
// Threads  thread-compatible; the thread that started a child must outlive it.
// Errors   NotFound when the binary is missing, DeadlineExceeded when it does not come up.
#ifndef SOCLE_SERVER_WIRE_CLIENT_TESTING_ETCD_SERVER_H_
#define SOCLE_SERVER_WIRE_CLIENT_TESTING_ETCD_SERVER_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace socle::server {

// A TCP port of 127.0.0.1 that nobody listened on a moment ago.
absl::StatusOr<int> FreePort();

// Full path of a program found in PATH; empty when there is none.
std::string FindProgram(std::string_view name);

class ChildServer {
 public:
  // Output of the child is appended to `log_path`.
  static absl::StatusOr<std::unique_ptr<ChildServer>> Start(const std::vector<std::string>& command,
                                                            const std::string& log_path);
  ~ChildServer();
  ChildServer(const ChildServer&) = delete;
  ChildServer& operator=(const ChildServer&) = delete;

  pid_t pid() const { return pid_; }

  // SIGTERM, then SIGKILL after the time; waits for the end. No effect when it has ended.
  void Stop(int64_t grace_nanos);
  // kill -9 and wait.
  void Kill();
  void Signal(int signal) const;

 private:
  explicit ChildServer(pid_t pid) : pid_(pid) {}

  bool HasEnded();

  pid_t pid_;  // 0 after the end
};

// Waits until the endpoint answers a Status call.
absl::Status WaitUntilServing(const std::string& endpoint, int64_t timeout_nanos);

// One etcd member with default settings in a directory of its own.
class EtcdServer {
 public:
  static absl::StatusOr<std::unique_ptr<EtcdServer>> Start(const std::string& dir);

  const std::string& endpoint() const { return endpoint_; }

  pid_t pid() const { return child_->pid(); }

  ChildServer* child() { return child_.get(); }

  // Starts it again on the same ports and directory. Requires: the child was stopped.
  absl::Status Restart();

 private:
  EtcdServer() = default;

  std::vector<std::string> command_;
  std::string log_path_;
  std::string endpoint_;
  std::unique_ptr<ChildServer> child_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_TESTING_ETCD_SERVER_H_
