#include "bench/plane/plane_load.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "bench/plane/pod_shape.h"
#include "bench/plane/workers.h"
#include "bench/rest/watch_swarm.h"
#include "kv/base/clock.h"
#include "kv/base/random.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

constexpr int64_t kSettleMax = 900 * kNanosPerSecond;
constexpr int64_t kLookInterval = 50 * kNanosPerMilli;

// How often `needle` stands in `text`.
uint64_t CountOf(std::string_view text, std::string_view needle) {
  uint64_t count = 0;
  for (size_t at = text.find(needle); at != std::string_view::npos;
       at = text.find(needle, at + needle.size())) {
    ++count;
  }
  return count;
}

class PlaneLoad {
 public:
  explicit PlaneLoad(const PlaneLoadOptions& options)
      : options_(options), workers_(&options_), client_(options_.server) {}

  absl::StatusOr<PlaneLoadResult> Run();

 private:
  absl::Status Prepare();
  void CreateAndBind();
  absl::Status ScheduleEndToEnd();
  void ReadAndPatch();
  absl::Status List();
  absl::Status FanOut();
  absl::Status DeleteAll();

  // Objects that the selector matches: answered by the API from a page of one object.
  absl::StatusOr<uint64_t> Count(std::string_view path, std::string_view selector);
  absl::Status AwaitCount(std::string_view path, std::string_view selector, uint64_t wanted);
  std::string PodName(uint64_t sequence) const;

  PhaseResult& Add(PhaseResult phase) {
    result_.phases.push_back(std::move(phase));
    return result_.phases.back();
  }

  int64_t Now() const { return Clock::Real()->MonotonicNanos(); }

  const PlaneLoadOptions options_;
  const Workers workers_;
  RestClient client_;
  PlaneLoadResult result_;
};

// Bound pods come first, then the scheduled ones.
std::string PlaneLoad::PodName(uint64_t sequence) const {
  return sequence < options_.bound_pods ? fmt::format("bound-{}", sequence)
                                        : fmt::format("pod-{}", sequence - options_.bound_pods);
}

absl::StatusOr<uint64_t> PlaneLoad::Count(std::string_view path, std::string_view selector) {
  uint64_t seen = 0;
  std::string token;
  do {
    const std::string target =
        fmt::format("{}?limit=10000{}{}&continue={}", path,
                    selector.empty() ? "" : "&fieldSelector=", selector, token);
    const absl::StatusOr<RestResponse> page = client_.Send({.target = target});
    RETURN_IF_ERROR(Expect(page, 200));
    seen += CountOf(page->body, "\"creationTimestamp\"");
    const size_t at = page->body.find("\"continue\":\"");
    token.clear();
    if (at != std::string::npos && at < page->body.find("\"items\"")) {
      const size_t begin = at + 12;
      token = page->body.substr(begin, page->body.find('"', begin) - begin);
    }
  } while (!token.empty());
  return seen;
}

absl::Status PlaneLoad::AwaitCount(std::string_view path, std::string_view selector,
                                   uint64_t wanted) {
  const int64_t deadline = Now() + kSettleMax;
  uint64_t seen = 0;
  while (Now() < deadline) {
    ASSIGN_OR_RETURN(seen, Count(path, selector));
    if (seen == wanted) {
      return absl::OkStatus();
    }
    Clock::Real()->SleepFor(kLookInterval);
  }
  return absl::DeadlineExceededError(fmt::format("{} with {}: {} after {} s, {} expected", path,
                                                 selector, seen, kSettleMax / kNanosPerSecond,
                                                 wanted));
}

absl::Status PlaneLoad::Prepare() {
  const absl::StatusOr<RestResponse> made = client_.Send(
      {.method = "POST",
       .target = "/api/v1/namespaces",
       .body = fmt::format(R"({{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{}"}}}})",
                           kLoadNamespace)});
  RETURN_IF_ERROR(Expect(made, 201));
  options_.progress(fmt::format("waiting for {} nodes", options_.nodes));
  RETURN_IF_ERROR(AwaitCount("/api/v1/nodes", "", options_.nodes));
  result_.rss_before_bytes = ServerRssBytes(options_);
  return absl::OkStatus();
}

void PlaneLoad::CreateAndBind() {
  const std::string pods = fmt::format("/api/v1/namespaces/{}/pods", kLoadNamespace);
  Add(workers_.Run("create pod", options_.bound_pods, [&](RestClient* client, uint64_t i) {
    return Expect(
        client->Send(
            {.method = "POST", .target = pods, .body = PodDocument(PodName(i), "bench-scheduler")}),
        201);
  }));
  Add(workers_.Run("bind", options_.bound_pods, [&](RestClient* client, uint64_t i) {
    const std::string node = fmt::format("hollow-node-{}", i % options_.nodes);
    return Expect(client->Send({.method = "POST",
                                .target = PodPath(PodName(i)) + "/binding",
                                .body = BindingDocument(PodName(i), node)}),
                  201);
  }));
}

// From the first create to the last pod that runs: create, schedule, bind, start.
absl::Status PlaneLoad::ScheduleEndToEnd() {
  const std::string pods = fmt::format("/api/v1/namespaces/{}/pods", kLoadNamespace);
  const int64_t cpu_before = ServerCpuNanos(options_);
  const int64_t start = Now();
  Add(workers_.Run("create pod, scheduler on", options_.pods, [&](RestClient* client, uint64_t i) {
    const std::string name = PodName(options_.bound_pods + i);
    return Expect(client->Send({.method = "POST", .target = pods, .body = PodDocument(name, "")}),
                  201);
  }));
  RETURN_IF_ERROR(AwaitCount(pods, "spec.nodeName=", 0));
  PhaseResult bound{.name = "create to bound", .unit = "pods", .done = options_.pods};
  bound.elapsed_nanos = Now() - start;
  bound.server_cpu_nanos = ServerCpuNanos(options_) - cpu_before;
  bound.note = "from the first create to the last binding";
  Add(std::move(bound));
  RETURN_IF_ERROR(AwaitCount(pods, "status.phase!=Running", 0));
  PhaseResult running{.name = "create to running", .unit = "pods", .done = options_.pods};
  running.elapsed_nanos = Now() - start;
  running.server_cpu_nanos = ServerCpuNanos(options_) - cpu_before;
  running.note = "API, scheduler, kubelets and their status writes";
  Add(std::move(running));
  result_.rss_after_bytes = ServerRssBytes(options_);
  result_.pods_at_rss = options_.pods + options_.bound_pods;
  return absl::OkStatus();
}

void PlaneLoad::ReadAndPatch() {
  const uint64_t pods = options_.pods + options_.bound_pods;
  const auto any_pod = [&](uint64_t i) {
    return PodPath(PodName(Random(options_.seed + i).Below(pods)));
  };
  Add(workers_.Run("get pod", options_.gets, [&](RestClient* client, uint64_t i) {
    return Expect(client->Send({.target = any_pod(i)}), 200);
  }));
  Add(workers_.Run("patch status", options_.patches, [&](RestClient* client, uint64_t i) {
    return Expect(client->Send({.method = "PATCH",
                                .target = any_pod(i) + "/status",
                                .body = StatusPatch(i),
                                .content_type = "application/merge-patch+json"}),
                  200);
  }));
  const std::string leases =
      fmt::format("/apis/coordination.k8s.io/v1/namespaces/{}/leases", kLoadNamespace);
  Add(workers_.Run("create lease", options_.workers, [&](RestClient* client, uint64_t i) {
    return Expect(client->Send({.method = "POST",
                                .target = leases,
                                .body = LeaseDocument(fmt::format("lease-{}", i))}),
                  201);
  }));
  Add(workers_.Run("renew a lease", options_.renewals, [&](RestClient* client, uint64_t i) {
    return Expect(client->Send({.method = "PATCH",
                                .target = fmt::format("{}/lease-{}", leases, i % options_.workers),
                                .body = LeasePatch(i),
                                .content_type = "application/merge-patch+json"}),
                  200);
  }));
}

absl::Status PlaneLoad::List() {
  struct Row {
    const char* name;
    const char* query;
  };

  for (const Row& row :
       {Row{"list all pods, consistent", ""},
        Row{"list all pods, any version", "?resourceVersion=0"},
        Row{"list the pods of a node", "?fieldSelector=spec.nodeName%3Dhollow-node-7"},
        Row{"list, selector matches none", "?labelSelector=app%3Dnothing"}}) {
    PhaseResult phase{.name = row.name, .unit = "lists"};
    uint64_t bytes = 0;
    const int64_t cpu_before = ServerCpuNanos(options_);
    const int64_t start = Now();
    for (uint64_t i = 0; i < options_.lists; ++i) {
      const int64_t sent = Now();
      const absl::StatusOr<RestResponse> answer =
          client_.Send({.target = fmt::format("/api/v1/pods{}", row.query)});
      RETURN_IF_ERROR(Expect(answer, 200));
      bytes = answer->body.size();
      phase.latency.Record(Now() - sent);
      ++phase.done;
    }
    phase.elapsed_nanos = Now() - start;
    phase.server_cpu_nanos = ServerCpuNanos(options_) - cpu_before;
    phase.note = fmt::format("{:.1f} MB each", static_cast<double>(bytes) / 1e6);
    options_.progress(fmt::format("{}: {:.1f} ms each", row.name,
                                  static_cast<double>(phase.latency.Percentile(50)) / 1e6));
    Add(std::move(phase));
  }
  return absl::OkStatus();
}

absl::Status PlaneLoad::FanOut() {
  const std::string target =
      fmt::format("/api/v1/namespaces/{}/configmaps?watch=true&timeoutSeconds=600", kLoadNamespace);
  const std::string maps = fmt::format("/api/v1/namespaces/{}/configmaps", kLoadNamespace);
  const absl::StatusOr<RestResponse> made = client_.Send(
      {.method = "POST",
       .target = maps,
       .body =
           R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"watched"},"data":{"a":"b"}})"});
  RETURN_IF_ERROR(Expect(made, 201));
  ASSIGN_OR_RETURN(const std::unique_ptr<WatchSwarm> swarm,
                   WatchSwarm::Start(options_.server, target, options_.watches));
  Clock::Real()->SleepFor(kNanosPerSecond);  // every watch has begun
  const int64_t cpu_before = ServerCpuNanos(options_);
  const int64_t start = Now();
  Workers one(&options_);
  const PhaseResult writes =
      one.Run("write for watches", options_.watched_changes, [&](RestClient* client, uint64_t) {
        return Expect(client->Send({.method = "PATCH",
                                    .target = maps + "/watched",
                                    .body = MarkPatch(Now()),
                                    .content_type = "application/merge-patch+json"}),
                      200);
      });
  const uint64_t wanted = writes.done * options_.watches;
  const int64_t deadline = Now() + 60 * kNanosPerSecond;
  while (swarm->delivered() < wanted && swarm->ended() == 0 && Now() < deadline) {
    Clock::Real()->SleepFor(kNanosPerMilli);
  }
  PhaseResult phase{.name = "watch fan-out", .unit = "deliveries", .errors = writes.errors};
  phase.elapsed_nanos = Now() - start;
  phase.server_cpu_nanos = ServerCpuNanos(options_) - cpu_before;
  swarm->Stop();
  phase.done = swarm->delivered();
  phase.latency = swarm->delays();
  phase.note = fmt::format("{} watches x {} changes", options_.watches, writes.done);
  if (phase.done != wanted) {
    phase.errors[fmt::format("{} deliveries are missing", wanted - phase.done)] = 1;
  }
  options_.progress(fmt::format("watch fan-out: {:.0f} deliveries/s", phase.per_second()));
  Add(std::move(phase));
  return absl::OkStatus();
}

absl::Status PlaneLoad::DeleteAll() {
  const uint64_t pods = options_.pods + options_.bound_pods;
  const int64_t start = Now();
  const int64_t cpu_before = ServerCpuNanos(options_);
  Add(workers_.Run("delete pod", pods, [&](RestClient* client, uint64_t i) {
    return Expect(client->Send({.method = "DELETE", .target = PodPath(PodName(i))}), 200);
  }));
  RETURN_IF_ERROR(AwaitCount(fmt::format("/api/v1/namespaces/{}/pods", kLoadNamespace), "", 0));
  PhaseResult gone{.name = "delete to gone", .unit = "pods", .done = pods};
  gone.elapsed_nanos = Now() - start;
  gone.server_cpu_nanos = ServerCpuNanos(options_) - cpu_before;
  gone.note = "grace period of 1 s included";
  Add(std::move(gone));
  return absl::OkStatus();
}

absl::StatusOr<PlaneLoadResult> PlaneLoad::Run() {
  RETURN_IF_ERROR(Prepare());
  CreateAndBind();
  RETURN_IF_ERROR(AwaitCount(fmt::format("/api/v1/namespaces/{}/pods", kLoadNamespace),
                             "status.phase!=Running", 0));
  RETURN_IF_ERROR(ScheduleEndToEnd());
  ReadAndPatch();
  RETURN_IF_ERROR(List());
  RETURN_IF_ERROR(FanOut());
  RETURN_IF_ERROR(DeleteAll());
  return std::move(result_);
}

}  // namespace

uint64_t PlaneLoadResult::errors() const {
  uint64_t count = 0;
  for (const PhaseResult& phase : phases) {
    for (const auto& [what, times] : phase.errors) {
      count += times;
    }
  }
  return count;
}

absl::StatusOr<PlaneLoadResult> RunPlaneLoad(const PlaneLoadOptions& options) {
  return PlaneLoad(options).Run();
}

}  // namespace socle::bench
