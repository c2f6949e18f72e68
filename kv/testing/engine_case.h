// EngineCase: one engine in one configuration, as a parameter of the engine suites.
// Threads  values.
#ifndef SOCLE_KV_TESTING_ENGINE_CASE_H_
#define SOCLE_KV_TESTING_ENGINE_CASE_H_

#include <functional>
#include <memory>
#include <string>

#include <absl/status/statusor.h>
#include <gtest/gtest.h>

#include "kv/engine.h"

namespace socle::kv {

// One engine in one configuration.
struct EngineCase {
  std::string name;
  // Opens, or creates, the store in a directory.
  std::function<absl::StatusOr<std::unique_ptr<Engine>>(const std::string& directory)> open;
};

inline std::string EngineCaseName(const testing::TestParamInfo<EngineCase>& row) {
  return row.param.name;
}

}  // namespace socle::kv

#endif  // SOCLE_KV_TESTING_ENGINE_CASE_H_
