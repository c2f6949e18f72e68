// Each system call under the store fails in turn: writes are refused from then on with one clear
// error, reads go on, and nothing answered is lost.
#include <cstdint>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/patience.h"
#include "mvcc/store.h"

namespace socle::mvcc {
namespace {

using ::testing::HasSubstr;

struct Fault {
  const char* name;
  CallKind kind;
  absl::StatusCode code;
};

constexpr Fault kFaults[] = {
    {"EIO at sync", CallKind::kSync, absl::StatusCode::kInternal},
    {"EIO at write", CallKind::kWrite, absl::StatusCode::kInternal},
    {"ENOSPC at write", CallKind::kWrite, absl::StatusCode::kResourceExhausted},
    {"ENOSPC at truncate", CallKind::kTruncate, absl::StatusCode::kResourceExhausted},
    {"EIO at rename", CallKind::kRename, absl::StatusCode::kInternal},
    {"EIO at remove", CallKind::kRemove, absl::StatusCode::kInternal},
    {"EIO at sync of a directory", CallKind::kSyncDir, absl::StatusCode::kInternal},
    {"ENOSPC at create", CallKind::kCreate, absl::StatusCode::kResourceExhausted},
    {"EMFILE at open", CallKind::kOpen, absl::StatusCode::kResourceExhausted},
    {"EIO at read", CallKind::kRead, absl::StatusCode::kInternal},
};

StoreOptions SmallStore(FaultEnv* env) {
  StoreOptions options;
  options.directory = "/s";
  options.env = env;
  options.map_size_bytes = uint64_t{64} << 20U;
  options.wal_segment_bytes = 1 << 14;
  options.batch_limit = 3;
  options.batch_interval_nanos = kNanosPerMilli;
  return options;
}

// "k" has been put `there` times.
void ExpectVersion(Store* store, int64_t there) {
  const auto read = store->Range({.key = "k"});
  ASSERT_OK(read);
  ASSERT_EQ(read->kvs.empty() ? 0 : read->kvs[0].version, there);
}

// Puts until the planned failure comes; true when it came to writing. `answered` counts the puts.
bool PutUntilFailure(Store* store, absl::StatusCode code, int64_t* answered) {
  for (int i = 0; i < 40; ++i) {
    const auto put = store->Put({.key = "k", .value = std::string(700, 'v')});
    if (put.ok()) {
      ++*answered;
      continue;
    }
    EXPECT_EQ(put.status().code(), code) << put.status();
    EXPECT_THAT(std::string(MessageOf(put.status())), HasSubstr("writing has stopped"));
    EXPECT_THAT(std::string(MessageOf(put.status())), HasSubstr("/s/member/"));
    EXPECT_EQ(store->Health(), put.status());
    // The disk is well again, but nobody knows what is on it.
    for (int again = 0; again < 3; ++again) {
      EXPECT_EQ(store->Put({.key = "k", .value = "later"}).status(), put.status());
      EXPECT_EQ(store->DeleteRange({.key = "k"}).status(), put.status());
    }
    ExpectVersion(store, *answered);
    return true;
  }
  return false;
}

TEST(StoreFault, EveryCallOfEveryKindMayFail) {
  const uint64_t seed = TestSeed();
  int stopped = 0;
  int refused = 0;
  for (const Fault& fault : kFaults) {
    // A failure may be harmless (zeros written ahead), and threads make the count of calls vary.
    int harmless = 0;
    for (uint64_t nth = 1; harmless < 4 && nth < 40; ++nth) {
      SCOPED_TRACE(fmt::format("seed {}: {}, call {}", seed, fault.name, nth));
      FaultEnv env(seed + nth);
      env.FailCall(fault.kind, nth, fault.code);
      const Patience patience(nth % 3 != 0);
      int64_t answered = 0;
      {
        const auto store = Store::Open(SmallStore(&env));
        if (!store.ok()) {
          EXPECT_EQ(store.status().code(), fault.code) << store.status();
          ++refused;
        } else {
          const bool has_stopped = PutUntilFailure(store->get(), fault.code, &answered);
          stopped += has_stopped ? 1 : 0;
          harmless = has_stopped ? 0 : harmless + 1;
        }
      }
      env.Restart(nth % 2 == 0 ? DurabilityLoss::kRandom : DurabilityLoss::kNone);
      ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(SmallStore(&env)));
      const auto read = store->Range({.key = "k"});
      ASSERT_OK(read);
      const int64_t there = read->kvs.empty() ? 0 : read->kvs[0].version;
      // The one that failed may be there: its answer said that nobody knows.
      ASSERT_TRUE(there == answered || there == answered + 1) << there << " of " << answered;
      ASSERT_OK(store->Check());
      ASSERT_OK(store->Put({.key = "k", .value = "again"}));
      ASSERT_FALSE(HasFailure());
    }
  }
  EXPECT_GT(stopped, 30);
  EXPECT_GT(refused, 10);
}

TEST(StoreFault, ASecondStoreOnTheDirectoryIsRefusedAndTheFirstGoesOn) {
  FaultEnv env(1);
  ASSERT_OK_AND_ASSIGN(const auto first, Store::Open(SmallStore(&env)));
  ASSERT_OK(first->Put({.key = "k", .value = "1"}));
  EXPECT_THAT(Store::Open(SmallStore(&env)).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/s/member/snap/db")));
  ASSERT_OK(first->Put({.key = "k", .value = "2"}));
  ExpectVersion(first.get(), 2);
  EXPECT_OK(first->Health());
}

}  // namespace
}  // namespace socle::mvcc
