#include "kv/backend/backend.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/bolt/bolt_engine.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"

namespace socle::kv {
namespace {

using ::testing::HasSubstr;

constexpr BucketId kKeys{0};

class BackendTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(env_.CreateDirs("/s"), IsOk());
    Open();
  }

  void TearDown() override { gate_.Open(); }

  void Open(BackendOptions options = {}) {
    backend_.reset();
    auto engine = OpenBolt(&env_, "/s/db", {.map_size_bytes = uint64_t{64} << 20U});
    ASSERT_THAT(engine, IsOk());
    options.buckets = {"keys", "other"};
    options.batch_interval_nanos = 100;
    options.batch_limit = 10;
    options.pending_bytes_max = 200'000;
    options.clock = &clock_;
    auto backend = Backend::Open(*std::move(engine), options);
    ASSERT_THAT(backend, IsOk());
    backend_ = *std::move(backend);
  }

  // Holds every sync while it is closed.
  class Gate {
   public:
    void Close() { Set(true); }

    void Open() { Set(false); }

    void Pass() {
      MutexLock lock(&mu_);
      while (is_closed_) {
        is_waiting_ = true;
        changed_.SignalAll();
        changed_.Wait(&mu_);
      }
    }

    void AwaitSomeone() {
      MutexLock lock(&mu_);
      while (!is_waiting_) {
        changed_.Wait(&mu_);
      }
    }

   private:
    void Set(bool is_closed) {
      MutexLock lock(&mu_);
      is_closed_ = is_closed;
      is_waiting_ = false;
      changed_.SignalAll();
    }

    Mutex mu_;
    CondVar changed_;
    bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
    bool is_waiting_ ABSL_GUARDED_BY(mu_) = false;
  };

  std::string Get(const std::string& key) {
    const auto value = backend_->snapshot()->Get(kKeys, key, backend_->seq());
    EXPECT_THAT(value, IsOk());
    return value.ok() && *value ? std::string(**value) : "none";
  }

  std::vector<std::string> Scan() {
    std::vector<std::string> pairs;
    EXPECT_THAT(
        backend_->snapshot()->Scan(kKeys, backend_->seq(),
                                   [&](std::string_view key, std::string_view value) {
                                     pairs.push_back(std::string(key) + "=" + std::string(value));
                                     return absl::OkStatus();
                                   }),
        IsOk());
    return pairs;
  }

  Gate gate_;
  FaultEnv env_{5};
  ManualClock clock_;
  std::unique_ptr<Backend> backend_;
};

TEST_F(BackendTest, ACommitThatHangsBlocksNeitherWritersNorReaders) {
  env_.SetObserver([this](CallKind kind, const std::string&) {
    if (kind == CallKind::kSync) {
      gate_.Pass();
    }
  });
  backend_->Put(kKeys, "a", "1");
  gate_.Close();
  backend_->Seal();
  gate_.AwaitSomeone();
  backend_->Put(kKeys, "a", "2");
  backend_->Put(kKeys, "b", "2");
  EXPECT_EQ(Get("a"), "2");
  EXPECT_EQ(Get("b"), "2");
  EXPECT_TRUE(backend_->IsCommitting());
  EXPECT_EQ(backend_->committed_seq(), 0U);
  clock_.Advance(1000);
  EXPECT_FALSE(backend_->IsSealDue());  // One sealed buffer at a time.
  gate_.Open();
  EXPECT_THAT(backend_->WaitForCommit(), IsOk());
  EXPECT_EQ(backend_->committed_seq(), 1U);
  EXPECT_TRUE(backend_->IsSealDue());
  EXPECT_EQ(Get("a"), "2");
}

TEST_F(BackendTest, IsDueByAgeOrByCountAndNeverWhenIdle) {
  EXPECT_FALSE(backend_->IsSealDue());
  EXPECT_EQ(backend_->NanosUntilSeal(), -1);
  const uint64_t before = env_.mutating_calls();
  clock_.Advance(1'000'000);
  EXPECT_FALSE(backend_->IsSealDue());
  EXPECT_EQ(env_.mutating_calls(), before);  // Nothing pending: nothing written (etcd#9296).
  backend_->Put(kKeys, "a", "1");
  EXPECT_FALSE(backend_->IsSealDue());
  EXPECT_EQ(backend_->NanosUntilSeal(), 100);
  clock_.Advance(100);
  EXPECT_TRUE(backend_->IsSealDue());
  backend_->Seal();
  ASSERT_THAT(backend_->WaitForCommit(), IsOk());
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(backend_->IsSealDue());
    backend_->Put(kKeys, "a", "1");
  }
  EXPECT_TRUE(backend_->IsSealDue());
}

TEST_F(BackendTest, AFailedCommitStaysFailedAndStaysReadable) {
  backend_->Put(kKeys, "a", "1");
  env_.FailCall(CallKind::kSync, 1);
  backend_->Seal();
  const absl::Status failed = backend_->WaitForCommit();
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kInternal, HasSubstr("writing has stopped")));
  EXPECT_EQ(backend_->status(), failed);
  EXPECT_EQ(backend_->WaitForCommit(), failed);
  EXPECT_EQ(backend_->committed_seq(), 0U);
  EXPECT_TRUE(backend_->IsCommitting());
  EXPECT_FALSE(backend_->IsSealDue());
  EXPECT_EQ(Get("a"), "1");
  backend_->Put(kKeys, "b", "2");
  EXPECT_EQ(Get("b"), "2");
}

TEST_F(BackendTest, ASnapshotSeesItsSeqForEver) {
  backend_->Put(kKeys, "a", "1");
  const auto early = backend_->snapshot();
  const uint64_t seq = backend_->seq();
  backend_->Put(kKeys, "a", "2");
  backend_->Delete(kKeys, "a");
  for (int i = 0; i < 3; ++i) {
    backend_->Put(kKeys, "b", std::to_string(i));
    backend_->Seal();
    ASSERT_THAT(backend_->WaitForCommit(), IsOk());
    const auto value = early->Get(kKeys, "a", seq);
    ASSERT_THAT(value, IsOk());
    EXPECT_EQ(**value, "1");
  }
  EXPECT_EQ(Get("a"), "none");
}

TEST_F(BackendTest, ScanAndGetMergePagesAndBothBuffersAsAModelDoes) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Random random(seed);
  std::map<std::string, std::string> model;
  for (int i = 0; i < 2000; ++i) {
    const std::string key = std::to_string(random.Below(40));
    if (random.OneIn(3)) {
      backend_->Delete(kKeys, key);
      model.erase(key);
    } else {
      model[key] = std::to_string(i);
      backend_->Put(kKeys, key, model[key]);
    }
    if (random.OneIn(7) && !backend_->IsCommitting()) {
      backend_->Seal();
    }
    if (random.OneIn(10)) {
      std::vector<std::string> expected;
      expected.reserve(model.size());
      for (const auto& [k, v] : model) {
        expected.push_back(fmt::format("{}={}", k, v));
      }
      ASSERT_EQ(Scan(), expected);
      ASSERT_EQ(Get(key), model.contains(key) ? model[key] : "none");
    }
    if (random.OneIn(400)) {
      ASSERT_THAT(backend_->WaitForCommit(), IsOk());
      backend_->Put(kKeys, "last", "x");
      model["last"] = "x";
      backend_->Seal();
      ASSERT_THAT(backend_->WaitForCommit(), IsOk());
      Open();
    }
  }
  EXPECT_GT(backend_->Size().pending_bytes, 0U);
  EXPECT_THAT(backend_->engine()->Check(), IsOk());
}

TEST_F(BackendTest, AsksForRoomBeyondHalfOfItsMemory) {
  EXPECT_FALSE(backend_->NeedsRoom());
  backend_->Put(kKeys, "a", std::string(120'000, 'x'));
  EXPECT_TRUE(backend_->NeedsRoom());
  EXPECT_TRUE(backend_->IsSealDue());
  backend_->Seal();
  EXPECT_FALSE(backend_->NeedsRoom());
  EXPECT_THAT(backend_->WaitForCommit(), IsOk());
}

// An engine that calls somebody as soon as a commit is done, before the backend knows.
class TellingEngine : public Engine {
 public:
  TellingEngine(std::unique_ptr<Engine> engine, std::function<void()> on_read)
      : engine_(std::move(engine)), on_read_(std::move(on_read)) {}

  absl::StatusOr<std::unique_ptr<ReadTxn>> BeginRead() override {
    on_read_();
    return engine_->BeginRead();
  }

  absl::StatusOr<std::unique_ptr<WriteTxn>> BeginWrite() override { return engine_->BeginWrite(); }

  EngineSize Size() const override { return engine_->Size(); }

  uint64_t open_reads() const override { return engine_->open_reads(); }

  absl::Status Check() override { return engine_->Check(); }

 private:
  const std::unique_ptr<Engine> engine_;
  const std::function<void()> on_read_;
};

TEST_F(BackendTest, CountsAChangeOnceWhileItGetsIntoThePages) {
  constexpr uint64_t kValueBytes = 100'000;
  std::vector<BackendSize> seen;
  auto engine = OpenBolt(&env_, "/s/other", {.map_size_bytes = uint64_t{64} << 20U});
  ASSERT_THAT(engine, IsOk());
  std::unique_ptr<Backend> backend;
  auto opened = Backend::Open(std::make_unique<TellingEngine>(*std::move(engine),
                                                              [&] {
                                                                if (backend != nullptr) {
                                                                  seen.push_back(backend->Size());
                                                                }
                                                              }),
                              {.buckets = {"keys"}, .clock = &clock_});
  ASSERT_THAT(opened, IsOk());
  backend = *std::move(opened);
  const BackendSize before = backend->Size();
  EXPECT_EQ(before.pending_bytes, 0U);
  backend->Put(kKeys, "a", std::string(kValueBytes, 'v'));
  const BackendSize active = backend->Size();
  backend->Seal();
  ASSERT_THAT(backend->WaitForCommit(), IsOk());
  const BackendSize after = backend->Size();
  ASSERT_EQ(seen.size(), 1U);
  for (const BackendSize& size : {active, seen[0], after}) {
    const uint64_t bytes = size.pages.in_use_bytes + size.pending_bytes;
    EXPECT_GE(bytes, kValueBytes);
    EXPECT_LT(bytes, before.pages.in_use_bytes + kValueBytes * 3 / 2);
  }
  EXPECT_EQ(after.pending_bytes, 0U);
}

class BackendShrinkTest : public BackendTest {
 protected:
  // A file of some megabytes, nearly all of it free.
  void FillAndEmpty() {
    constexpr int kRounds = 40;
    for (int round = 0; round < kRounds; ++round) {
      for (int i = 0; i < 100; ++i) {
        backend_->Put(kKeys, Name(round, i), std::string(900, 'v'));
      }
      Commit();
    }
    for (int round = 0; round < kRounds; ++round) {
      for (int i = 0; i < 100; ++i) {
        if (round + i > 0) {
          backend_->Delete(kKeys, Name(round, i));
        }
      }
    }
    Commit();
  }

  static std::string Name(int round, int i) {
    return std::to_string(round) + "-" + std::to_string(i);
  }

  void Commit() {
    backend_->Seal();
    ASSERT_THAT(backend_->WaitForCommit(), IsOk());
  }

  // Asks for shrinking; Answer() waits for the end of it.
  void Ask() {
    backend_->Shrink([this](absl::Status status) {
      MutexLock lock(&mu_);
      answer_ = std::move(status);
      changed_.SignalAll();
    });
  }

  absl::Status Answer() {
    MutexLock lock(&mu_);
    while (!answer_.has_value()) {
      changed_.Wait(&mu_);
    }
    return *std::exchange(answer_, std::nullopt);
  }

  uint64_t FileBytes() const { return env_.Contents("/s/db")->size(); }

  Mutex mu_;
  CondVar changed_;
  std::optional<absl::Status> answer_ ABSL_GUARDED_BY(mu_);
};

TEST_F(BackendShrinkTest, MakesTheFileSmallWhenAsked) {
  FillAndEmpty();
  const uint64_t full = FileBytes();
  EXPECT_GT(full, 3'000'000U);
  Ask();
  EXPECT_THAT(Answer(), IsOk());
  EXPECT_LT(FileBytes(), 200'000U);
  EXPECT_EQ(backend_->engine()->Size().total_bytes, FileBytes());
  EXPECT_EQ(Get(Name(0, 0)), std::string(900, 'v'));
  EXPECT_THAT(backend_->engine()->Check(), IsOk());
  // Idle again: nothing is written, also when asked once more.
  const uint64_t calls = env_.mutating_calls();
  Ask();
  EXPECT_THAT(Answer(), IsOk());
  EXPECT_EQ(env_.mutating_calls(), calls);
}

TEST_F(BackendShrinkTest, StartsByItselfWhenTooMuchIsFree) {
  std::atomic<int> steps{0};
  BackendOptions options;
  options.shrink_free_ratio = 0.5;
  options.on_shrink_step = [&](int64_t) { ++steps; };
  Open(options);
  FillAndEmpty();
  Ask();  // only to learn when it is over
  EXPECT_THAT(Answer(), IsOk());
  EXPECT_LT(FileBytes(), 200'000U);
  const int taken = steps;
  EXPECT_GT(taken, 0);
  backend_->Put(kKeys, "a", "1");
  Commit();
  backend_.reset();
  EXPECT_EQ(steps, taken);
}

TEST_F(BackendShrinkTest, AStepThatHangsBlocksNeitherWritersNorReaders) {
  FillAndEmpty();
  env_.SetObserver([this](CallKind kind, const std::string&) {
    if (kind == CallKind::kSync) {
      gate_.Pass();
    }
  });
  gate_.Close();
  Ask();
  gate_.AwaitSomeone();
  backend_->Put(kKeys, "a", "1");
  backend_->Seal();
  backend_->Put(kKeys, "b", "1");
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "1");
  gate_.Open();
  EXPECT_THAT(backend_->WaitForCommit(), IsOk());
  EXPECT_THAT(Answer(), IsOk());
  EXPECT_EQ(Get("a"), "1");
  EXPECT_LT(FileBytes(), 200'000U);
}

TEST_F(BackendShrinkTest, AnswersWhenOnlyReadersHoldTheFileAndGoesOnAfterTheNextCommit) {
  FillAndEmpty();
  backend_->Put(kKeys, "a", "1");
  auto reader = backend_->snapshot();
  Commit();
  Ask();
  // Looks at the readers come by the clock.
  for (bool is_answered = false; !is_answered;) {
    clock_.Advance(ShrinkSchedule::kBlockedPause);
    MutexLock lock(&mu_);
    is_answered = answer_.has_value() || changed_.WaitFor(&mu_, std::chrono::milliseconds(1));
  }
  EXPECT_THAT(Answer(), IsOk());
  EXPECT_GT(FileBytes(), 3'000'000U);
  EXPECT_THAT(reader->Get(kKeys, Name(0, 0), backend_->seq()), IsOk());
  reader.reset();
  backend_->Put(kKeys, "a", "2");
  Commit();
  Ask();
  EXPECT_THAT(Answer(), IsOk());
  EXPECT_LT(FileBytes(), 200'000U);
}

TEST_F(BackendShrinkTest, AFailedStepIsToldAndWritingGoesOn) {
  FillAndEmpty();
  env_.FailCall(CallKind::kWrite, 1, absl::StatusCode::kResourceExhausted);
  Ask();
  EXPECT_THAT(Answer(), StatusIs(absl::StatusCode::kResourceExhausted));
  backend_->Put(kKeys, "a", "1");
  Commit();
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(BackendShrinkTest, StoppingAnswersWhoeverWaits) {
  FillAndEmpty();
  env_.SetObserver([this](CallKind kind, const std::string&) {
    if (kind == CallKind::kSync) {
      gate_.Pass();
    }
  });
  gate_.Close();
  Ask();
  gate_.AwaitSomeone();
  backend_->StopShrinking();
  EXPECT_THAT(Answer(), StatusIs(absl::StatusCode::kCancelled));
  gate_.Open();
  Ask();
  EXPECT_THAT(Answer(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(backend_->engine()->Check(), IsOk());
}

}  // namespace
}  // namespace socle::kv
