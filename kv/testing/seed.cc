#include "kv/testing/seed.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/base/bytes.h"

namespace socle {

uint64_t TestSeed() {
  std::string name = "no test";
  if (const auto* test = ::testing::UnitTest::GetInstance()->current_test_info()) {
    name = fmt::format("{}.{}", test->test_suite_name(), test->name());
  }
  uint64_t seed = StringHash{}(name);
  if (const char* text = std::getenv("SOCLE_TEST_SEED")) {  // NOLINT(concurrency-mt-unsafe)
    seed = std::strtoull(text, nullptr, 10);
  }
  fmt::print(stderr, "{}: to repeat, set SOCLE_TEST_SEED={}\n", name, seed);
  return seed;
}

}  // namespace socle
