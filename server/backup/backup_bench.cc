// Puts of two stores by turns, one with a backup beside and one without: what the backup costs those who write. Medians; read
// the ratio. Both lie in $TMPDIR, which should not be a memory file system.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "mvcc/store.h"
#include "server/backup/backup_service.h"

namespace socle::server {
namespace {

constexpr int kPutsPerTurn = 512;
constexpr int kAtOnce = 64;

std::unique_ptr<mvcc::Store> OpenStore(const std::string& directory, bool hold_log) {
  mvcc::StoreOptions options;
  options.directory = directory;
  options.hold_log = hold_log;
  auto store = mvcc::Store::Open(std::move(options));
  CHECK_OK(store.status());
  return *std::move(store);
}

// Nanoseconds for a turn, `kAtOnce` puts under way.
int64_t Turn(mvcc::Store* store, uint64_t* next) {
  std::counting_semaphore<kAtOnce> room(kAtOnce);
  const int64_t start = Clock::Real()->MonotonicNanos();
  for (int i = 0; i < kPutsPerTurn; ++i) {
    room.acquire();
    store->Put({.key = std::to_string((*next)++ % 10'000), .value = std::string(256, 'v')},
               [&room](const absl::StatusOr<mvcc::PutResult>& result) {
                 CHECK_OK(result.status());
                 room.release();
               });
  }
  for (int i = 0; i < kAtOnce; ++i) {
    room.acquire();
  }
  return Clock::Real()->MonotonicNanos() - start;
}

double Median(std::vector<int64_t>* nanos) {
  const auto middle = nanos->begin() + static_cast<std::ptrdiff_t>(nanos->size() / 2);
  std::nth_element(nanos->begin(), middle, nanos->end());
  return static_cast<double>(*middle);
}

void PutsBesideABackup(benchmark::State& state) {
  const std::string dir = (std::filesystem::temp_directory_path() / "socle_backup_bench").string();
  std::filesystem::remove_all(dir);
  {
    const auto with = OpenStore(dir + "/with", true);
    const auto without = OpenStore(dir + "/without", false);
    auto backup =
        BackupService::Start(with.get(), {.backup = {.directory = dir + "/backup", .cluster_id = 1},
                                          .save_interval_nanos = 100 * kNanosPerMilli});
    CHECK_OK(backup.status());
    std::vector<int64_t> with_nanos;
    std::vector<int64_t> without_nanos;
    uint64_t next_with = 0;
    uint64_t next_without = 0;
    for (auto _ : state) {
      with_nanos.push_back(Turn(with.get(), &next_with));
      without_nanos.push_back(Turn(without.get(), &next_without));
    }
    state.counters["with_us"] = Median(&with_nanos) / 1e3 / kPutsPerTurn;
    state.counters["without_us"] = Median(&without_nanos) / 1e3 / kPutsPerTurn;
    state.counters["ratio"] = Median(&with_nanos) / Median(&without_nanos);
  }
  std::filesystem::remove_all(dir);
}

BENCHMARK(PutsBesideABackup);

}  // namespace
}  // namespace socle::server
