#include "mvcc/lost_log.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/store.h"

namespace socle::mvcc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class LostLogTest : public ::testing::Test {
 protected:
  absl::Status Open(const std::string& wal_directory = "") {
    store_.reset();
    StoreOptions options;
    options.directory = "/d";
    options.env = &env_;
    options.wal_directory = wal_directory;
    options.map_size_bytes = uint64_t{64} << 20U;
    options.batch_interval_nanos = 600 * kNanosPerSecond;  // what is put is in the log alone
    auto store = Store::Open(options);
    if (store.ok()) {
      store_ = *std::move(store);
    }
    return store.status();
  }

  // As kill -9 does.
  void Kill() {
    env_.CrashAfterCalls(0);
    store_.reset();
    env_.Restart(DurabilityLoss::kNone);
  }

  void RemoveLog() {
    const std::vector<std::string> names = *env_.List("/d/member/socle-wal");
    for (const std::string& name : names) {
      ASSERT_OK(env_.Remove("/d/member/socle-wal/" + name));
    }
  }

  FaultEnv env_{5};
  std::unique_ptr<Store> store_;
};

TEST_F(LostLogTest, AnotherLogDirectoryIsRefusedAndLosesNothing) {
  ASSERT_OK(Open());
  ASSERT_OK(store_->Put({.key = "k", .value = "v"}));
  Kill();
  EXPECT_THAT(Open("/other"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       AllOf(HasSubstr("is in /d/member/socle-wal, not in /other"),
                                             HasSubstr("start without --wal-dir"))));
  ASSERT_OK(Open());
  EXPECT_EQ(store_->Range({.key = "k"})->kvs.size(), 1U);
}

TEST_F(LostLogTest, ALogThatWasElsewhereIsAskedFor) {
  ASSERT_OK(Open("/log"));
  ASSERT_OK(store_->Put({.key = "k", .value = "v"}));
  Kill();
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr("is not in /d/member/socle-wal"),
                                     HasSubstr("give the --wal-dir that it had"))));
  ASSERT_OK(Open("/log"));
  EXPECT_EQ(store_->Range({.key = "k"})->kvs.size(), 1U);
}

TEST_F(LostLogTest, ARemovedLogIsMissed) {
  ASSERT_OK(Open());
  ASSERT_OK(store_->Put({.key = "k", .value = "v"}));
  store_.reset();
  RemoveLog();
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("soclectl snapshot restore /d/member/snap/db")));
}

TEST_F(LostLogTest, ASavedSnapshotNeedsNone) {
  ASSERT_OK(Open());
  ASSERT_OK(store_->Put({.key = "k", .value = "v"}));
  ASSERT_OK(store_->CommitAndRead().status());
  store_.reset();
  RemoveLog();
  ASSERT_OK_AND_ASSIGN(const auto file, env_.Open("/d/member/snap/db", OpenMode::kReadWrite));
  ASSERT_OK(file->WriteAt(file->Size().value(), std::string(32, 'd')));  // as a digest stands there
  ASSERT_OK(Open());
  EXPECT_EQ(store_->Range({.key = "k"})->kvs.size(), 1U);
}

TEST(LostLog, AStoreKilledWhileItBeginsBeginsAgain) {
  bool was_killed = true;
  for (uint64_t calls = 1; was_killed; ++calls) {
    SCOPED_TRACE(calls);
    FaultEnv env(calls);
    StoreOptions options;
    options.directory = "/d";
    options.env = &env;
    options.map_size_bytes = uint64_t{64} << 20U;
    env.CrashAfterCalls(calls);
    (void)Store::Open(options);
    was_killed = env.has_crashed();
    env.Restart(DurabilityLoss::kRandom);
    auto store = Store::Open(options);
    ASSERT_OK(store.status());
    EXPECT_OK((*store)->Put({.key = "k", .value = "v"}));
  }
}

}  // namespace
}  // namespace socle::mvcc
