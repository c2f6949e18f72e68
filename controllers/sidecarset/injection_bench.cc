// What injection costs a pod that is created: with many sets of which one matches, and of which all do.
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "controllers/api/kind_registry.h"
#include "controllers/sidecarset/inject.h"
#include "controllers/sidecarset/set_index.h"
#include "kv/base/check.h"

namespace socle::sidecarset {
namespace {

SidecarSetRef MakeSet(int64_t number, bool is_for_all) {
  return SidecarSet::Parse(
      api::Literal(fmt::format(
          R"({{"metadata": {{"name": "set-{0}"}}, "spec": {{
               "selector": {{"matchLabels": {{"app": "web"{1}}}}},
               "containers": [{{"name": "agent-{0}", "image": "registry.example/agent:1",
                 "env": [{{"name": "A", "value": "b"}}],
                 "resources": {{"requests": {{"cpu": "100m", "memory": "64Mi"}}}},
                 "volumeMounts": [{{"name": "logs-{0}", "mountPath": "/logs"}}]}}],
               "volumes": [{{"name": "logs-{0}", "emptyDir": {{}}}}]}}}})",
          number, is_for_all ? std::string() : fmt::format(R"(, "shard": "{}")", number))),
      number + 1);
}

const api::Json& Pod() {
  static const api::Json& pod = *new api::Json(api::Literal(R"({"apiVersion": "v1", "kind": "Pod",
      "metadata": {"name": "p", "labels": {"app": "web", "shard": "7", "tier": "front"}},
      "spec": {"containers": [{"name": "main", "image": "main:1",
                               "env": [{"name": "A", "value": "b"}]}]}})"));
  return pod;
}

void Run(benchmark::State& state, bool is_for_all) {
  SetIndex index;
  for (int64_t i = 0; i < state.range(0); ++i) {
    index.Put(MakeSet(i, is_for_all));
  }
  const api::SortedLabels ns_labels = {{"kubernetes.io/metadata.name", "default"}};
  for (auto _ : state) {
    state.PauseTiming();
    api::Json pod = Pod();
    state.ResumeTiming();
    std::vector<Injection> injections;
    for (const SidecarSetRef& set : index.Match({.ns = "default",
                                    .ns_labels = &ns_labels,
                                    .labels = api::FindObject(pod, {"metadata", "labels"})})) {
      injections.push_back({.set = set->name, .content = set->content(), .revision = "r"});
    }
    CHECK_OK(Inject(injections, 0, &pod));
    benchmark::DoNotOptimize(pod);
  }
}

void BM_OneOfManySetsMatches(benchmark::State& state) {
  Run(state, /*is_for_all=*/false);
}

void BM_AllSetsMatch(benchmark::State& state) {
  Run(state, /*is_for_all=*/true);
}

BENCHMARK(BM_OneOfManySetsMatches)->Arg(100)->Arg(50'000);
BENCHMARK(BM_AllSetsMatch)->Arg(1)->Arg(10)->Arg(100);

}  // namespace
}  // namespace socle::sidecarset
