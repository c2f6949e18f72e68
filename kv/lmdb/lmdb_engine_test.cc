#include "kv/lmdb/lmdb_engine.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/engine_suite.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::kv {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<Engine>> OpenIn(const std::string& directory, LmdbOptions options) {
  return OpenLmdb(directory + "/db.lmdb", options);
}

INSTANTIATE_TEST_SUITE_P(Lmdb, EngineSuite,
                         testing::Values(EngineCase{
                             "Default",
                             [](const std::string& directory) { return OpenIn(directory, {}); }}),
                         EngineCaseName);

TEST(LmdbEngine, SaysThatTheMapIsFullAndGoesOn) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto engine, OpenIn(dir.path(), {.map_size_bytes = 1 << 20}));
  {
    ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
    ASSERT_OK(txn->CreateBucket("b"));
    ASSERT_OK(txn->Put("b", "k", "v"));
    ASSERT_OK(txn->Commit());
  }
  {
    ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
    const auto full = StatusIs(absl::StatusCode::kResourceExhausted,
                               HasSubstr("db.lmdb: change a bucket: MDB_MAP_FULL"));
    EXPECT_THAT(txn->Put("b", "large", std::string(2 << 20, 'v')), full);
    EXPECT_THAT(txn->Put("b", "l", "v"), full);
    EXPECT_THAT(txn->Commit(), full);
  }
  ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
  EXPECT_THAT(txn->Get("b", "k"), IsOkAndHolds(testing::Optional(testing::Eq("v"))));
  ASSERT_OK(txn->Put("b", "k", "w"));
  EXPECT_OK(txn->Commit());
  EXPECT_OK(engine->Check());
}

TEST(LmdbEngine, SaysHowManyBucketsAndReadersThereMayBe) {
  const TempDir dir;
  const LmdbOptions options{.readers_max = 3, .buckets_max = 2};
  auto engine = OpenIn(dir.path(), options);
  ASSERT_OK(engine);
  {
    ASSERT_OK_AND_ASSIGN(const auto txn, (*engine)->BeginWrite());
    ASSERT_OK(txn->CreateBucket("a"));
    ASSERT_OK(txn->CreateBucket("b"));
    EXPECT_THAT(txn->CreateBucket("c"),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("buckets_max is 2")));
    ASSERT_OK(txn->Commit());
  }
  engine->reset();
  engine = OpenIn(dir.path(), options);
  ASSERT_OK(engine);
  std::vector<std::unique_ptr<ReadTxn>> readers;
  absl::Status status;
  while (status.ok() && readers.size() < 100) {
    auto reader = (*engine)->BeginRead();
    status = reader.status();
    if (reader.ok()) {
      readers.push_back(*std::move(reader));
    }
  }
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("readers_max is 3")));
}

TEST(LmdbEngine, RefusesAFileThatIsNotOurs) {
  const TempDir dir;
  {
    ASSERT_OK_AND_ASSIGN(const auto file,
                         Env::Posix()->Open(dir.PathOf("db.lmdb"), OpenMode::kReadWriteCreate));
    ASSERT_OK(file->WriteAt(0, std::string(8192, 'x')));
  }
  EXPECT_THAT(OpenIn(dir.path(), {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("db.lmdb: open")));
}

TEST(LmdbEngine, FillsPagesWhenKeysAscend) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto engine, OpenIn(dir.path(), {}));
  constexpr int kKeys = 20'000;
  ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
  ASSERT_OK(txn->CreateBucket("b"));
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_OK(txn->Put("b", fmt::format("{:010}", i), std::string(100, 'v')));
  }
  ASSERT_OK(txn->Commit());
  // Pages that are split in halves would need twice the payload.
  EXPECT_LT(engine->Size().in_use_bytes, uint64_t{kKeys} * 110 * 13 / 10);
}

}  // namespace
}  // namespace socle::kv
