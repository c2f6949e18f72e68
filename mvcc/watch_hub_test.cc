#include "mvcc/watch_hub.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/bolt/bolt_engine.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/schema.h"
#include "mvcc/testing/watch_collector.h"

namespace socle::mvcc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The write loop's part is played by hand, so that every order of view, batch and commands can be
// had.
class WatchHubTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(env_.CreateDirs("/s"), IsOk());
    auto engine = kv::OpenBolt(&env_, "/s/db", {.map_size_bytes = uint64_t{64} << 20U});
    ASSERT_THAT(engine, IsOk());
    kv::BackendOptions options;
    options.buckets = BucketNames();
    auto backend = kv::Backend::Open(*std::move(engine), options);
    ASSERT_THAT(backend, IsOk());
    backend_ = *std::move(backend);
    applier_ = std::make_unique<Applier>(backend_.get(), nullptr);
    PublishView();
    MakeHub({});
  }

  // Requires that no stream is open.
  void MakeHub(const WatchLimits& limits) {
    hub_.reset();
    hub_ = std::make_unique<WatchHub>([this] { return view_.Take(); }, Clock::Real(),
                                      WatchHubOptions{.limits = limits});
  }

  void TearDown() override {
    hub_.reset();
    view_.Publish(nullptr);
    applier_->index()->Collect();
    applier_.reset();
  }

  // Applies one put of its own revision and gives back what is to be published.
  EventBatch Put(const std::string& key, const std::string& value, bool wants_events = true) {
    applier_->set_wants_events(wants_events);
    EXPECT_THAT(applier_->Apply(PutRequest{.key = key, .value = value}), IsOk());
    EventBatch batch;
    batch.revision = applier_->revision();
    batch.events = applier_->TakeEvents();
    batch.storage = applier_->storage();
    batch.is_incomplete = !wants_events;
    return batch;
  }

  void PutAndPublish(const std::string& key, const std::string& value) {
    EventBatch batch = Put(key, value);
    PublishView();
    hub_->Publish(std::move(batch));
  }

  void PublishView() {
    const Index::Version version = applier_->index()->Publish();
    ReadState state = applier_->state();
    view_.Publish(new ReadView(std::move(state), applier_->index(), version.version));
  }

  // Up to the newest revision, to the end.
  void CompactAll() {
    EXPECT_THAT(applier_->Apply(CompactOp{.revision = applier_->revision()}), IsOk());
    while (!applier_->CompactStep(100).value()) {
    }
    backend_->Seal();
    EXPECT_THAT(backend_->WaitForCommit(), IsOk());
    applier_->RefreshStorage();
    PublishView();
  }

  WatchCollector::NewStream streams() {
    return [this](std::function<void()> on_ready) { return hub_->NewStream(std::move(on_ready)); };
  }

  FaultEnv env_{1};
  std::unique_ptr<kv::Backend> backend_;
  std::unique_ptr<Applier> applier_;
  Published<ReadView> view_;
  std::unique_ptr<WatchHub> hub_;
};

TEST_F(WatchHubTest, AStreamOpenedBetweenViewAndBatchCostsOtherStreamsNoEvent) {
  WatchCollector first(streams());
  first.Create({.key = "a"});
  EventBatch batch = Put("a", "1");
  PublishView();
  WatchCollector second(streams());  // Tells the hub of revision 2 before the batch does.
  second.Create({.key = "a"});
  hub_->Publish(std::move(batch));
  EXPECT_THAT(DescribeEvents(first.Next()), ElementsAre("put a=1@2"));
  batch = Put("a", "2");
  PublishView();
  hub_->Publish(std::move(batch));
  EXPECT_THAT(DescribeEvents(first.Next()), ElementsAre("put a=2@3"));
  EXPECT_THAT(DescribeEvents(second.Next()), ElementsAre("put a=2@3"));
}

TEST_F(WatchHubTest, ABatchAppliedBeforeTheFirstStreamIsFoundInHistory) {
  EventBatch batch = Put("a", "1", /*wants_events=*/false);
  WatchCollector collector(streams());
  EXPECT_EQ(collector.Create({.key = "a"}).revision, 1);
  PublishView();
  hub_->Publish(std::move(batch));
  EXPECT_THAT(DescribeEvents(collector.Next()), ElementsAre("put a=1@2"));
}

TEST_F(WatchHubTest, AWatchFromNowBeginsAfterWhatCouldBeReadWhenItWasAskedFor) {
  WatchCollector collector(streams());
  EventBatch batch = Put("a", "1");
  PublishView();  // Readers see revision 2, the hub does not yet.
  EXPECT_EQ(collector.Create({.key = "a"}).revision, 2);
  hub_->Publish(std::move(batch));
  batch = Put("a", "2");
  PublishView();
  hub_->Publish(std::move(batch));
  EXPECT_THAT(DescribeEvents(collector.Next()), ElementsAre("put a=2@3"));
}

TEST_F(WatchHubTest, ACompactionBetweenAnyTwoViewsCancelsAWatchOrLeavesItWhole) {
  constexpr int kRevisions = 30;
  for (int at = 1; at <= 6; ++at) {
    SCOPED_TRACE(at);
    std::atomic<int> views = 0;  // taken since the watch was asked for
    std::atomic<bool> counts = false;
    hub_.reset();
    hub_ = std::make_unique<WatchHub>(
        [&] {
          if (counts && ++views == at) {
            CompactAll();
          }
          return view_.Take();
        },
        Clock::Real(), WatchHubOptions{});
    const int64_t first = applier_->revision() + 1;
    for (int i = 0; i < kRevisions; ++i) {
      Put("a", std::to_string(i), /*wants_events=*/false);
    }
    backend_->Seal();
    ASSERT_THAT(backend_->WaitForCommit(), IsOk());
    applier_->RefreshStorage();
    PublishView();
    {
      WatchCollector collector(streams());
      counts = true;
      EXPECT_EQ(collector.Create({.key = "a", .start_revision = first}).watch_id, 0);
      int64_t next = first;
      for (bool is_over = false; !is_over;) {
        const WatchResponse response = collector.Next();
        for (const WatchEvent& event : response.events) {
          EXPECT_EQ(event.kv.mod_revision, next++) << "an event is missing";
        }
        is_over = response.canceled || response.compact_revision > 0 ||
                  next == first + kRevisions || HasFailure();
      }
      counts = false;
    }
  }
}

TEST_F(WatchHubTest, HistoryThatCannotBeReadCancelsTheWatchAndNoOther) {
  WatchCollector collector(streams());
  EventBatch batch = Put("a", "1");
  backend_->Put(kKeyBucket, RevisionKey({2, 1}).view(), "\x0a\x7f");  // Not a record.
  PublishView();
  hub_->Publish(std::move(batch));
  const int64_t healthy = collector.Create({.key = "b"}).watch_id;
  const int64_t broken = collector.Create({.key = "a", .start_revision = 2}).watch_id;
  const WatchResponse canceled = collector.Next();
  EXPECT_EQ(canceled.watch_id, broken);
  EXPECT_TRUE(canceled.canceled);
  EXPECT_THAT(canceled.cancel_reason, HasSubstr("revision 2/1"));
  EXPECT_EQ(hub_->Stats().watchers, 1);
  EXPECT_EQ(hub_->Stats().slow_watchers, 0);
  collector.stream()->RequestProgress();  // Not held back by the one that is gone.
  EXPECT_EQ(collector.Next().watch_id, -1);
  batch = Put("b", "1");
  PublishView();
  hub_->Publish(std::move(batch));
  EXPECT_EQ(collector.Next().watch_id, healthy);
}

// Holds the hub: its thread waits in the callback of a stream's first response until Open.
class Gate {
 public:
  std::function<void()> callback() {
    return [this] {
      MutexLock lock(&mu_);
      is_reached_ = true;
      changed_.SignalAll();
      while (!is_open_) {
        changed_.Wait(&mu_);
      }
    };
  }

  void AwaitReached() {
    MutexLock lock(&mu_);
    while (!is_reached_) {
      changed_.Wait(&mu_);
    }
  }

  void Open() {
    MutexLock lock(&mu_);
    is_open_ = true;
    changed_.SignalAll();
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool is_reached_ ABSL_GUARDED_BY(mu_) = false;
  bool is_open_ ABSL_GUARDED_BY(mu_) = false;
};

// The events' revisions, which must follow each other from `next` on; returns the one after the last.
int64_t Follow(const WatchResponse& response, int64_t next) {
  for (const WatchEvent& event : response.events) {
    EXPECT_EQ(event.kv.mod_revision, next++);
  }
  return next;
}

TEST_F(WatchHubTest, OnePutForManyWatchersIsEncodedOnce) {
  std::vector<std::unique_ptr<WatchCollector>> collectors;
  for (int i = 0; i < 10; ++i) {
    collectors.push_back(std::make_unique<WatchCollector>(streams()));
    for (int k = 0; k < 100; ++k) {
      collectors.back()->Create({.key = "a", .range_end = k % 2 == 0 ? "" : "b"});
    }
  }
  PutAndPublish("other", "1");
  PutAndPublish("a", "2");
  const WatchEvent* shared = nullptr;
  for (const auto& collector : collectors) {
    for (int k = 0; k < 100; ++k) {
      const WatchResponse response = collector->Next();
      ASSERT_THAT(DescribeEvents(response), ElementsAre("put a=2@3"));
      shared = shared == nullptr ? &response.events.front() : shared;
      ASSERT_EQ(&response.events.front(), shared);
    }
  }
  EXPECT_EQ(hub_->Stats().events_encoded, 1U);  // Nobody watches the first put.
  EXPECT_EQ(hub_->Stats().events_sent, 1000U);
  collectors[0]->Create({.key = "a", .prev_kv = true});
  PutAndPublish("a", "3");
  EXPECT_THAT(collectors[1]->Next().events, SizeIs(1));
  EXPECT_EQ(hub_->Stats().events_encoded, 3U);  // Once with the previous pair, once without.
}

TEST_F(WatchHubTest, ASlowConsumerIsServedFromTheRingWithoutReadingHistory) {
  MakeHub({.stream_deliveries_max = 4});
  WatchCollector collector(streams());
  collector.Create({.key = "a"});
  for (int i = 0; i < 300; ++i) {
    PutAndPublish("a", "v");
  }
  for (int64_t next = 2; next < 302;) {
    next = Follow(collector.Next(), next);
  }
  EXPECT_THAT(collector.Drain(301), IsEmpty());
  EXPECT_EQ(hub_->Stats().history_events_read, 0U);
  EXPECT_EQ(hub_->Stats().events_encoded, 300U);
}

TEST_F(WatchHubTest, WhatTheRingLetGoOfComesFromHistoryOnce) {
  MakeHub({.stream_deliveries_max = 4, .ring_bytes_max = 5'000});
  WatchCollector collector(streams());
  collector.Create({.key = "a"});
  int64_t last = 1;
  // What comes while the hub's thread sleeps becomes one delivery: it lags only once it has filled its queue.
  for (; hub_->Stats().slow_watchers == 0 && last < 100'000; ++last) {
    PutAndPublish("a", "v");
  }
  for (int i = 0; i < 300; ++i, ++last) {
    PutAndPublish("a", "v");
  }
  for (int64_t next = 2; next <= last;) {
    next = Follow(collector.Next(), next);
  }
  EXPECT_THAT(collector.Drain(last), IsEmpty());
  EXPECT_GT(hub_->Stats().history_events_read, 200U);
  EXPECT_LE(hub_->Stats().history_events_read, static_cast<uint64_t>(last));
}

TEST_F(WatchHubTest, LaggardsAreCaughtUpTogether) {
  constexpr int64_t kPuts = 1500;
  constexpr int kWatchers = 200;
  for (int64_t i = 0; i < kPuts; ++i) {
    PutAndPublish("a", "v");
  }
  Gate gate;
  auto stream = hub_->NewStream(gate.callback());
  stream->Create({.key = "none"});
  gate.AwaitReached();
  WatchCollector collector(streams());
  for (int i = 0; i < kWatchers; ++i) {  // All are known before the first one is served.
    collector.stream()->Create({.key = "a", .start_revision = 2, .watch_id = i + 1});
  }
  gate.Open();
  std::map<int64_t, int64_t> next;
  for (int watchers_done = 0; watchers_done < kWatchers;) {
    const WatchResponse response = collector.Next();
    if (!response.created) {
      next[response.watch_id] = Follow(response, std::max<int64_t>(next[response.watch_id], 2));
      watchers_done += next[response.watch_id] == kPuts + 2 ? 1 : 0;
    }
  }
  EXPECT_EQ(hub_->Stats().history_events_read, uint64_t{kPuts});
}

TEST_F(WatchHubTest, ABatchThatFindsTheFifoFullIsLeftToHistory) {
  MakeHub({.fifo_bytes_max = 2'000});
  WatchCollector collector(streams());
  collector.Create({.key = "a"});
  Gate gate;
  auto stream = hub_->NewStream(gate.callback());
  stream->Create({.key = "none"});
  gate.AwaitReached();
  for (int i = 0; i < 100; ++i) {
    PutAndPublish("a", std::string(100, 'v'));
  }
  gate.Open();
  for (int64_t next = 2; next < 102;) {
    next = Follow(collector.Next(), next);
  }
  EXPECT_THAT(collector.Drain(101), IsEmpty());
  EXPECT_GT(hub_->Stats().history_events_read, 80U);
}

// Its position was that of its last event: a stream opened ahead of the FIFO, or a full FIFO, sent it to
// history at a revision long compacted, and it was cancelled.
TEST_F(WatchHubTest, AWatchThatSawNothingForLongIsNotCancelledWhenTheFifoOverflows) {
  MakeHub({.fifo_bytes_max = 2'000});
  WatchCollector collector(streams());
  collector.Create({.key = "quiet"});
  for (int64_t revision = 2; revision < 12; ++revision) {
    PutAndPublish("a", "v");
    EXPECT_THAT(collector.Drain(revision), IsEmpty());
  }
  EXPECT_THAT(applier_->Apply(CompactOp{.revision = 10}), IsOk());
  PutAndPublish("quiet", std::string(3'000, 'v'));
  const WatchResponse response = collector.Next();
  EXPECT_FALSE(response.canceled);
  ASSERT_THAT(response.events, SizeIs(1));
  EXPECT_EQ(response.events.front().kv.mod_revision, 12);
}

TEST_F(WatchHubTest, UnansweredCommandsAskTheirOwnerToHoldBack) {
  int woken = 0;
  Gate gate;
  auto blocker = hub_->NewStream(gate.callback());
  blocker->Create({.key = "none"});
  gate.AwaitReached();
  {
    WatchCollector collector([&](std::function<void()> on_ready) {
      return hub_->NewStream([&woken, on_ready = std::move(on_ready)] {
        ++woken;
        on_ready();
      });
    });
    for (int64_t i = 0; i < StreamQueue::kCommandsMax; ++i) {
      EXPECT_TRUE(collector.stream()->TakesCommands());
      collector.stream()->Cancel(99);  // Unknown: has no answer.
    }
    EXPECT_FALSE(collector.stream()->TakesCommands());
    gate.Open();
    collector.Create({.key = "a"});  // Behind all of them.
    EXPECT_TRUE(collector.stream()->TakesCommands());
    for (int64_t i = 0; i < StreamQueue::kCommandsMax; ++i) {
      collector.stream()->Create({.key = "a"});
    }
    EXPECT_FALSE(collector.stream()->TakesCommands());
    EXPECT_TRUE(collector.Next().created);
    EXPECT_TRUE(collector.stream()->TakesCommands());
  }
  EXPECT_GE(woken, 2);  // The last command without answer, and the answers.
}

TEST(StreamQueue, IsFullAtItsBytesAndTakesOneDeliveryBeyond) {
  const std::string value(600, 'v');
  const auto block = std::make_shared<EventBlock>(
      std::vector<WatchEvent>{{.kv = {.key = "a", .value = value}, .prev_kv = {}, .encoded = {}}});
  WatchResponse response;
  response.events.Add(block, 0);
  StreamQueue queue([] {}, {.stream_bytes_max = 2'000});
  queue.PushShared(response, std::vector<int64_t>(50, 7));  // Fifty watchers, one copy.
  EXPECT_TRUE(queue.HasRoom());
  EXPECT_LT(queue.bytes(), 2'000U);
  queue.Push(response);
  queue.Push(response);
  EXPECT_FALSE(queue.HasRoom());
  bool was_freed = false;
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(was_freed);
    EXPECT_EQ(queue.Pop(&was_freed)->watch_id, 7);
  }
  EXPECT_TRUE(was_freed);
  EXPECT_TRUE(queue.HasRoom());
}

}  // namespace
}  // namespace socle::mvcc
