#include "controllers/plane/flags.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/plane/parts.h"
#include "kv/base/bytes.h"
#include "kv/testing/status_matchers.h"

namespace socle::plane {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(PlaneFlags, HaveDefaultsThatListenOnLoopbackAndRunEverything) {
  const auto parsed = ParseFlags({});
  ASSERT_OK(parsed);
  EXPECT_EQ(parsed->settings.listen, "127.0.0.1:8080");
  EXPECT_EQ(parsed->settings.hollow_nodes, 0);
  for (const std::string_view part : PartNames()) {
    EXPECT_TRUE(IsWanted(parsed->settings, part)) << part;
  }
}

TEST(PlaneFlags, ReadWhatIsGiven) {
  const auto parsed =
      ParseFlags({"--hollow-nodes=1000", "--listen", "127.0.0.1:0", "--store=etcd",
                  "--etcd-endpoints=http://a:1,http://b:2", "--history-minutes=10"});
  ASSERT_OK(parsed);
  EXPECT_EQ(parsed->settings.hollow_nodes, 1000);
  EXPECT_EQ(parsed->settings.listen, "127.0.0.1:0");
  EXPECT_EQ(parsed->settings.history_nanos, 600 * kNanosPerSecond);
  EXPECT_THAT(parsed->settings.etcd_endpoints, ElementsAre("http://a:1", "http://b:2"));
}

TEST(PlaneFlags, ChooseParts) {
  struct Case {
    const char* flag;
    bool runs_scheduler;
    bool runs_hollow;
  };

  for (const Case& row :
       {Case{"--controllers=*", true, true}, Case{"--controllers=*,-scheduler", false, true},
        Case{"--controllers=hollow", false, true},
        Case{"--controllers=scheduler,gc", true, false}}) {
    SCOPED_TRACE(row.flag);
    const auto parsed = ParseFlags({row.flag});
    ASSERT_OK(parsed);
    EXPECT_EQ(IsWanted(parsed->settings, "scheduler"), row.runs_scheduler);
    EXPECT_EQ(IsWanted(parsed->settings, "hollow"), row.runs_hollow);
  }
}

TEST(PlaneFlags, RefuseWhatMakesNoSenseAndNameIt) {
  struct Case {
    std::vector<std::string> arguments;
    const char* named;
  };

  for (const Case& row :
       {Case{{"--no-such-flag"}, "--no-such-flag"}, Case{{"--hollow-nodes=-1"}, "--hollow-nodes"},
        Case{{"--hollow-nodes=many"}, "--hollow-nodes"}, Case{{"--store=paper"}, "--store"},
        Case{{"--controllers=*,-typo"}, "typo"},
        Case{{"--tls-cert-file=a.pem"}, "--tls-private-key-file"},
        Case{{"--client-ca-file=a.pem"}, "--tls-cert-file"}}) {
    SCOPED_TRACE(row.arguments.front());
    const auto parsed = ParseFlags(row.arguments);
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.status()));
    EXPECT_THAT(std::string(StdView(parsed.status().message())), HasSubstr(row.named));
  }
}

TEST(PlaneFlags, PrintHelpWithEveryPart) {
  const auto parsed = ParseFlags({"--help"});
  ASSERT_OK(parsed);
  for (const std::string_view part : PartNames()) {
    EXPECT_THAT(parsed->help, HasSubstr(std::string(part)));
  }
}

}  // namespace
}  // namespace socle::plane
