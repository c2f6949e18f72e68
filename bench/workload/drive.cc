#include "bench/workload/drive.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include <etcd/rpc.pb.h>
#include <fmt/format.h>

#include "bench/load/cpu_meter.h"
#include "bench/load/interrupt.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_client.h"
#include "server/wire/client/etcd_methods.h"

namespace socle::bench {
namespace {

constexpr int64_t kPreflightTimeout = 5 * kNanosPerSecond;
constexpr int64_t kTickNanos = 100 * kNanosPerMilli;
constexpr double kSecondsMax = 86'400;
// Above these the generator is what is measured.
constexpr double kCoresMax = 0.9;
constexpr int64_t kLatenessMax = kNanosPerMilli;

// One Status request per connection.
class StatusSource final : public RequestSource {
 public:
  std::string_view path() const override { return server::method::kStatus; }

  const google::protobuf::MessageLite& Build(uint64_t /*sequence*/) override { return request_; }

 private:
  etcdserverpb::StatusRequest request_;
};

class Run {
 public:
  Run(const DriveOptions& options, const server::Endpoint& first, RequestSource* source)
      : options_(options), source_(source), sampler_(options.server_pid, first, options.metrics) {}

  absl::Status Prepare(const std::vector<server::Endpoint>& endpoints) {
    ASSIGN_OR_RETURN(engine_, Engine::Start(options_.engine, "bench-client"));
    server::ClientLoop* const loop = engine_->loop();
    for (uint64_t i = 0; i < options_.conns; ++i) {
      ASSIGN_OR_RETURN(Caller* const caller, engine_->Connect(endpoints[i % endpoints.size()]));
      callers_.push_back(caller);
    }
    RETURN_IF_ERROR(Preflight(loop, callers_));
    for (Companion* companion : options_.companions) {
      RETURN_IF_ERROR(companion->Start(loop, callers_));
    }
    const auto warmup_nanos = static_cast<int64_t>(options_.warmup_seconds * kNanosPerSecond);
    runner_ = std::make_unique<LoadRunner>(
        loop, callers_, source_,
        LoadOptions{options_.clients, options_.duration_seconds > 0 ? kTotalMax : options_.total,
                    options_.rate, options_.timeout_nanos, warmup_nanos,
                    static_cast<int64_t>(options_.duration_seconds * kNanosPerSecond)});
    for (const BesideLoad& beside : options_.beside) {
      // A connection of its own: a long answer must not stand before the load's on the same one.
      ASSIGN_OR_RETURN(Caller* const caller,
                       engine_->Connect(endpoints[beside_.size() % endpoints.size()]));
      beside_.push_back(
          std::make_unique<LoadRunner>(loop, std::vector<Caller*>{caller}, beside.source,
                                       LoadOptions{beside.clients, kTotalMax, beside.rate,
                                                   options_.timeout_nanos, warmup_nanos, 0}));
    }
    measure_from_nanos_ = warmup_nanos;
    return absl::OkStatus();
  }

  DriveResult Execute() {
    const InterruptScope interrupts;
    sampler_.Sample(0);
    start_nanos_ = Clock::Real()->MonotonicNanos();
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
      if (InterruptScope::WasInterrupted()) {
        runner_->RequestStop("interrupted");
      }
      if (!is_measuring_ && elapsed >= measure_from_nanos_) {
        BeginToMeasure();
      }
      sampler_.SampleIfDue(elapsed);
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
    server_cpu_nanos_ = sampler_.CpuNanos();
  }

  DriveResult Collect() {
    if (!is_measuring_) {
      BeginToMeasure();
    }
    result_.client_cpu_nanos = OwnCpuNanos() - client_cpu_nanos_;
    const int64_t server_cpu_after = sampler_.CpuNanos();
    sampler_.Sample(Clock::Real()->MonotonicNanos() - start_nanos_);
    result_.usage = sampler_.TakeSamples();
    result_.why_no_usage = sampler_.why_no_page();
    result_.load = runner_->result();
    if (server_cpu_nanos_ >= 0 && server_cpu_after >= server_cpu_nanos_) {
      result_.server_cpu_nanos = server_cpu_after - server_cpu_nanos_;
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
  // Declared before the engine, whose loop may still call them while it stops.
  std::unique_ptr<LoadRunner> runner_;
  std::vector<std::unique_ptr<LoadRunner>> beside_;
  std::unique_ptr<Engine> engine_;
  std::vector<Caller*> callers_;
  int64_t start_nanos_ = 0;
  int64_t measure_from_nanos_ = 0;
  bool is_measuring_ = false;
  int64_t client_cpu_nanos_ = 0;
  int64_t server_cpu_nanos_ = -1;
  ServerSampler sampler_;
  DriveResult result_;
};

}  // namespace

absl::Status Preflight(server::ClientLoop* loop, const std::vector<Caller*>& callers) {
  for (Caller* caller : callers) {
    StatusSource source;
    LoadRunner probe(loop, {caller}, &source, LoadOptions{1, 1, 0, kPreflightTimeout, 0, 0});
    probe.Start();
    while (!probe.WaitFor(kNanosPerSecond)) {
    }
    for (const auto& [text, count] : probe.result().errors) {
      return absl::UnavailableError(
          fmt::format("{} does not answer: {}", caller->authority(), text));
    }
  }
  return absl::OkStatus();
}

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

absl::StatusOr<std::vector<server::Endpoint>> ReachAll(const std::vector<std::string>& endpoints,
                                                       const server::ClientAccess& access) {
  std::vector<server::Endpoint> reached;
  for (const std::string& text : endpoints) {
    absl::StatusOr<server::Endpoint> endpoint =
        server::ReachEndpoint(text, access, kPreflightTimeout);
    if (!endpoint.ok()) {
      return access.user.empty() ? endpoint.status() : Annotate(endpoint.status(), text);
    }
    reached.push_back(*std::move(endpoint));
  }
  return reached;
}

absl::StatusOr<DriveResult> Drive(const DriveOptions& options, RequestSource* source) {
  RETURN_IF_ERROR(options.Validate());
  ASSIGN_OR_RETURN(const std::vector<server::Endpoint> endpoints,
                   ReachAll(options.endpoints, options.access));
  if (options.server_pid != 0) {
    RETURN_IF_ERROR(CpuNanosOf(options.server_pid).status());
  }
  Run run(options, endpoints.front(), source);
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
  if (std::string missed = RateMissed(options, result); !missed.empty()) {
    warnings.push_back(std::move(missed));
  }
  return warnings;
}

std::string RateMissed(const DriveOptions& options, const DriveResult& result) {
  const LoadResult& load = result.load;
  const double seconds = static_cast<double>(load.elapsed_nanos) / kNanosPerSecond;
  const double reached = seconds > 0 ? static_cast<double>(load.succeeded) / seconds : 0;
  if (options.rate <= 0 || !load.stop_reason.empty() || seconds <= 1 ||
      reached >= options.rate * 0.95) {
    return "";
  }
  return fmt::format(
      "{:.0f} requests/s were reached instead of {:.0f}; {:.1f} % of them waited for a free "
      "client: more --clients help when the server is not the limit{}",
      reached, options.rate,
      100.0 * static_cast<double>(load.waited) /
          static_cast<double>(std::max<uint64_t>(load.issued_measured, 1)),
      load.unsent == 0
          ? ""
          : fmt::format("; {} were never sent, and their latency is in no figure", load.unsent));
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
