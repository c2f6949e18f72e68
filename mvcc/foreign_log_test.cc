// What is refused as etcd's, and what must not be.
#include "mvcc/foreign_log.h"

#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/bytes.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/schema.h"
#include "mvcc/store.h"

namespace socle::mvcc {
namespace {

using ::testing::HasSubstr;

constexpr const char* kDirectory = "/d";
constexpr const char* kDatabase = "/d/member/snap/db";
constexpr const char* kSnap = "/d/member/snap/0000000000000002-0000000000000003.snap";
constexpr uint64_t kMapBytes = uint64_t{64} << 20U;

struct Entry {
  std::string bucket;
  std::string key;
  std::string value;
};

void MakeDatabase(FaultEnv* env, const std::vector<Entry>& entries) {
  ASSERT_OK(env->CreateDirs("/d/member/snap"));
  ASSERT_OK_AND_ASSIGN(const auto engine,
                       kv::OpenBolt(env, kDatabase, {.map_size_bytes = kMapBytes}));
  ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
  for (const Entry& entry : entries) {
    ASSERT_OK(txn->CreateBucket(entry.bucket));
    ASSERT_OK(txn->Put(entry.bucket, entry.key, entry.value));
  }
  ASSERT_OK(txn->Commit());
}

StoreOptions Options(FaultEnv* env, const std::string& wal_directory = "") {
  StoreOptions options;
  options.directory = kDirectory;
  options.wal_directory = wal_directory;
  options.env = env;
  options.map_size_bytes = kMapBytes;
  options.wal_segment_bytes = 1 << 16;
  return options;
}

void RunStore(FaultEnv* env, const std::string& wal_directory = "") {
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(Options(env, wal_directory)));
  ASSERT_OK(store->Put({.key = "k", .value = "v"}));
}

const Entry kApplied = {"meta", "consistent_index", BigEndian64(7)};
const Entry kOurs = {"meta", std::string(kStoreIdKey), BigEndian64(7)};
const Entry kMember = {"members", "8e9e05c52164694d", "{}"};

struct Case {
  const char* name;
  std::function<void(FaultEnv*)> make;
  const char* wal_directory = "";
};

TEST(ForeignLog, EtcdsDatabaseIsRefusedWhereverItsLogIs) {
  const std::vector<Case> cases = {
      {"applied entries", [](FaultEnv* env) { MakeDatabase(env, {kApplied}); }},
      {"nothing applied yet", [](FaultEnv* env) { MakeDatabase(env, {kMember}); }},
      {"a log directory is asked for", [](FaultEnv* env) { MakeDatabase(env, {kApplied}); },
       "/ours"},
      {"a snapshot of ours that etcd restored, and served",
       [](FaultEnv* env) {
         MakeDatabase(env, {kApplied, kOurs, kMember});
         env->SetContents(kSnap, "x");
       }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    FaultEnv env(1);
    c.make(&env);
    const auto before = env.Contents(kDatabase);
    const absl::Status refused = Store::Open(Options(&env, c.wal_directory)).status();
    EXPECT_THAT(refused,
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("nothing was touched")));
    EXPECT_THAT(std::string(refused.message()),
                HasSubstr("'soclectl import /d --wal-dir DIR --data-dir /d.socle'"));
    EXPECT_TRUE(env.Contents(kDatabase) == before);
    for (const char* made : {"/d/member/socle-wal", "/ours"}) {
      ASSERT_OK_AND_ASSIGN(const bool exists, env.Exists(made));
      EXPECT_FALSE(exists) << made;
    }
  }
}

TEST(ForeignLog, OursIsTakenWithAndWithoutItsLog) {
  const std::vector<Case> cases = {
      {"nothing there", [](FaultEnv*) {}},
      {"its log beside it", [](FaultEnv* env) { RunStore(env); }},
      {"its log elsewhere", [](FaultEnv* env) { RunStore(env, "/ours"); }, "/ours"},
      {"restored: a member and an index, no log yet",
       [](FaultEnv* env) {
         MakeDatabase(env, {kApplied, kOurs, kMember});
       }},
      {"a snapshot of etcd, as it was saved",
       [](FaultEnv* env) {
         MakeDatabase(env, {kApplied, kMember});
         env->SetContents(kDatabase, *env->Contents(kDatabase) + std::string(32, 'd'));
       }},
      {"a crash behind the first commit", [](FaultEnv* env) { MakeDatabase(env, {kOurs}); }},
      {"a crash before the first commit", [](FaultEnv* env) { MakeDatabase(env, {}); }},
      {"once etcd's, taken over long ago",
       [](FaultEnv* env) {
         RunStore(env);
         env->SetContents(kSnap, "x");
       }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    FaultEnv env(1);
    c.make(&env);
    EXPECT_OK(Store::Open(Options(&env, c.wal_directory)));
  }
}

// Whoever opens it says what is wrong; this would call it etcd's.
TEST(ForeignLog, ADatabaseThatIsInUseOrBrokenIsNotJudged) {
  FaultEnv env(1);
  MakeDatabase(&env, {kApplied});
  {
    ASSERT_OK_AND_ASSIGN(const auto lock, env.Lock(kDatabase));
    EXPECT_OK(RefuseEtcdLog(&env, kDirectory, ""));
  }
  env.SetContents(kDatabase, "no database");
  EXPECT_OK(RefuseEtcdLog(&env, kDirectory, ""));
}

}  // namespace
}  // namespace socle::mvcc
