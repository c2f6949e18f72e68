// Small values of the API: JSON, names, quantities, shares, times.
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/causes.h"
#include "controllers/api/int_or_string.h"
#include "controllers/api/json.h"
#include "controllers/api/names.h"
#include "controllers/api/quantity.h"
#include "controllers/api/timestamp.h"
#include "kv/base/clock.h"
#include "kv/base/random.h"

namespace socle::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

TEST(Json, RefusesWhatIsNotOneValue) {
  for (const std::string_view text : {"", " ", "{", "{\"a\":}", "[1,]", "1 2", "{} {}", "nul",
                                      "\"\\ud800\"", "01", "{\"a\":1,}"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(ParseJson(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_TRUE(ParseJson(" {\"a\": [1, -2.5e3, null, true]} \n").ok());
  EXPECT_TRUE(ParseJson("17").ok());
}

TEST(Json, BoundsTheDepthOfWhatItParses) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_FALSE(ParseJson(deep).ok());
  const std::string shallow = std::string(100, '[') + std::string(100, ']');
  EXPECT_TRUE(ParseJson(shallow).ok());
}

TEST(Json, FindsDuplicateFieldsWithTheirPaths) {
  EXPECT_THAT(
      DuplicateFields(R"({"a":1,"b":{"c":1,"c":2},"l":[{"x":1},{"y":1,"y":2,"y":3}],"a":2})"),
      ElementsAre("b.c", "l[1].y", "a"));
  EXPECT_THAT(DuplicateFields(R"({"a":{"x":1},"b":{"x":1}})"), IsEmpty());
}

TEST(Json, CanonicalTextSortsMembersAtEveryLevel) {
  EXPECT_EQ(CanonicalDump(Literal(R"({"b":[{"z":1,"y":"\n"}],"a":null})")),
            R"({"a":null,"b":[{"y":"\n","z":1}]})");
}

TEST(Json, FindTreatsNullAsMissing) {
  const Json root = Literal(R"({"a":{"b":null,"c":"x","n":7}})");
  EXPECT_EQ(Find(root, {"a", "b"}), nullptr);
  EXPECT_EQ(Find(root, {"a", "c", "d"}), nullptr);
  EXPECT_EQ(StringAt(root, {"a", "c"}), "x");
  EXPECT_EQ(IntAt(root, {"a", "n"}), 7);
}

TEST(Names, RefuseInTheWordsOfKubernetes) {
  struct Case {
    const char* name;
    Format format;
    std::string text;
    std::vector<std::string> starts;  // of the problems
  };

  const Case cases[] = {
      {"label", Format::kDnsLabel, "my-name", {}},
      {"label with capital", Format::kDnsLabel, "My", {"a lowercase RFC 1123 label must consist"}},
      {"label too long",
       Format::kDnsLabel,
       std::string(64, 'a'),
       {"must be no more than 63 characters"}},
      {"label ends with dash", Format::kDnsLabel, "a-", {"a lowercase RFC 1123 label"}},
      {"empty label", Format::kDnsLabel, "", {"a lowercase RFC 1123 label"}},
      {"subdomain", Format::kDnsSubdomain, "a.b-c.d", {}},
      {"subdomain with empty part",
       Format::kDnsSubdomain,
       "a..b",
       {"a lowercase RFC 1123 subdomain must consist"}},
      {"1035 with digit first", Format::kDns1035Label, "1a", {"a DNS-1035 label must consist"}},
      {"1035 empty", Format::kDns1035Label, "", {"a DNS-1035 label must consist"}},
      {"qualified", Format::kQualifiedName, "example.com/My_Name.1", {}},
      {"qualified twice", Format::kQualifiedName, "a/b/c", {"a qualified name must consist"}},
      {"qualified without prefix", Format::kQualifiedName, "/b", {"prefix part must be non-empty"}},
      {"qualified without name",
       Format::kQualifiedName,
       "a/",
       {"name part must be non-empty", "name part must consist"}},
      {"qualified with bad prefix",
       Format::kQualifiedName,
       "A/b",
       {"prefix part a lowercase RFC 1123 subdomain"}},
      {"empty label value", Format::kLabelValue, "", {}},
      {"bad label value", Format::kLabelValue, "a b", {"a valid label must be an empty string or"}},
      {"env", Format::kEnvName, "A.b-1", {}},
      {"env with digit first", Format::kEnvName, "1A", {"a valid environment variable name"}},
      {"config key", Format::kConfigKey, "a/b", {"a valid config key must consist"}},
      {"config key of dots", Format::kConfigKey, "..", {"must not be '..'"}},
      {"port", Format::kPortName, "http-2", {}},
      {"port without letters", Format::kPortName, "80", {"must contain at least one letter"}},
      {"port with two dashes", Format::kPortName, "a--b", {"must not contain consecutive hyphens"}},
      {"path", Format::kAbsolutePath, "a", {"must be an absolute path"}},
      {"segment", Format::kPathSegment, "a/b%", {"may not contain '/'", "may not contain '%'"}},
      {"kruise", Format::kKruiseName, "a_b", {"name must consist of alphanumeric characters"}},
      {"ip", Format::kIpAddress, "10.0.0.256", {"must be a valid IP address"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::vector<std::string> problems = FormatProblems(c.format, c.text);
    ASSERT_THAT(problems, SizeIs(c.starts.size()));
    for (size_t i = 0; i < problems.size(); ++i) {
      EXPECT_THAT(problems[i], StartsWith(c.starts[i]));
    }
  }
  EXPECT_THAT(FormatProblems(Format::kDnsLabel, "A"),
              ElementsAre("a lowercase RFC 1123 label must consist of lower case alphanumeric "
                          "characters or '-', and must start and end with an alphanumeric "
                          "character (e.g. 'my-name',  or '123-abc', regex used for validation is "
                          "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"));
}

TEST(Names, KnowAddresses) {
  for (const std::string_view good :
       {"1.2.3.4", "::", "::1", "2001:db8::ff", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4"}) {
    EXPECT_TRUE(IsIpAddress(good)) << good;
  }
  for (const std::string_view bad : {"", "1.2.3", "01.2.3.4", "1.2.3.4.5", ":", "1:2", "1::2::3",
                                     "12345::", "1:2:3:4:5:6:7:8:9", "g::"}) {
    EXPECT_FALSE(IsIpAddress(bad)) << bad;
  }
}

TEST(Names, GeneratedNamesFitAndHaveNoVowels) {
  Random random(7);
  const std::string name = GenerateName(std::string(100, 'x'), &random);
  EXPECT_EQ(name.size(), 63U);
  EXPECT_EQ(name.substr(58).find_first_of("aeiou013"), std::string::npos);
  EXPECT_NE(GenerateName("web-", &random), GenerateName("web-", &random));
}

TEST(Quantity, ParsesAndPrintsTheCanonicalForm) {
  struct Case {
    std::string_view text;
    std::string_view canonical;
    int64_t millis;
  };

  const Case cases[] = {
      {"0", "0", 0},
      {"1", "1", 1000},
      {"100m", "100m", 100},
      {"0.5", "500m", 500},
      {"1.5Gi", "1536Mi", 1610612736000},
      {"1024Ki", "1Mi", 1048576000},
      {"1000", "1k", 1000000},
      {"2e3", "2e3", 2000000},
      {"-3", "-3", -3000},
      {"+1.", "1", 1000},
      {".5", "500m", 500},
      {"1n", "1n", 1},
      {"0.1n", "1n", 1},
      {"1E", "1E", 1000000000000000000 / 1},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const absl::StatusOr<Quantity> amount = Quantity::Parse(c.text);
    ASSERT_TRUE(amount.ok());
    EXPECT_EQ(amount->ToString(), c.canonical);
    if (c.text != "1E") {
      EXPECT_EQ(amount->Millis(), c.millis);
    }
    EXPECT_EQ(*Quantity::Parse(amount->ToString()), *amount);
  }
}

TEST(Quantity, RefusesWhatIsNoAmountAndCutsWhatIsTooBig) {
  for (const std::string_view text : {"", "m", "1.2.3", "1Q", "1e", "1ee3", "- 1", ".", "1 Gi"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(Quantity::Parse(text).ok());
  }
  EXPECT_EQ(Quantity::Parse("99999999999999999999999999E")->Units(), INT64_MAX);
  EXPECT_EQ(Quantity::Parse(std::string(400, '9'))->Units(), INT64_MAX);
  EXPECT_EQ(Quantity::Parse("1e-999")->Millis(), 1);
}

TEST(Quantity, AddsSubtractsAndCompares) {
  const Quantity a = *Quantity::Parse("1500m");
  const Quantity b = *Quantity::Parse("2");
  EXPECT_LT(a, b);
  EXPECT_EQ((a + b).ToString(), "3500m");
  EXPECT_EQ((a - b).ToString(), "-500m");
  EXPECT_EQ((*Quantity::Parse("1Gi") + *Quantity::Parse("1Mi")).ToString(), "1025Mi");
}

TEST(IntOrString, RoundsSharesUpOrDown) {
  EXPECT_EQ(*ScaledValue(Json(7), 100, Rounding::kUp), 7);
  EXPECT_EQ(*ScaledValue(Json("25%"), 10, Rounding::kUp), 3);
  EXPECT_EQ(*ScaledValue(Json("25%"), 10, Rounding::kDown), 2);
  EXPECT_EQ(*ScaledValue(Json("100%"), 10, Rounding::kDown), 10);
  for (const char* text : {"", "%", "25", "a%", "2.5%", "99999999999%"}) {
    EXPECT_FALSE(ScaledValue(Json(text), 10, Rounding::kUp).ok()) << text;
  }
  EXPECT_FALSE(ScaledValue(Json(true), 10, Rounding::kUp).ok());
}

TEST(Timestamp, GoesThroughTextAndBack) {
  const int64_t nanos = 1'767'323'045LL * kNanosPerSecond + 678'901'000;
  EXPECT_EQ(FormatTime(nanos), "2026-01-02T03:04:05Z");
  EXPECT_EQ(FormatMicroTime(nanos), "2026-01-02T03:04:05.678901Z");
  EXPECT_EQ(ParseTime("2026-01-02T03:04:05.678901Z"), nanos);
  EXPECT_EQ(ParseTime("2026-01-02T04:04:05+01:00"), nanos - 678'901'000);
  for (const std::string_view bad :
       {"", "2026-01-02", "2026-02-30T00:00:00Z", "2026-01-02T03:04:05", "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+1:00", "x", "2026-13-02T03:04:05Z"}) {
    EXPECT_FALSE(ParseTime(bad).has_value()) << bad;
  }
}

TEST(Timestamp, AgesReadAsKubectlPrintsThem) {
  const std::pair<int64_t, std::string_view> cases[] = {{-5, "<invalid>"}, {0, "0s"},
                                                        {119, "119s"},     {120, "2m"},
                                                        {125, "2m5s"},     {600, "10m"},
                                                        {7200, "120m"},    {3 * 3600, "3h"},
                                                        {12000, "3h20m"},  {9 * 3600, "9h"},
                                                        {48 * 3600, "2d"}, {51 * 3600, "2d3h"},
                                                        {9 * 86400, "9d"}, {800 * 86400, "2y70d"}};
  for (const auto& [seconds, text] : cases) {
    EXPECT_EQ(HumanDuration(seconds * kNanosPerSecond), text) << seconds;
  }
}

TEST(Causes, ReadAsFieldErrorsDo) {
  Causes causes;
  causes.Invalid("spec.replicas", Json(-1), "must be greater than or equal to 0");
  causes.Required("spec.selector");
  causes.NotSupported("spec.type", Json("x"), {"b", "a"});
  causes.Duplicate("spec.containers[1].name", Json("app"));
  EXPECT_EQ(causes.items()[0].message, "Invalid value: -1: must be greater than or equal to 0");
  EXPECT_EQ(causes.items()[1].message, "Required value");
  EXPECT_EQ(causes.items()[2].message, "Unsupported value: \"x\": supported values: \"a\", \"b\"");
  EXPECT_EQ(InvalidMessage("", "Pod", "p", causes),
            "Pod \"p\" is invalid: [spec.replicas: Invalid value: -1: must be greater than or "
            "equal to 0, spec.selector: Required value, spec.type: Unsupported value: \"x\": "
            "supported values: \"a\", \"b\", spec.containers[1].name: Duplicate value: \"app\"]");
  for (size_t i = 0; i < 2 * kCausesMax; ++i) {
    causes.Required("x");
  }
  EXPECT_THAT(causes.items(), SizeIs(kCausesMax));
  EXPECT_EQ(ReasonOf(CauseType::kNotSupported), "FieldValueNotSupported");
  EXPECT_THAT(Shown(Json(std::string(5000, 'x').c_str())), HasSubstr("..."));
}

}  // namespace
}  // namespace socle::api
