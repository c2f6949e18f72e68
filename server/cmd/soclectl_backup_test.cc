// soclectl backup on directories that writers of the backup left.
#include "server/cmd/soclectl_backup.h"

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "server/backup/backup_restore.h"
#include "server/backup/testing/backup_faults.h"
#include "server/cmd/soclectl_console.h"

namespace socle::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SoclectlBackup : public BackupFaults {
 protected:
  Console ConsoleOf() {
    const auto say = [this](std::string_view text) { said_ += text; };
    return {.env = &env_, .clock = &clock_, .out = say, .err = say};
  }

  int Check() {
    said_.clear();
    return BackupCheck({.path = "/backup", .scratch = "/scratch"}, ConsoleOf());
  }

  std::string said_;
};

TEST_F(SoclectlBackup, ADirectoryWithoutABaseIsNotRestorable) {
  OpenWriter();
  ASSERT_OK(writer_->Save());
  recorded_.Work(3);
  clock_.Advance(kNanosPerSecond);
  ASSERT_OK(writer_->Save());
  EXPECT_EQ(Check(), kExitBroken);
  EXPECT_THAT(said_, AllOf(HasSubstr("/backup: not restorable: no base is there"),
                           Not(HasSubstr("/backup: ok"))));
  ASSERT_OK(writer_->MakeBase(Nothing));
  EXPECT_EQ(Check(), kExitDone);
  EXPECT_THAT(said_, HasSubstr("/backup: ok: 1 bases"));
}

TEST_F(SoclectlBackup, AGapBetweenChainsIsShown) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 3));
  ASSERT_OK(writer_->Close());
  EXPECT_EQ(Check(), kExitDone);
  EXPECT_THAT(said_, Not(HasSubstr("begun anew")));
  const std::string end = WallText(clock_.WallNanos());
  writer_.reset();
  // More is written without a backup than the store holds for one.
  for (int i = 0; i < 300; ++i) {
    ASSERT_OK(recorded_.store()->Put({.key = "k", .value = std::string(1'000, 'v')}));
    ASSERT_OK(recorded_.store()->CommitAndRead().status());
  }
  clock_.Advance(60 * kNanosPerSecond);
  OpenWriter();
  ASSERT_OK(writer_->Save());
  ASSERT_OK(writer_->MakeBase(Nothing));
  const auto is_told = AllOf(HasSubstr("was begun anew: no moment can be restored between " + end),
                             HasSubstr("(chain 1"), HasSubstr(WallText(clock_.WallNanos())));
  EXPECT_EQ(Check(), kExitDone);
  EXPECT_THAT(said_, is_told);
  said_.clear();
  EXPECT_EQ(BackupList({.path = "/backup"}, ConsoleOf()), kExitDone);
  EXPECT_THAT(said_, is_told);
}

}  // namespace
}  // namespace socle::server
