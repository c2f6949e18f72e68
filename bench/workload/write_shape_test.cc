#include "bench/workload/write_shape.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

std::string KeyOf(const WriteShape& shape, uint64_t sequence) {
  std::string key;
  shape.AssignKey(shape.KeyIndexOf(sequence), &key);
  return key;
}

std::string ValueOf(const WriteShape& shape, uint64_t sequence) {
  std::string value = "left over";
  shape.AssignValue(sequence, &value);
  return value;
}

TEST(WriteShape, FollowsFromSeedAndNumberAlone) {
  const WriteShape a{.seed = 1, .val_size = 64, .key_space_size = 1'000'000};
  const WriteShape b{.seed = 2, .val_size = 64, .key_space_size = 1'000'000};
  int equal_keys = 0;
  for (uint64_t n = 0; n < 1'000; ++n) {
    EXPECT_EQ(KeyOf(a, n), KeyOf(a, n));
    EXPECT_EQ(ValueOf(a, n), ValueOf(a, n));
    EXPECT_NE(ValueOf(a, n), ValueOf(b, n));
    equal_keys += KeyOf(a, n) == KeyOf(b, n) ? 1 : 0;
  }
  EXPECT_LT(equal_keys, 10);
}

TEST(WriteShape, KeysAreOrderedHexadecimalOfTheAskedSize) {
  const WriteShape shape{.key_size = 8, .key_space_size = 1 << 20, .sequential_keys = true};
  EXPECT_EQ(KeyOf(shape, 0), "00000000");
  EXPECT_EQ(KeyOf(shape, 255), "000000ff");
  EXPECT_EQ(KeyOf(shape, (1 << 20) + 3), "00000003");
  const WriteShape wide{.key_size = 40, .key_space_size = UINT64_MAX};
  std::string key;
  wide.AssignKey(UINT64_MAX - 1, &key);
  EXPECT_EQ(key, std::string(24, '0') + "fffffffffffffffe");
}

TEST(WriteShape, RandomKeysCoverTheKeySpace) {
  const WriteShape shape{.key_size = 4, .key_space_size = 100};
  std::set<std::string> keys;
  for (uint64_t n = 0; n < 2'000; ++n) {
    keys.insert(KeyOf(shape, n));
  }
  EXPECT_EQ(keys.size(), 100U);
}

TEST(WriteShape, ValuesOfEverySizeDifferAndLargerOnesCarryTheirNumber) {
  for (const uint64_t size : {0U, 1U, 8U, 15U, 16U, 17U, 256U}) {
    SCOPED_TRACE(size);
    const WriteShape shape{.val_size = size};
    const std::string value = ValueOf(shape, 77);
    EXPECT_EQ(value.size(), size);
    if (size >= 8) {
      EXPECT_NE(value, ValueOf(shape, 78));
    }
    if (size >= 16) {
      EXPECT_EQ(GetBigEndian64(value.data()), 77U);
    }
  }
}

TEST(WriteShape, RefusesShapesThatMakeNoSenseNamingTheFlag) {
  const struct {
    WriteShape shape;
    std::string_view flag;
  } kCases[] = {{{.key_size = 0}, "--key-size"},
                {{.val_size = 1ULL << 40U}, "--val-size"},
                {{.key_space_size = 0}, "--key-space-size"},
                {{.key_size = 2, .key_space_size = 257}, "--key-size"}};

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.flag);
    const absl::Status status = c.shape.Validate();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(MessageOf(status)), testing::HasSubstr(std::string(c.flag)));
  }
  EXPECT_TRUE((WriteShape{.key_size = 2, .key_space_size = 256}.Validate().ok()));
}

}  // namespace
}  // namespace socle::bench
