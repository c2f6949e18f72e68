#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "kv/wal/testing/replayed_log.h"
#include "kv/wal/wal.h"

namespace socle::kv {
namespace {

// The log, and a vector that it must agree with.
class CheckedLog {
 public:
  explicit CheckedLog(uint64_t seed) : random_(seed), env_(seed) {
    options_.segment_bytes = 8192 + random_.Below(40'000);
    options_.store_id = seed;
    options_.prepare_in_background = random_.OneIn(4);
  }

  void Run(int steps) {
    Reopen();
    for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE(fmt::format("step {}", step));
      const uint64_t choice = random_.Below(100);
      if (choice < 80) {
        Append();
      } else if (choice < 90) {
        Truncate();
      } else {
        if (random_.OneIn(2)) {
          wal_.reset();
          env_.Restart(DurabilityLoss::kRandom);  // all is acknowledged: nothing may go
        }
        Reopen();
      }
    }
  }

 private:
  void Append() {
    std::vector<std::string> batch;
    const uint64_t count = 1 + random_.Below(random_.OneIn(10) ? 60 : 4);
    for (uint64_t i = 0; i < count; ++i) {
      batch.push_back(
          EntryText(entries_.size() + i + 1, random_.Below(random_.OneIn(8) ? 3000 : 200)));
    }
    ASSERT_THAT(AppendTexts(wal_.get(), batch),
                IsOkAndHolds(LogIndex{entries_.size() + batch.size()}));
    entries_.insert(entries_.end(), batch.begin(), batch.end());
  }

  void Truncate() {
    truncated_ += random_.Below(entries_.size() - truncated_ + 1);
    ASSERT_OK(wal_->TruncateBefore(LogIndex{truncated_}));
  }

  void Reopen() {
    wal_.reset();
    const uint64_t after = truncated_ + random_.Below(entries_.size() - truncated_ + 1);
    ASSERT_OK_AND_ASSIGN(ReplayedLog log, OpenLog(&env_, "/wal", options_, after));
    wal_ = std::move(log.wal);
    ASSERT_EQ(wal_->last_index(), LogIndex{entries_.size()});
    ASSERT_EQ(log.entries.size(), entries_.size() - after);
    for (const auto& [index, text] : log.entries) {
      ASSERT_EQ(text, entries_[index - 1]) << index;
    }
  }

  Random random_;
  FaultEnv env_;
  WalOptions options_;
  std::unique_ptr<Wal> wal_;
  std::vector<std::string> entries_;  // entry n at n - 1
  uint64_t truncated_ = 0;
};

TEST(WalModel, AgreesWithAVectorOverRandomAppendsTruncationsAndRestarts) {
  const uint64_t seed = TestSeed();
  for (uint64_t run = 0; run < 40; ++run) {
    SCOPED_TRACE(fmt::format("seed {} run {}", seed, run));
    CheckedLog(seed + run).Run(200);
    if (HasFatalFailure()) {
      return;
    }
  }
}

}  // namespace
}  // namespace socle::kv
