#include "lease/lease_store.h"

#include <cstdint>
#include <optional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/manual_clock.h"
#include "lease/testing/fake_lease_log.h"
#include "mvcc/errors.h"

namespace socle::lease {
namespace {

using mvcc::StoreError;
using testing::ElementsAre;
using testing::IsEmpty;

class LeaseStoreTest : public testing::Test {
 protected:
  LeaseStoreTest() { lessor_.StartDeadlines(); }

  ~LeaseStoreTest() override {
    lessor_.CheckInvariants();
    lessor_.Close();
  }

  std::optional<Granted> Grant(int64_t id, int64_t ttl) {
    std::optional<Granted> granted;
    store_.Grant(LeaseId{id}, ttl, [&](const absl::StatusOr<Granted>& result) {
      if (result.ok()) {
        granted = *result;
      } else {
        error_ = mvcc::ErrorOf(result.status());
      }
    });
    log_.Apply();
    return granted;
  }

  void KeepAlive(int64_t id) {
    store_.KeepAlive(LeaseId{id}, [this](const absl::StatusOr<int64_t>& ttl) {
      if (ttl.ok()) {
        answers_.push_back(*ttl);
      } else {
        error_ = mvcc::ErrorOf(ttl.status());
      }
    });
  }

  ManualClock clock_;
  Lessor lessor_{{.clock = &clock_, .random_seed = 1}};
  FakeLeaseLog log_{&lessor_};
  LeaseStore store_{&lessor_, &log_};
  std::vector<int64_t> answers_;
  std::optional<StoreError> error_;
};

TEST_F(LeaseStoreTest, GrantsWithTheAskedIdOrAFreshOneAndReportsTheAdjustedTtl) {
  EXPECT_EQ(Grant(7, 1)->ttl_seconds, 2);
  EXPECT_EQ(store_.TimeToLive(LeaseId{7}, false)->granted_ttl_seconds, 2);
  const std::optional<Granted> chosen = Grant(0, 100);
  ASSERT_TRUE(chosen.has_value());
  EXPECT_GT(Raw(chosen->id), 0);
  EXPECT_EQ(chosen->ttl_seconds, 100);
  EXPECT_THAT(store_.Leases(), ElementsAre(LeaseId{7}, chosen->id));
}

TEST_F(LeaseStoreTest, RefusesAnIdTwiceAndTooLongTtls) {
  Grant(7, 10);
  EXPECT_EQ(Grant(7, 10), std::nullopt);
  EXPECT_EQ(error_, StoreError::kLeaseExists);
  EXPECT_EQ(Grant(8, kTtlMaxSeconds + 1), std::nullopt);
  EXPECT_EQ(error_, StoreError::kLeaseTtlTooLarge);
}

TEST_F(LeaseStoreTest, KeepAliveOfAnUnknownLeaseIsAnAnswerOfZero) {
  KeepAlive(9);
  EXPECT_THAT(answers_, ElementsAre(0));
}

TEST_F(LeaseStoreTest, KeepAliveAnswersAtOnceWithTheGrantedTtl) {
  Grant(7, 10);
  clock_.Advance(3 * kNanosPerSecond);
  KeepAlive(7);
  EXPECT_THAT(answers_, ElementsAre(10));
  EXPECT_EQ(log_.proposed(), 0U);
}

TEST_F(LeaseStoreTest, KeepAliveOfAnExpiredLeaseWaitsForTheRevocation) {
  Grant(7, 10);
  clock_.Advance(10 * kNanosPerSecond);
  KeepAlive(7);
  EXPECT_THAT(answers_, IsEmpty());
  store_.Revoke(LeaseId{7}, [](const absl::StatusOr<mvcc::LeaseRevokeResult>&) {});
  EXPECT_THAT(answers_, IsEmpty());
  log_.Apply();
  EXPECT_THAT(answers_, ElementsAre(0));
}

TEST_F(LeaseStoreTest, KeepAliveClearsAStoredCheckpointFirst) {
  Grant(7, 1000);
  lessor_.Checkpoint({.id = LeaseId{7}, .remaining_ttl_seconds = 400});
  KeepAlive(7);
  EXPECT_THAT(answers_, IsEmpty());
  EXPECT_EQ(log_.proposed(), 1U);
  log_.Apply();
  EXPECT_THAT(answers_, ElementsAre(1000));
}

TEST_F(LeaseStoreTest, KeepAliveTellsWhenTheCheckpointCouldNotBeCleared) {
  Grant(7, 1000);
  lessor_.Checkpoint({.id = LeaseId{7}, .remaining_ttl_seconds = 400});
  KeepAlive(7);
  log_.Apply(mvcc::MakeError(StoreError::kStopped));
  EXPECT_EQ(error_, StoreError::kStopped);
  EXPECT_THAT(answers_, IsEmpty());
}

TEST_F(LeaseStoreTest, KeepAliveFindsTheLeaseRevokedMeanwhile) {
  Grant(7, 1000);
  lessor_.Checkpoint({.id = LeaseId{7}, .remaining_ttl_seconds = 400});
  store_.Revoke(LeaseId{7}, [](const absl::StatusOr<mvcc::LeaseRevokeResult>&) {});
  KeepAlive(7);
  log_.Apply();
  EXPECT_THAT(answers_, ElementsAre(0));
}

TEST_F(LeaseStoreTest, RevokeOfAnUnknownLeaseIsAnError) {
  store_.Revoke(LeaseId{9}, [this](const absl::StatusOr<mvcc::LeaseRevokeResult>& result) {
    error_ = mvcc::ErrorOf(result.status());
  });
  log_.Apply();
  EXPECT_EQ(error_, StoreError::kLeaseNotFound);
}

}  // namespace
}  // namespace socle::lease
