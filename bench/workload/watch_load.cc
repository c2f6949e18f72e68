#include "bench/workload/watch_load.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <etcd/rpc.pb.h>
#include <fmt/format.h>

#include "bench/load/cpu_meter.h"
#include "bench/load/interrupt.h"
#include "bench/load/schedule.h"
#include "bench/workload/drive.h"
#include "bench/workload/watch_message.h"
#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {
namespace {

namespace pb = etcdserverpb;

constexpr int64_t kTickNanos = 100 * kNanosPerMilli;
constexpr uint64_t kWatchersMax = 10'000'000;
constexpr double kWarmupSecondsMax = 86'400;

// All of it on the loop's thread but for Await.
class WatchRun {
 public:
  WatchRun(server::ClientLoop* loop, std::vector<Caller*> callers, Caller* put_caller,
           const WatchLoadOptions& options)
      : loop_(loop),
        callers_(std::move(callers)),
        put_caller_(put_caller),
        options_(options),
        puts_(options.total),
        now_(Clock::Real()->MonotonicNanos()) {
    put_.set_value(std::string(std::max<size_t>(options.val_size, sizeof(uint64_t)), 'v'));
  }

  void OpenWatchers() {
    news_nanos_ = now_;
    for (uint64_t s = 0; s < options_.streams; ++s) {
      server::StreamCallbacks callbacks;
      callbacks.on_message = [this](std::string_view message) { OnMessage(message); };
      callbacks.on_end = [this](const absl::Status& status) {
        Fail(fmt::format("a watch stream ended: {}", status.ToString()));
      };
      streams_.push_back(callers_[s % callers_.size()]->OpenStream(server::method::kWatch, {},
                                                                   std::move(callbacks)));
    }
    pb::WatchRequest request;
    for (uint64_t w = 0; w < options_.watchers; ++w) {
      pb::WatchCreateRequest* const create = request.mutable_create_request();
      create->set_key(KeyOf(w % options_.keys));
      if (options_.prefixes) {
        std::string end = create->key();
        ++end.back();
        create->set_range_end(end);
      }
      streams_[w % options_.streams]->Send(request);
    }
    Tick();
  }

  // False when it failed before.
  bool StartPuts() {
    if (is_over_) {
      return false;
    }
    start_nanos_ = Now();
    news_nanos_ = start_nanos_;
    measure_from_nanos_ =
        start_nanos_ + static_cast<int64_t>(options_.warmup_seconds * kNanosPerSecond);
    if (options_.rate > 0) {
      schedule_.emplace(start_nanos_, options_.rate);
    }
    SendDue();
    return true;
  }

  // True when the watchers are made, or the puts are delivered, or it failed; false when the time was up before.
  bool AwaitFor(int64_t nanos) {
    MutexLock lock(&mu_);
    if (!is_done_) {
      changed_.WaitFor(&mu_, std::chrono::nanoseconds(nanos));
    }
    return std::exchange(is_done_, false);
  }

  void Interrupt() { Fail("interrupted"); }

  // Before the loop is destroyed: streams that end from here on are no failure.
  void Stop() {
    is_over_ = true;
    for (const auto& stream : streams_) {
      stream->Cancel();
    }
  }

  WatchLoadResult TakeResult() {
    const int64_t end = std::max(last_delivery_nanos_, start_nanos_);
    result_.sent = next_;
    result_.warmup_nanos = measure_from_nanos_ - start_nanos_;
    result_.elapsed_nanos = std::max<int64_t>(end - measure_from_nanos_, 0);
    result_.slots = slots_.Finish(end - start_nanos_);
    if (result_.error.empty() && result_.deliveries == 0) {
      result_.error = "everything was sent within the warm-up: raise --total or lower --warmup";
    }
    for (uint64_t n = 0; n < next_; ++n) {
      const uint64_t expected = WatchersOf(n % options_.keys);
      result_.missing += expected - std::min(puts_[n].delivered, expected);
      result_.repeated += puts_[n].delivered - std::min(puts_[n].delivered, expected);
    }
    return std::move(result_);
  }

 private:
  struct Put {
    int64_t due_nanos = 0;
    uint64_t delivered : 63 = 0;
    uint64_t is_acknowledged : 1 = 0;
  };

  int64_t Now() { return now_ = Clock::Real()->MonotonicNanos(); }

  static std::string KeyOf(uint64_t key) { return fmt::format("watched/{:08}/", key); }

  uint64_t WatchersOf(uint64_t key) const {
    return options_.watchers / options_.keys + (key < options_.watchers % options_.keys ? 1 : 0);
  }

  void Done() {
    MutexLock lock(&mu_);
    is_done_ = true;
    changed_.SignalAll();
  }

  void Fail(std::string why) {
    if (!is_over_) {
      is_over_ = true;
      result_.error = std::move(why);
      Done();
    }
  }

  void Tick() {
    if (is_over_) {
      return;
    }
    if (Now() - news_nanos_ > options_.idle_timeout_nanos) {
      Fail(fmt::format("nothing came for {} s: {} of {} watchers created, {} puts complete",
                       options_.idle_timeout_nanos / kNanosPerSecond, created_, options_.watchers,
                       complete_));
      return;
    }
    loop_->RunAt(now_ + kTickNanos, [this] { Tick(); });
  }

  void OnMessage(std::string_view message) {
    WatchHead head;
    const uint64_t before = result_.deliveries;
    const bool is_read =
        ReadWatchMessage(message, &head, [this](std::string_view value) { OnDelivery(value); });
    if (!is_read || head.canceled) {
      Fail(is_read ? fmt::format("a watch was cancelled: {}", head.cancel_reason)
                   : "a message on a watch stream is no WatchResponse");
      return;
    }
    if (head.created) {
      news_nanos_ = Now();
      if (++created_ == options_.watchers) {
        Done();
      }
    }
    if (result_.deliveries != before) {
      ++result_.responses;
      result_.response_bytes += message.size();
    }
  }

  void OnDelivery(std::string_view value) {
    uint64_t n = 0;
    if (value.size() < sizeof(n)) {
      return;  // Somebody else's.
    }
    std::memcpy(&n, value.data(), sizeof(n));
    if (n >= next_) {
      return;
    }
    // The clock once for what came together: a turn of the loop reads at most a few buffers.
    if (++since_clock_ >= 16) {
      since_clock_ = 0;
      Now();
    } else if (const int64_t turn = loop_->turn_nanos(); turn > now_) {
      now_ = turn;
    }
    Put& put = puts_[n];
    ++put.delivered;
    slots_.Count(now_ - start_nanos_, true, now_ - put.due_nanos);
    const bool is_measured = put.due_nanos >= measure_from_nanos_;
    if (is_measured) {
      ++result_.deliveries;
      result_.latency.Record(now_ - put.due_nanos);
    }
    if (put.delivered == WatchersOf(n % options_.keys)) {
      Now();
      if (is_measured) {
        result_.last_latency.Record(now_ - put.due_nanos);
      }
      CompleteIfDone(put);
    }
  }

  void CompleteIfDone(const Put& put) {
    const auto n = static_cast<uint64_t>(&put - puts_.data());
    if (put.is_acknowledged == 0 || put.delivered != WatchersOf(n % options_.keys)) {
      return;
    }
    ++complete_;
    news_nanos_ = last_delivery_nanos_ = now_;
    if (complete_ == options_.total) {
      Done();
    } else if (!schedule_) {
      SendDue();
    }
  }

  void SendDue() {
    while (next_ < options_.total && !is_over_) {
      const int64_t due = schedule_ ? schedule_->DueNanos(next_) : Now();
      if (schedule_ ? due > Now() : next_ - complete_ >= options_.in_flight) {
        break;
      }
      Send(due);
    }
    if (schedule_ && next_ < options_.total && !is_over_) {
      loop_->RunAt(schedule_->DueNanos(next_), [this] { SendDue(); });
    }
  }

  void Send(int64_t due_nanos) {
    const uint64_t n = next_++;
    puts_[n].due_nanos = due_nanos;
    put_.set_key(KeyOf(n % options_.keys));
    std::memcpy(put_.mutable_value()->data(), &n, sizeof(n));
    put_caller_->Unary(server::method::kPut, put_, {},
                       [this, n](const absl::Status& status, std::string_view) {
                         if (!status.ok()) {
                           Fail(fmt::format("a put failed: {}", status.ToString()));
                           return;
                         }
                         OnAcknowledged(&puts_[n]);
                       });
  }

  void OnAcknowledged(Put* put) {
    Now();
    ++result_.puts;
    put->is_acknowledged = 1;
    if (put->due_nanos >= measure_from_nanos_) {
      result_.put_latency.Record(now_ - put->due_nanos);
    }
    CompleteIfDone(*put);
  }

  server::ClientLoop* const loop_;
  const std::vector<Caller*> callers_;
  Caller* const put_caller_;
  const WatchLoadOptions& options_;
  std::vector<std::shared_ptr<CallStream>> streams_;
  std::vector<Put> puts_;
  pb::PutRequest put_;
  std::optional<Schedule> schedule_;
  uint64_t created_ = 0;
  uint64_t next_ = 0;
  uint64_t complete_ = 0;
  uint64_t since_clock_ = 0;
  int64_t now_;
  int64_t start_nanos_ = 0;
  int64_t measure_from_nanos_ = 0;
  SlotRecorder slots_;
  int64_t last_delivery_nanos_ = 0;
  int64_t news_nanos_ = 0;
  bool is_over_ = false;
  WatchLoadResult result_;

  Mutex mu_;
  CondVar changed_;
  bool is_done_ ABSL_GUARDED_BY(mu_) = false;
};

// Runs the task on the loop and waits until it has run.
void RunOn(server::ClientLoop* loop, absl::AnyInvocable<void()> task) {
  Mutex mu;
  CondVar ran;
  bool has_run = false;
  loop->Post([&] {
    task();
    MutexLock lock(&mu);
    has_run = true;
    ran.SignalAll();
  });
  MutexLock lock(&mu);
  while (!has_run) {
    ran.Wait(&mu);
  }
}

// What the puts and their deliveries cost.
struct Costs {
  int64_t client_cpu_nanos = 0;  // without the warm-up
  int64_t server_cpu_nanos = -1;
  std::vector<ServerUsage> usage;
  std::string why_no_usage;
};

// Has the puts sent, and blocks until they are delivered or the run has failed.
Costs SendPuts(const WatchLoadOptions& options, const server::Endpoint& endpoint,
               server::ClientLoop* loop, WatchRun* run) {
  const InterruptScope interrupts;
  ServerSampler sampler(options.server_pid, endpoint, options.metrics);
  sampler.Sample(0);
  const auto warmup_nanos = static_cast<int64_t>(options.warmup_seconds * kNanosPerSecond);
  const int64_t start = Clock::Real()->MonotonicNanos();
  const auto elapsed = [start] { return Clock::Real()->MonotonicNanos() - start; };
  int64_t client_cpu = OwnCpuNanos();
  int64_t server_cpu = sampler.CpuNanos();
  bool is_measuring = warmup_nanos == 0;
  bool is_running = false;
  RunOn(loop, [&] { is_running = run->StartPuts(); });
  while (is_running && !run->AwaitFor(kTickNanos)) {
    if (!is_measuring && elapsed() >= warmup_nanos) {
      is_measuring = true;
      client_cpu = OwnCpuNanos();
      server_cpu = sampler.CpuNanos();
    }
    if (InterruptScope::WasInterrupted()) {
      RunOn(loop, [run] { run->Interrupt(); });
    }
    sampler.SampleIfDue(elapsed());
  }
  Costs costs;
  costs.client_cpu_nanos = OwnCpuNanos() - client_cpu;
  const int64_t server_cpu_after = sampler.CpuNanos();
  if (server_cpu >= 0 && server_cpu_after >= server_cpu) {
    costs.server_cpu_nanos = server_cpu_after - server_cpu;
  }
  sampler.Sample(elapsed());
  costs.usage = sampler.TakeSamples();
  costs.why_no_usage = sampler.why_no_page();
  return costs;
}

}  // namespace

absl::Status WatchLoadOptions::Validate() const {
  if (endpoints.empty()) {
    return absl::InvalidArgumentError("--endpoints is empty");
  }
  if (watchers == 0 || watchers > kWatchersMax) {
    return absl::InvalidArgumentError(fmt::format("--watchers must be 1 to {}", kWatchersMax));
  }
  if (streams == 0 || streams > watchers) {
    return absl::InvalidArgumentError("--streams must be 1 to the number of --watchers");
  }
  if (conns == 0 || conns > streams) {
    return absl::InvalidArgumentError("--conns must be 1 to the number of --streams");
  }
  if (keys == 0 || keys > watchers) {
    return absl::InvalidArgumentError("--keys must be 1 to the number of --watchers");
  }
  if (total == 0 || total > 100'000'000) {
    return absl::InvalidArgumentError("--total must be 1 to 100000000");
  }
  if (in_flight == 0) {
    return absl::InvalidArgumentError("--in-flight must be at least 1");
  }
  if (!(rate >= 0) || !std::isfinite(rate)) {
    return absl::InvalidArgumentError("--rate must be 0 (closed loop) or puts per second");
  }
  if (!(warmup_seconds >= 0) || warmup_seconds > kWarmupSecondsMax) {
    return absl::InvalidArgumentError("--warmup must be 0 to 86400 seconds");
  }
  return absl::OkStatus();
}

absl::StatusOr<WatchLoadResult> RunWatchLoad(const WatchLoadOptions& options) {
  RETURN_IF_ERROR(options.Validate());
  ASSIGN_OR_RETURN(const std::vector<server::Endpoint> endpoints,
                   ReachAll(options.endpoints, options.access));
  if (options.server_pid != 0) {
    RETURN_IF_ERROR(CpuNanosOf(options.server_pid).status());
  }
  std::unique_ptr<WatchRun>
      run;  // outlives the engine, whose loop may still call it while it stops
  ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine,
                   Engine::Start(options.engine, "bench-watch"));
  server::ClientLoop* const loop = engine->loop();
  std::vector<Caller*> callers;
  for (uint64_t i = 0; i < options.conns; ++i) {
    ASSIGN_OR_RETURN(Caller* const caller, engine->Connect(endpoints[i % endpoints.size()]));
    callers.push_back(caller);
  }
  ASSIGN_OR_RETURN(Caller* const put_caller, engine->Connect(endpoints[0]));
  RETURN_IF_ERROR(Preflight(loop, {callers.front(), put_caller}));
  run = std::make_unique<WatchRun>(loop, callers, put_caller, options);

  const int64_t opened = Clock::Real()->MonotonicNanos();
  RunOn(loop, [&run] { run->OpenWatchers(); });
  while (!run->AwaitFor(kNanosPerSecond)) {
  }
  const int64_t create_nanos = Clock::Real()->MonotonicNanos() - opened;
  Costs costs = SendPuts(options, endpoints[0], loop, run.get());
  WatchLoadResult result;
  RunOn(loop, [&] {
    run->Stop();
    result = run->TakeResult();
  });
  result.create_nanos = create_nanos;
  result.client_cpu_nanos = costs.client_cpu_nanos;
  result.server_cpu_nanos = costs.server_cpu_nanos;
  result.usage = std::move(costs.usage);
  result.why_no_usage = std::move(costs.why_no_usage);
  return result;
}

}  // namespace socle::bench
