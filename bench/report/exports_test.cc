#include "bench/report/exports.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/peer/compare.h"
#include "kv/base/clock.h"

namespace socle::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

RunReport Report() {
  RunReport report;
  report.command = "put";
  report.description = "keys </script><script>alert(1)</script>";
  report.command_line = "socle-bench put --rate=50";
  LoadResult& load = report.result.load;
  for (int i = 0; i < 99; ++i) {
    load.latency.Record(kNanosPerMilli);
  }
  load.latency.Record(kNanosPerSecond);
  load.succeeded = load.issued = load.issued_measured = 100;
  load.elapsed_nanos = 2 * kNanosPerSecond;
  load.slots = {{kNanosPerSecond, 60, 1, 1'000, 2'000, 3'000, 4'000},
                {2 * kNanosPerSecond, 40, 0, 1'000, 2'000, 3'000, 5'000}};
  report.result.usage = {
      {0, 0, 1'000, 0},
      {kNanosPerSecond, kNanosPerSecond / 2, 2'000, 700},
      {2 * kNanosPerSecond, kNanosPerSecond, 3'000, 900, 12, 2 * kNanosPerMilli, -1, true}};
  return report;
}

TEST(Exports, CsvHasALineForEachSecondWithTheServersUse) {
  EXPECT_EQ(ToCsv(Report()),
            "end_s,succeeded,failed,p50_us,p99_us,p99.9_us,max_us,server_cpu_cores,"
            "server_rss_bytes,server_written_bytes,server_commits,server_commit_p99_us,"
            "server_has_compacted\n"
            "1.000,60,1,1.0,2.0,3.0,4.0,0.500,2000,700,,,\n"
            "2.000,40,0,1.0,2.0,3.0,5.0,0.500,3000,900,12,2000.0,1\n");
}

TEST(Exports, CsvLeavesTheServerOutWhenNobodyLooked) {
  RunReport report = Report();
  report.result.usage.clear();
  EXPECT_THAT(ToCsv(report), HasSubstr("1.000,60,1,1.0,2.0,3.0,4.0,,,,,,\n"));
}

TEST(Exports, HdrCountsUpToEveryValueOnce) {
  const std::string text = ToHdr(Report());
  EXPECT_THAT(text, HasSubstr("0.990000000000         99         100.00\n"));
  EXPECT_THAT(text, HasSubstr(" 1000.000000 1.000000000000        100\n"));
  EXPECT_THAT(text, HasSubstr("Total count    =          100]"));
}

TEST(Exports, APageNeedsNoNetworkAndCantBeBrokenByItsContents) {
  const std::string page = ToPage(Report());
  EXPECT_THAT(page, Not(HasSubstr("alert(1)</script>")));
  EXPECT_THAT(page, HasSubstr("\\u003c/script>"));
  EXPECT_THAT(page, Not(HasSubstr("src=")));
  EXPECT_THAT(page, Not(HasSubstr("https:")));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page, HasSubstr("socle-bench put --rate=50"));
}

TEST(Compare, RatiosAreOfARoundAndTheMedianCounts) {
  const std::string_view rate = "requests_per_second";
  const std::string_view tail = "latency/p99_us";
  const PeerRuns base{"etcd",
                      {{{"requests_per_second", 100}, {"latency/p99_us", 8}},
                       {{"requests_per_second", 50}, {"latency/p99_us", 4}},
                       {{"requests_per_second", 10}, {"latency/p99_us", 4}}}};
  const PeerRuns ours{"socle",
                      {{{"requests_per_second", 500}, {"latency/p99_us", 2}},
                       {{"requests_per_second", 100}, {"latency/p99_us", 2}},
                       {{"requests_per_second", 30}, {"latency/p99_us", 8}}}};
  EXPECT_THAT(RatiosOf({"", rate, true}, base, ours), ElementsAre(5, 2, 3));
  EXPECT_THAT(RatiosOf({"", tail, false}, base, ours), ElementsAre(4, 2, 0.5));
  EXPECT_EQ(MedianOf({5, 2, 3}), 3);
  EXPECT_EQ(MedianOf({4, 2}), 3);
  EXPECT_EQ(MedianOf({}), 0);
  EXPECT_THAT(RatiosOf({"", "elapsed_s", false}, base, ours), ElementsAre());
  CompareOptions options;
  options.workload = {"put", "--total=5"};
  const std::string text = RenderCompare(options, {{base, ours}, "round 4, etcd: gone"});
  EXPECT_THAT(text, HasSubstr("better than etcd by 3.00× (2.00 to 5.00)"));
  EXPECT_THAT(text, HasSubstr("FAILED  round 4, etcd: gone"));
}

TEST(Compare, FindsTheFiguresOfARun) {
  const auto figures = FiguresIn(R"({"requests_per_second": 12, "latency": {"p99_us": 2.5}})");
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_THAT(*figures, ElementsAre(testing::Pair("latency/p99_us", 2.5),
                                    testing::Pair("requests_per_second", 12)));
  EXPECT_FALSE(FiguresIn("{").ok());
}

TEST(Peer, NamesThatMeanNothingAreRefused) {
  for (const char* text : {"", "zookeeper", "etcd:bolt", "socle:", "socle=/nonexistent/socle-kv"}) {
    EXPECT_FALSE(ParsePeer(text).ok()) << text;
  }
  const auto peer = ParsePeer("socle:lmdb=/bin/true");
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(peer->name, "socle:lmdb");
  EXPECT_EQ(peer->binary, "/bin/true");
  EXPECT_THAT(peer->flags, ElementsAre("--backend=lmdb"));
  EXPECT_FALSE(peer->is_etcd);
}

}  // namespace
}  // namespace socle::bench
