// EngineModelSuite: random operations on an engine of a real directory beside a map, in shapes that
// stress one thing each.
//
//   INSTANTIATE_TEST_SUITE_P(Lmdb, EngineModelSuite, testing::ValuesIn(Cases()), EngineCaseName);
//
// Laws     those of kv/testing/engine_model.h; the seed is printed.
#ifndef SOCLE_KV_TESTING_ENGINE_MODEL_SUITE_H_
#define SOCLE_KV_TESTING_ENGINE_MODEL_SUITE_H_

#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/engine_case.h"
#include "kv/testing/engine_model.h"
#include "kv/testing/seed.h"
#include "kv/testing/temp_dir.h"

namespace socle::kv {

class EngineModelSuite : public testing::TestWithParam<EngineCase> {
 protected:
  static void RunModel(const EngineModel::Shape& shape, int steps) {
    const uint64_t seed = TestSeed();
    SCOPED_TRACE(seed);
    Random random(seed);
    const TempDir dir;
    EngineModel model(shape, &random, [&] { return GetParam().open(dir.path()); });
    for (int i = 0; i < steps; ++i) {
      SCOPED_TRACE(i);
      ASSERT_NO_FATAL_FAILURE(model.Step());
    }
  }
};

TEST_P(EngineModelSuite, AgreesWithAMapOnMixedOperations) {
  RunModel({}, 80);
}

TEST_P(EngineModelSuite, AgreesWithAMapOnLongKeys) {
  RunModel({.buckets = 2, .keys = 300, .key_bytes_max = 30000, .operations_max = 40}, 80);
}

TEST_P(EngineModelSuite, AgreesWithAMapOnLongKeysThatShareTheirBeginnings) {
  RunModel({.buckets = 3,
            .keys = 300,
            .key_bytes_max = 1200,
            .key_prefix_bytes = 1008,
            .operations_max = 80,
            .operations_per_bucket = 1000},
           120);
}

TEST_P(EngineModelSuite, AgreesWithAMapOnTinyBuckets) {
  RunModel({.buckets = 12,
            .keys = 6,
            .value_bytes_max = 600,
            .operations_max = 20,
            .operations_per_bucket = 100},
           120);
}

}  // namespace socle::kv

#endif  // SOCLE_KV_TESTING_ENGINE_MODEL_SUITE_H_
