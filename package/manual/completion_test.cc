#include "package/manual/completion.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::package {
namespace {

using testing::HasSubstr;
using testing::Not;

// What bash does with it is in tests/package/run_completion.py.
TEST(BashCompletion, IsOneFunctionWithATableOfEveryCommand) {
  Command program = {.name = "socle-eye"};
  program.groups.push_back({.title = "Options", .flags = {{.names = {"--wink"}}}});
  program.groups.push_back(
      {.title = "Old", .flags = {{.names = {"--blink"}}}, .is_offered = false});
  program.commands.push_back({.name = "at"});
  program.commands[0].places.push_back({.value = "FILE", .kind = ValueKind::kFile});
  const Argument how = {
      .names = {"--how", "-h"}, .kind = ValueKind::kWord, .choices = {"near", "far"}};
  program.commands[0].groups.push_back({.title = "Options", .flags = {how}});

  const std::string text = BashCompletion(program);
  EXPECT_THAT(text, HasSubstr("complete -F _socle_eye socle-eye\n"));
  EXPECT_THAT(text, HasSubstr("'socle-eye at') command='socle-eye at' ;;\n"));
  EXPECT_THAT(text, HasSubstr("'socle-eye') takes=word words='at' flags='--wink' ;;\n"));
  EXPECT_THAT(text, HasSubstr("'socle-eye at') takes=file words='' flags='--how -h' ;;\n"));
  EXPECT_THAT(
      text,
      HasSubstr("'socle-eye at --how' | 'socle-eye at -h') takes=word words='near far' ;;\n"));
  EXPECT_THAT(text, Not(HasSubstr("blink")));
}

}  // namespace
}  // namespace socle::package
