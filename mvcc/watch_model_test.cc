#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/store.h"
#include "mvcc/testing/map_lease_hook.h"
#include "mvcc/testing/model_store.h"
#include "mvcc/testing/random_operations.h"
#include "mvcc/testing/store_driver.h"
#include "mvcc/testing/watch_collector.h"
#include "mvcc/testing/watch_journal.h"

namespace socle::mvcc {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A client: watches on one stream at a time, taken when it likes, resumed when the stream is gone.
class Consumer {
 public:
  explicit Consumer(WatchCollector::NewStream streams) : streams_(std::move(streams)) { Connect(); }

  void Create(WatchRequest request) {
    request.watch_id = ++last_id_;
    watches_[last_id_].request = request;
    collector_->stream()->Create(std::move(request));
  }

  void Cancel(Random* random) {
    collector_->stream()->Cancel(
        static_cast<int64_t>(random->Below(static_cast<uint64_t>(last_id_ + 2))));
  }

  void RequestProgress() { collector_->stream()->RequestProgress(); }

  void Take(uint64_t responses_max) {
    for (uint64_t i = 0; i < responses_max; ++i) {
      const std::optional<WatchResponse> response = collector_->TryNext();
      if (!response) {
        return;
      }
      Note(*response);
    }
  }

  // Until everything up to the revision has come.
  void TakeAll(int64_t revision) {
    for (int round = 0; round < 2000; ++round) {
      collector_->stream()->RequestProgress();
      collector_->WaitALittle();
      while (const std::optional<WatchResponse> response = collector_->TryNext()) {
        Note(*response);
        if (response->watch_id == -1 && !response->created && response->revision >= revision) {
          return;
        }
      }
    }
    FAIL() << "the stream never caught up";
  }

  void Disconnect() { collector_.reset(); }

  // Resumes what was on the stream before.
  void Connect() {
    collector_.emplace(streams_);
    for (auto at = watches_.begin(); at != watches_.end();) {
      WatchJournal& watch = at->second;
      if (watch.start == 0 && watch.request.start_revision == 0) {
        at = watches_.erase(at);  // Never answered: nothing was promised.
        continue;
      }
      if (!watch.is_over) {
        watch.start = std::max(watch.start, watch.request.start_revision);
        WatchRequest request = watch.request;
        request.start_revision = NextRevision(watch);
        watch.entries.push_back({.kind = JournalEntry::Kind::kResumed,
                                 .revision = request.start_revision,
                                 .events = {}});
        collector_->stream()->Create(std::move(request));
      }
      ++at;
    }
  }

  const std::map<int64_t, WatchJournal>& watches() const { return watches_; }

 private:
  static int64_t NextRevision(const WatchJournal& watch) {
    int64_t next = watch.start;
    for (const JournalEntry& entry : watch.entries) {
      if (entry.kind == JournalEntry::Kind::kBookmark) {
        next = std::max(next, entry.revision + 1);
      } else if (!entry.events.empty()) {
        next = std::max(next, entry.events.back().revision + 1);
      }
    }
    return next;
  }

  static void Bookmark(int64_t revision, WatchJournal* watch) {
    watch->entries.push_back(
        {.kind = JournalEntry::Kind::kBookmark, .revision = revision, .events = {}});
  }

  void Note(const WatchResponse& response) {
    if (response.watch_id == -1) {
      ASSERT_FALSE(response.created) << response.cancel_reason;
      for (auto& [id, watch] : watches_) {
        if (watch.start != 0 && !watch.is_over) {
          Bookmark(response.revision, &watch);
        }
      }
      return;
    }
    WatchJournal& watch = watches_.at(response.watch_id);
    ASSERT_FALSE(watch.is_over) << "a response after the end";
    if (response.created) {
      if (watch.start == 0) {
        watch.start = watch.request.start_revision == 0 ? response.revision + 1
                                                        : watch.request.start_revision;
      }
      return;
    }
    ASSERT_NE(watch.start, 0) << "a response before the creation";
    if (response.canceled) {
      watch.is_over = true;
      return;
    }
    if (response.events.empty()) {
      Bookmark(response.revision, &watch);
      return;
    }
    JournalEntry entry;
    entry.revision = response.revision;
    for (const WatchEvent& event : response.events) {
      entry.events.push_back(Noted(event));
    }
    ASSERT_GE(response.revision, entry.events.back().revision);
    watch.entries.push_back(std::move(entry));
  }

  const WatchCollector::NewStream streams_;
  std::optional<WatchCollector> collector_;
  std::map<int64_t, WatchJournal> watches_;
  int64_t last_id_ = 0;
};

// A store, its model, three clients, and chance.
class WatchSchedule {
 public:
  explicit WatchSchedule(uint64_t seed) : env_(seed), operations_(seed + 1) {
    options_.directory = "/s";
    options_.env = &env_;
    options_.lease_hook = &hook_;
    options_.map_size_bytes = uint64_t{256} << 20U;
    options_.wal_segment_bytes = 1 << 20;
    options_.batch_interval_nanos = kNanosPerMilli;
    options_.batch_limit = 50;
    options_.progress_notify_interval_nanos = 2 * kNanosPerMilli;
    // Small bounds make every path usual; the real ones are taken now and then.
    Random* const random = operations_.random();
    WatchLimits& limits = options_.watch_limits;
    if (!random->OneIn(3)) {
      limits.stream_deliveries_max = 1 + random->Below(8);
      limits.stream_bytes_max = 200 + random->Below(4000);
      limits.ring_bytes_max = random->Below(20'000);
      limits.fifo_bytes_max = random->OneIn(2) ? random->Below(2'000) : size_t{1} << 20U;
    }
    store_ = Store::Open(options_).value();
    for (int i = 0; i < 3; ++i) {
      consumers_.push_back(std::make_unique<Consumer>([this](std::function<void()> on_ready) {
        return store_->NewWatchStream(std::move(on_ready));
      }));
    }
  }

  ~WatchSchedule() { consumers_.clear(); }

  void Step() {
    Random* const random = operations_.random();
    Consumer* const consumer = consumers_[random->Below(consumers_.size())].get();
    const uint64_t choice = random->Below(1000);
    if (choice < 40) {
      consumer->Create(Request());
    } else if (choice < 60) {
      consumer->Cancel(random);
    } else if (choice < 80) {
      consumer->RequestProgress();
    } else if (choice < 200) {
      consumer->Take(random->Below(50));
    } else if (choice < 205) {
      consumer->Disconnect();
      consumer->Connect();
    } else if (choice < 207) {
      Restart();
    } else {
      Operate();
    }
  }

  void Finish() {
    for (int i = 0; i < 5; ++i) {  // Future starts come to pass.
      const PutRequest put{.key = "a"};
      model_.Apply(put);
      ASSERT_THAT(store_->Put(put), IsOk());
    }
    ASSERT_EQ(store_->current_revision(), model_.revision());
    for (const auto& consumer : consumers_) {
      consumer->TakeAll(model_.revision());
    }
  }

  template <typename Judge>
  void EachJournal(const Judge& judge) const {
    for (const auto& consumer : consumers_) {
      for (const auto& [id, journal] : consumer->watches()) {
        const Expected expected = ExpectedEvents(model_, journal);
        judge(journal, expected);
      }
    }
  }

  const ModelStore& model() const { return model_; }

 private:
  void Operate() {
    Random* const random = operations_.random();
    Operation operation = operations_.Next(model_.revision());
    if (IsLogged(operation) && !std::holds_alternative<CompactOp>(operation)) {
      model_.Apply(operation);
      Run(store_.get(), std::move(operation));
    } else if (random->OneIn(60)) {
      const CompactOp compact{.revision = model_.revision() - 20};
      model_.Apply(compact);
      Run(store_.get(), compact);
    }
  }

  void Restart() {
    for (const auto& consumer : consumers_) {
      consumer->Disconnect();
    }
    store_.reset();
    hook_ = MapLeaseHook();
    store_ = Store::Open(options_).value();
    for (const auto& consumer : consumers_) {
      consumer->Connect();
    }
  }

  WatchRequest Request() {
    Random* const random = operations_.random();
    WatchRequest request;
    request.key = operations_.Key();
    request.range_end = random->OneIn(2) ? operations_.RangeEnd() : "";
    if (request.range_end <= request.key) {
      request.range_end = random->OneIn(2) ? std::string(1, '\0') : "";
    }
    if (!random->OneIn(3)) {
      const auto back = static_cast<int64_t>(random->Below(40));
      request.start_revision = std::max<int64_t>(1, model_.revision() + 3 - back);
    }
    request.no_put = random->OneIn(5);
    request.no_delete = random->OneIn(5);
    request.prev_kv = random->OneIn(2);
    request.progress_notify = random->OneIn(3);
    return request;
  }

  StoreOptions options_;
  FaultEnv env_;
  RandomOperations operations_;
  ModelStore model_;
  MapLeaseHook hook_;
  std::unique_ptr<Store> store_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
};

// The schedules run once; each guarantee is judged on all of their journals.
class WatchGuarantees : public ::testing::Test {
 protected:
  static constexpr uint64_t kRuns = 8;
  static constexpr int kSteps = 2000;

  static void SetUpTestSuite() {
    seed_ = TestSeed();
    for (uint64_t run = 0; run < kRuns && !::testing::Test::HasFailure(); ++run) {
      SCOPED_TRACE(::testing::Message() << "seed " << seed_ << " run " << run);
      auto schedule = std::make_unique<WatchSchedule>(seed_ + run);
      for (int i = 0; i < kSteps && !::testing::Test::HasFailure(); ++i) {
        schedule->Step();
      }
      if (!::testing::Test::HasFailure()) {
        schedule->Finish();
        schedules_.push_back(std::move(schedule));
      }
    }
  }

  static void TearDownTestSuite() { schedules_.clear(); }

  template <typename Judge>
  void Judged(const Judge& judge) {
    ASSERT_EQ(schedules_.size(), kRuns);
    for (const auto& schedule : schedules_) {
      schedule->EachJournal([&](const WatchJournal& journal, const Expected& expected) {
        SCOPED_TRACE(::testing::Message()
                     << "seed " << seed_ << ", watch of [" << journal.request.key << ", "
                     << journal.request.range_end << ") from " << journal.start);
        EXPECT_EQ(judge(journal, expected, schedule->model()), "");
      });
    }
  }

  static uint64_t seed_;
  static std::vector<std::unique_ptr<WatchSchedule>> schedules_;
};

uint64_t WatchGuarantees::seed_ = 0;
std::vector<std::unique_ptr<WatchSchedule>> WatchGuarantees::schedules_;

TEST_F(WatchGuarantees, OrderedEventsComeInTheOrderOfRevisions) {
  Judged([](const auto& journal, const auto& expected, const auto&) {
    return BreachOfOrdered(journal, expected);
  });
}

TEST_F(WatchGuarantees, UniqueNoEventComesTwice) {
  Judged([](const auto& journal, const auto& expected, const auto&) {
    return BreachOfUnique(journal, expected);
  });
}

TEST_F(WatchGuarantees, AtomicARevisionComesInOneResponse) {
  Judged([](const auto& journal, const auto& expected, const auto&) {
    return BreachOfAtomic(journal, expected);
  });
}

TEST_F(WatchGuarantees, ReliableNoEventIsLeftOutAndNoneIsMadeUp) {
  Judged([](const auto& journal, const auto& expected, const auto&) {
    return BreachOfReliable(journal, expected);
  });
}

TEST_F(WatchGuarantees, ResumableAWatchGoesOnWhereItsClientLeftOff) {
  Judged([](const auto& journal, const auto& expected, const auto&) {
    return BreachOfResumable(journal, expected);
  });
}

TEST_F(WatchGuarantees, BookmarkableProgressComesAfterEverythingItPromises) {
  Judged([](const auto& journal, const auto& expected, const auto&) {
    return BreachOfBookmarkable(journal, expected);
  });
}

TEST_F(WatchGuarantees, PreviousPairsAreThoseOfTheRevisionBefore) {
  Judged([](const auto& journal, const auto& expected, const auto& model) {
    return BreachOfPrevious(journal, expected, model.compact_revision());
  });
}

// The judges themselves: a journal that is right, and each guarantee broken in it on purpose.
class BrokenJournal : public ::testing::Test {
 protected:
  BrokenJournal() {
    journal_.start = 2;
    expected_ = {{2, "a", "a2", ""}, {3, "a", "a3", "2"}, {3, "b", "b3", ""}, {5, "a", "a5", "3"}};
    Add({expected_[0]});
    Bookmark(2);
    Add({expected_[1], expected_[2]});
    journal_.entries.push_back({.kind = JournalEntry::Kind::kResumed, .revision = 4, .events = {}});
    Add({expected_[3]});
    Bookmark(5);
  }

  void Add(std::vector<JournalEvent> events) {
    journal_.entries.push_back({.revision = events.back().revision, .events = std::move(events)});
  }

  void Bookmark(int64_t revision) {
    journal_.entries.push_back(
        {.kind = JournalEntry::Kind::kBookmark, .revision = revision, .events = {}});
  }

  WatchJournal journal_;
  Expected expected_;
};

TEST_F(BrokenJournal, AnUnbrokenOneIsFoundGood) {
  EXPECT_THAT(BreachOfOrdered(journal_, expected_), IsEmpty());
  EXPECT_THAT(BreachOfUnique(journal_, expected_), IsEmpty());
  EXPECT_THAT(BreachOfAtomic(journal_, expected_), IsEmpty());
  EXPECT_THAT(BreachOfReliable(journal_, expected_), IsEmpty());
  EXPECT_THAT(BreachOfResumable(journal_, expected_), IsEmpty());
  EXPECT_THAT(BreachOfBookmarkable(journal_, expected_), IsEmpty());
  EXPECT_THAT(BreachOfPrevious(journal_, expected_, 0), IsEmpty());
}

TEST_F(BrokenJournal, SwappedEventsAreFound) {
  std::swap(journal_.entries[2].events[0], journal_.entries[2].events[1]);
  EXPECT_THAT(BreachOfOrdered(journal_, expected_), HasSubstr("a3 came after b3"));
}

TEST_F(BrokenJournal, ARepeatedEventIsFound) {
  journal_.entries[4].events.insert(journal_.entries[4].events.begin(), expected_[2]);
  EXPECT_THAT(BreachOfUnique(journal_, expected_), HasSubstr("b3 came 2 times"));
}

TEST_F(BrokenJournal, ASplitRevisionIsFound) {
  journal_.entries[2].events.pop_back();
  journal_.entries.insert(journal_.entries.begin() + 3, {.revision = 3, .events = {expected_[2]}});
  EXPECT_THAT(BreachOfAtomic(journal_, expected_), HasSubstr("1 of the 2 events of revision 3"));
}

TEST_F(BrokenJournal, ALostAndAMadeUpEventAreFound) {
  journal_.entries[4].events = {{6, "z", "z6", ""}};
  EXPECT_THAT(BreachOfReliable(journal_, expected_), HasSubstr("a5 never came"));
  journal_.entries[4].events = {expected_[3], {6, "z", "z6", ""}};
  EXPECT_THAT(BreachOfReliable(journal_, expected_), HasSubstr("z6 was not to come"));
}

TEST_F(BrokenJournal, AResumptionThatSkipsOrRepeatsIsFound) {
  journal_.entries[3].revision = 3;
  EXPECT_THAT(BreachOfResumable(journal_, expected_),
              HasSubstr("resumed at 3 with a5, not with a3"));
}

TEST_F(BrokenJournal, ABookmarkTooEarlyTooLateOrBelowTheStartIsFound) {
  journal_.entries[1].revision = 3;
  EXPECT_THAT(BreachOfBookmarkable(journal_, expected_), HasSubstr("at 3 after 1 of 3 events"));
  journal_.entries[1].revision = 0;
  EXPECT_THAT(BreachOfBookmarkable(journal_, expected_), HasSubstr("below the start 2"));
  journal_.entries[1].revision = 2;
  Add({expected_[3]});
  EXPECT_THAT(BreachOfBookmarkable(journal_, expected_), HasSubstr("after a bookmark at 5"));
}

TEST_F(BrokenJournal, AWrongPreviousPairIsFoundAndACompactedOneForgiven) {
  journal_.entries[2].events[0].prev = "";
  EXPECT_THAT(BreachOfPrevious(journal_, expected_, 2), HasSubstr("a3 came with"));
  EXPECT_THAT(BreachOfPrevious(journal_, expected_, 3), IsEmpty());
  journal_.entries[2].events[0].prev = "1";
  EXPECT_THAT(BreachOfPrevious(journal_, expected_, 3), HasSubstr("a3 came with"));
}

}  // namespace
}  // namespace socle::mvcc
