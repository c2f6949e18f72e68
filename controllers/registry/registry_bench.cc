// What a write costs the registry itself: the store answers in the call and keeps objects in a map.
//
//   StatusChange    a hollow node's write: one status of a running pod
//   Served          one pod of a LIST, as bytes
#include <map>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "controllers/registry/registry.h"
#include "controllers/storage/errors.h"
#include "controllers/storage/list_range.h"
#include "kv/base/check.h"

namespace socle::registry {
namespace {

using api::Json;

class QuietWatch final : public storage::Watch {
 public:
  absl::StatusOr<std::optional<storage::EventBatch>> Next() override {
    return std::optional<storage::EventBatch>();
  }

  void RequestBookmark() override {}
};

// Confined to the bench's thread, but for reads of an empty range by the cache at its start.
class MapStore final : public storage::StateStore {
 public:
  absl::StatusOr<storage::GetResult> Get(const storage::GetRequest& request) override {
    storage::GetResult result{.revision = revision_};
    const auto found = objects_.find(request.key);
    if (found != objects_.end()) {
      result.object = ViewOf(*found);
    }
    return result;
  }

  absl::StatusOr<storage::ListPage> List(const storage::ListRequest&) override {
    return storage::ListPage{.revision = 1};
  }

  absl::StatusOr<int64_t> Count(std::string_view) override { return 0; }

  absl::StatusOr<int64_t> CurrentRevision() override { return 1; }

  void Submit(storage::Write write, storage::WriteDone done) override {
    storage::WriteResult result{.revision = ++revision_};
    Kept& kept = objects_[write.key];
    CHECK_EQ(kept.mod_revision, write.expected_revision);
    kept.document = std::move(write.document);
    kept.mod_revision = revision_;
    kept.create_revision = write.kind == storage::WriteKind::kCreate ? revision_ : 1;
    done(std::move(result));
  }

  std::unique_ptr<storage::Watch> NewWatch(storage::WatchRequest, std::function<void()>) override {
    return std::make_unique<QuietWatch>();
  }

  absl::Status Compact(int64_t) override { return absl::OkStatus(); }

 private:
  struct Kept {
    std::string document;
    int64_t create_revision = 0;
    int64_t mod_revision = 0;
  };

  static storage::ObjectView ViewOf(const std::pair<const std::string, Kept>& kept) {
    return {.key = kept.first,
            .document = kept.second.document,
            .create_revision = kept.second.create_revision,
            .mod_revision = kept.second.mod_revision};
  }

  std::map<std::string, Kept> objects_;
  int64_t revision_ = 1;
};

constexpr std::string_view kPod =
    R"({"metadata":{"name":"NAME","labels":{"app":"web","pod-template-hash":"5d9c7b8f6",)"
    R"("controller-revision-hash":"web-7d4b9c"},"annotations":{"owner":"team","note":"a pod"},)"
    R"("ownerReferences":[{"apiVersion":"apps.kruise.io/v1beta1","kind":"InplaceSet","name":"web",)"
    R"("uid":"0c8a7d1e-2f3b-4c5d-8e9f-0a1b2c3d4e5f","controller":true,)"
    R"("blockOwnerDeletion":true}]},"spec":{"nodeName":"node-000123","readinessGates":)"
    R"([{"conditionType":"InPlaceUpdateReady"}],"containers":[{"name":"main","image":"nginx:1.25",)"
    R"("env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],"ports":[{"containerPort":80}],)"
    R"("resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"cpu":"1",)"
    R"("memory":"256Mi"}}},{"name":"side","image":"proxy:2","resources":{"requests":)"
    R"({"cpu":"10m"}}}]},"status":{"phase":"Running","hostIP":"10.0.0.1","podIP":"10.1.2.3",)"
    R"("podIPs":[{"ip":"10.1.2.3"}],"startTime":"2026-01-01T00:00:00Z","conditions":)"
    R"([{"type":"PodScheduled","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"},)"
    R"({"type":"Initialized","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"},)"
    R"({"type":"ContainersReady","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"},)"
    R"({"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}],)"
    R"("containerStatuses":[{"name":"main","ready":true,"started":true,"restartCount":0,)"
    R"("image":"nginx:1.25","imageID":"hollow://sha256:0123456789abcdef",)"
    R"("containerID":"hollow://abc","state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}},)"
    R"({"name":"side","ready":true,"started":true,"restartCount":0,"image":"proxy:2",)"
    R"("imageID":"hollow://sha256:fedcba9876543210","containerID":"hollow://def",)"
    R"("state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}}]}})";

struct Bench {
  Bench() {
    auto opened = ObjectCache::Open(&store, &api::KindRegistry::Builtin());
    CHECK_OK(opened.status());
    cache = *std::move(opened);
    registry = Registry::Make(
        {.store = &store, .kinds = &api::KindRegistry::Builtin(), .cache = cache.get(), .seed = 1});
    CHECK_OK(EnsureSystemNamespaces(registry.get()));
    pods = api::KindRegistry::Builtin().ByResource({"", "v1", "pods"});
  }

  CreateRequest PodNamed(int64_t number) const {
    CreateRequest request{.target = {.served = pods, .ns = "default"},
                          .object = api::Literal(kPod)};
    api::EnsureObject(&request.object, {"metadata"})["name"] = fmt::format("p{}", number).c_str();
    return request;
  }

  MapStore store;
  std::unique_ptr<ObjectCache> cache;
  std::unique_ptr<Registry> registry;
  const api::ServedKind* pods = nullptr;
};

void StatusChange(benchmark::State& state) {
  Bench bench;
  const Target target{.served = bench.pods, .ns = "default", .name = "p0"};
  CHECK_OK(bench.registry->Create(PlaneContext("bench"), bench.PodNamed(0)).status());
  int64_t number = 0;
  for (auto step : state) {
    bench.registry->Change(
        PlaneContext("bench"),
        {.target = target,
         .part = ChangeRequest::Part::kStatus,
         .change =
             [&number](Json* pod) {
               api::Json& ready = api::EnsureObject(pod, {"status"})["conditions"].at(3);
               ready.get_object()["status"] = (++number % 2) == 0 ? "True" : "False";
               return absl::OkStatus();
             }},
        [](const absl::StatusOr<Written>& written) {
          CHECK_OK(written.status());
          CHECK(!written->is_unchanged);
        });
  }
}

BENCHMARK(StatusChange);

void CreatePod(benchmark::State& state) {
  Bench bench;
  int64_t number = 0;
  for (auto step : state) {
    bench.registry->Create(
        PlaneContext("bench"), bench.PodNamed(number++),
        [](const absl::StatusOr<Written>& written) { CHECK_OK(written.status()); });
  }
}

BENCHMARK(CreatePod);

void Served(benchmark::State& state) {
  Bench bench;
  auto made = bench.registry->Create(PlaneContext("bench"), bench.PodNamed(0));
  CHECK_OK(made.status());
  std::string out;
  for (auto step : state) {
    out.clear();
    AppendServed(*bench.pods, made->document, made->mod_revision, &out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(out.size()) * state.iterations());
}

BENCHMARK(Served);

void Decoded(benchmark::State& state) {
  Bench bench;
  auto made = bench.registry->Create(PlaneContext("bench"), bench.PodNamed(0));
  CHECK_OK(made.status());
  for (auto step : state) {
    auto object = DecodeObject(*bench.pods->kind, "k", made->document, 1, 1);
    benchmark::DoNotOptimize(object.ok());
  }
  state.SetBytesProcessed(static_cast<int64_t>(made->document.size()) * state.iterations());
}

BENCHMARK(Decoded);

}  // namespace
}  // namespace socle::registry
