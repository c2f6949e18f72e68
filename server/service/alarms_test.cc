#include "server/service/alarms.h"

#include <atomic>
#include <fstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "kv/base/log.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::server {
namespace {

constexpr Alarm kNoSpace = {.member_id = 7, .type = etcdserverpb::NOSPACE};

size_t CountIn(const std::string& path, std::string_view text) {
  std::ifstream file(path);
  size_t count = 0;
  for (std::string line; std::getline(file, line);) {
    count += line.find(text) != std::string::npos ? 1 : 0;
  }
  return count;
}

// All writers that meet a full store raise its alarm, before the first of them is answered.
TEST(Alarms, SayOnceThatTheyWereRaisedAndDisarmedHoweverManyAsk) {
  constexpr int kTogether = 20;
  const TempDir dir;
  const std::string log = dir.path() + "/log";
  ASSERT_THAT(InitLog({.outputs = {log}}), IsOk());
  auto store = mvcc::Store::Open({.directory = dir.path() + "/data"});
  ASSERT_THAT(store, IsOk());
  Alarms alarms(store->get());
  ASSERT_THAT(alarms.Load(), IsOk());
  std::atomic<int> raised{0};
  std::atomic<int> disarmed{0};
  for (int i = 0; i < kTogether; ++i) {
    alarms.Activate(kNoSpace, [&](const absl::Status& status) { raised += status.ok() ? 1 : 0; });
  }
  ASSERT_THAT((*store)->Put({.key = "k"}), IsOk());  // behind them
  EXPECT_EQ(raised, kTogether);
  EXPECT_TRUE(alarms.IsActive(etcdserverpb::NOSPACE));
  for (int i = 0; i < kTogether; ++i) {
    alarms.Deactivate(kNoSpace,
                      [&](const absl::Status& status) { disarmed += status.ok() ? 1 : 0; });
  }
  ASSERT_THAT((*store)->Put({.key = "k"}), IsOk());
  EXPECT_GE(disarmed, 1);
  EXPECT_FALSE(alarms.IsActive(etcdserverpb::NOSPACE));
  store->reset();
  ASSERT_THAT(InitLog({.level = LogLevel::kWarning, .format = LogFormat::kText}), IsOk());
  EXPECT_EQ(CountIn(log, "alarm raised"), 1U);
  EXPECT_EQ(CountIn(log, "alarm disarmed"), 1U);
}

}  // namespace
}  // namespace socle::server
