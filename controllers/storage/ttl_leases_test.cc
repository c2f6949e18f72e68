#include "controllers/storage/ttl_leases.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/manual_clock.h"
#include "kv/testing/status_matchers.h"

namespace socle::storage {
namespace {

using testing::ElementsAre;

class TtlLeasesTest : public testing::Test {
 protected:
  struct Asked {
    int64_t ttl_seconds;
    TtlLeases::Done done;
  };

  void Find(int64_t ttl_seconds) {
    leases_.Find(ttl_seconds, [this](const absl::StatusOr<mvcc::LeaseId>& id) {
      found_.push_back(id.ok() ? mvcc::Raw(*id) : -1);
    });
  }

  // Answers the oldest question.
  void Answer(absl::StatusOr<mvcc::LeaseId> id) {
    Asked asked = std::move(asked_.front());
    asked_.erase(asked_.begin());
    asked.done(std::move(id));
  }

  ManualClock clock_;
  std::vector<Asked> asked_;
  std::vector<int64_t> found_;
  TtlLeases leases_{&clock_, [this](int64_t ttl_seconds, TtlLeases::Done done) {
                      asked_.push_back({ttl_seconds, std::move(done)});
                    }};
};

TEST_F(TtlLeasesTest, ObjectsOfOneTtlShareALeaseThatOutlivesThem) {
  Find(3600);
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0].ttl_seconds, 3660);
  Answer(mvcc::LeaseId{7});
  clock_.Advance(60 * kNanosPerSecond);
  Find(3600);
  EXPECT_THAT(found_, ElementsAre(7, 7));
  clock_.Advance(1);
  Find(3600);
  ASSERT_EQ(asked_.size(), 1U);
  Answer(mvcc::LeaseId{8});
  EXPECT_THAT(found_, ElementsAre(7, 7, 8));
}

TEST_F(TtlLeasesTest, TheTimeOfReuseIsCountedFromBeforeTheGrant) {
  Find(100);
  clock_.Advance(4 * kNanosPerSecond);
  Answer(mvcc::LeaseId{7});
  clock_.Advance(2 * kNanosPerSecond);
  Find(100);
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(TtlLeasesTest, WhoComesDuringAGrantWaitsForIt) {
  Find(60);
  Find(60);
  Find(90);
  EXPECT_EQ(asked_.size(), 2U);
  Answer(mvcc::LeaseId{7});
  EXPECT_THAT(found_, ElementsAre(7, 7));
  Answer(mvcc::LeaseId{8});
  EXPECT_THAT(found_, ElementsAre(7, 7, 8));
}

TEST_F(TtlLeasesTest, AFailedGrantIsTriedAgainByTheNext) {
  Find(60);
  Answer(absl::UnavailableError("away"));
  Find(60);
  ASSERT_EQ(asked_.size(), 1U);
  Answer(mvcc::LeaseId{7});
  EXPECT_THAT(found_, ElementsAre(-1, 7));
}

TEST_F(TtlLeasesTest, ALeaseTakesAThousandObjects) {
  Find(3600);
  Answer(mvcc::LeaseId{7});
  for (int64_t i = 1; i < TtlLeases::kUsesMax; ++i) {
    Find(3600);
  }
  EXPECT_TRUE(asked_.empty());
  EXPECT_EQ(found_.size(), size_t{TtlLeases::kUsesMax});
  Find(3600);
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(TtlLeasesTest, AForgottenLeaseIsNotGivenAgain) {
  Find(3600);
  Answer(mvcc::LeaseId{7});
  leases_.Forget(mvcc::LeaseId{7});
  Find(3600);
  EXPECT_EQ(asked_.size(), 1U);
}

}  // namespace
}  // namespace socle::storage
