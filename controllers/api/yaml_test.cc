#include "controllers/api/yaml.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/json.h"
#include "kv/base/random.h"
#include "kv/testing/seed.h"

namespace socle::api {
namespace {

using ::testing::HasSubstr;

constexpr size_t kBytesMax = size_t{1} << 20U;

std::string Converted(std::string_view yaml) {
  const absl::StatusOr<std::string> json = YamlToJson(yaml, kBytesMax);
  return json.ok() ? *json : json.status().ToString();
}

TEST(Yaml, ScalarsAreWhatKubernetesTakesThemFor) {
  const struct Case {
    const char* yaml;
    const char* json;
  } kCases[] = {
      {"a: 1", R"({"a":1})"},
      {"a: \"1\"", R"({"a":"1"})"},
      {"a: '1'", R"({"a":"1"})"},
      {"a: !!str 1", R"({"a":"1"})"},
      {"a: 0x10", R"({"a":16})"},
      {"a: 0755", R"({"a":493})"},
      {"a: 0o17", R"({"a":15})"},
      {"a: 1_000", R"({"a":1000})"},
      {"a: -7", R"({"a":-7})"},
      {"a: 1.5", R"({"a":1.5})"},
      {"a: 1e3", R"({"a":1000})"},
      {"a: 100m", R"({"a":"100m"})"},
      {"a: 1.2.3", R"({"a":"1.2.3"})"},
      {"a: 18446744073709551616", R"({"a":1.8446744073709552e+19})"},
      {"a: yes", R"({"a":true})"},
      {"a: off", R"({"a":false})"},
      {"a: 'yes'", R"({"a":"yes"})"},
      {"a: ~", R"({"a":null})"},
      {"a:", R"({"a":null})"},
      {"a: 2026-11-26", R"({"a":"2026-11-26"})"},
      {"a: |\n  x\n  y\n", R"({"a":"x\ny\n"})"},
      {"a: \"\\u00e9\\n\"", "{\"a\":\"\xC3\xA9\\n\"}"},
      {"8080: web", R"({"8080":"web"})"},
      {"0x10: web", R"({"16":"web"})"},
      {"on: web", R"({"true":"web"})"},
      {"'on': web", R"({"on":"web"})"},
      {"", "null"},
      {"# nothing", "null"},
      {"- 1\n- [2, {b: c}]\n-\n", R"([1,[2,{"b":"c"}],null])"},
      {"---\na: b\n...\n", R"({"a":"b"})"},
      {"{\"a\": [true, null, \"x\"]}", R"({"a":[true,null,"x"]})"},
      {"a: 1\na: 2", R"({"a":1,"a":2})"},
      {"a: &x {b: [c]}\nd: *x\ne: *x\n", R"({"a":{"b":["c"]},"d":{"b":["c"]},"e":{"b":["c"]}})"},
      {"a: &x 5\nb: *x\n", R"({"a":5,"b":5})"},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.yaml);
    EXPECT_EQ(Converted(c.yaml), c.json);
  }
}

TEST(Yaml, WhatCantBeReadIsRefusedWithItsPlace) {
  const struct Case {
    const char* yaml;
    const char* text;
  } kCases[] = {
      {"a: [b", "malformed YAML at line 1"},
      {"a: b\n c: d", "line 2, column 3"},
      {"a: b\n\tc: d", "malformed YAML at line 2"},
      {"a: 'b", "malformed YAML at line 1"},
      {"a: *x", "malformed YAML at line 1, column 4"},
      {"a: &x [*x]", "an alias inside of what it names"},
      {"? [a]\n: b", "a key must be a scalar"},
      {"a: &x {b: c}\n*x : d", "a key must be a scalar"},
      {"a: &x {b: c}\nd:\n  <<: *x", "line 3, column 3: merge keys"},
      {"a: .nan", ".nan is no number that JSON has"},
      {"a: !mine b", "unknown tag !mine"},
      {"a: b\n---\nc: d", "several YAML documents"},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.yaml);
    EXPECT_THAT(Converted(c.yaml), HasSubstr(c.text));
  }
}

TEST(Yaml, NeitherDepthNorAliasesMakeItLarge) {
  EXPECT_THAT(Converted(std::string(100'000, '[')), HasSubstr("nested too deep"));
  std::string nested;
  for (int depth = 0; depth < 200; ++depth) {
    nested += std::string(static_cast<size_t>(depth), ' ') + "a:\n";
  }
  EXPECT_THAT(Converted(nested), HasSubstr("nested deeper than 128"));
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i,
                        i - 1);
  }
  EXPECT_THAT(Converted(bomb), HasSubstr("with its aliases written out it has more than"));
}

TEST(Yaml, AnyBytesAreConvertedToJsonOrRefused) {
  const uint64_t seed = TestSeed();
  Random random(seed);
  constexpr std::string_view kPieces[] = {"a",    ": ", "\n",    "  ", "- ", "[",  "]",     "{",
                                          "}",    ",",  "&x",    "*x", "'",  "\"", "|",     ">",
                                          "#",    "?",  "!!int", "1",  "~",  "<<", "---\n", "\t",
                                          "\xFF", "\\", "%",     "@",  "`",  "\0"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (uint64_t i = 0, count = random.Below(40); i < count; ++i) {
      text += kPieces[random.Below(std::size(kPieces))];
    }
    const absl::StatusOr<std::string> json = YamlToJson(text, kBytesMax);
    if (json.ok() && text.find('\xFF') == std::string::npos) {
      EXPECT_TRUE(ParseJson(*json).ok()) << text << "\n" << *json;
    }
  }
}

}  // namespace
}  // namespace socle::api
