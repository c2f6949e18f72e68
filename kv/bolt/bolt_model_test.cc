#include <string>

#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/testing/bolt_cases.h"
#include "kv/testing/engine_model.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"

namespace socle::kv {
namespace {

class BoltModelTest : public testing::TestWithParam<BoltCase> {
 protected:
  void Run(const EngineModel::Shape& shape, int steps) {
    const uint64_t seed = TestSeed();
    SCOPED_TRACE(seed);
    Random random(seed);
    FaultEnv env(seed);
    ASSERT_OK(env.CreateDirs("/d"));
    EngineModel model(shape, &random, [&] { return OpenBolt(&env, "/d/db", GetParam().options); });
    for (int i = 0; i < steps; ++i) {
      SCOPED_TRACE(i);
      ASSERT_NO_FATAL_FAILURE(model.Step());
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Bolt, BoltModelTest, testing::ValuesIn(BoltCases()),
                         [](const auto& row) { return row.param.name; });

TEST_P(BoltModelTest, AgreesWithAMapOnMixedOperations) {
  Run({}, 250);
}

TEST_P(BoltModelTest, AgreesWithAMapOnSmallValues) {
  Run({.buckets = 2, .keys = 20000, .value_bytes_max = 60, .operations_max = 600}, 150);
}

TEST_P(BoltModelTest, AgreesWithAMapOnLongKeys) {
  Run({.buckets = 1, .keys = 300, .key_bytes_max = 30000, .operations_max = 40}, 150);
}

TEST_P(BoltModelTest, AgreesWithAMapOnTinyBuckets) {
  Run({.buckets = 12,
       .keys = 6,
       .value_bytes_max = 600,
       .operations_max = 20,
       .operations_per_bucket = 100},
      300);
}

}  // namespace
}  // namespace socle::kv
