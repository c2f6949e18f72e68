// What a decision costs: pods are read, queued, filtered, scored and placed, without a store.
//
//   scheduler_bench                       10,000 pods on 1,000 and on 10,000 nodes
//   scheduler_bench --benchmark_filter=…
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "controllers/scheduler/engine.h"
#include "controllers/scheduler/testing/stored_objects.h"
#include "kv/base/check.h"

namespace socle::scheduler {
namespace {

constexpr int64_t kPods = 10'000;

enum class Load : int64_t {
  kPlain,       // one controller's pods
  kManyOwners,  // of 1,000 controllers
  kTainted,     // nine nodes of ten keep them away
  kApart,       // anti-affinity on the hostname, 1,000 groups of 10
  kNearlyFull,  // no room on nine nodes of ten
};

PodShape ShapeOf(Load load, int64_t i) {
  PodShape shape{.owner = "set"};
  if (load == Load::kManyOwners || load == Load::kApart) {
    shape.owner = fmt::format("set-{}", i % 1000);
  }
  if (load == Load::kApart) {
    shape.metadata = fmt::format(R"("labels":{{"app":"{}"}})", i % 1000);
    shape.spec = fmt::format(
        R"("affinity":{{"podAntiAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":[)"
        R"({{"labelSelector":{{"matchLabels":{{"app":"{}"}}}},)"
        R"("topologyKey":"kubernetes.io/hostname"}}]}}}})",
        i % 1000);
  }
  return shape;
}

std::unique_ptr<Engine> NewEngine(int64_t nodes, Load load, StoredObjects* make) {
  auto engine = std::make_unique<Engine>(EngineOptions());
  for (int64_t i = 0; i < nodes; ++i) {
    const bool is_usual = i % 10 == 0;
    engine->NodeChanged(*make->Node(
        fmt::format("node-{}", i),
        load == Load::kNearlyFull && !is_usual ? R"({"cpu":"50m","memory":"64Gi","pods":"110"})"
                                               : R"({"cpu":"32","memory":"64Gi","pods":"110"})",
        load == Load::kTainted && !is_usual
            ? R"({"taints":[{"key":"kubemark","value":"perf","effect":"NoSchedule"}]})"
            : "{}"));
  }
  return engine;
}

void BM_Schedule(benchmark::State& state) {
  const auto load = static_cast<Load>(state.range(1));
  StoredObjects make;
  std::vector<registry::ObjectRef> pods;
  for (int64_t i = 0; i < kPods; ++i) {
    pods.push_back(make.Pod(fmt::format("pod-{}", i), ShapeOf(load, i)));
  }
  int64_t placed = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::unique_ptr<Engine> engine = NewEngine(state.range(0), load, &make);
    state.ResumeTiming();
    for (const registry::ObjectRef& pod : pods) {
      engine->PodChanged(pod);
    }
    while (std::optional<Decision> decision = engine->Next(0)) {
      placed += decision->node.empty() ? 0 : 1;
    }
    state.PauseTiming();
    engine.reset();
    state.ResumeTiming();
  }
  CHECK_EQ(placed, kPods * static_cast<int64_t>(state.iterations()));
  state.counters["pods/s"] =
      benchmark::Counter(static_cast<double>(placed), benchmark::Counter::kIsRate);
}

void Loads(benchmark::internal::Benchmark* bench) {
  for (const int64_t nodes : {1'000, 10'000}) {
    for (const Load load :
         {Load::kPlain, Load::kManyOwners, Load::kTainted, Load::kApart, Load::kNearlyFull}) {
      bench->Args({nodes, static_cast<int64_t>(load)});
    }
  }
}

BENCHMARK(BM_Schedule)->Apply(Loads)->ArgNames({"nodes", "load"})->Unit(benchmark::kMillisecond);

// One pod for which there is no room, again after each change: the price of saying why.
void BM_Refuse(benchmark::State& state) {
  StoredObjects make;
  const std::unique_ptr<Engine> engine = NewEngine(state.range(0), Load::kPlain, &make);
  engine->PodChanged(make.Pod("big", {.cpu = "33"}));
  const registry::ObjectRef there = make.Pod("there", {.node = "node-1"});
  int64_t now = 0;
  for (auto _ : state) {
    now += 60 * kNanosPerSecond;
    engine->PodChanged(there);
    engine->PodDeleted(*there);  // wakes the waiting pod
    benchmark::DoNotOptimize(engine->Next(now));
  }
}

BENCHMARK(BM_Refuse)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace socle::scheduler
