#include <string>

#include <gtest/gtest.h>

#include "kv/rocksdb/rocksdb_engine.h"
#include "kv/testing/engine_model_suite.h"

namespace socle::kv {
namespace {

INSTANTIATE_TEST_SUITE_P(Rocksdb, EngineModelSuite,
                         testing::Values(EngineCase{"Default",
                                                    [](const std::string& directory) {
                                                      return OpenRocksdb(directory + "/db", {});
                                                    }}),
                         EngineCaseName);

}  // namespace
}  // namespace socle::kv
