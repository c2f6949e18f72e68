#include "bench/report/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/report/json.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

using testing::HasSubstr;
using testing::Not;

RunReport PutReport() {
  RunReport report;
  report.command = "put";
  report.description = "8-byte keys";
  report.drive.endpoints = {"127.0.0.1:2379", "127.0.0.1:2380"};
  report.drive.clients = 100;
  report.drive.conns = 10;
  report.drive.total = 1'000;
  report.shape = WriteShape{.seed = 9, .total = 1'000, .val_size = 256, .key_space_size = 500};
  LoadResult& load = report.result.load;
  for (int i = 0; i < 990; ++i) {
    load.latency.Record(800 * kNanosPerMicro);
    load.service_time.Record(700 * kNanosPerMicro);
  }
  load.issued = 1'000;
  load.issued_measured = 1'000;
  load.succeeded = 990;
  load.errors["UNAVAILABLE: etcdserver: no leader"] = 10;
  load.failed = {3, 5, 8};
  load.elapsed_nanos = 2 * kNanosPerSecond;
  report.result.client_cpu_nanos = 3'000 * 1'000;
  return report;
}

TEST(Table, FormatsDurationsWithThreeDigits) {
  const struct {
    double nanos;
    std::string_view text;
  } kCases[] = {
      {0, "0 ns"},       {812, "812 ns"},      {41'300, "41.3 µs"}, {2'750'000, "2.75 ms"},
      {12e9, "12.0 s"},  {999'999, "1.00 ms"}, {99'960, "100 µs"},  {9'999, "10.0 µs"},
      {214e6, "214 ms"}, {1e9, "1.00 s"},      {3600e9, "3600 s"}};

  for (const auto& c : kCases) {
    EXPECT_EQ(FormatDuration(c.nanos), c.text) << c.nanos;
  }
}

TEST(Table, ShowsThroughputErrorsByTextAndPercentiles) {
  const std::string text = RenderTable(PutReport());
  EXPECT_THAT(text, HasSubstr("1000 requests, 100 clients, 10 connections to 127.0.0.1:2379, "));
  EXPECT_THAT(text, HasSubstr("closed loop"));
  EXPECT_THAT(text, HasSubstr("495 requests/s"));
  EXPECT_THAT(text, HasSubstr("10 × UNAVAILABLE: etcdserver: no leader"));
  EXPECT_THAT(text, HasSubstr("client CPU   3.0 µs per request"));
  EXPECT_THAT(text, HasSubstr("800 µs"));
  EXPECT_THAT(text, Not(HasSubstr("server CPU")));
  EXPECT_THAT(text, Not(HasSubstr("STOPPED")));
}

TEST(Table, SaysWhatLatencyCountsFromInAnOpenLoopAndThatARunWasCut) {
  RunReport report = PutReport();
  report.drive.rate = 5'000;
  report.result.load.stop_reason = "interrupted";
  report.result.server_cpu_nanos = 60'000'000;
  const std::string text = RenderTable(report);
  EXPECT_THAT(text, HasSubstr("latency counts from the intended send time"));
  EXPECT_THAT(text, HasSubstr("once sent"));
  EXPECT_THAT(text, HasSubstr("STOPPED EARLY  interrupted; 1000 of 1000 requests sent"));
  EXPECT_THAT(text, HasSubstr("server CPU   60.0 µs per request"));
}

TEST(Table, DistributionAddsUpAndEndsAtTheMaximum) {
  Histogram histogram;
  for (int i = 0; i < 75; ++i) {
    histogram.Record(900 * kNanosPerMicro);
  }
  for (int i = 0; i < 25; ++i) {
    histogram.Record(40 * kNanosPerMilli);
  }
  const std::string text = RenderDistribution(histogram);
  EXPECT_THAT(text, HasSubstr("≤ 1.00 ms   75.0000 %  ███"));
  EXPECT_THAT(text, HasSubstr("≤ 50.0 ms   25.0000 %  ███"));
  EXPECT_THAT(text, Not(HasSubstr("100 ms")));
  EXPECT_EQ(RenderDistribution(Histogram()), "");
}

TEST(Json, TellsTheCheckerWhatWasWrittenAndWhatFailed) {
  const RunReport report = PutReport();
  const absl::StatusOr<CheckOptions> options = CheckOptionsFromJson(ToJson(report));
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->endpoint, "127.0.0.1:2379");
  EXPECT_EQ(options->issued, 1'000U);
  EXPECT_THAT(options->failed, testing::ElementsAre(3, 5, 8));
  EXPECT_TRUE(options->has_all_failed);
  EXPECT_EQ(options->shape.seed, 9U);
  EXPECT_EQ(options->shape.val_size, 256U);
  EXPECT_EQ(options->shape.key_space_size, 500U);
  EXPECT_FALSE(options->shape.sequential_keys);
}

TEST(Json, RefusesOtherFilesNamingTheField) {
  RunReport range = PutReport();
  range.shape.reset();
  std::string negative = ToJson(PutReport());
  negative.replace(negative.find("\"issued\":1000"), 13, "\"issued\":-100");
  std::string beyond = ToJson(PutReport());
  beyond.replace(beyond.find("\"issued\":1000"), 13, "\"issued\":9999");

  const struct {
    std::string text;
    std::string_view expected;
  } kCases[] = {{"", "not the file of a put run"}, {"[1]", "an object"}, {"{}", "issued"},
                {ToJson(range), "shape"},          {negative, "issued"}, {beyond, "out of bounds"}};

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.expected);
    const absl::Status status = CheckOptionsFromJson(c.text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(std::string(c.expected)));
  }
}

}  // namespace
}  // namespace socle::bench
