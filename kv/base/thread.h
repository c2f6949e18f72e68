// Thread: a named std::thread that is joined, never detached.
//
// Laws     1. The name (at most 15 bytes) is what `top -H` and debuggers show.
//          2. The destructor joins; whoever owns it has told the body to stop before.
// Threads  thread-compatible.
#ifndef SOCLE_KV_BASE_THREAD_H_
#define SOCLE_KV_BASE_THREAD_H_

#include <pthread.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>

namespace socle {

class Thread {
 public:
  Thread() = default;

  Thread(const std::string& name, std::function<void()> body)
      : thread_([name, body = std::move(body)] {
          ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
          body();
        }) {}

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
