#include "mvcc/restore.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/bytes.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/schema.h"
#include "mvcc/store.h"
#include "mvcc/testing/map_lease_hook.h"

namespace socle::mvcc {
namespace {

using ::testing::HasSubstr;

// Stores on pages that were written by hand.
class RestoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(env_.CreateDirs("/s/member/snap"), IsOk());
    auto engine = kv::OpenBolt(&env_, "/s/member/snap/db", {.map_size_bytes = uint64_t{64} << 20U});
    ASSERT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
    auto txn = engine_->BeginWrite();
    ASSERT_THAT(txn, IsOk());
    txn_ = *std::move(txn);
    for (const std::string& bucket : BucketNames()) {
      ASSERT_THAT(txn_->CreateBucket(bucket), IsOk());
    }
    Write("meta", kStoreIdKey, BigEndian64(7));  // or they would be etcd's
  }

  void Write(const std::string& bucket, std::string_view key, std::string_view value) {
    ASSERT_THAT(txn_->Put(bucket, key, value), IsOk());
  }

  void WritePut(Revision at, const KeyValueView& kv) {
    std::string record;
    AppendRecord(kv, &record);
    Write("key", RevisionKey(at).view(), record);
  }

  void WriteTombstone(Revision at, std::string_view key) {
    std::string record;
    AppendRecord({.key = key, .value = {}}, &record);
    Write("key", RevisionKey(at, true).view(), record);
  }

  absl::Status Open() {
    EXPECT_THAT(txn_->Commit(), IsOk());
    txn_.reset();
    engine_.reset();
    StoreOptions options;
    options.directory = "/s";
    options.env = &env_;
    options.lease_hook = &hook_;
    options.map_size_bytes = uint64_t{64} << 20U;
    options.wal_segment_bytes = 1 << 16;
    auto store = Store::Open(options);
    if (store.ok()) {
      store_ = *std::move(store);
    }
    return store.status();
  }

  FaultEnv env_{9};
  MapLeaseHook hook_;
  std::unique_ptr<kv::Engine> engine_;
  std::unique_ptr<kv::WriteTxn> txn_;
  std::unique_ptr<Store> store_;
};

// Compaction drops superseded puts before older tombstones; a crash in between leaves this.
TEST_F(RestoreTest, ATombstoneBeforeTheFirstKnownPutDoesNotBeginItsLifeAnew) {
  WriteTombstone({3, 0}, "a");
  WritePut({6, 0},
           {.key = "a", .create_revision = 4, .mod_revision = 6, .version = 3, .value = "x"});
  Write("meta", kScheduledCompactKey, RevisionKey({6, 0}).view());
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(store_->compact_revision(), 6);
  const auto result = store_->Put({.key = "a", .value = "y"});
  ASSERT_THAT(result, IsOk());
  const auto read = store_->Range({.key = "a"});
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->kvs[0].create_revision, 4);
  EXPECT_EQ(read->kvs[0].version, 4);
}

TEST_F(RestoreTest, AKeyWhoseLeaseIsGoneCanBePutWithItsOldLease) {
  WritePut({2, 0}, {.key = "a",
                    .create_revision = 2,
                    .mod_revision = 2,
                    .version = 1,
                    .value = "x",
                    .lease = LeaseId{9}});
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(store_->Put({.key = "a", .value = "y", .ignore_lease = true}), IsOk());
  const auto read = store_->Range({.key = "a"});
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->kvs[0].value, "y");
  EXPECT_EQ(read->kvs[0].lease, kNoLease);
}

TEST_F(RestoreTest, ABumpedRevisionIsCurrentAndGoesWithTheNextCompaction) {
  WritePut({2, 0},
           {.key = "a", .create_revision = 2, .mod_revision = 2, .version = 1, .value = "x"});
  Write("key", RevisionKey({1'000'000, 0}).view(), "");
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(store_->current_revision(), 1'000'000);
  ASSERT_THAT(store_->Compact(1'000'000, /*physical=*/true), IsOk());
  const auto read = store_->Range({.key = "a"});
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->count, 1);
}

TEST_F(RestoreTest, RefusesABucketThatHoldsNoRevisions) {
  Write("key", "not a revision", "x");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("key bucket")));
}

TEST_F(RestoreTest, RefusesARevisionWithoutARecord) {
  Write("key", RevisionKey({2, 0}).view(), "\x0a\x7f");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("revision 2/0")));
}

TEST_F(RestoreTest, RefusesANewerFormat) {
  Write("meta", "storageVersion", "4.0.0");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("4.0.0")));
}

TEST_F(RestoreTest, RefusesALeaseRecordThatIsNone) {
  Write("lease", BigEndian64(7), "\x12\x7f");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lease bucket")));
}

}  // namespace
}  // namespace socle::mvcc
