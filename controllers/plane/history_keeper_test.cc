#include "controllers/plane/history_keeper.h"

#include <memory>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controllers/storage/errors.h"
#include "controllers/testing/plane_fixture.h"

namespace socle::plane {
namespace {

constexpr int64_t kKeepSeconds = 100;

class HistoryKeeperTest : public plane_testing::PlaneFixture {
 protected:
  void SetUp() override {
    PlaneFixture::SetUp();
    Start();
  }

  void TearDown() override {
    keeper_.reset();
    PlaneFixture::TearDown();
  }

  void Start() {
    keeper_ = std::make_unique<HistoryKeeper>(runtime(), store(), kKeepSeconds * kNanosPerSecond);
  }

  int64_t Write(const std::string& value) {
    Apply(fmt::format(
        R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"}},"data":{{"k":"{}"}}}})",
        value));
    return Find("configmaps", "a")->mod_revision;
  }

  // Whether the store still knows how it was at the revision.
  bool IsKept(int64_t revision) {
    return store()->Get({.key = "/registry/configmaps/default/a", .revision = revision}).ok();
  }

  std::unique_ptr<HistoryKeeper> keeper_;
};

TEST_F(HistoryKeeperTest, KeepsWhatIsYoungerThanItsTime) {
  const int64_t first = Write("1");
  Advance(kKeepSeconds / 2);
  Write("2");
  Advance(kKeepSeconds / 4);
  EXPECT_TRUE(IsKept(first));
}

TEST_F(HistoryKeeperTest, GivesUpWhatIsOlder) {
  const int64_t first = Write("1");
  Advance(kKeepSeconds / 4);
  const int64_t second = Write("2");
  for (int i = 0; i < 6; ++i) {
    Advance(kKeepSeconds / 4);
    Write(fmt::format("later {}", i));
  }
  EXPECT_FALSE(IsKept(first));
  EXPECT_FALSE(IsKept(second));
  EXPECT_TRUE(IsKept(Find("configmaps", "a")->mod_revision));
}

TEST_F(HistoryKeeperTest, LeavesThePresentAloneForever) {
  const int64_t only = Write("1");
  for (int i = 0; i < 20; ++i) {
    Advance(kKeepSeconds / 2);
  }
  EXPECT_TRUE(IsKept(only));
}

}  // namespace
}  // namespace socle::plane
