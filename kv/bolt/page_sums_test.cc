#include "kv/bolt/page_sums.h"

#include <cstdint>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/check.h"
#include "kv/bolt/format.h"
#include "kv/bolt/offline_file.h"
#include "kv/bolt/testing/bolt_cases.h"
#include "kv/testing/engine_model.h"
#include "kv/testing/fault_env.h"
#include "kv/wal/crc32c.h"

namespace socle::kv {
namespace {

using ::testing::HasSubstr;

const char* const kPath = "/d/db";
const char* const kSums = "/d/db.sums";
constexpr uint64_t kPage = 4096;

class PageSumsTest : public testing::Test {
 protected:
  PageSumsTest() {
    EXPECT_OK(env_.CreateDirs("/d"));
    options_ = SmallMap({});
    options_.page_checksums = true;
  }

  std::unique_ptr<Engine> Open(bool with_sums = true) {
    options_.page_checksums = with_sums;
    auto engine = OpenBolt(&env_, kPath, options_);
    EXPECT_OK(engine);
    return engine.ok() ? *std::move(engine) : nullptr;
  }

  // The same keys with values of this letter, some of several pages.
  static absl::Status Commit(Engine* engine, char letter) {
    ASSIGN_OR_RETURN(const auto txn, engine->BeginWrite());
    RETURN_IF_ERROR(txn->CreateBucket("key"));
    for (int i = 0; i < 60; ++i) {
      RETURN_IF_ERROR(txn->Put("key", "k" + std::to_string(100 + i),
                               std::string(i % 20 == 0 ? 9000 : 300, letter)));
    }
    return txn->Commit();
  }

  // Everything that can be read, or the first error.
  static absl::Status ReadAll(Engine* engine) {
    ASSIGN_OR_RETURN(const auto txn, engine->BeginRead());
    ASSIGN_OR_RETURN(const auto cursor, txn->NewCursor("key"));
    for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
    }
    return cursor->status();
  }

  void Flip(const std::string& path, uint64_t offset) {
    std::string bytes = *env_.Contents(path);
    bytes[offset] = static_cast<char>(bytes[offset] ^ 0x10);
    env_.SetContents(path, bytes);
  }

  // How often sums were made for the whole file.
  uint64_t made() const { return env_.calls(CallKind::kRename); }

  FaultEnv env_{1};
  BoltOptions options_;
};

TEST_F(PageSumsTest, AreMadeOnceAndFitAfterEachReopen) {
  for (int life = 0; life < 5; ++life) {
    const auto engine = Open();
    ASSERT_OK(Commit(engine.get(), static_cast<char>('a' + life)));
    ASSERT_OK(ReadAll(engine.get()));
    ASSERT_OK(engine->Check());
  }
  EXPECT_EQ(made(), 1U);
}

TEST_F(PageSumsTest, NoticeEveryFlippedByteOfEveryPageInUse) {
  {
    const auto engine = Open();
    ASSERT_OK(Commit(engine.get(), 'a'));
    ASSERT_OK(Commit(engine.get(), 'b'));
  }
  const std::string good = *env_.Contents(kPath);
  uint64_t accused = 0;
  uint64_t silent = 0;
  for (uint64_t page = 2; page * kPage < good.size(); ++page) {
    Flip(kPath, page * kPage + 40 + page * 97 % 4000);
    const auto engine = OpenBolt(&env_, kPath, options_);
    if (engine.ok()) {
      ++silent;  // the page is free
      EXPECT_OK((*engine)->Check());
    } else {
      ++accused;
      EXPECT_THAT(engine.status(),
                  StatusIs(absl::StatusCode::kDataLoss,
                           ::testing::AllOf(HasSubstr("/d/db: page "), HasSubstr("expected"))));
    }
    env_.SetContents(kPath, good);
  }
  EXPECT_GT(accused, 10U);
  EXPECT_GT(silent, 5U);
  EXPECT_EQ(made(), 1U);
}

TEST_F(PageSumsTest, VerifyAtTheFirstReadAndAgainInCheck) {
  options_.sync_freelist = true;  // Otherwise open reads every page.
  {
    const auto engine = Open();
    ASSERT_OK(Commit(engine.get(), 'a'));
  }
  const size_t value = env_.Contents(kPath)->find("aaaaaaaa");
  ASSERT_NE(value, std::string::npos);
  {
    Flip(kPath, value);
    const auto engine = Open();
    EXPECT_THAT(ReadAll(engine.get()),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("changed on disk")));
    EXPECT_THAT(engine->Check(), StatusIs(absl::StatusCode::kDataLoss));
    Flip(kPath, value);
  }
  const auto engine = Open();
  ASSERT_OK(ReadAll(engine.get()));
  EXPECT_OK(engine->Check());
}

TEST_F(PageSumsTest, AreMadeAnewWhenAnotherProgramWroteTheFile) {
  ASSERT_OK(Commit(Open().get(), 'a'));
  ASSERT_OK(Commit(Open(/*with_sums=*/false).get(), 'b'));
  {
    const auto engine = Open();
    ASSERT_OK(ReadAll(engine.get()));
    ASSERT_OK(engine->Check());
    ASSERT_OK(Commit(engine.get(), 'c'));
  }
  EXPECT_EQ(made(), 2U);
  ASSERT_OK(Open()->Check());
  EXPECT_EQ(made(), 2U);
}

// A commit is announced but lost, and another program makes one with the very same meta page.
TEST_F(PageSumsTest, AreNotFooledByACommitThatLooksLikeTheOneAnnounced) {
  ASSERT_OK(Commit(Open().get(), 'a'));
  const std::string before = *env_.Contents(kPath);
  ASSERT_OK(Commit(Open().get(), 'b'));
  const std::string ours = *env_.Contents(kPath);
  std::string sums = *env_.Contents(kSums);
  // What the head said before the commit was durable.
  bolt::SumHead head = bolt::Load<bolt::SumHead>(sums.data());
  head.settled ^= 1U;
  bolt::Store(head, sums.data());
  bolt::Store(Crc32c({sums.data(), offsetof(bolt::SumHead, crc)}),
              sums.data() + offsetof(bolt::SumHead, crc));
  env_.SetContents(kSums, sums);
  env_.SetContents(kPath, before);
  ASSERT_OK(Commit(Open(/*with_sums=*/false).get(), 'c'));
  const std::string theirs = *env_.Contents(kPath);
  ASSERT_EQ(ours.substr(0, 2 * kPage), theirs.substr(0, 2 * kPage)) << "the metas differ";
  ASSERT_NE(ours, theirs);
  options_.page_checksums = true;
  {
    const auto engine = Open();
    ASSERT_OK(ReadAll(engine.get()));
    ASSERT_OK(engine->Check());
  }
  EXPECT_EQ(made(), 2U);
}

TEST_F(PageSumsTest, WhoseBlockIsDamagedAccuseNobody) {
  {
    const auto engine = Open();
    ASSERT_OK(Commit(engine.get(), 'a'));
  }
  for (const uint64_t offset : {600U, 512U, 1000U}) {
    Flip(kSums, offset);
    const auto engine = Open();
    ASSERT_OK(ReadAll(engine.get()));
    ASSERT_OK(engine->Check());
    ASSERT_OK(Commit(engine.get(), 'b'));
  }
  EXPECT_EQ(made(), 1U);
}

TEST_F(PageSumsTest, WithADamagedHeadAreMadeAnew) {
  ASSERT_OK(Commit(Open().get(), 'a'));
  for (const uint64_t offset : {0U, 8U, 12U, 16U, 44U}) {
    const uint64_t before = made();
    Flip(kSums, offset);
    ASSERT_OK(Open()->Check());
    EXPECT_EQ(made(), before + 1);
  }
  env_.SetContents(kSums, "short");
  ASSERT_OK(Open()->Check());
}

TEST_F(PageSumsTest, ServeAReaderOfAFileThatMayNotBeWritten) {
  ASSERT_OK(Commit(Open().get(), 'a'));
  const std::string sums = *env_.Contents(kSums);
  options_.read_only = true;
  ASSERT_OK(Open()->Check());
  const size_t value = env_.Contents(kPath)->find("aaaaaaaa");
  Flip(kPath, value);
  EXPECT_THAT(OpenBolt(&env_, kPath, options_).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("changed on disk")));
  EXPECT_EQ(env_.Contents(kSums), sums);
  // A damaged block is not repaired, and accuses nobody: the page that differs is read.
  for (uint64_t i = 2; i < 62; ++i) {
    Flip(kSums, 512 + 16 + 8 * i);
  }
  ASSERT_OK(ReadAll(Open().get()));
  // Of another commit: not used, not changed.
  Flip(kSums, 20);
  ASSERT_OK(Open()->Check());
}

TEST_F(PageSumsTest, AreUsedByTheCheckOfAFileThatNobodyServes) {
  ASSERT_OK(Commit(Open().get(), 'a'));
  const auto check = [this](uint64_t* findings) {
    ASSERT_OK_AND_ASSIGN(const auto file, bolt::OfflineFile::Open(&env_, kPath));
    bolt::PageCensus census(
        file->verifying_reader(),
        bolt::PageCensus::Options{
            .keys = bolt::PageCensus::Keys::kVerify, .findings_max = 10, .goes_on = true});
    census.CountCommit(file->meta()).IgnoreError();
    *findings = census.findings_total();
    if (*findings > 0) {
      EXPECT_THAT(census.findings()[0].what, HasSubstr("changed on disk"));
    }
  };
  uint64_t findings = 0;
  check(&findings);
  EXPECT_EQ(findings, 0U);
  Flip(kPath, env_.Contents(kPath)->find("aaaaaaaa"));
  check(&findings);
  EXPECT_GT(findings, 0U);
}

// Readers verify while a writer changes blocks of the same sums.
TEST_F(PageSumsTest, AreReadWhileTheyAreWritten) {
  const auto engine = Open();
  ASSERT_OK(Commit(engine.get(), 'a'));
  for (int i = 0; i < 30; ++i) {
    ASSERT_OK_AND_ASSIGN(const auto reader, engine->BeginRead());
    ASSERT_OK(Commit(engine.get(), static_cast<char>('a' + i % 20)));
    ASSERT_OK_AND_ASSIGN(const auto cursor, reader->NewCursor("key"));
    for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
    }
    ASSERT_OK(cursor->status());
    ASSERT_OK(engine->Check());
  }
}

}  // namespace
}  // namespace socle::kv
