#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

#include "kv/base/bytes.h"
#include "kv/base/check.h"
#include "kv/base/random.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/env/env.h"

namespace socle::kv {
namespace {

constexpr uint64_t kPerCommit = 10'000;

// Entries of one file: SOCLE_BENCH_KEYS, few by default so that the smoke run is quick.
uint64_t KeyCount() {
  const char* text = std::getenv("SOCLE_BENCH_KEYS");  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? 20'000 : std::strtoull(text, nullptr, 10);
}

std::string DirectoryForBench() {
  const char* text = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe)
  return (text == nullptr ? std::string("/tmp") : std::string(text)) + "/bolt_bench";
}

// A revision key: main, '_', sub.
class RevisionKey {
 public:
  explicit RevisionKey(uint64_t main) { PutBigEndian64(main, bytes_.data()); }

  operator std::string_view() const { return {bytes_.data(), bytes_.size()}; }  // NOLINT

 private:
  std::array<char, 17> bytes_{0, 0, 0, 0, 0, 0, 0, 0, '_'};
};

std::unique_ptr<Engine> OpenNew(const std::string& path) {
  Env* env = Env::Posix();
  CHECK_OK(env->CreateDirs(DirectoryForBench()));
  env->Remove(path).IgnoreError();  // usually not there
  auto engine = OpenBolt(env, path, {});
  CHECK_OK(engine.status());
  return *std::move(engine);
}

void Fill(Engine* engine, uint64_t keys) {
  const std::string value(256, 'v');
  for (uint64_t next = 0; next < keys;) {
    auto txn = engine->BeginWrite();
    CHECK_OK((*txn)->CreateBucket("key"));
    for (uint64_t i = 0; i < kPerCommit && next < keys; ++i, ++next) {
      CHECK_OK((*txn)->Put("key", RevisionKey(next), value));
    }
    CHECK_OK((*txn)->Commit());
  }
}

void BM_SequentialPut(benchmark::State& state) {
  const uint64_t keys = KeyCount();
  const std::string path = DirectoryForBench() + "/put";
  for (auto _ : state) {
    state.PauseTiming();
    std::unique_ptr<Engine> engine = OpenNew(path);
    state.ResumeTiming();
    Fill(engine.get(), keys);
    state.PauseTiming();
    engine.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(keys));
  CHECK_OK(Env::Posix()->Remove(path));
}

BENCHMARK(BM_SequentialPut)->Unit(benchmark::kMillisecond)->UseRealTime();

// Puts without the disk: one transaction that is rolled back.
void BM_SequentialPutInMemory(benchmark::State& state) {
  const std::string path = DirectoryForBench() + "/memory";
  const std::unique_ptr<Engine> engine = OpenNew(path);
  const std::string value(256, 'v');
  for (auto _ : state) {
    auto txn = engine->BeginWrite();
    CHECK_OK((*txn)->CreateBucket("key"));
    for (uint64_t i = 0; i < kPerCommit; ++i) {
      CHECK_OK((*txn)->Put("key", RevisionKey(i), value));
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kPerCommit));
}

BENCHMARK(BM_SequentialPutInMemory)->Unit(benchmark::kMillisecond);

// A file with KeyCount() entries, made once.
Engine* FilledEngine() {
  static const std::unique_ptr<Engine> engine = [] {
    std::unique_ptr<Engine> made = OpenNew(DirectoryForBench() + "/read");
    Fill(made.get(), KeyCount());
    return made;
  }();
  return engine.get();
}

void BM_RandomGet(benchmark::State& state) {
  Engine* engine = FilledEngine();
  const auto txn = engine->BeginRead();
  Random random(1);
  const uint64_t keys = KeyCount();
  for (auto _ : state) {
    const auto value = (*txn)->Get("key", RevisionKey(random.Below(keys)));
    benchmark::DoNotOptimize((*value)->data());
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(BM_RandomGet);

void BM_FullScan(benchmark::State& state) {
  Engine* engine = FilledEngine();
  const auto txn = engine->BeginRead();
  uint64_t bytes = 0;
  int64_t entries = 0;
  for (auto _ : state) {
    const auto cursor = (*txn)->NewCursor("key");
    for ((*cursor)->SeekToFirst(); (*cursor)->Valid(); (*cursor)->Next()) {
      bytes += (*cursor)->key().size() + (*cursor)->value().size();
      ++entries;
    }
  }
  benchmark::DoNotOptimize(bytes);
  state.SetItemsProcessed(entries);
}

BENCHMARK(BM_FullScan)->Unit(benchmark::kMillisecond);

void BM_Check(benchmark::State& state) {
  Engine* engine = FilledEngine();
  for (auto _ : state) {
    CHECK_OK(engine->Check());
  }
}

BENCHMARK(BM_Check)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace socle::kv
