// Epoll: an epoll set with an event to wake it, both closed by the destructor.
// Threads  Wake is thread-safe; the rest belongs to the thread that waits.
// Errors   Internal with the failed call and errno's text.
#ifndef SOCLE_SERVER_OPS_EPOLL_H_
#define SOCLE_SERVER_OPS_EPOLL_H_

#include <sys/epoll.h>

#include <cstdint>
#include <memory>
#include <span>

#include <absl/status/statusor.h>

namespace socle::server {

class Epoll {
 public:
  static absl::StatusOr<std::unique_ptr<Epoll>> Make();
  ~Epoll();
  Epoll(const Epoll&) = delete;
  Epoll& operator=(const Epoll&) = delete;

  // Each event carries the descriptor in data.fd.
  bool Add(int fd, uint32_t events);
  void Remove(int fd);
  // Waits up to `timeout_ms` and fills the front of `events`; wake-ups are swallowed.
  size_t Wait(std::span<epoll_event> events, int timeout_ms);
  void Wake();

 private:
  Epoll(int epoll_fd, int event_fd) : epoll_fd_(epoll_fd), event_fd_(event_fd) {}

  const int epoll_fd_;
  const int event_fd_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_EPOLL_H_
