#include <string>

#include <gtest/gtest.h>

#include "kv/lmdb/lmdb_engine.h"
#include "kv/testing/engine_model_suite.h"

namespace socle::kv {
namespace {

INSTANTIATE_TEST_SUITE_P(Lmdb, EngineModelSuite,
                         testing::Values(EngineCase{"Default",
                                                    [](const std::string& directory) {
                                                      return OpenLmdb(directory + "/db", {});
                                                    }}),
                         EngineCaseName);

}  // namespace
}  // namespace socle::kv
