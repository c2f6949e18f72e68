#include "package/manual/man_page.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::package {
namespace {

using testing::HasSubstr;
using testing::Not;

Command Program() {
  const Argument size = {.names = {"--size"},
                         .value = "N",
                         .kind = ValueKind::kNumber,
                         .about = "Bytes.",
                         .default_text = "8"};
  Command program = {.name = "eye"};
  program.groups.push_back(
      {.title = "Options", .flags = {{.names = {"--wink"}, .about = "Wink."}}});
  for (const char* name : {"at", "by", "in", "on"}) {
    program.commands.push_back({.name = name, .about = std::string("looks ") + name});
    program.commands.back().groups.push_back({.title = "Options", .flags = {size}});
  }
  return program;
}

std::string PageOf(const Command& program) {
  return ManPage(program, {.one_line = "looks"}, "1.2.3");
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST(ManPage, HasTitleVersionFlagsAndCommands) {
  const std::string page = PageOf(Program());
  EXPECT_THAT(page, HasSubstr(".TH EYE 1 \"\" \"Socle 1.2.3\""));
  EXPECT_THAT(page, HasSubstr(".SH NAME\neye \\- looks\n"));
  EXPECT_THAT(page, HasSubstr(".TP\n\\fB\\-\\-wink\\fR\nWink.\n"));
  EXPECT_THAT(page, HasSubstr(".SS by\n"));
  EXPECT_THAT(page, HasSubstr("looks by\n"));
}

TEST(ManPage, TellsACommonFlagOnceAndNamesItWhereItIsTaken) {
  Command program = Program();
  const std::string entry = ".TP\n\\fB\\-\\-size\\fR \\fIN\\fR\nBytes. Default: 8.\n";
  EXPECT_EQ(Count(PageOf(program), entry), 1U);
  EXPECT_EQ(Count(PageOf(program), "Of the common options: \\fB\\-\\-size\\fR."), 4U);
  // Another default is another flag.
  program.commands[0].groups[0].flags[0].default_text = "9";
  EXPECT_EQ(Count(PageOf(program), entry), 3U);
  EXPECT_THAT(PageOf(program), HasSubstr("Default: 9."));
}

TEST(ManPage, LeavesNothingForGroffToTakeForARequestOrAnEscape) {
  Command program = Program();
  program.more =
      ".so /etc/passwd\n'br\nC:\\new `x` \xC2\xB5s \"q\" \xE2\x80\xA6\n\n  indented  line\n  "
      ".next\nafter";
  const std::string page = PageOf(program);
  EXPECT_THAT(page, HasSubstr("\n\\&.so /etc/passwd\n\\(aqbr\n"));
  EXPECT_THAT(page, HasSubstr("C:\\enew \\(gax\\(ga \\[u00B5]s \\(dqq\\(dq ...\n"));
  EXPECT_THAT(page, HasSubstr(".nf\nindented  line\n\\&.next\n.fi\n.RE\n.PP\nafter\n"));
}

TEST(ManPage, OfMalformedUtf8IsStillText) {
  Command program = Program();
  program.more = "cut \xE2\x82";
  EXPECT_THAT(PageOf(program), Not(HasSubstr("\xE2")));
}

}  // namespace
}  // namespace socle::package
