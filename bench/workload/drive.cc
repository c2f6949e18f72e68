#include "bench/workload/drive.h"

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <utility>

#include <etcd/rpc.pb.h>
#include <fmt/format.h>

#include "bench/load/cpu_meter.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {
namespace {

constexpr int64_t kPreflightTimeout = 5 * kNanosPerSecond;
constexpr int64_t kTickNanos = 100 * kNanosPerMilli;
constexpr int64_t kSampleNanos = kNanosPerSecond;
constexpr double kSecondsMax = 86'400;
// Above these the generator is what is measured.
constexpr double kCoresMax = 0.9;
constexpr int64_t kLatenessMax = kNanosPerMilli;

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set in a signal handler");

// While it lives, SIGINT and SIGTERM set `interrupted`; a second one kills.
class InterruptScope {
 public:
  InterruptScope() {
    interrupted = false;
    struct sigaction action = {};
    action.sa_handler = [](int) { interrupted = true; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, &old_int_);
    ::sigaction(SIGTERM, &action, &old_term_);
  }

  ~InterruptScope() {
    ::sigaction(SIGINT, &old_int_, nullptr);
    ::sigaction(SIGTERM, &old_term_, nullptr);
  }

  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

 private:
  struct sigaction old_int_ = {};
  struct sigaction old_term_ = {};
};

// One Status request per channel.
class StatusSource final : public RequestSource {
 public:
  std::string_view path() const override { return server::method::kStatus; }

  const google::protobuf::MessageLite& Build(uint64_t /*sequence*/) override { return request_; }

 private:
  etcdserverpb::StatusRequest request_;
};

absl::Status Preflight(server::ClientLoop* loop, const std::vector<server::Channel*>& channels) {
  for (server::Channel* channel : channels) {
    StatusSource source;
    LoadRunner probe(loop, {channel}, &source, LoadOptions{1, 1, 0, kPreflightTimeout, 0, 0});
    probe.Start();
    while (!probe.WaitFor(kNanosPerSecond)) {
    }
    for (const auto& [text, count] : probe.result().errors) {
      return absl::UnavailableError(
          fmt::format("{} does not answer: {}", channel->authority(), text));
    }
  }
  return absl::OkStatus();
}

class Run {
 public:
  Run(const DriveOptions& options, RequestSource* source) : options_(options), source_(source) {}

  absl::Status Prepare(const std::vector<server::Endpoint>& endpoints) {
    ASSIGN_OR_RETURN(loop_, server::ClientLoop::Start("bench-client"));
    for (uint64_t i = 0; i < options_.conns; ++i) {
      channels_.push_back(loop_->AddChannel(endpoints[i % endpoints.size()]));
    }
    RETURN_IF_ERROR(Preflight(loop_.get(), channels_));
    for (Companion* companion : options_.companions) {
      RETURN_IF_ERROR(companion->Start(loop_.get(), channels_));
    }
    const auto warmup_nanos = static_cast<int64_t>(options_.warmup_seconds * kNanosPerSecond);
    runner_ = std::make_unique<LoadRunner>(
        loop_.get(), channels_, source_,
        LoadOptions{options_.clients, options_.duration_seconds > 0 ? kTotalMax : options_.total,
                    options_.rate, options_.timeout_nanos, warmup_nanos,
                    static_cast<int64_t>(options_.duration_seconds * kNanosPerSecond)});
    for (const BesideLoad& beside : options_.beside) {
      // A connection of its own: a long answer must not stand before the load's on the same one.
      server::Channel* const channel =
          loop_->AddChannel(endpoints[beside_.size() % endpoints.size()]);
      beside_.push_back(std::make_unique<LoadRunner>(
          loop_.get(), std::vector<server::Channel*>{channel}, beside.source,
          LoadOptions{beside.clients, kTotalMax, beside.rate, options_.timeout_nanos, warmup_nanos,
                      0}));
    }
    measure_from_nanos_ = warmup_nanos;
    return absl::OkStatus();
  }

  DriveResult Execute() {
    const InterruptScope interrupts;
    start_nanos_ = Clock::Real()->MonotonicNanos();
    Sample(0);
    if (measure_from_nanos_ == 0) {
      BeginToMeasure();
    }
    runner_->Start();
    for (const auto& beside : beside_) {
      beside->Start();
    }
    // How much a closed loop will send in its time is not known.
    const bool is_endless = options_.duration_seconds > 0 && options_.rate <= 0;
    Progress progress(is_endless ? Progress::Style::kNone : options_.progress,
                      options_.duration_seconds > 0
                          ? static_cast<uint64_t>(options_.rate * (options_.warmup_seconds +
                                                                   options_.duration_seconds))
                          : options_.total,
                      options_.progress_sink);
    while (!runner_->WaitFor(NextTick())) {
      const int64_t elapsed = Clock::Real()->MonotonicNanos() - start_nanos_;
      progress.Tick(runner_->done(), runner_->errors(), elapsed, runner_->recent_p99_nanos());
      if (interrupted.exchange(false)) {
        runner_->RequestStop("interrupted");
      }
      if (!is_measuring_ && elapsed >= measure_from_nanos_) {
        BeginToMeasure();
      }
      if (elapsed >= next_sample_nanos_) {
        Sample(elapsed);
      }
    }
    progress.Finish();
    return Collect();
  }

 private:
  int64_t NextTick() const {
    const int64_t elapsed = Clock::Real()->MonotonicNanos() - start_nanos_;
    return is_measuring_ ? kTickNanos
                         : std::clamp<int64_t>(measure_from_nanos_ - elapsed, 0, kTickNanos);
  }

  void BeginToMeasure() {
    is_measuring_ = true;
    client_cpu_nanos_ = OwnCpuNanos();
    server_cpu_nanos_ = CpuNanosOf(options_.server_pid);
  }

  void Sample(int64_t elapsed) {
    next_sample_nanos_ = elapsed + kSampleNanos;
    if (options_.server_pid == 0) {
      return;
    }
    absl::StatusOr<ServerUsage> usage = UsageOf(options_.server_pid);
    if (usage.ok()) {
      usage->at_nanos = elapsed;
      result_.usage.push_back(*usage);
    }
  }

  DriveResult Collect() {
    Sample(Clock::Real()->MonotonicNanos() - start_nanos_);
    if (!is_measuring_) {
      BeginToMeasure();
    }
    result_.load = runner_->result();
    result_.client_cpu_nanos = OwnCpuNanos() - client_cpu_nanos_;
    const absl::StatusOr<int64_t> server_cpu_after = CpuNanosOf(options_.server_pid);
    if (options_.server_pid != 0 && server_cpu_nanos_.ok() && server_cpu_after.ok()) {
      result_.server_cpu_nanos = *server_cpu_after - *server_cpu_nanos_;
    }
    for (size_t i = 0; i < beside_.size(); ++i) {
      beside_[i]->RequestStop("the load ended");
      while (!beside_[i]->WaitFor(kTickNanos)) {
      }
      result_.beside.emplace_back(options_.beside[i].name, beside_[i]->result());
      // It was to be stopped: what was under way then is no failure.
      result_.beside.back().second.errors.erase(std::string(kUnanswered));
    }
    for (Companion* companion : options_.companions) {
      companion->Stop();
      result_.companions.push_back(companion->report());
    }
    return std::move(result_);
  }

  const DriveOptions& options_;
  RequestSource* const source_;
  // Declared before the loop, which may still call them while it stops.
  std::unique_ptr<LoadRunner> runner_;
  std::vector<std::unique_ptr<LoadRunner>> beside_;
  std::unique_ptr<server::ClientLoop> loop_;
  std::vector<server::Channel*> channels_;
  int64_t start_nanos_ = 0;
  int64_t measure_from_nanos_ = 0;
  int64_t next_sample_nanos_ = 0;
  bool is_measuring_ = false;
  int64_t client_cpu_nanos_ = 0;
  absl::StatusOr<int64_t> server_cpu_nanos_ = -1;
  DriveResult result_;
};

}  // namespace

absl::Status DriveOptions::Validate() const {
  if (endpoints.empty()) {
    return absl::InvalidArgumentError("--endpoints is empty");
  }
  if (clients == 0 || clients > 1'000'000) {
    return absl::InvalidArgumentError("--clients must be 1 to 1000000");
  }
  if (conns == 0 || conns > clients) {
    return absl::InvalidArgumentError("--conns must be 1 to the number of --clients");
  }
  if (total == 0 || total > kTotalMax) {
    return absl::InvalidArgumentError(fmt::format("--total must be 1 to {}", kTotalMax));
  }
  if (!(rate >= 0) || !std::isfinite(rate)) {
    return absl::InvalidArgumentError("--rate must be 0 (closed loop) or requests per second");
  }
  if (!(warmup_seconds >= 0) || warmup_seconds > kSecondsMax) {
    return absl::InvalidArgumentError("--warmup must be 0 to 86400 seconds");
  }
  if (!(duration_seconds >= 0) || duration_seconds > kSecondsMax) {
    return absl::InvalidArgumentError("--duration must be 0 (until --total) to 86400 seconds");
  }
  return absl::OkStatus();
}

absl::StatusOr<DriveResult> Drive(const DriveOptions& options, RequestSource* source) {
  RETURN_IF_ERROR(options.Validate());
  std::vector<server::Endpoint> endpoints;
  for (const std::string& text : options.endpoints) {
    ASSIGN_OR_RETURN(server::Endpoint endpoint, server::ResolveEndpoint(text));
    endpoints.push_back(std::move(endpoint));
  }
  if (options.server_pid != 0) {
    RETURN_IF_ERROR(CpuNanosOf(options.server_pid).status());
  }
  Run run(options, source);
  RETURN_IF_ERROR(run.Prepare(endpoints));
  return run.Execute();
}

std::vector<std::string> GeneratorWarnings(const DriveOptions& options, const DriveResult& result) {
  std::vector<std::string> warnings;
  const LoadResult& load = result.load;
  if (result.client_cores() > kCoresMax) {
    warnings.push_back(
        fmt::format("the generator kept {:.2f} cores busy: it may be the limit, not the server",
                    result.client_cores()));
  }
  if (options.rate <= 0) {
    return warnings;
  }
  if (const int64_t late = load.lateness.Percentile(99); late > kLatenessMax) {
    warnings.push_back(
        fmt::format("the generator itself sent 1 % of the requests {:.1f} ms late or more: its "
                    "machine is too busy for this rate",
                    static_cast<double>(late) / kNanosPerMilli));
  }
  const double seconds = static_cast<double>(load.elapsed_nanos) / kNanosPerSecond;
  const double reached = seconds > 0 ? static_cast<double>(load.succeeded) / seconds : 0;
  if (load.stop_reason.empty() && reached < options.rate * 0.95 && seconds > 1) {
    warnings.push_back(fmt::format(
        "{:.0f} requests/s were reached instead of {:.0f}; {:.1f} % of them waited for a free "
        "client: more --clients help when the server is not the limit",
        reached, options.rate,
        100.0 * static_cast<double>(load.waited) /
            static_cast<double>(std::max<uint64_t>(load.issued_measured, 1))));
  }
  return warnings;
}

bool IsClean(const DriveResult& result) {
  const auto is_clean = [](const LoadResult& load) {
    return load.errors.empty() && load.stop_reason.empty();
  };
  return is_clean(result.load) &&
         std::all_of(result.beside.begin(), result.beside.end(),
                     [](const auto& beside) { return beside.second.errors.empty(); }) &&
         std::all_of(result.companions.begin(), result.companions.end(),
                     [](const CompanionReport& report) { return report.error.empty(); });
}

}  // namespace socle::bench
