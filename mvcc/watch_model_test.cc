#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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

namespace socle::mvcc {
namespace {

// One watch and what must come for it.
struct Watched {
  WatchRequest request;
  std::optional<int64_t> created_at;  // header revision of the answer
  bool is_over = false;
  int64_t last_revision = 0;  // of the last event, or of progress that was told after it
  std::vector<std::string> received;
  std::vector<int64_t> received_revisions;
};

// A stream, its watches and a consumer that takes when it likes.
class Consumer {
 public:
  explicit Consumer(const WatchCollector::NewStream& streams) : collector_(streams) {}

  void Create(WatchRequest request) {
    request.watch_id = ++last_id_;
    watches_[last_id_].request = request;
    collector_.stream()->Create(std::move(request));
  }

  void Cancel(Random* random) {
    collector_.stream()->Cancel(
        static_cast<int64_t>(random->Below(static_cast<uint64_t>(last_id_ + 2))));
  }

  void RequestProgress() { collector_.stream()->RequestProgress(); }

  void Take(uint64_t responses_max) {
    for (uint64_t i = 0; i < responses_max; ++i) {
      const std::optional<WatchResponse> response = collector_.TryNext();
      if (!response) {
        return;
      }
      Note(*response);
    }
  }

  void TakeAll(int64_t revision) {
    for (const WatchResponse& response : collector_.Drain(revision)) {
      Note(response);
    }
  }

  // Holds what came to the model's events.
  void Compare(const ModelStore& model) const {
    for (const auto& [id, watch] : watches_) {
      SCOPED_TRACE(id);
      ASSERT_TRUE(watch.created_at.has_value());
      const int64_t start =
          watch.request.start_revision == 0 ? *watch.created_at + 1 : watch.request.start_revision;
      std::vector<std::string> expected;
      for (const ModelEvent& event : model.events()) {
        const bool is_filtered = event.is_delete ? watch.request.no_delete : watch.request.no_put;
        if (event.revision >= start && !is_filtered &&
            IsInRange(event.kv.key, watch.request.key, watch.request.range_end)) {
          expected.push_back(Text(event, watch.request.prev_kv));
        }
      }
      ASSERT_LE(watch.received.size(), expected.size());
      if (watch.is_over) {
        expected.resize(watch.received.size());
      }
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_LT(i, watch.received.size()) << "missing: " << expected[i];
        // A previous pair may have been compacted before the event was sent.
        if (watch.received[i] != expected[i]) {
          ASSERT_EQ(watch.received[i], expected[i].substr(0, expected[i].find(" was ")));
          ASSERT_LE(watch.received_revisions[i], model.compact_revision());
        }
      }
    }
  }

 private:
  static std::string Text(const ModelEvent& event, bool with_prev) {
    WatchEvent shown{.is_delete = event.is_delete, .kv = event.kv.view()};
    if (with_prev && event.prev) {
      shown.prev_kv = event.prev->view();
    }
    return Describe(shown);
  }

  void Note(const WatchResponse& response) {
    if (response.watch_id == -1) {
      ASSERT_FALSE(response.created) << response.cancel_reason;
      for (auto& [id, watch] : watches_) {
        if (watch.created_at && !watch.is_over) {
          ASSERT_LE(watch.request.start_revision, response.revision + 1);
          watch.last_revision = std::max(watch.last_revision, response.revision);
        }
      }
      return;
    }
    Watched& watch = watches_.at(response.watch_id);
    ASSERT_FALSE(watch.is_over) << "a response after the end";
    if (response.created) {
      ASSERT_FALSE(watch.created_at.has_value());
      watch.created_at = response.revision;
      return;
    }
    ASSERT_TRUE(watch.created_at.has_value()) << "a response before the creation";
    if (response.canceled) {
      watch.is_over = true;
      return;
    }
    ASSERT_FALSE(response.events.empty());
    ASSERT_GT(response.events.front().kv.mod_revision, watch.last_revision)
        << "a split revision, or one that progress was told for";
    for (const WatchEvent& event : response.events) {
      watch.received.push_back(Describe(event));
      watch.received_revisions.push_back(event.kv.mod_revision);
      watch.last_revision = event.kv.mod_revision;
    }
    ASSERT_GE(response.revision, watch.last_revision);
  }

  WatchCollector collector_;
  std::map<int64_t, Watched> watches_;
  int64_t last_id_ = 0;
};

class WatchSchedule {
 public:
  explicit WatchSchedule(uint64_t seed) : env_(seed), operations_(seed + 1) {
    StoreOptions options;
    options.directory = "/s";
    options.env = &env_;
    options.lease_hook = &hook_;
    options.map_size_bytes = uint64_t{256} << 20U;
    options.wal_segment_bytes = 1 << 20;
    options.batch_interval_nanos = kNanosPerMilli;
    options.batch_limit = 50;
    store_ = Store::Open(options).value();
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
    const uint64_t choice = random->Below(100);
    if (choice < 4) {
      consumer->Create(Request());
    } else if (choice < 6) {
      consumer->Cancel(random);
    } else if (choice < 8) {
      consumer->RequestProgress();
    } else if (choice < 20) {
      consumer->Take(random->Below(50));
    } else {
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
      consumer->Compare(model_);
    }
  }

 private:
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
    return request;
  }

  FaultEnv env_;
  RandomOperations operations_;
  ModelStore model_;
  MapLeaseHook hook_;
  std::unique_ptr<Store> store_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
};

TEST(WatchModel, EveryWatchGetsItsEventsInOrderOnceAndWhole) {
  const uint64_t seed = TestSeed();
  for (uint64_t run = 0; run < 6; ++run) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " run " << run);
    WatchSchedule schedule(seed + run);
    for (int i = 0; i < 2500 && !::testing::Test::HasFailure(); ++i) {
      schedule.Step();
    }
    if (!::testing::Test::HasFailure()) {
      schedule.Finish();
    }
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
}

}  // namespace
}  // namespace socle::mvcc
