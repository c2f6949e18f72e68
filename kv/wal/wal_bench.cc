// Append beside its floor: pwrite and fdatasync into a file of zeros in the same directory
// ($TMPDIR, which should not be a memory file system). Medians; read the ratio. Replay: what a start reads back.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/env/env.h"
#include "kv/wal/crc32c.h"
#include "kv/wal/record.h"
#include "kv/wal/wal.h"

namespace socle::kv {
namespace {

constexpr uint64_t kFileBytes = 16'000'000;

// A directory for one benchmark, removed at the end.
class BenchDirectory {
 public:
  BenchDirectory() : path_(std::filesystem::temp_directory_path() / "socle_wal_bench") {
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

std::unique_ptr<File> MakeZeroFilledFile(const std::string& path) {
  auto file = Env::Posix()->Open(path, OpenMode::kReadWriteCreate);
  CHECK_OK(file.status());
  CHECK_OK((*file)->WriteAt(0, std::string(kFileBytes, '\0')));
  CHECK_OK((*file)->SyncData());
  return *std::move(file);
}

// A log in steady state: its segments have been used before.
std::unique_ptr<Wal> MakeRecycledLog(const std::string& dir) {
  auto wal = Wal::Open(Env::Posix(), dir, {.segment_bytes = kFileBytes}, LogIndex{0},
                       [](LogIndex, std::string_view) { return absl::OkStatus(); });
  CHECK_OK(wal.status());
  const std::string entry(kFileBytes / 2 - 8192, 'x');
  for (int i = 0; i < 6; ++i) {
    const auto last = (*wal)->Append(std::vector<std::string_view>{entry});
    CHECK_OK(last.status());
    CHECK_OK((*wal)->TruncateBefore(*last));
  }
  return *std::move(wal);
}

double MedianMicros(std::vector<int64_t>* nanos) {
  const auto middle = nanos->begin() + static_cast<ptrdiff_t>(nanos->size() / 2);
  std::nth_element(nanos->begin(), middle, nanos->end());
  return static_cast<double>(*middle) / 1000;
}

// Arguments: entries of a batch, bytes of an entry. By turns one Append and one bare write and sync
// of as many bytes, so that both see the same disk.
void AppendBesideWriteAndSync(benchmark::State& state) {
  const BenchDirectory dir;
  const std::unique_ptr<File> file = MakeZeroFilledFile(dir.path() + "/bare");
  const std::unique_ptr<Wal> wal = MakeRecycledLog(dir.path() + "/wal");
  const std::string entry(static_cast<size_t>(state.range(1)), 'x');
  const std::vector<std::string_view> entries(static_cast<size_t>(state.range(0)), entry);
  const std::string bytes(BatchBytes(entries), 'x');
  std::vector<int64_t> bare;
  std::vector<int64_t> append;
  uint64_t at = 0;
  for (auto _ : state) {
    const int64_t start = Clock::Real()->MonotonicNanos();
    CHECK_OK(file->WriteAt(at, bytes));
    CHECK_OK(file->SyncData());
    const int64_t between = Clock::Real()->MonotonicNanos();
    const auto last = wal->Append(entries);
    const int64_t end = Clock::Real()->MonotonicNanos();
    CHECK_OK(last.status());
    CHECK_OK(wal->TruncateBefore(*last));
    at = at + 2 * bytes.size() > kFileBytes ? 0 : at + bytes.size();
    bare.push_back(between - start);
    append.push_back(end - between);
    state.SetIterationTime(static_cast<double>(end - between) / 1e9);
  }
  const double bare_us = MedianMicros(&bare);
  const double append_us = MedianMicros(&append);
  state.counters["bare_us"] = bare_us;
  state.counters["append_us"] = append_us;
  state.counters["ratio"] = append_us / bare_us;
}

void Checksum(benchmark::State& state) {
  const std::string bytes(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    benchmark::DoNotOptimize(Crc32c(bytes));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

// Arguments: entries of a batch, bytes of an entry. What a start reads back: a log of 8 MB, from the page cache.
void Replay(benchmark::State& state) {
  constexpr int64_t kLogBytes = 8'000'000;
  const BenchDirectory dir;
  const std::string entry(static_cast<size_t>(state.range(1)), 'x');
  const std::vector<std::string_view> entries(static_cast<size_t>(state.range(0)), entry);
  int64_t written = 0;
  {
    auto wal = Wal::Open(Env::Posix(), dir.path(), {.segment_bytes = kFileBytes}, LogIndex{0},
                         [](LogIndex, std::string_view) { return absl::OkStatus(); });
    CHECK_OK(wal.status());
    for (; written * state.range(1) < kLogBytes; written += state.range(0)) {
      CHECK_OK((*wal)->Append(entries).status());
    }
  }
  for (auto _ : state) {
    int64_t read = 0;
    const auto wal = Wal::Open(Env::Posix(), dir.path(), {.segment_bytes = kFileBytes}, LogIndex{0},
                               [&read](LogIndex, std::string_view) {
                                 ++read;
                                 return absl::OkStatus();
                               });
    CHECK_OK(wal.status());
    CHECK_EQ(read, written);
  }
  state.SetItemsProcessed(state.iterations() * written);
  state.SetBytesProcessed(state.iterations() * written * state.range(1));
}

BENCHMARK(Replay)->Args({200, 300})->Unit(benchmark::kMillisecond);
BENCHMARK(AppendBesideWriteAndSync)->Args({1, 300})->Args({200, 300})->UseManualTime();
BENCHMARK(Checksum)->Arg(300)->Arg(65536);

}  // namespace
}  // namespace socle::kv
