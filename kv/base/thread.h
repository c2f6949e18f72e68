// Thread: a named std::thread that is joined, never detached.
//
// Laws     1. The name (at most 15 bytes) is what `top -H` and debuggers show.
//          2. The destructor joins; whoever owns it has told the body to stop before.
//          3. The system may have no thread to give (TasksMax= of a unit, a cgroup's pids.max, ulimit -u). What a running
//             process can do without is begun with Start, which then fails; the constructor is for what it can't, and
//             ends the process with code 1 and an error in the log.
// Threads  thread-compatible.
#ifndef SOCLE_KV_BASE_THREAD_H_
#define SOCLE_KV_BASE_THREAD_H_

#include <functional>
#include <string>
#include <thread>

#include <absl/status/statusor.h>

namespace socle {

class Thread {
 public:
  Thread() = default;

  Thread(const std::string& name, std::function<void()> body);

  static absl::StatusOr<Thread> Start(const std::string& name, std::function<void()> body);

  ~Thread() { Join(); }

  Thread(Thread&&) = default;

  Thread& operator=(Thread&& other) noexcept {
    Join();
    thread_ = std::move(other.thread_);
    return *this;
  }

  // Waits for the body to return; no effect when there is none.
  void Join() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

 private:
  std::thread thread_;
};

}  // namespace socle

#endif  // SOCLE_KV_BASE_THREAD_H_
