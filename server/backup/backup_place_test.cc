// The directory is removed, moved or replaced under a running server: nothing counts as saved that is not in it.
#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"
#include "server/backup/backup_check.h"
#include "server/backup/backup_directory.h"
#include "server/backup/backup_writer.h"
#include "server/backup/testing/backup_faults.h"

namespace socle::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BackupPlace : public BackupFaults {
 protected:
  using Contents = std::map<std::string, std::string>;

  Contents Copy() {
    Contents files;
    for (const std::string& name : Files("")) {
      files[name] = *env_.Contents("/backup/" + name);
    }
    return files;
  }

  // Files that are open stay so, as with rm.
  void Empty() {
    for (const std::string& name : Files("")) {
      ASSERT_OK(env_.Remove("/backup/" + name));
    }
  }

  void RemoveAll() {
    Empty();
    ASSERT_OK(env_.RemoveDir("/backup"));
  }

  void Fill(const Contents& files) {
    for (const auto& [name, bytes] : files) {
      env_.SetContents("/backup/" + name, bytes);
    }
  }

  // The lock of the directory that lies at the path is held.
  void ExpectLocked() { EXPECT_FALSE(env_.Lock("/backup/LOCK").ok()); }

  // All that is logged is in a directory that is whole.
  void ExpectAllIsSaved() {
    const BackupFigures figures = writer_->figures();
    EXPECT_EQ(figures.saved_index, recorded_.store()->log_index());
    EXPECT_EQ(figures.saved_revision, recorded_.store()->current_revision());
    ASSERT_OK_AND_ASSIGN(const BackupDirectory directory, ReadBackupDirectory(&env_, "/backup"));
    ASSERT_FALSE(directory.is_empty());
    EXPECT_FALSE(directory.chains.back().bases.empty());
    EXPECT_EQ(directory.chains.back().last_index(), figures.saved_index);
    ASSERT_OK_AND_ASSIGN(const BackupChecked checked, Check(&env_));
    EXPECT_THAT(checked.damage, IsEmpty());
    EXPECT_GE(checked.bases, 1U);
  }
};

TEST_F(BackupPlace, AnotherDirectoryIsNoticedByTheNextSave) {
  struct Case {
    const char* what;
    std::function<void()> change;
    bool is_piece_open;
    bool is_written_meanwhile;
  };

  Contents old;
  const auto empty = [this] { Empty(); };
  const auto remove = [this] { RemoveAll(); };
  const auto replace_by_older = [&] {
    Empty();
    Fill(old);
  };
  const auto replace_by_copy = [this] {
    const Contents now = Copy();
    Empty();
    Fill(now);
  };
  const Case kCases[] = {
      {"emptied, idle", empty, true, false},
      {"emptied", empty, true, true},
      {"emptied between pieces", empty, false, true},
      {"removed", remove, true, true},
      {"removed between pieces, idle", remove, false, false},
      {"replaced by an older copy", replace_by_older, true, true},
      {"replaced by an older copy between pieces", replace_by_older, false, true},
      {"replaced by a copy", replace_by_copy, true, true},
  };
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 3));
  old = Copy();
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.what);
    ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 12));
    if (!c.is_piece_open) {
      ASSERT_OK(writer_->Close());
    } else if (Files(kPartSuffix).empty()) {
      recorded_.Work(1);
      ASSERT_OK(writer_->Save());
    }
    const uint64_t saved = writer_->figures().saved_index;
    c.change();
    recorded_.Work(c.is_written_meanwhile ? 2 : 0);
    EXPECT_THAT(writer_->Save(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("replaced?")));
    EXPECT_LE(writer_->figures().saved_index, saved);
    // A restart is what begins anew in a directory that is empty for no reason that is known.
    if (!writer_->Save().ok()) {
      EXPECT_EQ(writer_->figures().saved_index, 0U);
      EXPECT_EQ(writer_->figures().saved_revision, 0);
      writer_.reset();
      OpenWriter();
    }
    ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 12));
    ExpectLocked();
    ExpectAllIsSaved();
  }
}

TEST_F(BackupPlace, ADirectoryThatWasMissingIsBegunAnewWhenItIsMadeAgain) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 3));
  RemoveAll();
  EXPECT_FALSE(writer_->Save().ok());
  EXPECT_THAT(writer_->Save(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(writer_->figures().saved_revision, 0);
  ASSERT_OK(env_.CreateDirs("/backup"));
  recorded_.Work(1);
  ASSERT_OK(writer_->Save());
  EXPECT_EQ(writer_->figures().saved_revision, 0) << "there is no base yet";
  ASSERT_TRUE(writer_->IsBaseDue());
  ASSERT_OK(writer_->MakeBase(Nothing));
  ExpectLocked();
  ExpectAllIsSaved();
}

TEST_F(BackupPlace, ADirectoryThatWasMovedAwayAndIsBackGoesOn) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 3));
  const Contents files = Copy();
  RemoveAll();
  recorded_.Work(2);
  EXPECT_FALSE(writer_->Save().ok());
  EXPECT_FALSE(writer_->Save().ok());
  ASSERT_OK(env_.CreateDirs("/backup"));
  Fill(files);
  ASSERT_OK(writer_->Save());
  ExpectAllIsSaved();
  ASSERT_OK_AND_ASSIGN(const BackupDirectory directory, ReadBackupDirectory(&env_, "/backup"));
  EXPECT_EQ(directory.chains.size(), 1U) << "there is a gap";
}

TEST_F(BackupPlace, NothingIsWrittenIntoTheBackupOfAnotherStore) {
  Contents others;
  {
    mvcc::StoreOptions options = StoreOptionsOf(&store_env_);
    options.directory = "/other";
    RecordedStore other(options, 1);
    ASSERT_OK_AND_ASSIGN(const auto writer,
                         BackupWriter::Open(other.store(), BackupOptionsOf(&env_, &clock_)));
    ASSERT_OK(Live(&other, writer.get(), &clock_, 3));
    others = Copy();
    others.erase(std::string(kLockName));
  }
  for (const bool is_piece_open : {true, false}) {
    Empty();
    OpenWriter();
    ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 3));
    if (!is_piece_open) {
      ASSERT_OK(writer_->Close());
    }
    Empty();
    Fill(others);
    recorded_.Work(2);
    EXPECT_FALSE(writer_->Save().ok());
    EXPECT_THAT(writer_->Save(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                          HasSubstr("is the backup of store")));
    EXPECT_EQ(writer_->figures().saved_revision, 0);
    EXPECT_FALSE(writer_->Close().ok());
    EXPECT_EQ(Copy(), others);
    writer_.reset();
  }
}

TEST_F(BackupPlace, WhatIsSavedIsKnownBeforeTheFirstSaveOfALife) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 3));
  const int64_t saved = writer_->figures().saved_revision;
  ASSERT_GT(saved, 1);
  writer_.reset();
  OpenWriter();
  EXPECT_EQ(writer_->figures().saved_revision, saved);
  recorded_.Work(3);
  env_.SetDiskBytes(0);
  EXPECT_FALSE(writer_->Save().ok());
  EXPECT_EQ(writer_->figures().saved_revision, saved);
}

TEST_F(BackupPlace, AFileIsRefusedByWhatIsWanted) {
  const TempDir dir;
  std::ofstream(dir.PathOf("file")) << "something";
  EXPECT_THAT(
      BackupWriter::Open(recorded_.store(), {.directory = dir.PathOf("file")}).status(),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr(dir.PathOf("file")), HasSubstr("a backup wants a directory"))));
}

}  // namespace
}  // namespace socle::server
