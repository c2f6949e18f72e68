#include "kv/testing/fault_env.h"

#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"

namespace socle {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kSector = SimulatedFile::kSectorBytes;

std::unique_ptr<File> Create(FaultEnv* env, const std::string& path) {
  auto file = env->Open(path, OpenMode::kReadWriteCreate);
  EXPECT_THAT(file, IsOk());
  return *std::move(file);
}

// A file of `contents` that is durable with its name.
std::unique_ptr<File> CreateDurable(FaultEnv* env, const std::string& path,
                                    std::string_view contents) {
  EXPECT_OK(env->CreateDirs("/d"));
  auto file = Create(env, path);
  EXPECT_OK(file->WriteAt(0, contents));
  EXPECT_OK(file->SyncData());
  EXPECT_OK(env->SyncDir("/d"));
  return file;
}

TEST(FaultEnv, KeepsSyncedBytesAndNamesThroughAPowerCut) {
  for (const auto loss : {DurabilityLoss::kAll, DurabilityLoss::kNone, DurabilityLoss::kRandom}) {
    FaultEnv env(1);
    CreateDurable(&env, "/d/f", "abc");
    env.Restart(loss);
    EXPECT_EQ(env.Contents("/d/f"), "abc");
  }
}

TEST(FaultEnv, LosesUnsyncedBytesButNotWhenOnlyTheProcessDies) {
  FaultEnv env(1);
  const auto file = CreateDurable(&env, "/d/f", "abc");
  ASSERT_OK(file->WriteAt(1, "XYZ"));
  EXPECT_EQ(env.Contents("/d/f"), "aXYZ");
  EXPECT_EQ(env.DurableContents("/d/f"), "abc");
  env.Restart(DurabilityLoss::kAll);
  EXPECT_EQ(env.Contents("/d/f"), "abc");
  auto again = Create(&env, "/d/f");
  ASSERT_OK(again->WriteAt(1, "XYZ"));
  env.Restart(DurabilityLoss::kNone);
  EXPECT_EQ(env.Contents("/d/f"), "aXYZ");
}

TEST(FaultEnv, LosesNamesThatWereNotSynced) {
  FaultEnv env(1);
  CreateDurable(&env, "/d/old", "old");
  CreateDurable(&env, "/d/gone", "gone");
  auto file = Create(&env, "/d/new");
  ASSERT_OK(file->WriteAt(0, "new"));
  ASSERT_OK(file->SyncData());
  ASSERT_OK(env.Rename("/d/old", "/d/renamed"));
  ASSERT_OK(env.Remove("/d/gone"));
  EXPECT_THAT(*env.List("/d"), ElementsAre("new", "renamed"));
  env.Restart(DurabilityLoss::kAll);
  EXPECT_THAT(*env.List("/d"), ElementsAre("gone", "old"));
}

TEST(FaultEnv, RandomLossOfNamesReachesEveryOutcomeAndNoFileHasTwoNames) {
  const uint64_t seed = TestSeed();
  std::set<std::vector<std::string>> outcomes;
  for (uint64_t i = 0; i < 200; ++i) {
    FaultEnv env(seed + i);
    CreateDurable(&env, "/d/a", "a");
    ASSERT_OK(env.Rename("/d/a", "/d/b"));
    ASSERT_OK(env.Rename("/d/b", "/d/c"));
    env.Restart(DurabilityLoss::kRandom);
    const std::vector<std::string> names = *env.List("/d");
    ASSERT_EQ(names.size(), 1U);
    EXPECT_EQ(env.Contents("/d/" + names[0]), "a");
    outcomes.insert(names);
  }
  EXPECT_EQ(outcomes.size(), 3U);
}

TEST(FaultEnv, TearsWritesBySectorAndLeavesSectorsWhole) {
  const uint64_t seed = TestSeed();
  std::set<std::string> outcomes;
  for (uint64_t i = 0; i < 300; ++i) {
    FaultEnv env(seed + i);
    const auto file = CreateDurable(&env, "/d/f", std::string(4 * kSector, '0'));
    ASSERT_OK(file->WriteAt(100, std::string(3 * kSector, '1')));
    env.Restart(DurabilityLoss::kRandom);
    const std::string contents = *env.Contents("/d/f");
    ASSERT_EQ(contents.size(), 4 * kSector);
    std::string pattern;
    for (size_t sector = 0; sector < 4; ++sector) {
      const size_t first = sector == 0 ? 100 : 0;
      const size_t last = sector == 3 ? 99 : kSector - 1;
      pattern += contents[sector * kSector + last];
      ASSERT_EQ(contents[sector * kSector + first], pattern.back());
    }
    ASSERT_EQ(contents.substr(0, 100), std::string(100, '0'));
    outcomes.insert(pattern);
  }
  EXPECT_EQ(outcomes.size(), 16U);
}

TEST(FaultEnv, ASectorNeverShowsALaterWriteWithoutAnEarlierOne) {
  const uint64_t seed = TestSeed();
  std::set<std::string> outcomes;
  for (uint64_t i = 0; i < 200; ++i) {
    FaultEnv env(seed + i);
    const auto file = CreateDurable(&env, "/d/f", "..");
    ASSERT_OK(file->WriteAt(0, "1"));
    ASSERT_OK(file->WriteAt(1, "2"));
    env.Restart(DurabilityLoss::kRandom);
    outcomes.insert(*env.Contents("/d/f"));
  }
  EXPECT_THAT(outcomes, ElementsAre("..", "1.", "12"));
}

TEST(FaultEnv, CrashesInTheCallAfterTheNthAndStaysDownUntilRestart) {
  FaultEnv env(1);
  const auto file = CreateDurable(&env, "/d/f", "");
  env.CrashAfterCalls(2);
  ASSERT_OK(file->WriteAt(0, "a"));
  std::string byte(1, '\0');
  ASSERT_OK(file->ReadAt(0, byte));  // does not count
  ASSERT_OK(file->SyncData());
  EXPECT_THAT(file->WriteAt(1, "b"), StatusIs(absl::StatusCode::kInternal, HasSubstr("crashes")));
  EXPECT_TRUE(env.has_crashed());
  EXPECT_THAT(file->ReadAt(0, byte), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(env.List("/d"), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(env.Open("/d/f", OpenMode::kReadOnly), StatusIs(absl::StatusCode::kInternal));
  env.Restart(DurabilityLoss::kNone);
  EXPECT_EQ(env.Contents("/d/f"), "ab") << "the write that was cut off may survive";
  EXPECT_THAT(file->ReadAt(0, byte), StatusIs(absl::StatusCode::kInternal)) << "of an earlier life";
  EXPECT_OK(env.Open("/d/f", OpenMode::kReadOnly));
}

TEST(FaultEnv, FailsTheNthCallOfAKind) {
  FaultEnv env(1);
  const auto file = CreateDurable(&env, "/d/f", "abc");
  env.FailCall(CallKind::kRename, 2, absl::StatusCode::kPermissionDenied);
  ASSERT_OK(env.Rename("/d/f", "/d/g"));
  EXPECT_THAT(env.Rename("/d/g", "/d/h"), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(*env.List("/d"), ElementsAre("g"));
  ASSERT_OK(env.Rename("/d/g", "/d/h"));
  env.FailCall(CallKind::kWrite, 1, absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(file->WriteAt(0, "x"), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(FaultEnv, AFailedSyncForgetsTheDataForEver) {
  const uint64_t seed = TestSeed();
  std::set<std::string> outcomes;
  for (uint64_t i = 0; i < 50; ++i) {
    FaultEnv env(seed + i);
    const auto file = CreateDurable(&env, "/d/f", "old");
    ASSERT_OK(file->WriteAt(0, "new"));
    env.FailCall(CallKind::kSync, 1);
    EXPECT_THAT(file->SyncData(), StatusIs(absl::StatusCode::kInternal));
    ASSERT_OK(file->SyncData());  // looks fine, and is not
    EXPECT_EQ(env.Contents("/d/f"), "new");
    env.Restart(DurabilityLoss::kNone);
    outcomes.insert(*env.Contents("/d/f"));
  }
  EXPECT_THAT(outcomes, ElementsAre("new", "old"));
}

TEST(FaultEnv, EveryOpenFileHearsOfAFailedSyncOnce) {
  FaultEnv env(1);
  const auto file = CreateDurable(&env, "/d/f", "old");
  const auto other = Create(&env, "/d/f");
  env.FailCall(CallKind::kSync, 1);
  EXPECT_THAT(other->SyncData(), StatusIs(absl::StatusCode::kInternal));
  const auto late = Create(&env, "/d/f");
  EXPECT_THAT(file->SyncData(), StatusIs(absl::StatusCode::kInternal));
  EXPECT_OK(file->SyncData());
  EXPECT_OK(other->SyncData());
  EXPECT_OK(late->SyncData());
}

TEST(FaultEnv, AFullDiskTakesAPartOfTheWrite) {
  FaultEnv env(1);
  const auto file = CreateDurable(&env, "/d/f", "abc");
  env.SetDiskBytes(5);
  EXPECT_THAT(file->WriteAt(2, "12345"), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(env.Contents("/d/f"), "ab123");
  EXPECT_OK(file->WriteAt(0, "zzzzz")) << "needs no more room";
  ASSERT_OK(file->Truncate(1));
  EXPECT_OK(file->WriteAt(1, "yyyy"));
}

TEST(FaultEnv, ALyingDiskSyncsNothing) {
  FaultEnv env(1);
  ASSERT_OK(env.CreateDirs("/d"));
  env.PretendToSync(true);
  CreateDurable(&env, "/d/f", "abc");
  env.Restart(DurabilityLoss::kAll);
  EXPECT_THAT(*env.List("/d"), IsEmpty());
}

TEST(FaultEnv, TheSameSeedAndCallsLeaveTheSameDisk) {
  const uint64_t seed = TestSeed();
  std::string first;
  for (int run = 0; run < 2; ++run) {
    FaultEnv env(seed);
    const auto file = CreateDurable(&env, "/d/f", "");
    for (uint64_t i = 0; i < 50; ++i) {
      ASSERT_OK(file->WriteAt(i * 300, std::string(700, static_cast<char>('A' + i))));
    }
    env.Restart(DurabilityLoss::kRandom);
    if (run == 0) {
      first = *env.Contents("/d/f");
    } else {
      EXPECT_EQ(*env.Contents("/d/f"), first);
    }
  }
}

TEST(FaultEnv, AMappingShowsLaterWritesAndOutlivesTheCrash) {
  FaultEnv env(1);
  const auto file = CreateDurable(&env, "/d/f", "abc");
  ASSERT_OK_AND_ASSIGN(const auto mapping, file->MapForReading(size_t{1} << 34U));
  EXPECT_EQ(std::string_view(mapping->data(), 3), "abc");
  ASSERT_OK(file->WriteAt(1, "X"));
  ASSERT_OK(file->WriteAt(100'000, "far"));
  EXPECT_EQ(std::string_view(mapping->data(), 3), "aXc");
  EXPECT_EQ(std::string_view(mapping->data() + 100'000, 3), "far");
  env.Restart(DurabilityLoss::kAll);
  EXPECT_EQ(env.Contents("/d/f"), "abc");
  EXPECT_EQ(std::string_view(mapping->data(), 3), "aXc");
}

TEST(FaultEnv, LocksConflictAndDieWithTheMachine) {
  FaultEnv env(1);
  auto lock = env.Lock("lock");
  ASSERT_OK(lock);
  EXPECT_THAT(env.Lock("lock"), StatusIs(absl::StatusCode::kFailedPrecondition));
  env.Restart(DurabilityLoss::kNone);
  auto next = env.Lock("lock");
  ASSERT_OK(next);
  lock->reset();  // of the last life: must not release the lock of this one
  EXPECT_THAT(env.Lock("lock"), StatusIs(absl::StatusCode::kFailedPrecondition));
  next->reset();
  EXPECT_OK(env.Lock("lock"));
}

TEST(FaultEnv, BehavesAsAFileSystemInTheOrdinaryCases) {
  FaultEnv env(1);
  EXPECT_THAT(env.Open("/none/f", OpenMode::kReadWriteCreate),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(env.Open("f", OpenMode::kReadWrite), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(env.CreateDirs("/x/y/"));
  EXPECT_THAT(env.Exists("/x"), IsOkAndHolds(true));
  EXPECT_THAT(env.Exists("/x/z"), IsOkAndHolds(false));
  EXPECT_THAT(*env.List("/x"), ElementsAre("y"));
  EXPECT_THAT(env.List("/z"), StatusIs(absl::StatusCode::kNotFound));
  const auto file = Create(&env, "/x/y/f");
  EXPECT_THAT(env.CreateDirs("/x/y/f"), StatusIs(absl::StatusCode::kAlreadyExists));
  ASSERT_OK(file->WriteAtV(1, std::vector<std::string_view>{"ab", "", "c"}));
  EXPECT_THAT(file->Size(), IsOkAndHolds(4U));
  std::string out(5, '\0');
  EXPECT_THAT(file->ReadAt(0, out), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(env.Remove("/x/y/none"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(const auto reader, env.Open("/x/y/f", OpenMode::kReadOnly));
  EXPECT_THAT(reader->WriteAt(0, "x"), StatusIs(absl::StatusCode::kInternal));
  ASSERT_OK(env.Remove("/x/y/f"));
  EXPECT_OK(reader->ReadAt(0, std::span(out).first(4))) << "open files outlive their names";
  EXPECT_EQ(out.substr(0, 4), std::string("\0abc", 4));
}

TEST(FaultEnv, CountsCallsByKind) {
  FaultEnv env(1);
  const auto file = CreateDurable(&env, "/d/f", "abc");
  EXPECT_EQ(env.calls(CallKind::kWrite), 1U);
  EXPECT_EQ(env.calls(CallKind::kSync), 1U);
  EXPECT_EQ(env.calls(CallKind::kCreate), 1U);
  EXPECT_EQ(env.calls(CallKind::kOpen), 0U);
  EXPECT_EQ(env.mutating_calls(), 5U);
  std::vector<CallKind> seen;
  env.SetObserver([&](CallKind kind, const std::string&) { seen.push_back(kind); });
  ASSERT_OK(file->SyncData());
  EXPECT_THAT(seen, ElementsAre(CallKind::kSync));
}

}  // namespace
}  // namespace socle
