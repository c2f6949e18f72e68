// ClientLoop: one thread with epoll that drives channels to servers; every callback of a call runs
// on it.
//
//   auto loop = ClientLoop::Start("client");
//   Channel* channel = (*loop)->AddChannel(endpoint);
//   (*loop)->Post([&] { channel->Unary(kPut, request, {}, [](const absl::Status& s,
//   std::string_view bytes) { … }); });
//
// Laws     1. What callbacks of one turn of the loop send goes out in one write per connection at
//             the end of the turn.
//          2. Callbacks must not block: a blocked callback stalls every call of the loop.
//          3. The destructor ends every call with Cancelled; calls started while it runs are
//             dropped uncalled.
// Threads  Start, AddChannel, Post and the destructor (not from a callback): any thread; the rest:
//          loop thread.
// Errors   Start: what the kernel said about epoll or eventfd.
#ifndef SOCLE_SERVER_WIRE_CLIENT_CLIENT_LOOP_H_
#define SOCLE_SERVER_WIRE_CLIENT_CLIENT_LOOP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "server/wire/client/deadline_wheel.h"
#include "server/wire/client/endpoint.h"

namespace socle::server {

class Channel;
class Connection;

class ClientLoop {
 public:
  using Task = absl::AnyInvocable<void()>;

  static absl::StatusOr<std::unique_ptr<ClientLoop>> Start(const std::string& thread_name);
  ~ClientLoop();
  ClientLoop(const ClientLoop&) = delete;
  ClientLoop& operator=(const ClientLoop&) = delete;

  // One connection to the endpoint, made when the first call needs it. Lives as long as the loop.
  Channel* AddChannel(const Endpoint& endpoint);

  // Runs the task on the loop thread, in order of posting. Dropped when the loop is stopping.
  void Post(Task task);

  // Runs the task at the first turn at or after the time (of Clock::MonotonicNanos).
  void RunAt(int64_t monotonic_nanos, Task task);

  // Monotonic time at the start of this turn.
  int64_t turn_nanos() const { return turn_nanos_; }

  bool is_stopping() const { return is_stopping_; }

  bool IsLoopThread() const;

 private:
  friend class Channel;
  friend class Connection;

  struct Timer {
    int64_t when_nanos;
    uint64_t order;
    mutable Task task;  // priority_queue hands out const references only

    bool operator<(const Timer& other) const {
      return when_nanos != other.when_nanos ? when_nanos > other.when_nanos : order > other.order;
    }
  };

  ClientLoop(int epoll_fd, int event_fd);

  void Run();
  void Turn(int64_t timeout_nanos);
  int64_t NextTimeout() const;
  void RunPosted();
  void RunDue();
  void FlushDirty();
  void StopAll();

  // For connections.
  bool Watch(int fd, uint32_t events, Connection* connection);
  void ChangeWatch(int fd, uint32_t events, Connection* connection);
  void Unwatch(int fd);
  void MarkDirty(Connection* connection);
  void DeleteLater(std::unique_ptr<Connection> connection);

  const int epoll_fd_;
  const int event_fd_;

  Mutex mu_;
  std::vector<Task> posted_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Channel>> channels_ ABSL_GUARDED_BY(mu_);
  bool stop_requested_ ABSL_GUARDED_BY(mu_) = false;

  // Confined to the loop thread.
  bool is_stopping_ = false;
  int64_t turn_nanos_;
  uint64_t timer_order_ = 0;
  std::priority_queue<Timer> timers_;
  DeadlineWheel deadlines_;
  std::vector<Connection*> dirty_;
  std::vector<Connection*> flushing_;
  std::vector<std::unique_ptr<Connection>> dead_;
  std::vector<Task> running_;
  std::vector<char> read_buffer_;

  Thread thread_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_CLIENT_LOOP_H_
