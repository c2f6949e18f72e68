#include <functional>
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
    Run(shape, steps, [](const EngineModel&) {});
  }

  void Run(const EngineModel::Shape& shape, int steps,
           const std::function<void(const EngineModel&)>& expect) {
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
    expect(model);
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

TEST_P(BoltModelTest, AgreesWithAMapWhileTheFileShrinks) {
  Run({.buckets = 3, .is_shrinking = true}, 150, [](const EngineModel& model) {
    EXPECT_GT(model.shrunk(), 0U);
    EXPECT_GT(model.blocked(), 0U);
  });
}

TEST_P(BoltModelTest, AgreesWithAMapOnSmallValuesWhileTheFileShrinks) {
  Run({.buckets = 2,
       .keys = 8000,
       .value_bytes_max = 60,
       .operations_max = 600,
       .readers_max = 2,
       .is_shrinking = true},
      80, [](const EngineModel& model) { EXPECT_GT(model.shrunk(), 0U); });
}

}  // namespace
}  // namespace socle::kv
