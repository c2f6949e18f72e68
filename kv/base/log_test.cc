#include "kv/base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/clock.h"
#include "kv/testing/temp_dir.h"

namespace socle {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr int64_t kNanos = 1'795'687'384'000'123'000;  // 2026-11-26

std::string Json(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  return FormatLogLine(LogFormat::kJson, level, kNanos, "cmd/x.cc:7", message, fields);
}

TEST(Log, LinesInJsonHaveEtcdsFields) {
  EXPECT_EQ(Json(LogLevel::kInfo, "ready to serve client requests", {{"n", 3}, {"ok", true}}),
            R"({"level":"info","ts":"2026-11-26T10:03:04.000123Z","caller":"cmd/x.cc:7",)"
            R"("msg":"ready to serve client requests","n":3,"ok":true})");
  for (const auto& [level, name] : {std::pair(LogLevel::kDebug, "debug"),
                                    {LogLevel::kWarning, "warn"},
                                    {LogLevel::kError, "error"}}) {
    EXPECT_THAT(Json(level, "m", {}), HasSubstr(std::string("{\"level\":\"") + name + "\""));
  }
}

TEST(Log, TextOfOthersStaysOneJsonLine) {
  const std::string line = Json(LogLevel::kInfo, "a\"b\\c\nd", {{"k\t", "{}\x01\x7F"}});
  EXPECT_THAT(line, HasSubstr(R"("msg":"a\"b\\c\u000ad","k\u0009":"{}\u0001\u007f"})"));
  EXPECT_THAT(line, Not(HasSubstr("\n")));
}

TEST(Log, LinesAsTextQuoteOnlyWhatNeedsIt) {
  EXPECT_EQ(FormatLogLine(LogFormat::kText, LogLevel::kWarning, kNanos, "c", "flag",
                          {{"warning", "two words"}, {"plain", "word"}, {"n", 5}}),
            "2026-11-26T10:03:04.000123Z warn flag warning=\"two words\" plain=word n=5");
}

TEST(Log, AReaderThatStopsReadingStopsNobody) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  ASSERT_GT(::fcntl(ends[1], F_SETPIPE_SZ, 16'384), 0);
  const int stdout_before = ::dup(STDOUT_FILENO);
  ::dup2(ends[1], STDOUT_FILENO);
  ::close(ends[1]);
  ASSERT_TRUE(InitLog({.outputs = {"stdout"}}).ok());

  // Written in two pieces, of which the pipe may have taken one.
  const std::string text(6'000, 'x');
  const int64_t began = Clock::Real()->MonotonicNanos();
  for (int i = 0; i < 100; ++i) {
    LogInfo("long", {{"i", i}, {"text", text}});
  }
  EXPECT_LT(Clock::Real()->MonotonicNanos() - began, 5 * kNanosPerSecond);

  std::string read(1 << 20U, '\0');
  const auto read_some = [&] { return ::read(ends[0], read.data(), read.size()); };
  const std::string first(read.data(), static_cast<size_t>(read_some()));
  EXPECT_THAT(first, HasSubstr(R"("i":0,)"));
  LogInfo("short");
  const std::string rest(read.data(), static_cast<size_t>(read_some()));
  EXPECT_THAT(rest,
              HasSubstr(R"("msg":"lines of the log were left out: nobody read them","lines":9)"));
  EXPECT_THAT(rest, HasSubstr(R"("msg":"short"})"));
  EXPECT_EQ(rest.front() == '\n', first.back() != '\n');

  ::dup2(stdout_before, STDOUT_FILENO);
  ::close(stdout_before);
  ::close(ends[0]);
  ASSERT_TRUE(InitLog({.level = LogLevel::kWarning, .outputs = {"stderr"}}).ok());
}

TEST(Log, GoesToEveryOutputAndNamesItsCaller) {
  const TempDir dir;
  ASSERT_TRUE(InitLog({.outputs = {dir.PathOf("a"), dir.PathOf("b")}}).ok());
  LogInfo("braces {} stay", {{"k", "{}"}});
  LogDebug("not at this level");
  ASSERT_TRUE(InitLog({.outputs = {dir.PathOf("a")}}).ok());  // appends
  LogInfo("again");
  ASSERT_TRUE(InitLog({.level = LogLevel::kWarning, .outputs = {"stderr"}}).ok());
  const auto contents = [&dir](const char* name) {
    std::ifstream file(dir.PathOf(name));
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string kOne =
      R"(\{"level":"info","ts":"20[^"]*Z","caller":"base/log_test.cc:[0-9]+","msg":"braces \{\} stay","k":"\{\}"\})"
      "\n";
  EXPECT_THAT(contents("b"), MatchesRegex(kOne));
  EXPECT_THAT(contents("a"), MatchesRegex(kOne + R"(\{.*"msg":"again"\})" + "\n"));
  EXPECT_FALSE(InitLog({.outputs = {"/dev/null/log"}}).ok());
}

}  // namespace
}  // namespace socle
