#include "mvcc/record.h"

#include <string>

#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/seed.h"

namespace socle::mvcc {
namespace {

std::string Encode(const KeyValueView& kv) {
  std::string bytes;
  AppendRecord(kv, &bytes);
  return bytes;
}

TEST(Record, WritesTheCanonicalBytesOfTheMessage) {
  struct Case {
    const char* name;
    KeyValueView kv;
    std::string bytes;
  };

  const Case cases[] = {
      {"nothing", {}, ""},
      {"a tombstone", {.key = "a", .value = {}}, "\x0a\x01\x61"},
      {"a put",
       {.key = "a", .create_revision = 2, .mod_revision = 300, .version = 2, .value = "v"},
       "\x0a\x01\x61\x10\x02\x18\xac\x02\x20\x02\x2a\x01\x76"},
      {"a lease", {.key = "a", .value = {}, .lease = LeaseId{5}}, "\x0a\x01\x61\x30\x05"},
      {"a negative lease takes ten bytes",
       {.key = {}, .value = {}, .lease = LeaseId{-1}},
       "\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(Encode(c.kv), c.bytes);
    const auto back = DecodeRecord(c.bytes);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->key, c.kv.key);
    EXPECT_EQ(back->create_revision, c.kv.create_revision);
    EXPECT_EQ(back->mod_revision, c.kv.mod_revision);
    EXPECT_EQ(back->version, c.kv.version);
    EXPECT_EQ(back->value, c.kv.value);
    EXPECT_EQ(back->lease, c.kv.lease);
  }
}

TEST(Record, PassesOverUnknownFields) {
  const std::string known = Encode({.key = "a", .mod_revision = 3, .value = "v"});
  const std::string unknown =  // Fields 7 to 10, one of each wire type.
      "\x3a\x02xx\x40\x07\x49"
      "12345678"
      "\x55"
      "1234";
  const std::string both = unknown + known;
  const auto kv = DecodeRecord(both);
  ASSERT_TRUE(kv.has_value());
  EXPECT_EQ(kv->key, "a");
  EXPECT_EQ(kv->mod_revision, 3);
}

TEST(Record, RefusesWhatEndsEarly) {
  const std::string bytes =
      Encode({.key = "abc", .create_revision = 1'000'000, .mod_revision = 1, .value = "value"});
  int refused = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    refused += DecodeRecord(std::string(bytes, 0, size)).has_value() ? 0 : 1;
  }
  EXPECT_GT(refused, 10);  // All but those that end between two fields.
  EXPECT_FALSE(DecodeRecord("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f").has_value());
  EXPECT_FALSE(DecodeRecord("\x0b").has_value());  // A group.
}

TEST(Record, SurvivesRandomBytes) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Random random(seed);
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes(random.Below(24), '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(random.OneIn(2) ? random.Next() : 8 * random.Below(8) + 2);
    }
    const auto kv = DecodeRecord(bytes);
    if (kv && !kv->key.empty()) {
      ASSERT_GE(kv->key.data(), bytes.data());
      ASSERT_LE(kv->key.data() + kv->key.size(), bytes.data() + bytes.size());
    }
  }
}

}  // namespace
}  // namespace socle::mvcc
