#include "server/gateway/json_scanner.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace socle::server::gateway {
namespace {

using Found = JsonScanner::Found;

// What the scanner makes of a text that comes in two pieces: "12|" for a value of 12 bytes, else the error.
std::string Scanned(std::string_view text, size_t cut) {
  JsonScanner scanner;
  size_t at = 0;
  Found found = scanner.Scan(text.substr(0, cut), &at);
  if (found == Found::kMore) {
    found = scanner.Scan(text, &at);
  }
  if (found == Found::kMore) {
    found = scanner.ScanEnd();
  }
  switch (found) {
    case Found::kValue:
      return "value of " + std::to_string(at);
    case Found::kMore:
      return "nothing";
    case Found::kError:
      return scanner.error();
  }
  return {};
}

TEST(JsonScanner, FindsTheEndOfAValueOrSaysWhyThereIsNoneWhereverItIsCut) {
  struct Case {
    std::string text;
    std::string found;
  };

  const Case cases[] = {
      {"", "nothing"},
      {" \t\r\n", "nothing"},
      {"{}", "value of 2"},
      {" {} {}", "value of 3"},
      {"[]x", "value of 2"},
      {R"({"a":[{"b":null,"c":true},-0.5e+7,"\"\u00e9"]} )", "value of 46"},
      {"0", "value of 1"},
      {"01", "value of 1"},
      {"-12.50e7,", "value of 8"},
      {"truex", "value of 4"},
      {"\"a\\\\\"b", "value of 5"},
      {"nul", "invalid character ' ' in literal null (expecting 'l')"},
      {"{", "unexpected end of JSON input"},
      {"\"a", "unexpected end of JSON input"},
      {"-", "invalid character ' ' in numeric literal"},
      {"1.", "invalid character ' ' after decimal point in numeric literal"},
      {"1e", "invalid character ' ' in exponent of numeric literal"},
      {"-a", "invalid character 'a' in numeric literal"},
      {"nulL", "invalid character 'L' in literal null (expecting 'l')"},
      {"{,}", "invalid character ',' looking for beginning of object key string"},
      {"{\"a\" 1}", "invalid character '1' after object key"},
      {"{\"a\":1 2}", "invalid character '2' after object key:value pair"},
      {"[1 2]", "invalid character '2' after array element"},
      {"[1,]", "invalid character ']' looking for beginning of value"},
      {"\"\\x\"", "invalid character 'x' in string escape code"},
      {"\"\\u00g0\"", "invalid character 'g' in \\u hexadecimal character escape"},
      {std::string("\"\0\"", 3), "invalid character '\\x00' in string literal"},
      {"'", "invalid character '\\'' looking for beginning of value"},
      {"{\"a\"\"", "invalid character '\"' after object key"},
      {"\xff", "invalid character '\xc3\xbf' looking for beginning of value"},
      {"\x80", "invalid character '\\u0080' looking for beginning of value"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    for (size_t cut = 0; cut <= c.text.size(); ++cut) {
      EXPECT_EQ(Scanned(c.text, cut), c.found) << "cut at " << cut;
    }
  }
}

TEST(JsonScanner, GoesOnWithTheNextValue) {
  JsonScanner scanner;
  const std::string_view text = "1 {\"a\":2}[3]\"4\"null";
  size_t at = 0;
  const size_t ends[] = {1, 9, 12, 15, 19};
  for (const size_t end : ends) {
    ASSERT_EQ(scanner.Scan(text, &at), Found::kValue);
    EXPECT_EQ(at, end);
    EXPECT_FALSE(scanner.has_begun());
  }
}

TEST(JsonScanner, NestsTenThousandDeepAndNoFurther) {
  EXPECT_EQ(Scanned(std::string(10'000, '[') + std::string(10'000, ']'), 7), "value of 20000");
  EXPECT_EQ(Scanned(std::string(10'001, '['), 7), "invalid character '[' exceeded max depth");
}

TEST(CheckWholeJson, TakesOneValueAndSpace) {
  EXPECT_TRUE(CheckWholeJson(" 1 ").ok());
  EXPECT_TRUE(CheckWholeJson("{}").ok());
  EXPECT_EQ(CheckWholeJson("").message(), "unexpected end of JSON input");
  EXPECT_EQ(CheckWholeJson("0x1").message(), "invalid character 'x' after top-level value");
  EXPECT_EQ(CheckWholeJson("{} {}").message(), "invalid character '{' after top-level value");
  EXPECT_EQ(CheckWholeJson("-").message(), "invalid character ' ' in numeric literal");
}

}  // namespace
}  // namespace socle::server::gateway
