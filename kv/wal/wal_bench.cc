// Append beside its floor: pwrite and fdatasync into a file of zeros in the same directory
// ($TMPDIR, which should not be a memory file system). Read the pairs as ratios.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/env/env.h"
#include "kv/wal/crc32c.h"
#include "kv/wal/wal.h"

namespace socle::kv {
namespace {

constexpr uint64_t kFileBytes = 64'000'000;

// A directory for one benchmark, removed at the end.
class BenchDirectory {
 public:
  explicit BenchDirectory(std::string_view name)
      : path_(std::filesystem::temp_directory_path() / fmt::format("socle_wal_bench_{}", name)) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }

  ~BenchDirectory() { std::filesystem::remove_all(path_); }

  BenchDirectory(const BenchDirectory&) = delete;
  BenchDirectory& operator=(const BenchDirectory&) = delete;

  std::string path() const { return path_.string(); }

 private:
  const std::filesystem::path path_;
};

// Arguments: entries of a batch, bytes of an entry.
void WriteAndSyncZeroFilledFile(benchmark::State& state) {
  const BenchDirectory dir("floor");
  auto file = Env::Posix()->Open(dir.path() + "/file", OpenMode::kReadWriteCreate);
  CHECK_OK(file.status());
  const std::string zeros(1'000'000, '\0');
  for (uint64_t at = 0; at < kFileBytes; at += zeros.size()) {
    CHECK_OK((*file)->WriteAt(at, zeros));
  }
  CHECK_OK((*file)->SyncData());
  const std::string bytes(static_cast<size_t>(state.range(0) * (state.range(1) + 32)), 'x');
  uint64_t at = 0;
  for (auto _ : state) {
    if (at + bytes.size() > kFileBytes) {
      at = 0;
    }
    CHECK_OK((*file)->WriteAt(at, bytes));
    CHECK_OK((*file)->SyncData());
    at += bytes.size();
  }
}

void AppendBatch(benchmark::State& state) {
  const BenchDirectory dir("log");
  auto wal = Wal::Open(Env::Posix(), dir.path() + "/wal", {.segment_bytes = kFileBytes},
                       LogIndex{0}, [](LogIndex, std::string_view) { return absl::OkStatus(); });
  CHECK_OK(wal.status());
  const std::string entry(static_cast<size_t>(state.range(1)), 'x');
  const std::vector<std::string_view> entries(static_cast<size_t>(state.range(0)), entry);
  for (auto _ : state) {
    const auto last = (*wal)->Append(entries);
    CHECK_OK(last.status());
    if (Raw(*last) % 4096 < entries.size()) {
      CHECK_OK((*wal)->TruncateBefore(*last));
    }
  }
}

void Checksum(benchmark::State& state) {
  const std::string bytes(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    benchmark::DoNotOptimize(Crc32c(bytes));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

// Real time: a sync is waiting, not work.
BENCHMARK(WriteAndSyncZeroFilledFile)->Args({1, 300})->Args({200, 300})->UseRealTime();
BENCHMARK(AppendBatch)->Args({1, 300})->Args({200, 300})->UseRealTime();
BENCHMARK(Checksum)->Arg(300)->Arg(65536);

}  // namespace
}  // namespace socle::kv
