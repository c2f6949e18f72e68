#include "lease/expirer.h"

#include <atomic>
#include <cstdint>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/thread.h"
#include "kv/testing/manual_clock.h"
#include "lease/lease_store.h"
#include "lease/testing/fake_lease_log.h"
#include "mvcc/errors.h"

namespace socle::lease {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ExpirerTest : public testing::Test {
 protected:
  ExpirerTest() { lessor_.StartDeadlines(); }

  ~ExpirerTest() override {
    lessor_.CheckInvariants();
    log_.Apply();
    lessor_.Close();
  }

  void Advance(int64_t seconds) { clock_.Advance(seconds * kNanosPerSecond); }

  ManualClock clock_;
  Lessor lessor_{{.clock = &clock_, .random_seed = 1}};
  FakeLeaseLog log_{&lessor_};
};

TEST_F(ExpirerTest, RevokesWhatIsDueAndNothingElse) {
  Expirer expirer(&lessor_, &log_, &clock_);
  lessor_.Grant(LeaseId{1}, 10, 0);
  lessor_.Grant(LeaseId{2}, 20, 0);
  lessor_.Attach(LeaseId{1}, "a");
  EXPECT_EQ(expirer.Step(), 0U);
  Advance(10);
  EXPECT_EQ(expirer.Step(), 1U);
  EXPECT_TRUE(lessor_.Exists(LeaseId{1}));  // until it is applied
  EXPECT_THAT(lessor_.KeysOf(LeaseId{1}), ElementsAre("a"));
  EXPECT_EQ(expirer.Step(), 0U);  // proposed once
  log_.Apply();
  EXPECT_FALSE(lessor_.Exists(LeaseId{1}));
  EXPECT_TRUE(lessor_.Exists(LeaseId{2}));
}

TEST_F(ExpirerTest, KeepsTheNumberOfUnansweredRevocationsBounded) {
  Expirer expirer(&lessor_, &log_, &clock_);
  constexpr int64_t kLeases = 2 * Expirer::kInFlightMax + 100;
  for (int64_t id = 1; id <= kLeases; ++id) {
    lessor_.Grant(LeaseId{id}, 10, 0);
  }
  Advance(10);
  EXPECT_EQ(expirer.Step(), Expirer::kInFlightMax);
  EXPECT_EQ(expirer.Step(), 0U);
  log_.Apply();
  EXPECT_EQ(expirer.Step(), Expirer::kInFlightMax);
  log_.Apply();
  EXPECT_EQ(expirer.Step(), 100U);
  log_.Apply();
  EXPECT_EQ(log_.revoked().size(), static_cast<size_t>(kLeases));
}

TEST_F(ExpirerTest, TriesAFailedRevocationAgain) {
  Expirer expirer(&lessor_, &log_, &clock_);
  lessor_.Grant(LeaseId{1}, 10, 0);
  Advance(10);
  EXPECT_EQ(expirer.Step(), 1U);
  log_.Apply(mvcc::MakeError(mvcc::StoreError::kTooManyRequests));
  EXPECT_EQ(expirer.Step(), 0U);
  Advance(3);
  EXPECT_EQ(expirer.Step(), 1U);
  log_.Apply();
  EXPECT_FALSE(lessor_.Exists(LeaseId{1}));
}

TEST_F(ExpirerTest, ARevocationByTheClientFirstIsAsGood) {
  Expirer expirer(&lessor_, &log_, &clock_);
  LeaseStore store(&lessor_, &log_);
  lessor_.Grant(LeaseId{1}, 10, 0);
  Advance(10);
  store.Revoke(LeaseId{1}, [](const absl::StatusOr<mvcc::LeaseRevokeResult>& result) {
    EXPECT_TRUE(result.ok());
  });
  EXPECT_EQ(expirer.Step(), 1U);
  log_.Apply();
  EXPECT_EQ(log_.revoked().size(), 1U);
}

TEST_F(ExpirerTest, StoresCheckpointsOfLongLeases) {
  Expirer expirer(&lessor_, &log_, &clock_);
  lessor_.Grant(LeaseId{1}, 1000, 0);
  Advance(300);
  expirer.Step();
  EXPECT_EQ(log_.Apply(), 1U);
  // A renewal now has to clear it.
  Lessor::RenewalDone done = [](const absl::StatusOr<int64_t>&) {};
  EXPECT_EQ(lessor_.Renew(LeaseId{1}, &done)->kind, Lessor::RenewalKind::kNeedsCheckpoint0);
  Advance(300);
  expirer.Step();
  EXPECT_EQ(log_.Apply(), 1U);
}

TEST_F(ExpirerTest, ItsThreadRevokesAndStopsWhenAllIsAnswered) {
  Expirer expirer(&lessor_, &log_, &clock_);
  expirer.Start();
  lessor_.Grant(LeaseId{1}, 10, 0);
  lessor_.Grant(LeaseId{2}, 10, 0);
  Advance(10);
  log_.AwaitProposal();
  std::atomic<bool> is_stopped = false;  // written by the stopper, read by the test
  Thread stopper("stopper", [&] {
    expirer.Stop();
    is_stopped = true;
  });
  EXPECT_FALSE(is_stopped);
  while (!is_stopped) {
    log_.Apply();
  }
  stopper.Join();
  EXPECT_THAT(log_.revoked(), ElementsAre(LeaseId{1}, LeaseId{2}));
}

TEST_F(ExpirerTest, StopsWithoutLeasesToo) {
  Expirer expirer(&lessor_, &log_, &clock_);
  expirer.Start();
  expirer.Stop();
  expirer.Stop();
  EXPECT_THAT(log_.revoked(), IsEmpty());
}

}  // namespace
}  // namespace socle::lease
