#include "controllers/hollow/controls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/hollow/image.h"

namespace socle::hollow {
namespace {

using testing::Eq;
using testing::Optional;

TEST(Controls, DurationsAreThoseOfKubernetes) {
  struct Case {
    const char* text;
    std::optional<int64_t> millis;
  };

  const Case cases[] = {
      {"2s", 2000},
      {"300ms", 300},
      {"1m30s", 90'000},
      {"0", 0},
      {"0s", 0},
      {"1.5s", 1500},
      {"1h", 3'600'000},
      {"100us", 0},
      {"1h0m1s", 3'601'000},
      {"", std::nullopt},
      {"2", std::nullopt},
      {"-2s", std::nullopt},
      {"s", std::nullopt},
      {"2x", std::nullopt},
      {"1..5s", std::nullopt},
      {"9999999999h", std::nullopt},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(ParseMillis(c.text), c.millis);
  }
}

TEST(Controls, ThePodCountsBeforeItsNodeAndAContainerBeforeAll) {
  const ControlTexts pod = {{"pull-delay", "1s"}, {"pull-delay.a", "2s"}, {"exit-code", "x"}};
  const ControlTexts node = {{"pull-delay.b", "3s"}, {"start-delay", "4s"}, {"exit-code", "7"}};
  const Controls controls(&pod, &node);
  EXPECT_THAT(controls.Millis("pull-delay"), Optional(1000));
  EXPECT_THAT(controls.Millis("pull-delay", "a"), Optional(2000));
  EXPECT_THAT(controls.Millis("pull-delay", "b"), Optional(1000));
  EXPECT_THAT(controls.Millis("start-delay", "a"), Optional(4000));
  EXPECT_EQ(controls.Millis("ready-delay"), std::nullopt);
  EXPECT_EQ(controls.Integer("exit-code"), std::nullopt);
}

TEST(Controls, OnlyAnnotationsWithThePrefixAreControls) {
  const ControlTexts texts = ReadControls(api::Literal(R"({"metadata": {"annotations":
      {"hollow.socle.dev/exit-code": "3", "other/exit-code": "4", "hollow.socle.dev/x": 1}}})"));
  EXPECT_THAT(texts, testing::ElementsAre(testing::Pair("exit-code", "3")));
  EXPECT_THAT(ReadControls(api::Json()), testing::IsEmpty());
}

TEST(Controls, SharesAreBetweenZeroAndOne) {
  const ControlTexts pod = {{"a", "0.25"}, {"b", "1"}, {"c", "1.5"}, {"d", "-0.1"}, {"e", "nan"}};
  const Controls controls(&pod, nullptr);
  EXPECT_THAT(controls.Share("a"), Optional(0.25));
  EXPECT_THAT(controls.Share("b"), Optional(1.0));
  for (const char* name : {"c", "d", "e", "f"}) {
    EXPECT_EQ(controls.Share(name), std::nullopt) << name;
  }
}

TEST(Controls, PatternsHaveStars) {
  struct Case {
    const char* patterns;
    const char* text;
    bool matches;
  };

  const Case cases[] = {
      {"nginx:1", "nginx:1", true},
      {"nginx:1", "nginx:12", false},
      {"*", "", true},
      {"*:bad*", "a/b:bad-2", true},
      {"*:bad*", "a/b:good", false},
      {"a*b*c", "axxbyybzc", true},
      {"a*b*c", "axxbyybz", false},
      {"x,*:2", "n:2", true},
      {"", "anything", false},
      {",,", "", false},
      {"a,b,", "b", true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.patterns);
    EXPECT_EQ(MatchesPattern(c.patterns, c.text), c.matches);
  }
}

TEST(Controls, JitterStaysWithinItsShareAndRepeats) {
  int64_t least = 1000;
  int64_t most = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    const int64_t value = Jittered(100, 0.2, Draw(1, 2, i));
    EXPECT_EQ(value, Jittered(100, 0.2, Draw(1, 2, i)));
    least = std::min(least, value);
    most = std::max(most, value);
  }
  EXPECT_GE(least, 80);
  EXPECT_LT(least, 85);
  EXPECT_LE(most, 120);
  EXPECT_GT(most, 115);
}

TEST(Image, IdsFollowTheNameUnlessADigestIsGiven) {
  EXPECT_EQ(ImageId("nginx"), ImageId("nginx:latest"));
  EXPECT_NE(ImageId("nginx:1"), ImageId("nginx:2"));
  EXPECT_NE(ImageId("host:5000/nginx"), ImageId("host:5000/other"));
  EXPECT_EQ(ImageId("host:5000/nginx"), ImageId("host:5000/nginx:latest"));
  const std::string digest(64, 'a');
  EXPECT_EQ(ImageId("nginx:1@sha256:" + digest), "hollow://sha256:" + digest);
  EXPECT_EQ(ImageId("nginx:1@sha256:" + digest), ImageId("other:2@sha256:" + digest));
  EXPECT_THAT(ImageId("nginx"), testing::MatchesRegex("hollow://sha256:[0-9a-f]+"));
  EXPECT_EQ(ImageId("nginx").size(), std::string_view("hollow://sha256:").size() + 64);
}

TEST(Image, BadTagsAndRefusedPatternsCantBePulled) {
  EXPECT_TRUE(CanPull("nginx:1", ""));
  EXPECT_FALSE(CanPull("nginx:does-not-exist", ""));
  EXPECT_TRUE(CanPull("does-not-exist/nginx:1", ""));
  EXPECT_FALSE(CanPull("nginx:2", "*:2"));
}

TEST(Image, EveryAttemptOfAContainerHasAnIdOfItsOwn) {
  EXPECT_EQ(ContainerId("u", "a", 0), ContainerId("u", "a", 0));
  EXPECT_NE(ContainerId("u", "a", 0), ContainerId("u", "a", 1));
  EXPECT_NE(ContainerId("u", "a", 0), ContainerId("v", "a", 0));
  EXPECT_NE(ContainerId("u", "a", 0), ContainerId("u", "b", 0));
}

}  // namespace
}  // namespace socle::hollow
