// LoadRunner: sends a stream of requests to a server from a number of clients and measures each.
//
// Laws     1. Without a rate the loop is closed: every client sends its next request when the last
//             one was answered.
//          2. With a rate the loop is open: request n is due at start + n / rate whatever the
//             server does; the next free client sends it, and its latency counts from when it was
//             due. A stall shows in all requests it held up.
//          3. Requests are numbered 0, 1, 2 … in the order they are sent; what number n contains
//             depends on n alone.
//          4. A client has one request in flight at most. A request is one call, or several one after
//             the other (a read and the commit that depends on it): then its latency is that of all.
//          5. What is due within the warm-up is sent and checked like the rest, and not measured.
// Threads  Start, RequestStop, WaitFor, counts: any thread; RequestSource is called on the loop's
//          thread.
// Memory   a few histograms, one slot for each second, the numbers of failed requests (up to kFailedKept).
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
#include <absl/status/statusor.h>
#include <google/protobuf/message_lite.h>

#include "bench/load/engine.h"
#include "bench/load/histogram.h"
#include "bench/load/schedule.h"
#include "bench/load/slots.h"
#include "kv/base/mutex.h"

namespace socle::bench {

// What to send.
class RequestSource {
 public:
  enum class Kind {
    kUnary,       // one message there, one back
    kKeptStream,  // each client keeps one stream for all of its requests, each answered by one message
    kServerStream,  // one message there, any number back, until the server ends the stream
  };

  virtual ~RequestSource() = default;

  virtual Kind kind() const { return Kind::kUnary; }

  // Of the message that Build or Next returned last.
  virtual std::string_view path() const = 0;
  // Valid until the next call.
  virtual const google::protobuf::MessageLite& Build(uint64_t sequence) = 0;

  // What follows an answer (of a server stream: its last message): the next call of the same request, null
  // when the request is complete, or what the server's message says when it says no with an OK status.
  virtual absl::StatusOr<const google::protobuf::MessageLite*> Next(uint64_t sequence,
                                                                    std::string_view response) {
    static_cast<void>(sequence);
    static_cast<void>(response);
    return nullptr;
  }

  // A source that sends different things names them, and `part` is the index of what Build or Next
  // returned last: each is also measured alone.
  virtual std::vector<std::string> parts() const { return {}; }

  virtual size_t part() const { return 0; }

  // What else it counted, by name: retries after conflicts.
  virtual std::map<std::string, uint64_t> counters() const { return {}; }
};

// The error text of requests that were under way when the run was stopped.
inline constexpr std::string_view kUnanswered = "unanswered when the run was stopped";

struct LoadOptions {
  uint64_t clients = 1;
  uint64_t total = 0;
  double rate = 0;  // requests per second; 0: closed loop
  int64_t timeout_nanos = 0;
  int64_t warmup_nanos = 0;
  // After the warm-up; what is due later is not sent, and what is due earlier half a second later at most. 0: until
  // `total`.
  int64_t duration_nanos = 0;
};

struct LoadPart {
  std::string name;
  Histogram latency;  // of its calls; of the first call of a request, law 2
};

struct LoadResult {
  static constexpr size_t kFailedKept = 100'000;

  Histogram latency;       // of successful requests, law 2
  Histogram service_time;  // the same from when they were really sent
  // How long after it was due and a client was free each request left: what the generator itself is late.
  Histogram lateness;
  std::vector<LoadPart> parts;
  std::map<std::string, uint64_t> counters;
  std::vector<LoadSlot> slots;
  uint64_t issued = 0;                     // requests 0 … issued-1 were sent
  uint64_t issued_measured = 0;            // of them after the warm-up
  uint64_t succeeded = 0;                  // from here to response_bytes: measured ones
  uint64_t waited = 0;                     // were due when no client was free
  uint64_t unsent = 0;                     // were due within the duration, and never sent
  std::map<std::string, uint64_t> errors;  // "CODE: text" → how often, the warm-up's too
  std::vector<uint64_t> failed;            // ascending; what was sent and not acknowledged
  bool has_all_failed = true;              // false: more failed than `failed` keeps
  uint64_t response_bytes = 0;
  int64_t elapsed_nanos = 0;  // after the warm-up
  int64_t warmup_nanos = 0;
  std::string stop_reason;  // empty: everything was sent
};

class LoadRunner {
 public:
  // Client c uses caller c modulo their number. Everything given must outlive the loop.
  LoadRunner(server::ClientLoop* loop, std::vector<Caller*> callers, RequestSource* source,
             const LoadOptions& options);

  void Start();
  // Sends nothing more; the run ends when what is in flight was answered, or after two seconds.
  void RequestStop(std::string reason);
  // True when the run has ended.
  bool WaitFor(int64_t nanos);

  uint64_t done() const { return done_.load(std::memory_order_relaxed); }

  // p99 of the last second, for progress; 0: not known yet.
  int64_t recent_p99_nanos() const { return recent_p99_.load(std::memory_order_relaxed); }

  uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }

  // Requires: WaitFor returned true.
  const LoadResult& result() const { return result_; }

 private:
  struct Client {
    Caller* caller = nullptr;
    std::shared_ptr<CallStream> stream;  // of a source that keeps one
    bool is_busy = false;
    uint64_t sequence = 0;
    int64_t due_nanos = 0;
    int64_t sent_nanos = 0;
    int64_t call_nanos = 0;  // when its current call was sent, or was due when it is the first
    int64_t idle_nanos = 0;  // since when it has nothing to do
    size_t part = 0;
    std::string last_message;  // of a server stream
  };

  void SendDue();
  void Send(size_t client, int64_t due_nanos, int64_t now_nanos);
  void SendCall(size_t client, const google::protobuf::MessageLite& message);
  void SendOnStream(size_t client, const google::protobuf::MessageLite& message);
  void OpenServerStream(size_t client, const google::protobuf::MessageLite& message);
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
  std::atomic<int64_t> recent_p99_{0};

  // Confined to the loop thread until has_ended_.
  std::vector<Client> clients_;
  std::deque<size_t> idle_;
  std::optional<Schedule> schedule_;
  uint64_t next_ = 0;
  int64_t start_nanos_ = 0;
  int64_t measure_from_nanos_ = 0;
  int64_t end_nanos_ = INT64_MAX;
  int64_t give_up_nanos_ = INT64_MAX;
  int64_t last_success_nanos_ = 0;
  SlotRecorder slots_;
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
