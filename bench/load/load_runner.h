// LoadRunner: sends a stream of requests to a server from a number of clients and measures each.
//
// Laws     1. Without a rate the loop is closed: every client sends its next request when the last
//             one was answered.
//          2. With a rate the loop is open: request n is due at start + n / rate whatever the
//             server does; the next free client sends it, and its latency counts from when it was
//             due. A stall shows in all requests it held up.
//          3. Requests are numbered 0, 1, 2 … in the order they are sent; what number n contains
//             depends on n alone.
//          4. A client has one request in flight at most.
// Threads  Start, RequestStop, WaitFor, counts: any thread; RequestSource is called on the loop's
//          thread.
// Memory   two histograms, plus the numbers of failed requests (up to kFailedKept).
#ifndef SOCLE_BENCH_LOAD_LOAD_RUNNER_H_
#define SOCLE_BENCH_LOAD_LOAD_RUNNER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <google/protobuf/message_lite.h>

#include "bench/load/histogram.h"
#include "bench/load/schedule.h"
#include "kv/base/mutex.h"
#include "server/wire/client/channel.h"
#include "server/wire/client/client_loop.h"

namespace socle::bench {

// What to send.
class RequestSource {
 public:
  virtual ~RequestSource() = default;
  virtual std::string_view path() const = 0;
  // Valid until the next call.
  virtual const google::protobuf::MessageLite& Build(uint64_t sequence) = 0;

  // Whether each client keeps one stream for all of its requests, each answered by one message.
  virtual bool keeps_stream() const { return false; }

  // What the server's message says, when it can say no with an OK status.
  virtual absl::Status Judge(std::string_view response) const {
    static_cast<void>(response);
    return absl::OkStatus();
  }
};

struct LoadOptions {
  uint64_t clients = 1;
  uint64_t total = 0;
  double rate = 0;  // requests per second; 0: closed loop
  int64_t timeout_nanos = 0;
};

struct LoadResult {
  static constexpr size_t kFailedKept = 100'000;

  Histogram latency;       // of successful requests, law 2
  Histogram service_time;  // the same from when they were really sent
  uint64_t issued = 0;     // requests 0 … issued-1 were sent
  uint64_t succeeded = 0;
  std::map<std::string, uint64_t> errors;  // "CODE: text" → how often
  std::vector<uint64_t> failed;            // ascending; what was sent and not acknowledged
  bool has_all_failed = true;              // false: more failed than `failed` keeps
  uint64_t response_bytes = 0;
  int64_t elapsed_nanos = 0;
  std::string stop_reason;  // empty: everything was sent
};

class LoadRunner {
 public:
  // Client c uses channel c modulo their number. Everything given must outlive the loop.
  LoadRunner(server::ClientLoop* loop, std::vector<server::Channel*> channels,
             RequestSource* source, const LoadOptions& options);

  void Start();
  // Sends nothing more; the run ends when what is in flight was answered, or after two seconds.
  void RequestStop(std::string reason);
  // True when the run has ended.
  bool WaitFor(int64_t nanos);

  uint64_t done() const { return done_.load(std::memory_order_relaxed); }

  uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }

  // Requires: WaitFor returned true.
  const LoadResult& result() const { return result_; }

 private:
  struct Client {
    server::Channel* channel = nullptr;
    std::shared_ptr<server::ClientStream> stream;  // of a source that keeps one
    bool is_busy = false;
    uint64_t sequence = 0;
    int64_t due_nanos = 0;
    int64_t sent_nanos = 0;
  };

  void SendDue();
  void Send(size_t client, int64_t due_nanos, int64_t now_nanos);
  void SendOnStream(size_t client);
  void OnAnswer(size_t client, const absl::Status& status, std::string_view response);
  void KeepFailed(uint64_t sequence);
  void StopSending(const std::string& reason);
  void Finish();

  server::ClientLoop* const loop_;
  RequestSource* const source_;
  const LoadOptions options_;
  const server::CallOptions call_options_;

  // Written by the loop thread, read by whoever shows progress; no ordering with anything else.
  std::atomic<uint64_t> done_{0};
  std::atomic<uint64_t> errors_{0};

  // Confined to the loop thread until has_ended_.
  std::vector<Client> clients_;
  std::deque<size_t> idle_;
  std::optional<Schedule> schedule_;
  uint64_t next_ = 0;
  int64_t start_nanos_ = 0;
  int64_t last_success_nanos_ = 0;
  int64_t timer_nanos_ = 0;  // when the armed timer fires; 0: none
  bool is_stopping_ = false;
  bool is_finished_ = false;
  LoadResult result_;

  Mutex mu_;
  CondVar ended_;
  bool has_ended_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_LOAD_LOAD_RUNNER_H_
