#include "mvcc/watch_hub.h"

#include <memory>
#include <string>
#include <utility>

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
    hub_ = std::make_unique<WatchHub>([this] { return view_.Take(); }, Clock::Real(),
                                      WatchHubOptions{});
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

  void PublishView() {
    const Index::Version version = applier_->index()->Publish();
    ReadState state = applier_->state();
    view_.Publish(new ReadView(std::move(state), applier_->index(), version.version));
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

}  // namespace
}  // namespace socle::mvcc
