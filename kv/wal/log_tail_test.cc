#include "kv/wal/log_tail.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "kv/wal/segment.h"
#include "kv/wal/testing/replayed_log.h"

namespace socle::kv {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Lets the log go on between the listing of a folder and the opening of a file.
class OvertakingEnv final : public Env {
 public:
  OvertakingEnv(Env* env, std::function<void()> overtake)
      : env_(env), overtake_(std::move(overtake)) {}

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    auto file = env_->Open(path, mode);
    std::exchange(overtake_, [] {})();
    return file;
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    return env_->List(path);
  }

  absl::StatusOr<bool> Exists(const std::string& path) override { return env_->Exists(path); }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    return env_->Rename(from, to);
  }

  absl::Status Remove(const std::string& path) override { return env_->Remove(path); }

  absl::Status RemoveDir(const std::string& path) override { return env_->RemoveDir(path); }

  absl::Status CreateDirs(const std::string& path) override { return env_->CreateDirs(path); }

  absl::Status SyncDir(const std::string& path) override { return env_->SyncDir(path); }

  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return env_->Lock(path);
  }

  absl::StatusOr<std::unique_ptr<FileLock>> LockShared(const std::string& path) override {
    return env_->LockShared(path);
  }

 private:
  Env* const env_;
  std::function<void()> overtake_;
};

class LogTailTest : public ::testing::Test {
 protected:
  ReplayedLog Open(uint64_t after = 0) {
    auto log = OpenLog(&env_, "/wal", options_, after);
    EXPECT_THAT(log, IsOk());
    return *std::move(log);
  }

  // Reads and checks that entries come one after the other and are what was appended.
  absl::StatusOr<uint64_t> Read(LogTail* tail, uint64_t until, uint64_t bytes_max = UINT64_MAX) {
    uint64_t count = 0;
    uint64_t due = Raw(tail->position()) + 1;
    const absl::Status read =
        tail->Read(LogIndex{until}, bytes_max, [&](LogIndex index, std::string_view entry) {
          EXPECT_EQ(Raw(index), due++);
          EXPECT_EQ(entry, texts_.at(Raw(index) - 1)) << Raw(index);
          ++count;
          return absl::OkStatus();
        });
    return read.ok() ? absl::StatusOr<uint64_t>(count) : read;
  }

  void Append(Wal* wal, std::vector<std::string> batch) {
    texts_.insert(texts_.end(), batch.begin(), batch.end());
    ASSERT_OK(AppendTexts(wal, batch));
  }

  FaultEnv env_{1};
  WalOptions options_{.segment_bytes = 16'384, .store_id = 7, .prepare_in_background = false};
  std::vector<std::string> texts_;
};

TEST_F(LogTailTest, FollowsALogAcrossSegmentsAsItGrows) {
  const uint64_t seed = TestSeed();
  Random random(seed);
  ReplayedLog log = Open();
  LogTail tail(&env_, "/wal", 7, LogIndex{0});
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> batch;
    for (uint64_t i = 0; i <= random.Below(4); ++i) {
      // Some are longer than a segment.
      const uint64_t size = random.Below(40) == 0 ? 300'000 : random.Below(3'000);
      batch.emplace_back(size, static_cast<char>('a' + random.Below(26)));
    }
    Append(log.wal.get(), batch);
    if (random.Below(3) == 0) {
      const uint64_t until = Raw(tail.position()) + 1 +
                             random.Below(Raw(log.wal->last_index()) - Raw(tail.position()));
      ASSERT_OK(Read(&tail, until, 1 + random.Below(5'000)));
      ASSERT_LE(Raw(tail.position()), until);
    }
  }
  while (tail.position() < log.wal->last_index()) {
    ASSERT_OK(Read(&tail, Raw(log.wal->last_index()), 10'000));
  }
  LogTail second(&env_, "/wal", 7, LogIndex{100});
  EXPECT_THAT(Read(&second, Raw(log.wal->last_index())), IsOkAndHolds(texts_.size() - 100));
}

TEST_F(LogTailTest, HandsOutNothingBeyondWhatItIsAllowed) {
  ReplayedLog log = Open();
  Append(log.wal.get(), {"one", "two", "three"});
  LogTail tail(&env_, "/wal", 7, LogIndex{0});
  EXPECT_THAT(Read(&tail, 2), IsOkAndHolds(2U));
  EXPECT_THAT(Read(&tail, 2), IsOkAndHolds(0U));
  EXPECT_THAT(Read(&tail, 3), IsOkAndHolds(1U));
}

TEST_F(LogTailTest, SaysWhenTheNextEntryIsGone) {
  ReplayedLog log = Open();
  LogTail tail(&env_, "/wal", 7, LogIndex{0});
  Append(log.wal.get(), {"one"});
  ASSERT_OK(Read(&tail, 1));
  for (int i = 0; i < 40; ++i) {
    Append(log.wal.get(), {std::string(3'000, 'x')});
  }
  ASSERT_OK(log.wal->TruncateBefore(log.wal->last_index()));
  for (int i = 0; i < 40; ++i) {  // recycled segments get other entries
    Append(log.wal.get(), {std::string(3'000, 'y')});
  }
  EXPECT_THAT(Read(&tail, Raw(log.wal->last_index())).status(),
              StatusIs(absl::StatusCode::kNotFound));
  LogTail fresh(&env_, "/wal", 7, LogIndex{0});
  EXPECT_THAT(Read(&fresh, 1).status(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(LogTailTest, TakesASegmentThatIsRecycledWhileItOpensForGoneAndNotForDamaged) {
  ReplayedLog log = Open();
  const auto append = [&](char letter) {
    for (int i = 0; i < 40; ++i) {
      Append(log.wal.get(), {std::string(3'000, letter)});
    }
  };
  append('x');
  OvertakingEnv overtaking(&env_, [&] {
    ASSERT_OK(log.wal->TruncateBefore(log.wal->last_index()));
    append('y');
  });
  LogTail tail(&overtaking, "/wal", 7, LogIndex{0});
  EXPECT_THAT(Read(&tail, 1).status(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(LogTailTest, RefusesTheLogOfAnotherStore) {
  ReplayedLog log = Open();
  Append(log.wal.get(), {"one"});
  LogTail tail(&env_, "/wal", 8, LogIndex{0});
  EXPECT_THAT(Read(&tail, 1).status(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(LogTailTest, OffersAnEntryAgainThatWasNotTaken) {
  ReplayedLog log = Open();
  Append(log.wal.get(), {"one", "two"});
  LogTail tail(&env_, "/wal", 7, LogIndex{0});
  EXPECT_THAT(tail.Read(LogIndex{2}, 100,
                        [](LogIndex index, std::string_view) {
                          return index == LogIndex{2} ? absl::CancelledError("full")
                                                      : absl::OkStatus();
                        }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(tail.position(), LogIndex{1});
  EXPECT_THAT(Read(&tail, 2), IsOkAndHolds(1U));
}

}  // namespace
}  // namespace socle::kv
