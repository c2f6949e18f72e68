// Snapshot files: written, looked at, restored, and refused when they are not whole.
#include "server/migrate/snapshot_file.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/bolt/bolt_engine.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"
#include "mvcc/store.h"

namespace socle::server {
namespace {

using ::testing::HasSubstr;

// A snapshot as a server would send it.
std::string SnapshotBytes(const std::string& directory) {
  const auto store = mvcc::Store::Open({.directory = directory});
  EXPECT_OK(store);
  for (int i = 0; i < 20; ++i) {
    EXPECT_OK((*store)->Put({.key = "key" + std::to_string(i % 5), .value = "v"}));
  }
  EXPECT_OK((*store)->WriteSystem(
      {{.bucket = "members", .key = "1234", .value = R"({"id":4660,"peerURLs":[],"name":"old"})"},
       {.bucket = "members_removed", .key = "1", .value = "removed"},
       {.bucket = "meta", .key = "confState", .value = R"({"voters":[4660]})"}}));
  const auto pages = (*store)->CommitAndRead();
  EXPECT_OK(pages);
  std::string bytes;
  EXPECT_OK((*pages)->WriteSnapshot([&bytes](std::string_view piece) {
    bytes.append(piece);
    return absl::OkStatus();
  }));
  Sha256 digest;
  digest.Update(bytes);
  return bytes + digest.Finish();
}

class SnapshotFileTest : public ::testing::Test {
 protected:
  SnapshotFileTest() : bytes_(SnapshotBytes(dir_.path() + "/origin")) { Write(bytes_); }

  void Write(const std::string& bytes) {
    const auto file = env_->Open(path_, OpenMode::kReadWriteCreate);
    EXPECT_OK(file);
    EXPECT_OK((*file)->Truncate(0));
    EXPECT_OK((*file)->WriteAt(0, bytes));
  }

  absl::StatusOr<Restored> Restore(RestoreOptions options) {
    options.snapshot = path_;
    options.target = dir_.path() + "/restored";
    return RestoreSnapshot(env_, options);
  }

  Env* const env_ = Env::Posix();
  const TempDir dir_;
  const std::string path_ = dir_.path() + "/snapshot.db";
  const std::string bytes_;
};

TEST_F(SnapshotFileTest, IsWrittenUnderItsNameOnlyWhenItIsWhole) {
  FaultEnv env(1);
  ASSERT_OK(env.CreateDirs("/d"));
  for (const size_t piece : {size_t{1} << 15U, size_t{7}, bytes_.size()}) {
    const auto writer = SnapshotWriter::Begin(&env, "/d/s.db");
    ASSERT_OK(writer);
    for (size_t at = 0; at < bytes_.size(); at += piece) {
      (*writer)->Add(std::string_view(bytes_).substr(at, piece));
    }
    ASSERT_OK((*writer)->Finish());
    EXPECT_TRUE(env.Contents("/d/s.db") == bytes_);
    ASSERT_OK(env.Remove("/d/s.db"));
  }
  const std::string broken[] = {bytes_.substr(0, bytes_.size() - 1),
                                bytes_.substr(0, bytes_.size() - 512), "", "x" + bytes_.substr(1)};
  for (const std::string& part : broken) {
    const auto writer = SnapshotWriter::Begin(&env, "/d/s.db");
    ASSERT_OK(writer);
    (*writer)->Add(part);
    EXPECT_TRUE(absl::IsDataLoss((*writer)->Finish()));
    EXPECT_FALSE(env.Contents("/d/s.db").has_value());
  }
}

TEST_F(SnapshotFileTest, LeavesNoPartBehindThatFailed) {
  struct Case {
    const char* name;
    std::function<void(FaultEnv*)> plant;
    std::string bytes;
  };

  const std::vector<Case> cases = {
      {"nothing came", [](FaultEnv*) {}, ""},
      {"its end did not come", [](FaultEnv*) {}, bytes_.substr(0, bytes_.size() - 512)},
      {"a full disk", [](FaultEnv* env) { env->SetDiskBytes(1'000); }, bytes_},
      {"a broken disk", [](FaultEnv* env) { env->FailCall(CallKind::kSync, 1); }, bytes_},
      {"no right to the name", [](FaultEnv* env) { env->FailCall(CallKind::kRename, 1); }, bytes_},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    FaultEnv env(1);
    ASSERT_OK(env.CreateDirs("/d"));
    c.plant(&env);
    {
      const auto writer = SnapshotWriter::Begin(&env, "/d/s.db");
      ASSERT_OK(writer);
      (*writer)->Add(c.bytes);
      EXPECT_FALSE((*writer)->Finish().ok());
    }
    EXPECT_FALSE(env.Contents("/d/s.db.part").has_value());
    EXPECT_FALSE(env.Contents("/d/s.db").has_value());
  }
}

TEST_F(SnapshotFileTest, IsLookedAtAsEtcdDoes) {
  const auto figures = ReadSnapshot(env_, path_, nullptr);
  ASSERT_OK(figures);
  EXPECT_EQ(figures->revision, 21);
  EXPECT_EQ(figures->total_bytes, bytes_.size() - 32);
  EXPECT_NE(figures->hash, 0);
  EXPECT_GT(figures->total_keys, 20);
}

TEST_F(SnapshotFileTest, IsRestoredWithANewMemberAndTheSameData) {
  const auto restored = Restore({.name = "new"});
  ASSERT_OK(restored);
  EXPECT_EQ(restored->revision, 21);
  EXPECT_EQ(restored->member_id, 0x8e9e05c52164694d);
  EXPECT_EQ(restored->cluster_id, 0xcdf818194e3a8c32);
  const auto store = mvcc::Store::Open({.directory = dir_.path() + "/restored"});
  ASSERT_OK(store);
  EXPECT_EQ((*store)->current_revision(), 21);
  const auto members = (*store)->ReadSystem("members");
  ASSERT_EQ(members->size(), 1);
  EXPECT_EQ(members->front().first, "8e9e05c52164694d");
  EXPECT_TRUE((*store)->ReadSystem("members_removed")->empty());
  const auto meta = (*store)->ReadSystem("meta");
  ASSERT_OK(meta);
  for (const auto& [key, value] : *meta) {
    EXPECT_NE(key, "confState") << "it is the old member's";
  }
}

TEST_F(SnapshotFileTest, LeavesRevisionsOutAndCompactsThem) {
  const auto restored = Restore({.bump_revision = 1'000});
  ASSERT_OK(restored);
  EXPECT_EQ(restored->revision, 1'021);
  const auto store = mvcc::Store::Open({.directory = dir_.path() + "/restored"});
  ASSERT_OK(store);
  EXPECT_EQ((*store)->current_revision(), 1'021);
  EXPECT_EQ((*store)->compact_revision(), 1'021);
  EXPECT_FALSE((*store)->Range({.key = "key1", .revision = 21}).ok());
  const auto put = (*store)->Put({.key = "key1", .value = "next"});
  ASSERT_OK(put);
  EXPECT_EQ(put->revision, 1'022);
  // The record without a key, by which the revision was reached, is nobody's.
  const auto all =
      (*store)->Range({.key = std::string(1, '\0'), .range_end = std::string(1, '\0')});
  ASSERT_OK(all);
  EXPECT_EQ(all->count, 5);
  EXPECT_OK((*store)->Check());
}

TEST_F(SnapshotFileTest, LeavesOutNoMoreRevisionsThanLeaveRoomForWrites) {
  constexpr int64_t kMost = kBumpedRevisionMax - 21;
  for (const int64_t bump : {kMost + 1, INT64_MAX}) {
    SCOPED_TRACE(bump);
    const auto refused = Restore({.bump_revision = bump});
    EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
    EXPECT_THAT(std::string(refused.status().message()),
                HasSubstr(fmt::format("largest --bump-revision possible is {}", kMost)));
    for (const char* made : {"/restored", "/restored.unfinished"}) {
      const auto exists = env_->Exists(dir_.path() + made);
      ASSERT_OK(exists);
      EXPECT_FALSE(*exists) << made;
    }
  }
  ASSERT_OK(Restore({.bump_revision = kMost}));
  const auto store = mvcc::Store::Open({.directory = dir_.path() + "/restored"});
  ASSERT_OK(store);
  const auto put = (*store)->Put({.key = "key1", .value = "next"});
  ASSERT_OK(put);
  EXPECT_EQ(put->revision, kBumpedRevisionMax + 1);
}

TEST_F(SnapshotFileTest, SaysWhereItIsWhenARestoreFails) {
  FaultEnv env(1);
  ASSERT_OK(env.CreateDirs("/d"));
  env.SetContents("/d/s.db", bytes_);
  env.SetDiskBytes(bytes_.size() + 5'000);
  const auto restored = RestoreSnapshot(&env, {.snapshot = "/d/s.db", .target = "/d/new"});
  EXPECT_TRUE(absl::IsResourceExhausted(restored.status())) << restored.status();
  EXPECT_THAT(std::string(restored.status().message()),
              HasSubstr("what was made of it so far is in /d/new.unfinished; remove it"));
}

TEST_F(SnapshotFileTest, IsRefusedWithoutItsDigestUnlessAskedTo) {
  Write(bytes_.substr(0, bytes_.size() - 32));
  const auto refused = Restore({});
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("snapshot missing hash but --skip-hash-check=false"));
  EXPECT_OK(ReadSnapshot(env_, path_, nullptr)) << "a database file is no broken snapshot";
  EXPECT_OK(Restore({.skip_hash_check = true}));
}

TEST_F(SnapshotFileTest, IsRefusedWhenAByteIsWrong) {
  // One that no structure speaks of, one of the digest, and a digest that lost its end.
  for (const size_t at : {bytes_.size() / 2, bytes_.size() - 1}) {
    std::string broken = bytes_;
    broken[at] = static_cast<char>(broken[at] ^ 1);
    Write(broken);
    const auto refused = Restore({});
    EXPECT_TRUE(absl::IsDataLoss(refused.status()));
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("expected sha256 "));
    EXPECT_EQ(ReadSnapshot(env_, path_, nullptr).status(), refused.status());
  }
  Write(bytes_.substr(0, bytes_.size() - 1));
  EXPECT_EQ(ReadSnapshot(env_, path_, nullptr).status(), Restore({}).status());
  const auto exists = env_->Exists(dir_.path() + "/restored");
  ASSERT_OK(exists);
  EXPECT_FALSE(*exists);
}

}  // namespace
}  // namespace socle::server
