#include "kv/rocksdb/rocksdb_engine.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include "kv/testing/engine_suite.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::kv {
namespace {

using ::testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Rocksdb, EngineSuite,
                         testing::Values(EngineCase{"Default",
                                                    [](const std::string& directory) {
                                                      return OpenRocksdb(directory + "/db", {});
                                                    }}),
                         EngineCaseName);

std::vector<std::string> ColumnFamilies(const std::string& path) {
  std::vector<std::string> names;
  EXPECT_TRUE(rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), path, &names).ok());
  return names;
}

TEST(RocksdbEngine, DropsTheBucketsOfACommitThatDidNotHappen) {
  const TempDir dir;
  const std::string path = dir.PathOf("db");
  ASSERT_OK(OpenRocksdb(path, {}));
  {
    // What a crash between making the column family and the batch leaves.
    rocksdb::DB* raw = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), path, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    ASSERT_TRUE(db->CreateColumnFamily({}, "bucket-7", &handle).ok());
    ASSERT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
  }
  {
    ASSERT_OK_AND_ASSIGN(const auto engine, OpenRocksdb(path, {}));
    ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginRead());
    EXPECT_THAT(txn->Buckets(), IsOkAndHolds(testing::IsEmpty()));
  }
  EXPECT_THAT(ColumnFamilies(path), testing::ElementsAre("default"));
}

TEST(RocksdbEngine, LeavesNoColumnFamilyOfADroppedBucketBehind) {
  const TempDir dir;
  const std::string path = dir.PathOf("db");
  {
    ASSERT_OK_AND_ASSIGN(const auto engine, OpenRocksdb(path, {}));
    for (int i = 0; i < 3; ++i) {
      ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
      ASSERT_OK(txn->CreateBucket("b"));
      ASSERT_OK(txn->DeleteBucket("b"));
      ASSERT_OK(txn->CreateBucket("b"));
      if (i == 1) {
        txn->Rollback();
      } else {
        ASSERT_OK(txn->DeleteBucket("b"));
        ASSERT_OK(txn->Commit());
      }
    }
  }
  EXPECT_THAT(ColumnFamilies(path), testing::ElementsAre("default"));
}

TEST(RocksdbEngine, RefusesADatabaseOfAnotherProgram) {
  const TempDir dir;
  const std::string path = dir.PathOf("db");
  {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* raw = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, path, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    ASSERT_TRUE(db->Put({}, "theirs", "x").ok());
  }
  EXPECT_THAT(OpenRocksdb(path, {}), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("theirs")));
}

TEST(RocksdbEngine, NoticesABrokenTable) {
  const TempDir dir;
  const std::string path = dir.PathOf("db");
  {
    ASSERT_OK_AND_ASSIGN(const auto engine, OpenRocksdb(path, {.write_buffer_bytes = 1 << 16}));
    for (int round = 0; round < 3; ++round) {
      ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
      ASSERT_OK(txn->CreateBucket("b"));
      for (int i = 0; i < 2000; ++i) {
        ASSERT_OK(txn->Put("b", std::to_string(round * 2000 + i), std::to_string(i * 7919)));
      }
      ASSERT_OK(txn->Commit());
    }
  }
  {
    // What was only in its log is written into tables when it is opened; a flush in the background
    // may not have come so far.
    ASSERT_OK_AND_ASSIGN(const auto engine, OpenRocksdb(path, {}));
    EXPECT_OK(engine->Check());
  }
  ASSERT_OK_AND_ASSIGN(const auto names, Env::Posix()->List(path));
  int broken = 0;
  for (const std::string& name : names) {
    if (name.ends_with(".sst")) {
      ASSERT_OK_AND_ASSIGN(const auto file,
                           Env::Posix()->Open(path + "/" + name, OpenMode::kReadWrite));
      ASSERT_OK(file->WriteAt(100, "broken"));
      ++broken;
    }
  }
  ASSERT_GT(broken, 0);
  auto engine = OpenRocksdb(path, {});
  const absl::Status status = engine.ok() ? (*engine)->Check() : engine.status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path)));
}

TEST(RocksdbEngine, GivesEachReaderItsOwnTransactionOnTheSameCommit) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto engine, OpenRocksdb(dir.PathOf("db"), {}));
  const auto put = [&](std::string_view value) {
    ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
    ASSERT_OK(txn->CreateBucket("b"));
    ASSERT_OK(txn->Put("b", "k", value));
    ASSERT_OK(txn->Commit());
  };
  put("1");
  ASSERT_OK_AND_ASSIGN(auto first, engine->BeginRead());
  put("2");
  const std::unique_ptr<ReadTxn> second = first->Share();
  EXPECT_EQ(second->txid(), first->txid());
  first.reset();
  EXPECT_THAT(second->Get("b", "k"), IsOkAndHolds(testing::Optional(testing::Eq("1"))));
}

}  // namespace
}  // namespace socle::kv
