// Random operations with a backup beside, restarts, bases, slow and lost logs: what is restored is what the store was.
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"
#include "server/backup/backup_check.h"
#include "server/backup/backup_directory.h"
#include "server/backup/backup_restore.h"
#include "server/backup/backup_writer.h"
#include "server/backup/testing/recorded_store.h"

namespace socle::server {
namespace {

class BackupModelTest : public ::testing::TestWithParam<int> {
 protected:
  explicit BackupModelTest()
      : seed_(TestSeed() + static_cast<uint64_t>(GetParam())),
        random_(seed_),
        recorded_(StoreOptionsOf(dir_.PathOf("data")), seed_) {}

  static mvcc::StoreOptions StoreOptionsOf(const std::string& directory) {
    mvcc::StoreOptions options;
    options.directory = directory;
    options.unsafe_no_sync = true;
    options.map_size_bytes = uint64_t{64} << 20U;
    options.wal_segment_bytes = 1 << 14;
    options.held_log_bytes_max = 1 << 15;
    options.batch_interval_nanos = kNanosPerMilli;
    options.compaction_batch_limit = 3;
    options.compaction_sleep_nanos = 1'000;
    options.hold_log = true;
    return options;
  }

  void OpenWriter() {
    auto writer =
        BackupWriter::Open(recorded_.store(), {.clock = &clock_,
                                               .directory = backup_,
                                               .cluster_id = 5,
                                               .snapshot_interval_nanos = 20 * kNanosPerSecond,
                                               .piece_bytes_max = 4'000,
                                               .frame_bytes_max = 600});
    ASSERT_OK(writer);
    writer_ = *std::move(writer);
  }

  void NoteTime() {
    // The mark is of this time, and nothing happens meanwhile.
    writer_->NoteTime();
    times_[clock_.WallNanos()] = recorded_.store()->log_index();
  }

  void Step() {
    clock_.Advance(kNanosPerSecond / 10 + static_cast<int64_t>(random_.Below(1'000)));
    switch (random_.Below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        recorded_.Work(1 + random_.Below(20));
        break;
      case 4:
      case 5:
        NoteTime();
        break;
      case 6:
      case 7:
      case 8:
        NoteTime();
        ASSERT_OK(writer_->Save());
        if (writer_->figures().saved_wall_nanos == clock_.WallNanos()) {  // in a chain with a base
          saved_[clock_.WallNanos()] = writer_->figures().saved_index;
        }
        break;
      case 9:
        if (writer_->IsBaseDue()) {
          recorded_.Work(random_.Below(3));
          const absl::Status made = writer_->MakeBase([this] {
            recorded_.Work(random_.Below(2));
            NoteTime();
            return random_.Below(3) == 0 ? writer_->Save() : absl::OkStatus();
          });
          // The log holds little here: it may be shortened while a base is made, which is made again then.
          ASSERT_TRUE(made.ok() || absl::IsAborted(made)) << made;
        }
        break;
      case 10:
        Restart();
        break;
      default:
        clock_.Advance(static_cast<int64_t>(random_.Below(10)) * kNanosPerSecond);
        break;
    }
  }

  void Restart() {
    const uint64_t how = random_.Below(8);
    if (how < 3) {
      ASSERT_OK(writer_->Close());
    }
    writer_.reset();
    if (how % 2 == 0) {
      if (has_quotas_) {
        recorded_.set_quotas(Quotas());
      }
      recorded_.Restart();
    }
    if (how == 7) {  // so much that what was saved leaves the log
      recorded_.Work(700);
    }
    OpenWriter();
  }

  std::vector<mvcc::PrefixQuota> Quotas() {
    if (random_.Below(4) == 0) {
      return {};
    }
    const auto limit = [this] { return static_cast<int64_t>(100 + random_.Below(2'000)); };
    return {{.prefix = "a", .limit_bytes = limit()}, {.prefix = "", .limit_bytes = 2 * limit()}};
  }

  // Restores and compares with the model after the last entry that it has. nullopt: it was not saved.
  std::optional<BackupRestored> Restore(BackupRestoreOptions options) {
    options.directory = backup_;
    options.target = dir_.PathOf(fmt::format("restored-{}", ++restored_));
    const auto restored = RestoreBackup(Env::Posix(), options);
    if (absl::IsNotFound(restored.status())) {
      return std::nullopt;
    }
    EXPECT_THAT(restored, IsOk());
    if (!restored.ok()) {
      return std::nullopt;
    }
    mvcc::MapLeaseHook hook;
    mvcc::StoreOptions store_options = StoreOptionsOf(options.target);
    store_options.lease_hook = &hook;
    const auto store = mvcc::Store::Open(store_options);
    EXPECT_THAT(store, IsOk());
    const auto model = recorded_.ModelAfter(restored->last_index);
    EXPECT_EQ(Difference(**store, model.get(), hook), "") << "base " << restored->base;
    EXPECT_OK((*store)->Check());
    std::filesystem::remove_all(options.target);
    return *restored;
  }

  TempDir dir_;
  const std::string backup_ = dir_.PathOf("backup");
  const uint64_t seed_;
  Random random_;
  ManualClock clock_;
  RecordedStore recorded_;
  const bool has_quotas_ = GetParam() % 2 == 1;
  std::unique_ptr<BackupWriter> writer_;
  std::map<int64_t, uint64_t> times_;  // the log's end then
  std::map<int64_t, uint64_t> saved_;  // what was saved then
  int restored_ = 0;
};

TEST_P(BackupModelTest, RestoresWhatTheStoreWas) {
  SCOPED_TRACE(fmt::format("seed {}", seed_));
  OpenWriter();
  for (int i = 0; i < 100 && !HasFailure(); ++i) {
    Step();
  }
  ASSERT_OK(writer_->Save());
  if (writer_->IsBaseDue()) {
    ASSERT_OK(writer_->MakeBase([] { return absl::OkStatus(); }));
  }
  ASSERT_OK(writer_->Save());
  const uint64_t end = recorded_.store()->log_index();
  EXPECT_EQ(writer_->figures().saved_index, end);
  const auto newest = Restore({});
  ASSERT_TRUE(newest.has_value());
  EXPECT_EQ(newest->last_index, end);

  const auto directory = ReadBackupDirectory(Env::Posix(), backup_);
  ASSERT_THAT(directory, IsOk());
  for (int i = 0; i < 5 && !HasFailure(); ++i) {
    const int64_t oldest = directory->chains.front().bases.empty()
                               ? 1
                               : directory->chains.front().bases.front().record.revision;
    const int64_t current = recorded_.store()->current_revision();
    const int64_t revision =
        oldest + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(current - oldest + 1)));
    if (const auto restored = Restore({.to_revision = revision})) {
      EXPECT_EQ(restored->revision, revision);
      // Where the base is not of this very revision, nothing after the write that made it is in.
      const auto before = recorded_.ModelAfter(restored->last_index - 1);
      EXPECT_TRUE(restored->entries == 0 || before->revision() == revision - 1);
    }
  }
  for (int i = 0; i < 5 && !HasFailure(); ++i) {
    auto at = times_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.Below(times_.size())));
    if (const auto restored = Restore({.to_wall_nanos = at->first})) {
      EXPECT_LE(restored->last_index, at->second) << "something is in it that came later";
      const auto saved = saved_.upper_bound(at->first);
      if (saved != saved_.begin() && restored->notes.empty()) {
        EXPECT_GE(restored->last_index, std::prev(saved)->second) << "something is missing";
      }
    }
  }

  const auto checked =
      CheckBackup(Env::Posix(), {.directory = backup_, .scratch = dir_.PathOf("scratch")});
  ASSERT_THAT(checked, IsOk());
  EXPECT_THAT(checked->damage, ::testing::IsEmpty());
  EXPECT_GE(checked->hashes_compared, checked->bases);
}

INSTANTIATE_TEST_SUITE_P(Rounds, BackupModelTest, ::testing::Range(0, 4));

TEST(BackupOfAStoreWithQuotas, WhatWasRefusedIsRefusedByARestore) {
  const TempDir dir;
  const std::string backup = dir.PathOf("backup");
  mvcc::StoreOptions options;
  options.directory = dir.PathOf("data");
  options.map_size_bytes = uint64_t{64} << 20U;
  options.hold_log = true;
  options.prefix_quotas.emplace();
  options.prefix_quotas->push_back({.prefix = "a/", .limit_bytes = 100});
  mvcc::MapLeaseHook hook;
  options.lease_hook = &hook;
  ASSERT_OK_AND_ASSIGN(const auto store, mvcc::Store::Open(options));
  ASSERT_OK_AND_ASSIGN(const auto writer, BackupWriter::Open(store.get(), {.directory = backup}));
  ASSERT_OK(store->Put({.key = "a/1", .value = "before the base"}));
  ASSERT_OK(writer->Save());
  ASSERT_OK(writer->MakeBase([] { return absl::OkStatus(); }));
  EXPECT_FALSE(store->Put({.key = "a/2", .value = std::string(200, 'v')}).ok());
  ASSERT_OK(store->Put({.key = "a/3", .value = "behind it"}));
  ASSERT_OK(writer->Close());

  const std::string target = dir.PathOf("restored");
  ASSERT_OK_AND_ASSIGN(const BackupRestored restored,
                       RestoreBackup(Env::Posix(), {.directory = backup, .target = target}));
  EXPECT_EQ(restored.revision, store->current_revision());
  ASSERT_OK_AND_ASSIGN(const mvcc::KvHash hash, store->HashKv(0));
  EXPECT_EQ(restored.hash.hash, hash.hash);

  mvcc::MapLeaseHook hook_of_copy;
  mvcc::StoreOptions copy_options{.directory = target, .lease_hook = &hook_of_copy};
  copy_options.map_size_bytes = options.map_size_bytes;
  ASSERT_OK_AND_ASSIGN(const auto copy, mvcc::Store::Open(copy_options));
  ASSERT_EQ(copy->PrefixUsages().size(), 1U);
  EXPECT_EQ(copy->PrefixUsages()[0].used_bytes, store->PrefixUsages()[0].used_bytes);
  ASSERT_OK_AND_ASSIGN(
      const BackupChecked checked,
      CheckBackup(Env::Posix(), {.directory = backup, .scratch = dir.PathOf("scratch")}));
  EXPECT_THAT(checked.damage, ::testing::IsEmpty());
}

// A server notes its membership as the first thing; a rebuilt store is given none.
TEST(BackupOfAMember, ABaseBehindTheFirstEntryIsProvenByTheNextOne) {
  const TempDir dir;
  mvcc::StoreOptions options;
  options.directory = dir.PathOf("data");
  options.map_size_bytes = uint64_t{64} << 20U;
  options.hold_log = true;
  mvcc::MapLeaseHook hook;
  options.lease_hook = &hook;
  ASSERT_OK_AND_ASSIGN(const auto store, mvcc::Store::Open(options));
  ASSERT_OK(store->WriteSystem({{.bucket = "meta", .key = "confState", .value = "{}"}}));
  const std::string backup = dir.PathOf("backup");
  ASSERT_OK_AND_ASSIGN(const auto writer, BackupWriter::Open(store.get(), {.directory = backup}));
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(writer->Save());
    ASSERT_OK(writer->MakeBase([] { return absl::OkStatus(); }));
    ASSERT_OK(store->Put({.key = "k", .value = "v"}));
    ASSERT_OK(store->Compact(store->current_revision()));
  }
  ASSERT_OK(writer->Close());
  ASSERT_OK_AND_ASSIGN(
      const BackupChecked checked,
      CheckBackup(Env::Posix(), {.directory = backup, .scratch = dir.PathOf("scratch")}));
  EXPECT_THAT(checked.damage, ::testing::IsEmpty());
  EXPECT_EQ(checked.bases, 3U);
}

TEST(BackupOfARestoredStore, GoesOnWithItsChainWhenItWasIdle) {
  const TempDir dir;
  const auto open = [](const std::string& path, mvcc::MapLeaseHook* hook) {
    mvcc::StoreOptions options;
    options.directory = path;
    options.map_size_bytes = uint64_t{64} << 20U;
    options.hold_log = true;
    options.lease_hook = hook;
    return mvcc::Store::Open(options);
  };
  {
    mvcc::MapLeaseHook hook;
    ASSERT_OK_AND_ASSIGN(const auto store, open(dir.PathOf("data"), &hook));
    ASSERT_OK_AND_ASSIGN(const auto writer,
                         BackupWriter::Open(store.get(), {.directory = dir.PathOf("first")}));
    ASSERT_OK(store->Put({.key = "a", .value = "1"}));
    ASSERT_OK(writer->Save());
    ASSERT_OK(writer->MakeBase([] { return absl::OkStatus(); }));
    ASSERT_OK(writer->Close());
  }
  const std::string target = dir.PathOf("restored");
  ASSERT_OK(RestoreBackup(Env::Posix(), {.directory = dir.PathOf("first"), .target = target}));
  const std::string backup = dir.PathOf("second");
  for (int start = 0; start < 5; ++start) {
    mvcc::MapLeaseHook hook;
    ASSERT_OK_AND_ASSIGN(const auto store, open(target, &hook));
    ASSERT_OK_AND_ASSIGN(const auto writer, BackupWriter::Open(store.get(), {.directory = backup}));
    ASSERT_OK(writer->Save());
    EXPECT_EQ(writer->IsBaseDue(), start == 0);
    if (start == 0) {
      ASSERT_OK(writer->MakeBase([] { return absl::OkStatus(); }));
    }
    if (start >= 2) {
      ASSERT_OK(store->Put({.key = "a", .value = "2"}));
    }
    ASSERT_OK(writer->Close());
  }
  ASSERT_OK_AND_ASSIGN(const BackupDirectory directory, ReadBackupDirectory(Env::Posix(), backup));
  EXPECT_EQ(directory.chains.size(), 1U);
  ASSERT_OK_AND_ASSIGN(
      const BackupChecked checked,
      CheckBackup(Env::Posix(), {.directory = backup, .scratch = dir.PathOf("scratch")}));
  EXPECT_THAT(checked.damage, ::testing::IsEmpty());
  EXPECT_EQ(checked.entries, 3U);
}

}  // namespace
}  // namespace socle::server
