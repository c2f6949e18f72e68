#include "tests/linearizability/embedded_run.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/random.h"
#include "kv/base/thread.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/manual_clock.h"
#include "lease/lessor.h"
#include "tests/linearizability/random_client.h"
#include "tests/linearizability/store_asker.h"
#include "tests/linearizability/watch_recorder.h"

namespace socle::linearizability {
namespace {

using mvcc::Store;

class Run {
 public:
  Run(uint64_t seed, PlantedFault fault)
      : fault_(fault), random_(seed), env_(random_.Next()), reader_(0, random_.Next(), &clock_) {
    const int clients = 2 + static_cast<int>(random_.Below(3));
    for (int client = 1; client <= clients; ++client) {
      clients_.push_back(std::make_unique<RandomClient>(client, random_.Next(), &clock_));
    }
    env_.PretendToSync(fault == PlantedFault::kLyingDisk);
    if (random_.OneIn(5)) {
      SlowDownSyncs();
    }
  }

  EmbeddedRun Go() {
    const uint64_t lives = 1 + random_.Below(3);
    for (uint64_t life = 0; life < lives && result_.problem.empty(); ++life) {
      if (Open(/*may_crash=*/true)) {
        Live();
        Close();
      }
    }
    if (result_.problem.empty() && Open(/*may_crash=*/false)) {
      Look();
      if (const absl::Status sound = store_->Check(); !sound.ok()) {
        result_.problem = fmt::format("the page store is unsound: {}", sound.ToString());
      }
    }
    store_.reset();
    Collect(*reader_.log(), &result_.history);
    for (const auto& client : clients_) {
      Collect(*client->log(), &result_.history);
    }
    SortCalls(&result_.history);
    return std::move(result_);
  }

 private:
  // With a slow disk calls pile up behind a sync and share the next one.
  void SlowDownSyncs() {
    env_.SetObserver([](CallKind kind, const std::string& /*path*/) {
      if (kind == CallKind::kSync) {
        Clock::Real()->SleepFor(100'000);
      }
    });
  }

  void PlanTrouble() {
    if (random_.OneIn(8)) {
      env_.FailCall(CallKind::kSync, 1 + random_.Below(20));
    } else if (!random_.OneIn(4)) {
      env_.CrashAfterCalls(random_.Below(random_.OneIn(4) ? 30 : 250));
    }
  }

  DurabilityLoss Loss() {
    constexpr DurabilityLoss kLosses[] = {DurabilityLoss::kRandom, DurabilityLoss::kAll,
                                          DurabilityLoss::kNone, DurabilityLoss::kRandom};
    return kLosses[random_.Below(4)];
  }

  void CutPower() {
    ++result_.crashes;
    env_.Restart(Loss());
    env_.PretendToSync(fault_ == PlantedFault::kLyingDisk);
  }

  mvcc::StoreOptions Options() {
    mvcc::StoreOptions options;
    options.directory = "/s";
    options.env = &env_;
    options.map_size_bytes = uint64_t{64} << 20U;
    options.wal_segment_bytes = 1 << 14;
    options.batch_interval_nanos = kNanosPerMilli / 4;
    options.batch_limit = random_.OneIn(2) ? 4 : 10'000;
    options.pending_bytes_max = random_.OneIn(2) ? uint64_t{1} << 20U : 70'000;
    options.compaction_batch_limit = 2;
    options.compaction_sleep_nanos = 1000;
    return options;
  }

  // A store with its leases, as an embedder makes it; false and a problem when that fails without a
  // reason.
  bool Open(bool may_crash) {
    for (int attempt = 0;; ++attempt) {
      if (may_crash && attempt < 5) {
        PlanTrouble();
      }
      store_.reset();
      lessor_ = std::make_unique<lease::Lessor>(
          lease::LessorOptions{.clock = &lease_clock_, .random_seed = 1});
      faulty_hook_ = WithFault(fault_, lessor_.get());
      mvcc::StoreOptions options = Options();
      options.lease_hook = faulty_hook_ ? faulty_hook_.get() : lessor_.get();
      auto opened = Store::Open(options);
      if (opened.ok()) {
        store_ = WithFault(fault_, *std::move(opened));
        lessor_->StartDeadlines();
        Settle();
        return true;
      }
      if (attempt >= 5) {
        result_.problem = fmt::format("the store does not open: {}", opened.status().ToString());
        return false;
      }
      CutPower();
    }
  }

  void Settle() {
    const int64_t now = clock_.Tick();
    reader_.log()->Settle(now);
    for (const auto& client : clients_) {
      client->log()->Settle(now);
    }
  }

  void Look() {
    StoreAsker asker(store_.get(), lessor_.get());
    reader_.AskAll(&asker);
  }

  void Live() {
    Look();
    std::unique_ptr<WatchRecorder> watcher;
    if (random_.OneIn(2)) {
      const int64_t oldest = std::max<int64_t>(1, store_->compact_revision());
      const int64_t start = std::max(oldest, std::min(watched_ + 1, store_->current_revision()));
      watcher = std::make_unique<WatchRecorder>(store_.get(), &clock_, start);
    }
    const uint64_t calls = 5 + random_.Below(16);
    std::vector<Thread> threads;
    threads.reserve(clients_.size());
    for (const auto& client : clients_) {
      threads.emplace_back("client", [this, calls, client = client.get()] {
        StoreAsker asker(store_.get(), lessor_.get());
        for (uint64_t i = 0; i < calls && client->AskSomething(&asker); ++i) {
        }
      });
    }
    if (random_.OneIn(3)) {
      Expire();
    }
    threads.clear();
    Look();
    if (watcher) {
      if (!watcher->Finish(store_->current_revision())) {
        result_.problem = "a watcher never caught up";
      }
      watched_ = std::max(watched_, watcher->watch().through);
      Collect(*watcher->log(), &result_.history);
      result_.history.watches.push_back(watcher->watch());
    }
  }

  // Time passes; what is due is revoked, as the expirer does it.
  void Expire() {
    StoreAsker asker(store_.get(), lessor_.get());
    lease_clock_.Advance(static_cast<int64_t>(1 + random_.Below(100)) * kNanosPerSecond);
    for (const mvcc::LeaseId id : lessor_->TakeExpired(3)) {
      if (!reader_.Ask(&asker, mvcc::Operation(mvcc::LeaseRevokeOp{.id = id}))) {
        return;
      }
    }
  }

  void Close() {
    const bool has_failed = !store_->Health().ok();
    if (!has_failed && !env_.has_crashed() && random_.OneIn(4)) {
      CutPowerWhileRunning();
      return;
    }
    store_.reset();
    if (has_failed || env_.has_crashed() || random_.OneIn(3)) {
      CutPower();
    }
  }

  // Nobody asks; the committer and a compaction may be at work.
  void CutPowerWhileRunning() {
    env_.CrashAfterCalls(0);
    store_.reset();
    CutPower();
  }

  const PlantedFault fault_;
  Random random_;
  FaultEnv env_;
  ManualClock lease_clock_;
  HistoryClock clock_;
  RandomClient reader_;
  std::vector<std::unique_ptr<RandomClient>> clients_;
  std::unique_ptr<lease::Lessor> lessor_;
  std::unique_ptr<mvcc::LeaseHook> faulty_hook_;
  std::unique_ptr<Store> store_;
  int64_t watched_ = 0;
  EmbeddedRun result_;
};

}  // namespace

EmbeddedRun RunEmbedded(uint64_t seed, PlantedFault fault) {
  return Run(seed, fault).Go();
}

}  // namespace socle::linearizability
