#include "package/manual/command_line.h"

#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/config/flag_table.h"

namespace socle::package {
namespace {

using testing::ElementsAre;

const Argument* Find(const Command& command, const std::string& name) {
  for (const ArgumentGroup& group : command.groups) {
    for (const Argument& flag : group.flags) {
      if (flag.names.front() == name) {
        return &flag;
      }
    }
  }
  return nullptr;
}

TEST(CommandLine, HasEveryRowOfTheFlagTableAndSaysWhatItIs) {
  const Command command = DescribeFlagTable();
  for (const server::FlagRow& row : server::FlagTable()) {
    const Argument* flag = Find(command, "--" + std::string(row.name));
    ASSERT_NE(flag, nullptr) << row.name;
    EXPECT_NE(flag->about, "") << row.name;
    EXPECT_EQ(flag->kind == ValueKind::kNone, row.is_bool()) << row.name;
  }
}

TEST(CommandLine, KnowsTheChoicesOfTheFlagTable) {
  const Command command = DescribeFlagTable();
  EXPECT_THAT(Find(command, "--backend")->choices, ElementsAre("bolt", "lmdb", "rocksdb"));
  EXPECT_THAT(Find(command, "--auto-tls")->choices, ElementsAre("true", "false"));
  EXPECT_EQ(Find(command, "--data-dir")->kind, ValueKind::kFolder);
  EXPECT_EQ(Find(command, "--cert-file")->kind, ValueKind::kFile);
  EXPECT_EQ(Find(command, "--snapshot-count")->kind, ValueKind::kNumber);
}

// A choice that the table names is one that the flag takes.
TEST(CommandLine, ChoicesOfTheFlagTableAreAccepted) {
  for (const server::FlagRow& row : server::FlagTable()) {
    for (const std::string_view choice : row.choices) {
      server::Settings settings;
      EXPECT_TRUE(row.set(choice, &settings).ok()) << row.name << " " << choice;
    }
  }
}

TEST(CommandLine, OffersNoFlagThatHasNoEffect) {
  for (const ArgumentGroup& group : DescribeFlagTable().groups) {
    for (const Argument& flag : group.flags) {
      const server::FlagRow* row = server::FindFlag(flag.names.front().substr(2));
      EXPECT_EQ(group.is_offered, row->use == server::FlagUse::kUsed) << row->name;
    }
  }
}

TEST(CommandLine, OfAnAppHasItsCommandsFlagsAndPlaces) {
  CLI::App app("looks", "eye");
  app.footer("more");
  CLI::App* at = app.add_subcommand("at", "looks at something");
  std::string path;
  std::string engine = "bolt";
  int depth = 3;
  bool is_quick = false;
  at->add_option("FILE", path, "what to look at")->required();
  at->add_option("-e,--engine", engine, "which engine")
      ->check(CLI::IsMember({"bolt", "lmdb"}))
      ->envname("EYE_ENGINE")
      ->capture_default_str();
  CLI::Option* how_deep =
      at->add_option("--depth", depth, "how deep")->check(CLI::Range(1, 9))->capture_default_str();
  at->add_flag("--quick", is_quick, "not so deep")->excludes(how_deep);

  const Command eye = DescribeApp(app);
  EXPECT_EQ(eye.name, "eye");
  EXPECT_EQ(eye.more, "more");
  ASSERT_EQ(eye.commands.size(), 1U);
  const Command& command = eye.commands[0];
  EXPECT_EQ(command.about, "looks at something");

  ASSERT_EQ(command.places.size(), 1U);
  EXPECT_EQ(command.places[0].value, "FILE");
  EXPECT_EQ(command.places[0].kind, ValueKind::kFile);
  EXPECT_TRUE(command.places[0].is_required);

  const Argument* which = Find(command, "--engine");
  ASSERT_NE(which, nullptr);
  EXPECT_THAT(which->names, ElementsAre("--engine", "-e"));
  EXPECT_THAT(which->choices, ElementsAre("bolt", "lmdb"));
  EXPECT_EQ(which->value, "bolt|lmdb");
  EXPECT_EQ(which->default_text, "bolt");
  EXPECT_EQ(which->environment, "EYE_ENGINE");

  EXPECT_EQ(Find(command, "--depth")->kind, ValueKind::kNumber);
  EXPECT_EQ(Find(command, "--depth")->about, "how deep. From 1 to 9. Not together with --quick.");
  EXPECT_EQ(Find(command, "--quick")->kind, ValueKind::kNone);
}

TEST(CommandLine, TellsFilesAndFoldersByWhatIsSaidOfThem) {
  struct Case {
    const char* name;
    const char* about;
    ValueKind kind;
  };

  for (const Case& row : {Case{"data-dir", "", ValueKind::kFolder},
                          Case{"dir", "where the scratch folders go", ValueKind::kFolder},
                          Case{"FILE", "where to", ValueKind::kFile},
                          Case{"PATH", "database file or data directory", ValueKind::kFile},
                          Case{"json", "also write the result to this file", ValueKind::kFile},
                          Case{"name", "of the member", ValueKind::kWord}}) {
    EXPECT_EQ(KindOfText(row.name, row.about), row.kind) << row.name;
  }
}

}  // namespace
}  // namespace socle::package
