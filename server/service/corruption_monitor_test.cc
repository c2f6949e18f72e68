#include "server/service/corruption_monitor.h"

#include <memory>
#include <semaphore>
#include <utility>

#include <gtest/gtest.h>

#include "kv/base/clock.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/env/env.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"
#include "mvcc/revision.h"

namespace socle::server {
namespace {

constexpr uint64_t kMember = 7;

class CorruptionMonitorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Open();
    for (int i = 0; i < 20; ++i) {
      ASSERT_THAT(store_->Put({.key = "k", .value = "v"}), IsOk());
    }
  }

  void Open() {
    auto store = mvcc::Store::Open({.directory = dir_.path()});
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
    alarms_ = std::make_unique<Alarms>(store_.get());
    ASSERT_THAT(alarms_->Load(), IsOk());
  }

  // The store first: it may owe the alarms an answer.
  void TearDown() override {
    store_.reset();
    alarms_.reset();
  }

  void LoseARecord() {
    TearDown();
    {
      auto engine = kv::OpenBolt(Env::Posix(), dir_.path() + "/member/snap/db", {});
      ASSERT_THAT(engine, IsOk());
      auto txn = (*engine)->BeginWrite();
      ASSERT_THAT(txn, IsOk());
      ASSERT_THAT((*txn)->Delete("key", mvcc::RevisionKey({10, 0}).view()), IsOk());
      ASSERT_THAT((*txn)->Commit(), IsOk());
    }
    Open();
  }

  // Within ten seconds.
  bool BecomesCorrupt() const {
    for (int i = 0; i < 1'000 && !alarms_->IsActive(etcdserverpb::CORRUPT); ++i) {
      Clock::Real()->SleepFor(10 * kNanosPerMilli);
    }
    return alarms_->IsActive(etcdserverpb::CORRUPT);
  }

  TempDir dir_;
  std::unique_ptr<mvcc::Store> store_;
  std::unique_ptr<Alarms> alarms_;
};

TEST_F(CorruptionMonitorTest, RaisesWhatOpeningFound) {
  LoseARecord();
  const CorruptionMonitor monitor(store_.get(), alarms_.get(), kMember, 0);
  EXPECT_TRUE(BecomesCorrupt());
}

TEST_F(CorruptionMonitorTest, LooksAgainWhileTheStoreServes) {
  LoseARecord();
  const CorruptionMonitor monitor(store_.get(), alarms_.get(), kMember, kNanosPerMilli);
  ASSERT_TRUE(BecomesCorrupt());
  std::binary_semaphore disarmed(0);
  alarms_->Deactivate({.member_id = kMember, .type = etcdserverpb::CORRUPT},
                      [&](const absl::Status& status) {
                        EXPECT_THAT(status, IsOk());
                        disarmed.release();
                      });
  disarmed.acquire();
  EXPECT_TRUE(BecomesCorrupt());
}

TEST_F(CorruptionMonitorTest, SoundPagesRaiseNothing) {
  {
    const CorruptionMonitor monitor(store_.get(), alarms_.get(), kMember, kNanosPerMilli);
    for (int i = 0; i < 200; ++i) {  // Checks run beside writes and commits.
      ASSERT_THAT(store_->Put({.key = "k", .value = "v"}), IsOk());
    }
    ASSERT_THAT(store_->CommitAndRead(), IsOk());
  }
  EXPECT_FALSE(alarms_->IsActive(etcdserverpb::CORRUPT));
}

}  // namespace
}  // namespace socle::server
