#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controllers/storage/embedded_store.h"
#include "controllers/storage/testing/random_run.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"

namespace socle::storage {
namespace {

TEST(EmbeddedStoreModel, AgreesWithAMapOfEveryRevisionAcrossRestarts) {
  const uint64_t seed = TestSeed();
  for (uint64_t round = 0; round < 12 && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE(fmt::format("seed {} round {}", seed, round));
    FaultEnv env(seed + round);
    RandomRun run(seed + round);
    for (int restart = 0; restart < 4 && !testing::Test::HasFailure(); ++restart) {
      mvcc::StoreOptions options;
      options.directory = "/s";
      options.env = &env;
      options.map_size_bytes = uint64_t{256} << 20U;
      options.wal_segment_bytes = 1 << 18;
      options.batch_interval_nanos = kNanosPerMilli;
      options.batch_limit = 1 + static_cast<int64_t>(round) * 20;
      options.compaction_batch_limit = 3;
      ASSERT_OK_AND_ASSIGN(auto store, EmbeddedStore::Open(options));
      run.Steps(store.get(), 300);
      run.CompareWatch(store.get());
      EXPECT_OK(store->engine()->Check());
    }
  }
}

}  // namespace
}  // namespace socle::storage
