// Giving space back: how small the file gets, what it costs, and who is not disturbed.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/format.h"
#include "kv/bolt/meta.h"
#include "kv/bolt/page_edit.h"
#include "kv/bolt/testing/bolt_cases.h"
#include "kv/testing/engine_model.h"
#include "kv/testing/fault_env.h"

namespace socle::kv {
namespace {

using State = ShrinkProgress::State;

const char* const kPath = "/d/db";
constexpr uint64_t kStepBytes = 128 << 10;
constexpr int kKeys = 6000;

std::string Key(int i) {
  return fmt::format("key{:08}", i);
}

std::string Value(int i) {
  return std::string(static_cast<size_t>(200 + i % 50), static_cast<char>('a' + i % 26));
}

class ShrinkTest : public testing::TestWithParam<BoltCase> {
 protected:
  void SetUp() override {
    ASSERT_OK(env_.CreateDirs("/d"));
    Open();
    for (int i = 0; i < kKeys; i += 500) {
      Commit([i](WriteTxn* txn) {
        for (int k = i; k < i + 500; ++k) {
          ASSERT_OK(txn->Put("b", Key(k), Value(k)));
        }
      });
    }
  }

  void TearDown() override {
    if (engine_ != nullptr) {
      EXPECT_OK(engine_->Check());
      EXPECT_TRUE(Found() == state_);
    }
  }

  void Open() {
    engine_.reset();
    ASSERT_OK_AND_ASSIGN(engine_, OpenBolt(&env_, kPath, GetParam().options));
  }

  void Commit(const std::function<void(WriteTxn*)>& change) {
    ASSERT_OK_AND_ASSIGN(const auto txn, engine_->BeginWrite());
    ASSERT_OK(txn->CreateBucket("b"));
    change(txn.get());
    ASSERT_OK(txn->Commit());
    state_ = Found();
  }

  // Every `nth` key from `begin` up to `end` goes.
  void DeleteKeys(int begin, int end, int nth) {
    Commit([=](WriteTxn* txn) {
      for (int i = begin; i < end; i += nth) {
        ASSERT_OK(txn->Delete("b", Key(i)));
      }
    });
  }

  ModelState Found() {
    const auto reader = engine_->BeginRead();
    return Dump(**reader);
  }

  uint64_t LiveBytes() {
    uint64_t bytes = 0;
    for (const auto& [key, value] : state_["b"]) {
      bytes += key.size() + value.size();
    }
    return bytes;
  }

  // Small files have some pages more than large ones, and small pages waste more.
  uint64_t SmallEnough() { return SmallEnough(LiveBytes()); }

  static uint64_t SmallEnough(uint64_t live) {
    return GetParam().options.page_size < 4096 ? live * 3 / 2 : live * 4 / 3;
  }

  uint64_t FileBytes() { return env_.Contents(kPath)->size(); }

  // Steps until there is nothing more to do; returns how it ended.
  State ShrinkAll(const std::function<void()>& between = [] {}) {
    for (int steps = 0; steps < 10'000; ++steps) {
      const auto progress = engine_->ShrinkStep(kStepBytes);
      EXPECT_OK(progress);
      if (!progress.ok() || progress->state != State::kMore) {
        return progress.ok() ? progress->state : State::kMore;
      }
      between();
    }
    ADD_FAILURE() << "shrinking does not end";
    return State::kMore;
  }

  // The file is as long as the reader's commit, and all of it can be read: behind the end of a
  // mapped file that would be SIGBUS.
  void ExpectWhole(const ReadTxn& reader) {
    ASSERT_GE(FileBytes(), reader.SnapshotSize());
    uint64_t copied = 0;
    uint64_t ones = 0;
    ASSERT_OK(reader.WriteSnapshot([&](std::string_view piece) {
      copied += piece.size();
      for (const char byte : piece) {
        ones += static_cast<uint64_t>(byte) & 1U;
      }
      return absl::OkStatus();
    }));
    ASSERT_EQ(copied, reader.SnapshotSize());
    ASSERT_GT(ones, 0U);
  }

  FaultEnv env_{1};
  std::unique_ptr<Engine> engine_;
  ModelState state_;
};

INSTANTIATE_TEST_SUITE_P(Bolt, ShrinkTest, testing::ValuesIn(BoltCases()),
                         [](const auto& row) { return row.param.name; });

TEST_P(ShrinkTest, FallsToWhatIsLiveAfterTheOldestHalfIsGone) {
  const uint64_t full = FileBytes();
  DeleteKeys(0, kKeys / 2, 1);
  EXPECT_EQ(ShrinkAll(), State::kDone);
  EXPECT_LE(engine_->Size().total_bytes, SmallEnough());
  EXPECT_EQ(FileBytes(), engine_->Size().total_bytes);
  EXPECT_LT(FileBytes(), full * 2 / 3);
  Open();
  EXPECT_OK(engine_->Check());
}

TEST_P(ShrinkTest, FallsToWhatIsLiveAfterEveryOtherKeyIsGone) {
  DeleteKeys(0, kKeys, 2);
  EXPECT_EQ(ShrinkAll(), State::kDone);
  EXPECT_LE(engine_->Size().total_bytes, SmallEnough());
}

TEST_P(ShrinkTest, FallsWhileWritesGoOn) {
  DeleteKeys(0, kKeys, 3);
  DeleteKeys(1, kKeys, 3);
  int next = kKeys;
  EXPECT_EQ(ShrinkAll([&] {
              Commit([&next](WriteTxn* txn) {
                for (int i = 0; i < 10; ++i, ++next) {
                  ASSERT_OK(txn->Put("b", Key(next), Value(next)));
                }
              });
            }),
            State::kDone);
  EXPECT_LE(engine_->Size().total_bytes, SmallEnough());
}

TEST_P(ShrinkTest, AStepIsBounded) {
  DeleteKeys(0, kKeys, 2);
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_OK_AND_ASSIGN(const ShrinkProgress progress, engine_->ShrinkStep(kStepBytes));
    // A run of leaves and a path more than asked for.
    EXPECT_LE(progress.written_bytes, kStepBytes + 40 * 4096);
    if (progress.state == State::kDone) {
      return;
    }
  }
  FAIL() << "shrinking does not end";
}

TEST_P(ShrinkTest, WritesNothingWhenThereIsNothingToGain) {
  DeleteKeys(0, kKeys, 2);
  EXPECT_EQ(ShrinkAll(), State::kDone);
  const uint64_t calls = env_.mutating_calls();
  EXPECT_EQ(ShrinkAll(), State::kDone);
  EXPECT_EQ(env_.mutating_calls(), calls);
}

TEST_P(ShrinkTest, AReaderKeepsItsSnapshotAndTheFileBelowIt) {
  ASSERT_OK_AND_ASSIGN(auto reader, engine_->BeginRead());
  const ModelState seen = Dump(*reader);
  DeleteKeys(kKeys / 4, kKeys, 1);
  const auto expect_whole = [&] {
    ExpectWhole(*reader);
    ASSERT_TRUE(Dump(*reader) == seen);
  };
  EXPECT_EQ(ShrinkAll(expect_whole), State::kBlocked);
  const uint64_t calls = env_.mutating_calls();
  ASSERT_OK_AND_ASSIGN(const ShrinkProgress again, engine_->ShrinkStep(kStepBytes));
  EXPECT_EQ(again.state, State::kBlocked);
  EXPECT_EQ(env_.mutating_calls(), calls);
  expect_whole();
  reader.reset();
  EXPECT_EQ(ShrinkAll(), State::kDone);
  EXPECT_LE(FileBytes(), SmallEnough());
}

TEST_P(ShrinkTest, FreePagesThatASnapshotCopiesStayInTheFileUntilItsReaderIsGone) {
  DeleteKeys(kKeys / 4, kKeys, 1);
  DeleteKeys(0, 1, 1);  // what was deleted before is free now: no reader sees it
  ASSERT_OK_AND_ASSIGN(auto reader, engine_->BeginRead());
  EXPECT_EQ(ShrinkAll([&] { ExpectWhole(*reader); }), State::kBlocked);
  ExpectWhole(*reader);
  EXPECT_LT(engine_->Size().total_bytes, reader->SnapshotSize());
  reader.reset();
  EXPECT_EQ(ShrinkAll(), State::kDone);
  EXPECT_LE(FileBytes(), SmallEnough());
}

TEST_P(ShrinkTest, MovesLargeValues) {
  Commit([](WriteTxn* txn) {
    for (int i = 0; i < 40; ++i) {
      ASSERT_OK(txn->Put("b", "large" + std::to_string(i), std::string(60'000, 'v')));
    }
  });
  Commit([](WriteTxn* txn) {
    for (int i = 0; i < 40; i += 2) {
      ASSERT_OK(txn->Delete("b", "large" + std::to_string(i)));
    }
  });
  DeleteKeys(0, kKeys, 1);
  EXPECT_EQ(ShrinkAll(), State::kDone);
  EXPECT_LE(FileBytes(), SmallEnough());
}

TEST_P(ShrinkTest, TheOlderMetaPageStaysGoodToFallBackTo) {
  DeleteKeys(0, kKeys / 2, 1);
  Commit([](WriteTxn* txn) { ASSERT_OK(txn->Put("b", "last", "change")); });
  int steps = 0;
  ASSERT_OK(engine_->ShrinkStep(kStepBytes));  // both meta pages have the state of now
  ShrinkAll([&] {
    std::string bytes = *env_.Contents(kPath);
    const uint32_t page_size = GetParam().options.page_size;
    const auto txid = [&](uint64_t page) {
      return bolt::Load<bolt::MetaBytes>(bytes.data() + page * page_size + 16).txid;
    };
    bytes[(txid(1) > txid(0) ? page_size : 0) + 20] ^= 1;  // breaks the newest
    FaultEnv copy(1);
    ASSERT_OK(copy.CreateDirs("/d"));
    copy.SetContents(kPath, std::move(bytes));
    ASSERT_OK_AND_ASSIGN(const auto old, OpenBolt(&copy, kPath, GetParam().options));
    ASSERT_OK(old->Check());
    ASSERT_OK_AND_ASSIGN(const auto reader, old->BeginRead());
    ASSERT_TRUE(Dump(*reader) == state_);
    ++steps;
  });
  EXPECT_GT(steps, 5);
}

TEST_P(ShrinkTest, AStepThatFailsChangesNothingAndTheNextGoesOn) {
  DeleteKeys(0, kKeys, 2);
  int failed = 0;
  for (int i = 0; i < 10'000; ++i) {
    if (i == 2) {
      env_.FailCall(CallKind::kWrite, 1, absl::StatusCode::kResourceExhausted);
    } else if (i == 4) {
      env_.FailCall(CallKind::kTruncate, 1, absl::StatusCode::kResourceExhausted);
    }
    const auto progress = engine_->ShrinkStep(kStepBytes);
    ASSERT_OK(engine_->Check());
    ASSERT_TRUE(Found() == state_);
    failed += progress.ok() ? 0 : 1;
    if (progress.ok() && progress->state == State::kDone) {
      break;
    }
  }
  EXPECT_EQ(failed, 2);
  EXPECT_LE(engine_->Size().total_bytes, SmallEnough());
}

TEST_P(ShrinkTest, AFailedSyncStopsWritingForGood) {
  DeleteKeys(0, kKeys, 2);
  env_.FailCall(CallKind::kSync, 1);
  EXPECT_THAT(engine_->ShrinkStep(kStepBytes), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(engine_->ShrinkStep(kStepBytes), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(engine_->BeginWrite(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_P(ShrinkTest, ABrokenPageStopsItAndNothingIsChanged) {
  DeleteKeys(0, kKeys, 2);
  engine_.reset();
  std::string bytes = *env_.Contents(kPath);
  const uint64_t page_size = GetParam().options.page_size;
  // On its page, wherever older copies of it are.
  for (size_t at = bytes.find(Key(kKeys - 1)); at != std::string::npos;
       at = bytes.find(Key(kKeys - 1), at + 1)) {
    bolt::Store<uint32_t>(~0U, bytes.data() + at / page_size * page_size + 20);  // first pos
  }
  env_.SetContents(kPath, bytes);
  if (GetParam().options.page_checksums && !GetParam().options.sync_freelist) {
    // The walk for free pages reads every page, so that the checksums notice it before.
    EXPECT_THAT(OpenBolt(&env_, kPath, GetParam().options), StatusIs(absl::StatusCode::kDataLoss));
    return;
  }
  ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(&env_, kPath, GetParam().options));
  absl::Status status;
  while (status.ok()) {
    const auto progress = engine->ShrinkStep(kStepBytes);
    status = progress.status();
    ASSERT_FALSE(progress.ok() && progress->state == State::kDone);
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss));
  const std::string before = *env_.Contents(kPath);
  EXPECT_THAT(engine->ShrinkStep(kStepBytes), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_TRUE(*env_.Contents(kPath) == before);
}

// Makes the root tree the content of a bucket "outer", as only other programs can.
std::string Nest(std::string bytes, uint32_t page_size) {
  const auto at = [&](uint64_t page) {
    return bolt::Load<bolt::MetaBytes>(bytes.data() + page * page_size + 16);
  };
  const bolt::MetaBytes newest = at(0).txid > at(1).txid ? at(0) : at(1);
  const bolt::Meta nested{.page_size = page_size,
                          .root = PageId{newest.high_water},
                          .root_sequence = 0,
                          .freelist = PageId{newest.freelist},
                          .high_water = PageId{newest.high_water + 1},
                          .txid = TxnId{newest.txid + 1}};
  std::string value(16, '\0');
  bolt::Store(bolt::BucketHeader{.root = newest.root, .sequence = 7}, value.data());
  bolt::DirtyPage root(std::make_unique<char[]>(page_size), page_size, bolt::kLeafPage);
  root.Insert(0, {.key = "outer", .value = value, .flags = bolt::kBucketElement});
  bytes.resize(nested.file_bytes());
  root.Pack(nested.root, page_size, page_size,
            bytes.data() + newest.high_water * uint64_t{page_size});
  const PageId meta{Raw(nested.txid) % 2};
  bytes.replace(Raw(meta) * page_size, page_size, bolt::MetaPageImage(nested, meta));
  return bytes;
}

TEST_P(ShrinkTest, MovesBucketsInsideBuckets) {
  Commit([](WriteTxn* txn) {
    ASSERT_OK(txn->CreateBucket("c"));
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_OK(txn->Put("c", Key(i), Value(i)));
    }
  });
  DeleteKeys(0, kKeys, 1);
  const uint64_t live = LiveBytes() + Found()["c"].size() * 230;
  engine_.reset();
  const uint32_t page_size = GetParam().options.page_size;
  env_.SetContents(kPath, Nest(*env_.Contents(kPath), page_size));
  ASSERT_OK_AND_ASSIGN(auto engine, OpenBolt(&env_, kPath, GetParam().options));
  for (int steps = 0;; ++steps) {
    ASSERT_LT(steps, 10'000);
    ASSERT_OK_AND_ASSIGN(const ShrinkProgress progress, engine->ShrinkStep(kStepBytes));
    ASSERT_OK(engine->Check());
    if (progress.state == State::kDone) {
      break;
    }
  }
  EXPECT_LE(engine->Size().total_bytes, SmallEnough(live));
  // What is inside is still there.
  engine.reset();
  const std::string bytes = *env_.Contents(kPath);
  for (const int i : {0, 1, kKeys / 2, kKeys - 1}) {
    EXPECT_NE(bytes.find(Key(i) + Value(i)), std::string::npos);
  }
}

}  // namespace
}  // namespace socle::kv
