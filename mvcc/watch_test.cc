#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/thread.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"
#include "mvcc/store.h"
#include "mvcc/testing/watch_collector.h"

namespace socle::mvcc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kZero(1, '\0');

class WatchTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(600 * kNanosPerSecond); }

  void Open(int64_t progress_interval_nanos) {
    store_.reset();
    StoreOptions options;
    options.directory = "/s";
    options.env = &env_;
    options.map_size_bytes = uint64_t{256} << 20U;
    options.wal_segment_bytes = 1 << 20;
    options.batch_interval_nanos = kNanosPerMilli;
    options.progress_notify_interval_nanos = progress_interval_nanos;
    auto store = Store::Open(options);
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }

  int64_t Put(const std::string& key, const std::string& value) {
    const auto result = store_->Put({.key = key, .value = value});
    EXPECT_THAT(result, IsOk());
    return result.ok() ? result->revision : -1;
  }

  void Delete(const std::string& key) { EXPECT_THAT(store_->DeleteRange({.key = key}), IsOk()); }

  WatchCollector::NewStream streams() {
    return [this](std::function<void()> on_ready) {
      return store_->NewWatchStream(std::move(on_ready));
    };
  }

  FaultEnv env_{3};
  std::unique_ptr<Store> store_;
};

TEST_F(WatchTest, AnswersCreationFirstWithIdsThatCountFromZero) {
  Put("a", "1");
  WatchCollector collector(streams());
  for (int64_t id = 0; id < 2; ++id) {
    const WatchResponse created = collector.Create({.key = "a", .start_revision = 2});
    EXPECT_EQ(created.watch_id, id);
    EXPECT_EQ(created.revision, 2);
    EXPECT_FALSE(created.canceled);
    EXPECT_THAT(created.events, IsEmpty());
    EXPECT_THAT(DescribeEvents(collector.Next()), ElementsAre("put a=1@2"));
  }
  EXPECT_EQ(collector.Create({.key = "b", .watch_id = 2}).watch_id, 2);
  EXPECT_EQ(collector.Create({.key = "b"}).watch_id, 3);  // 2 is taken.
  WatchCollector other(streams());
  EXPECT_EQ(other.Create({.key = "a"}).watch_id, 0);
}

TEST_F(WatchTest, AStreamMayBeReplacedByItsOwnCallback) {
  Put("a", "1");
  Mutex mu;
  std::unique_ptr<WatchStream> stream;
  std::atomic<int> replaced = 0;
  std::function<void()> on_ready = [&] {
    MutexLock lock(&mu);
    while (stream != nullptr) {
      const auto response = stream->Next();
      if (!response) {
        return;
      }
      if (!response->events.empty()) {
        stream = store_->NewWatchStream(on_ready);
        stream->Create({.key = "a"});
        ++replaced;
      }
    }
  };
  {
    MutexLock lock(&mu);
    stream = store_->NewWatchStream(on_ready);
    stream->Create({.key = "a"});
  }
  for (int i = 1; i <= 20; ++i) {
    while (store_->Stats().watchers == 0) {
      Clock::Real()->SleepFor(kNanosPerMilli / 10);
    }
    Put("a", "more");
    while (replaced < i) {
      Clock::Real()->SleepFor(kNanosPerMilli / 10);
    }
  }
  WatchCollector other(streams());
  EXPECT_EQ(other.Create({.key = "a"}).watch_id, 0) << "the hub goes on";
  std::unique_ptr<WatchStream> last;  // not closed under a mutex that its callback takes
  MutexLock lock(&mu);
  last = std::move(stream);
}

TEST_F(WatchTest, RefusesWithTheTextsOfTheSpec) {
  struct Case {
    const char* name;
    WatchRequest request;
    const char* reason;
  };

  const Case cases[] = {
      {"empty range", {.key = "b", .range_end = "b"}, "mvcc: watcher range is empty"},
      {"inverted range", {.key = "b", .range_end = "a"}, "mvcc: watcher range is empty"},
      {"id in use",
       {.key = "a", .watch_id = 5},
       "mvcc: duplicate watch ID provided on the WatchStream"},
      {"negative start",
       {.key = "a", .start_revision = -1},
       "etcdserver: mvcc: required revision has been compacted"},
  };
  WatchCollector collector(streams());
  collector.Create({.key = "a", .watch_id = 5});
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const WatchResponse refused = collector.Create(c.request);
    EXPECT_TRUE(refused.canceled);
    EXPECT_EQ(refused.watch_id, -1);
    EXPECT_EQ(refused.cancel_reason, c.reason);
    EXPECT_EQ(refused.compact_revision, 0);
  }
  EXPECT_EQ(store_->Stats().watchers, 1);
}

TEST_F(WatchTest, BringsHistoryWithPreviousPairsAndBareDeletes) {
  Put("a", "1");
  Put("b", "1");
  Put("a", "2");
  Delete("a");
  Put("a", "3");
  WatchCollector collector(streams());
  collector.Create({.key = "", .range_end = kZero, .start_revision = 2, .prev_kv = true});
  const WatchResponse history = collector.Next();
  EXPECT_EQ(history.revision, 6);
  EXPECT_THAT(DescribeEvents(history), ElementsAre("put a=1@2", "put b=1@3", "put a=2@4 was 1@2",
                                                   "delete a@5 was 2@4", "put a=3@6"));
  const KeyValueView deleted = history.events[3].kv;
  EXPECT_EQ(deleted.create_revision, 0);
  EXPECT_EQ(deleted.version, 0);
  Delete("b");
  const WatchResponse live = collector.Next();
  EXPECT_EQ(live.revision, 7);
  EXPECT_THAT(DescribeEvents(live), ElementsAre("delete b@7 was 1@3"));
}

TEST_F(WatchTest, SendsNothingForEventsThatAreFilteredOut) {
  WatchCollector collector(streams());
  const int64_t puts = collector.Create({.key = "a", .no_delete = true}).watch_id;
  const int64_t deletes = collector.Create({.key = "a", .no_put = true}).watch_id;
  Put("a", "1");
  Delete("a");
  WatchResponse response = collector.Next();
  EXPECT_EQ(response.watch_id, puts);
  EXPECT_THAT(DescribeEvents(response), ElementsAre("put a=1@2"));
  response = collector.Next();
  EXPECT_EQ(response.watch_id, deletes);
  EXPECT_THAT(DescribeEvents(response), ElementsAre("delete a@3"));
  EXPECT_THAT(collector.Drain(3), IsEmpty());
}

TEST_F(WatchTest, KeepsTheEventsOfATransactionTogether) {
  WatchCollector collector(streams());
  collector.Create({.key = "a", .range_end = "z"});
  TxnRequest txn;
  txn.success.emplace_back(PutRequest{.key = "b", .value = "1"});
  txn.success.emplace_back(PutRequest{.key = "a", .value = "2"});
  ASSERT_THAT(store_->Txn(std::move(txn)), IsOk());
  EXPECT_THAT(DescribeEvents(collector.Next()), ElementsAre("put b=1@2", "put a=2@2"));
}

TEST_F(WatchTest, CancelIsAnsweredOnceAndUnknownIdsAreIgnored) {
  WatchCollector collector(streams());
  const int64_t id = collector.Create({.key = "a"}).watch_id;
  collector.stream()->Cancel(99);
  collector.stream()->Cancel(id);
  collector.stream()->Cancel(id);
  const WatchResponse canceled = collector.Next();
  EXPECT_TRUE(canceled.canceled);
  EXPECT_EQ(canceled.watch_id, id);
  EXPECT_EQ(canceled.compact_revision, 0);
  EXPECT_EQ(canceled.cancel_reason, "");
  Put("a", "1");
  EXPECT_THAT(collector.Drain(2), IsEmpty());
}

TEST_F(WatchTest, IsCanceledBelowTheCompactRevisionAndWorksAtIt) {
  Put("a", "1");
  Put("a", "2");
  Delete("a");
  Put("b", "1");
  ASSERT_THAT(store_->Compact(4, /*physical=*/true), IsOk());
  WatchCollector collector(streams());
  const WatchResponse created = collector.Create({.key = "a", .start_revision = 3});
  EXPECT_EQ(created.revision, 5);
  const WatchResponse canceled = collector.Next();
  EXPECT_TRUE(canceled.canceled);
  EXPECT_FALSE(canceled.created);
  EXPECT_EQ(canceled.watch_id, created.watch_id);
  EXPECT_EQ(canceled.compact_revision, 4);
  EXPECT_EQ(canceled.revision, 0);
  EXPECT_EQ(canceled.cancel_reason, "");
  collector.Create({.key = "a", .start_revision = 4, .prev_kv = true});
  EXPECT_THAT(DescribeEvents(collector.Next()), ElementsAre("delete a@4"));
}

TEST_F(WatchTest, AnswersProgressBehindTheEventsAndOnAFreshStream) {
  WatchCollector collector(streams());
  collector.stream()->RequestProgress();  // etcd#17507
  WatchResponse progress = collector.Next();
  EXPECT_EQ(progress.watch_id, -1);
  EXPECT_EQ(progress.revision, 1);
  collector.Create({.key = "a"});
  Put("a", "1");
  Put("b", "1");
  collector.stream()->RequestProgress();
  EXPECT_THAT(DescribeEvents(collector.Next()), ElementsAre("put a=1@2"));
  progress = collector.Next();
  EXPECT_EQ(progress.watch_id, -1);
  EXPECT_EQ(progress.revision, 3);
  EXPECT_THAT(progress.events, IsEmpty());
}

TEST_F(WatchTest, SaysAndDeliversNothingBelowAFutureStart) {
  WatchCollector collector(streams());
  collector.Create({.key = "a", .start_revision = 4});
  Put("a", "1");
  collector.stream()->RequestProgress();  // Dropped: revision 4 is to come.
  Put("a", "2");
  Put("a", "3");
  EXPECT_THAT(DescribeEvents(collector.Next()), ElementsAre("put a=3@4"));
  collector.stream()->RequestProgress();
  EXPECT_EQ(collector.Next().revision, 4);
}

TEST_F(WatchTest, NotifiesProgressWhenAskedToAndQuiet) {
  Open(20 * kNanosPerMilli);
  Put("a", "1");
  WatchCollector collector(streams());
  collector.Create({.key = "a", .start_revision = 100, .progress_notify = true});  // Says nothing.
  const int64_t id = collector.Create({.key = "b", .progress_notify = true}).watch_id;
  collector.Create({.key = "b"});
  for (int i = 0; i < 2; ++i) {
    const WatchResponse progress = collector.Next();
    EXPECT_EQ(progress.watch_id, id);
    EXPECT_EQ(progress.revision, 2);
    EXPECT_THAT(progress.events, IsEmpty());
  }
}

TEST_F(WatchTest, AConsumerThatDoesNotTakeLagsAloneAndLosesNothing) {
  constexpr int64_t kPuts = 3000;
  WatchCollector slow(streams());
  WatchCollector quick(streams());
  slow.Create({.key = "a"});
  quick.Create({.key = "a"});
  int64_t quick_next = 2;
  for (int64_t i = 0; i < kPuts; ++i) {
    store_->Put({.key = "a", .value = "v"}, [](const absl::StatusOr<PutResult>&) {});
    while (std::optional<WatchResponse> response = quick.TryNext()) {
      quick_next += static_cast<int64_t>(response->events.size());
    }
  }
  const int64_t last = Put("a", "end");
  while (quick_next <= last) {
    quick_next += static_cast<int64_t>(quick.Next().events.size());
  }
  EXPECT_THAT(quick.Drain(last), IsEmpty());
  EXPECT_EQ(store_->Stats().slow_watchers, 1);
  slow.stream()->RequestProgress();  // Dropped: it lags (trap 17).
  int64_t next = 2;
  while (next <= last) {
    const WatchResponse response = slow.Next();
    ASSERT_EQ(response.watch_id, 0);
    for (const WatchEvent& event : response.events) {
      ASSERT_EQ(event.kv.mod_revision, next++);
    }
  }
  EXPECT_THAT(slow.Drain(last), IsEmpty());
  EXPECT_EQ(store_->Stats().slow_watchers, 0);
}

// A thread that writes key "a" until it is told to stop.
class Writer {
 public:
  explicit Writer(Store* store)
      : thread_("writer", [this, store] {
          while (!is_stopping_.load()) {
            EXPECT_THAT(store->Put({.key = "a", .value = "v"}), IsOk());
          }
        }) {}

  ~Writer() {
    is_stopping_.store(true);
    thread_.Join();
  }

 private:
  std::atomic<bool> is_stopping_{false};
  Thread thread_;
};

TEST_F(WatchTest, StreamsOpenedWhileWritesFlowMissAndRepeatNothing) {
  const Writer writer(store_.get());
  for (int round = 0; round < 60; ++round) {
    WatchCollector first(streams());  // Now and then the only one: the loop collects no events yet.
    const int64_t seen = store_->current_revision();
    int64_t first_next = first.Create({.key = "a"}).revision + 1;
    ASSERT_GT(first_next, seen);
    WatchCollector second(streams());
    second.stream()->Create({.key = "a", .range_end = "b", .start_revision = first_next});
    ASSERT_TRUE(second.Next().created);
    int64_t second_next = first_next;
    for (int i = 0; i < 20; ++i) {
      for (const auto& event : first.Next().events) {
        ASSERT_EQ(event.kv.mod_revision, first_next++);
      }
      for (const auto& event : second.Next().events) {
        ASSERT_EQ(event.kv.mod_revision, second_next++);
      }
    }
  }
}

TEST_F(WatchTest, StreamsClosedWhileEventsFlowLeaveNothingBehind) {
  {
    const Writer writer(store_.get());
    for (int round = 0; round < 100; ++round) {
      WatchCollector collector(streams());
      for (int i = 0; i < 3; ++i) {
        collector.stream()->Create({.key = "a", .start_revision = 1 + round % 3});
      }
      if (round % 2 == 0) {
        collector.Next();
      }
    }
  }
  WatchCollector last(streams());  // Its answer comes behind the closing of all others.
  last.Create({.key = "a"});
  EXPECT_EQ(store_->Stats().watchers, 1);
  EXPECT_EQ(store_->Stats().watch_streams, 1);
  EXPECT_EQ(store_->Stats().slow_watchers, 0);
}

TEST(WatchOnEngines, TellHistoryThatIsReadFromTheirPages) {
  for (const kv::EngineKind engine :
       {kv::EngineKind::kBolt, kv::EngineKind::kLmdb, kv::EngineKind::kRocksdb}) {
    SCOPED_TRACE(std::string(kv::NameOf(engine)));
    const TempDir dir;
    StoreOptions options;
    options.directory = dir.PathOf("s");
    options.engine = engine;
    options.wal_segment_bytes = 1 << 20;
    ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(options));
    std::vector<std::string> expected;
    for (int i = 0; i < 100; ++i) {
      const std::string key = "k" + std::to_string(i % 7);
      ASSERT_THAT(store->Put({.key = key, .value = std::string(500, 'v') + std::to_string(i)}),
                  IsOk());
      expected.push_back(fmt::format("put {}={}{}@{}", key, std::string(500, 'v'), i, i + 2));
    }
    ASSERT_THAT(store->CommitAndRead(), IsOk());
    WatchCollector collector(
        [&](std::function<void()> on_ready) { return store->NewWatchStream(std::move(on_ready)); });
    collector.Create({.key = "k", .range_end = "l", .start_revision = 2});
    std::vector<std::string> told;
    while (told.size() < expected.size()) {
      const std::vector<std::string> texts = DescribeEvents(collector.Next());
      told.insert(told.end(), texts.begin(), texts.end());
    }
    EXPECT_EQ(told, expected);
    EXPECT_THAT(store->Range({.key = "k3", .revision = 5})->kvs, testing::SizeIs(1));
  }
}

}  // namespace
}  // namespace socle::mvcc
