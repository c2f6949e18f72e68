// Restore: how long a store takes to open on pages that are full already.
//
//   mvcc_bench --benchmark_filter=Restore                      20,000 keys of 32 bytes, values of 256
//   SOCLE_BENCH_KEYS=1000000 mvcc_bench --benchmark_filter=Restore
//
// "ByDescent" is what a restore used to be: one thread walks the bucket and adds each revision to
// the index from the root down. Files are in $TMPDIR; they are in the page cache when the clock
// starts.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/random.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/env/env.h"
#include "mvcc/index.h"
#include "mvcc/record.h"
#include "mvcc/revision.h"
#include "mvcc/store.h"

namespace socle::mvcc {
namespace {

uint64_t KeyCount() {
  const char* const text = std::getenv("SOCLE_BENCH_KEYS");  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? 20'000 : std::strtoull(text, nullptr, 10);
}

// A store directory with the keys in random order, made once and removed at the end.
class FullStore {
 public:
  FullStore() : path_(std::filesystem::temp_directory_path() / "socle_restore_bench") {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_ / "member" / "snap");
    auto engine = kv::OpenBolt(Env::Posix(), db(), {});
    CHECK_OK(engine.status());
    auto txn = (*engine)->BeginWrite();
    CHECK_OK(txn.status());
    CHECK_OK((*txn)->CreateBucket("key"));
    std::vector<uint64_t> numbers(KeyCount());
    std::iota(numbers.begin(), numbers.end(), uint64_t{0});
    Random random(1);
    for (size_t i = numbers.size(); i > 1; --i) {
      std::swap(numbers[i - 1], numbers[random.Below(i)]);
    }
    const std::string value(256, 'v');
    std::string record;
    for (size_t i = 0; i < numbers.size(); ++i) {
      const auto revision = static_cast<int64_t>(i + 2);
      record.clear();
      AppendRecord({.key = fmt::format("/registry/pods/default/{:09}", numbers[i]),
                    .create_revision = revision,
                    .mod_revision = revision,
                    .version = 1,
                    .value = value},
                   &record);
      CHECK_OK((*txn)->Put("key", RevisionKey({revision, 0}).view(), record));
    }
    CHECK_OK((*txn)->Commit());
  }

  ~FullStore() { std::filesystem::remove_all(path_); }

  FullStore(const FullStore&) = delete;
  FullStore& operator=(const FullStore&) = delete;

  std::string path() const { return path_.string(); }

  std::string db() const { return (path_ / "member" / "snap" / "db").string(); }

 private:
  const std::filesystem::path path_;
};

const FullStore& Full() {
  static const FullStore full;
  return full;
}

void BM_RestoreByDescent(benchmark::State& state) {
  const std::string db = Full().db();
  for (auto _ : state) {
    auto engine = kv::OpenBolt(Env::Posix(), db, {});
    CHECK_OK(engine.status());
    const auto pages = (*engine)->BeginRead();
    CHECK_OK(pages.status());
    const auto cursor = (*pages)->NewCursor("key");
    CHECK_OK(cursor.status());
    auto index = std::make_unique<Index>();
    for ((*cursor)->SeekToFirst(); (*cursor)->Valid(); (*cursor)->Next()) {
      const auto at = ParseRevisionKey((*cursor)->key());
      const auto kv = DecodeRecord((*cursor)->value());
      CHECK(at.has_value() && kv.has_value());
      index->Add(kv->key, at->revision, at->is_tombstone, kv->create_revision, kv->version);
    }
    CHECK_EQ(index->keys(), KeyCount());
    state.PauseTiming();  // Freeing the index is no part of a start.
    index.reset();
    state.ResumeTiming();
  }
}

void BM_RestoreStore(benchmark::State& state) {
  const std::string path = Full().path();
  for (auto _ : state) {
    auto store =
        Store::Open({.directory = path, .restore_threads = static_cast<int>(state.range(0))});
    CHECK_OK(store.status());
    CHECK_EQ((*store)->Stats().keys, static_cast<int64_t>(KeyCount()));
    state.PauseTiming();
    store->reset();
    state.ResumeTiming();
  }
}

BENCHMARK(BM_RestoreByDescent)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(BM_RestoreStore)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace socle::mvcc
