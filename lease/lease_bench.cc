// Leases: what granting, renewing and expiring cost, and what a storm of expirations and a lease of
// many keys do to those who write beside them.
//
//   lease_bench                                         small
//   SOCLE_BENCH_LEASES=1000000 lease_bench              BM_Grant, BM_Renew, BM_LookForExpired…
//   SOCLE_BENCH_STORM=100000 lease_bench --benchmark_filter='Storm|Wide'
//
// "ByScan" is how etcd looked for expired leases before etcd#9418: every 500 ms through all of them.
// Files are in $TMPDIR.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/testing/manual_clock.h"
#include "lease/expirer.h"
#include "lease/lessor.h"
#include "mvcc/store.h"

namespace socle::lease {
namespace {

int64_t Number(const char* variable, int64_t otherwise) {
  const char* const text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? otherwise : std::strtoll(text, nullptr, 10);
}

int64_t LeaseCount() {
  return Number("SOCLE_BENCH_LEASES", 10'000);
}

int64_t StormSize() {
  return Number("SOCLE_BENCH_STORM", 1'000);
}

// A lessor with leases of 60 to 119 seconds.
class FullLessor {
 public:
  explicit FullLessor(int64_t leases) {
    lessor_.StartDeadlines();
    for (int64_t id = 1; id <= leases; ++id) {
      lessor_.Grant(LeaseId{id}, 60 + id % 60, 0);
    }
  }

  Lessor* lessor() { return &lessor_; }

  ManualClock* clock() { return &clock_; }

 private:
  ManualClock clock_;
  Lessor lessor_{{.clock = &clock_, .random_seed = 1}};
};

void BM_Grant(benchmark::State& state) {
  for (auto _ : state) {
    const FullLessor full(LeaseCount());
    benchmark::DoNotOptimize(&full);
  }
  state.SetItemsProcessed(state.iterations() * LeaseCount());
}

void BM_Renew(benchmark::State& state) {
  FullLessor full(LeaseCount());
  int64_t id = 0;
  Lessor::RenewalDone done = [](const absl::StatusOr<int64_t>&) {};
  for (auto _ : state) {
    id = id % LeaseCount() + 1;
    CHECK_OK(full.lessor()->Renew(LeaseId{id}, &done).status());
  }
}

// One look with nothing due: what is paid twice a second for ever.
void BM_LookForExpired(benchmark::State& state) {
  FullLessor full(LeaseCount());
  for (auto _ : state) {
    benchmark::DoNotOptimize(full.lessor()->TakeExpired(Expirer::kInFlightMax));
  }
}

void BM_LookForExpiredByScan(benchmark::State& state) {
  absl::flat_hash_map<LeaseId, std::unique_ptr<int64_t>> deadlines;
  for (int64_t id = 1; id <= LeaseCount(); ++id) {
    deadlines.emplace(LeaseId{id}, std::make_unique<int64_t>((60 + id % 60) * kNanosPerSecond));
  }
  for (auto _ : state) {
    std::vector<LeaseId> due;
    for (const auto& [id, deadline] : deadlines) {
      if (*deadline <= 1) {
        due.push_back(id);
      }
    }
    benchmark::DoNotOptimize(due);
  }
}

// A store with leases on a disk, removed at the end.
class LeasedStore {
 public:
  LeasedStore() : path_(std::filesystem::temp_directory_path() / "socle_lease_bench") {
    std::filesystem::remove_all(path_);
    auto store = mvcc::Store::Open({.directory = path_.string(), .lease_hook = &lessor_});
    CHECK_OK(store.status());
    store_ = *std::move(store);
    lessor_.StartDeadlines();
    log_.emplace(store_.get());
    expirer_.emplace(&lessor_, &*log_, &clock_);
  }

  ~LeasedStore() {
    expirer_.reset();
    lessor_.Close();
    store_.reset();
    std::filesystem::remove_all(path_);
  }

  LeasedStore(const LeasedStore&) = delete;
  LeasedStore& operator=(const LeasedStore&) = delete;

  // Leases of a minute with `keys` keys each.
  void Fill(int64_t leases, int64_t keys) {
    for (int64_t id = 1; id <= leases; ++id) {
      store_->LeaseGrant(LeaseId{id}, 60, [](const absl::StatusOr<mvcc::LeaseGrantResult>&) {});
      for (int64_t key = 0; key < keys; ++key) {
        store_->Put(mvcc::PutRequest{.key = fmt::format("leased/{:08}/{:08}", id, key),
                                     .value = "value",
                                     .lease = LeaseId{id}},
                    [](const absl::StatusOr<mvcc::PutResult>&) {});
      }
      if (id % 1'000 == 0) {
        Put();  // The queue is bounded.
      }
    }
    CHECK_OK(store_->CommitAndRead().status());
  }

  // Nanoseconds until the answer.
  int64_t Put() {
    const int64_t start = Clock::Real()->MonotonicNanos();
    CHECK_OK(store_->Put({.key = "writer", .value = "value"}).status());
    return Clock::Real()->MonotonicNanos() - start;
  }

  Lessor* lessor() { return &lessor_; }

  mvcc::Store* store() { return store_.get(); }

  Expirer* expirer() { return &*expirer_; }

  ManualClock* clock() { return &clock_; }

 private:
  const std::filesystem::path path_;
  ManualClock clock_;
  Lessor lessor_{{.clock = &clock_, .checkpoint_interval_nanos = 0, .random_seed = 1}};
  std::unique_ptr<mvcc::Store> store_;
  std::optional<StoreLeaseLog> log_;
  std::optional<Expirer> expirer_;
};

double Millis(std::vector<int64_t>* nanos, double quantile) {
  std::ranges::sort(*nanos);
  const auto at = static_cast<size_t>(quantile * static_cast<double>(nanos->size() - 1));
  return static_cast<double>((*nanos)[at]) / kNanosPerMilli;
}

// All leases end in the same second; one writer puts all the while, as it did alone before.
void BM_Storm(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    LeasedStore leased;
    leased.Fill(StormSize(), 1);
    std::vector<int64_t> alone;
    for (int i = 0; i < 1'000; ++i) {
      alone.push_back(leased.Put());
    }
    leased.expirer()->Start();
    std::vector<int64_t> beside;
    state.ResumeTiming();
    leased.clock()->Advance(60 * kNanosPerSecond);
    while (leased.lessor()->Stats().leases > 0) {
      beside.push_back(leased.Put());
    }
    state.PauseTiming();
    state.counters["alone_p50_ms"] = Millis(&alone, 0.5);
    state.counters["alone_p99_ms"] = Millis(&alone, 0.99);
    state.counters["beside_p50_ms"] = Millis(&beside, 0.5);
    state.counters["beside_p99_ms"] = Millis(&beside, 0.99);
    state.counters["puts_beside"] = static_cast<double>(beside.size());
    state.ResumeTiming();
  }
}

// One lease with many keys is revoked: one revision, so one turn of the write loop.
void BM_WideRevoke(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    LeasedStore leased;
    leased.Fill(1, StormSize());
    state.ResumeTiming();
    CHECK_OK(leased.store()->LeaseRevoke(LeaseId{1}).status());
    state.PauseTiming();
    CHECK_EQ(leased.store()->Stats().keys, 0);
    state.ResumeTiming();
  }
}

BENCHMARK(BM_Grant)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Renew);
BENCHMARK(BM_LookForExpired);
BENCHMARK(BM_LookForExpiredByScan);
BENCHMARK(BM_Storm)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(1);
BENCHMARK(BM_WideRevoke)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Iterations(1);

}  // namespace
}  // namespace socle::lease
