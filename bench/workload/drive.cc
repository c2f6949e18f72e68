#include "bench/workload/drive.h"

#include <signal.h>

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
constexpr uint64_t kTotalMax = 1'000'000'000'000;
constexpr int64_t kTickNanos = 100 * kNanosPerMilli;

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
    LoadRunner probe(loop, {channel}, &source, LoadOptions{1, 1, 0, kPreflightTimeout});
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
  // Declared before the loop, which may still call it while it stops.
  std::unique_ptr<LoadRunner> runner;
  ASSIGN_OR_RETURN(const std::unique_ptr<server::ClientLoop> loop,
                   server::ClientLoop::Start("bench-client"));
  std::vector<server::Channel*> channels;
  for (uint64_t i = 0; i < options.conns; ++i) {
    channels.push_back(loop->AddChannel(endpoints[i % endpoints.size()]));
  }
  RETURN_IF_ERROR(Preflight(loop.get(), channels));

  const InterruptScope interrupts;
  const int64_t client_cpu = OwnCpuNanos();
  const absl::StatusOr<int64_t> server_cpu = CpuNanosOf(options.server_pid);
  const int64_t start = Clock::Real()->MonotonicNanos();
  runner = std::make_unique<LoadRunner>(
      loop.get(), channels, source,
      LoadOptions{options.clients, options.total, options.rate, options.timeout_nanos});
  runner->Start();
  Progress progress(options.progress, options.total, options.progress_sink);
  while (!runner->WaitFor(kTickNanos)) {
    progress.Tick(runner->done(), runner->errors(), Clock::Real()->MonotonicNanos() - start);
    if (interrupted.exchange(false)) {
      runner->RequestStop("interrupted");
    }
  }
  progress.Finish();

  DriveResult result;
  result.load = runner->result();
  result.client_cpu_nanos = OwnCpuNanos() - client_cpu;
  const absl::StatusOr<int64_t> server_cpu_after = CpuNanosOf(options.server_pid);
  if (options.server_pid != 0 && server_cpu.ok() && server_cpu_after.ok()) {
    result.server_cpu_nanos = *server_cpu_after - *server_cpu;
  }
  return result;
}

}  // namespace socle::bench
