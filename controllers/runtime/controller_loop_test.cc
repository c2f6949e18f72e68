// ControllerLoop, Runtime, WriteBatch and EventRecorder on a real plane.
#include "controllers/runtime/controller_loop.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/runtime/write_batch.h"
#include "controllers/testing/plane_fixture.h"

namespace socle::runtime {
namespace {

using registry::Written;
using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

std::string ConfigMap(std::string_view name, std::string_view value = "") {
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}"}},"data":{{"k":"{}"}}}})",
      name, value);
}

// Copies data.k of each ConfigMap to the Secret of its name, and counts how often.
class Copier final : public Reconciler {
 public:
  explicit Copier(Runtime* runtime) : runtime_(runtime) {}

  absl::StatusOr<ReconcileResult> Reconcile(const std::string& key) override {
    const SplitKey split = Split(key);
    {
      MutexLock lock(&mu_);
      times_[key].push_back(runtime_->clock()->MonotonicNanos() / kNanosPerMilli);
      if (failures_left_ > 0) {
        --failures_left_;
        return absl::InternalError("planted");
      }
    }
    const registry::ObjectRef map =
        runtime_->cache()->Get(*runtime_->Served("", "configmaps")->kind, split.ns, split.name);
    if (map == nullptr) {
      return ReconcileResult{};
    }
    const registry::Target secret{.served = runtime_->Served("", "secrets"),
                                  .ns = std::string(split.ns),
                                  .name = std::string(split.name)};
    api::Json data = api::JsonObject{{"k", *api::Find(map->Parse(), {"data", "k"})}};
    if (runtime_->cache()->Get(*secret.served->kind, secret.ns, secret.name) == nullptr) {
      RETURN_IF_ERROR(runtime_->registry()
                          ->Create(registry::PlaneContext("copier"),
                                   {.target = secret,
                                    .object = {{"apiVersion", "v1"},
                                               {"kind", "Secret"},
                                               {"metadata", {{"name", secret.name}}},
                                               {"stringData", data}}})
                          .status());
    }
    return ReconcileResult{.again_after_nanos = again_after_nanos_};
  }

  std::vector<int64_t> TimesOf(const std::string& key) {
    MutexLock lock(&mu_);
    return times_[key];
  }

  void FailNext(int count) {
    MutexLock lock(&mu_);
    failures_left_ = count;
  }

  std::optional<int64_t> again_after_nanos_;  // before the start

 private:
  Runtime* const runtime_;
  Mutex mu_;
  std::map<std::string, std::vector<int64_t>> times_ ABSL_GUARDED_BY(mu_);
  int failures_left_ ABSL_GUARDED_BY(mu_) = 0;
};

class CopierController final : public Controller {
 public:
  CopierController(Runtime* runtime, ControllerOptions options,
                   std::optional<int64_t> again_after_nanos)
      : copier_(runtime) {
    copier_.again_after_nanos_ = again_after_nanos;
    loop_ = ControllerLoop::Start(runtime, std::move(options), &copier_);
    loop_->Keep(EnqueueChanges(runtime, *runtime->Served("", "configmaps")->kind, loop_->queue()));
  }

  std::string_view name() const override { return "copier"; }

  LoopStats stats() const override { return loop_->stats(); }

  Copier* copier() { return &copier_; }

 private:
  Copier copier_;
  std::unique_ptr<ControllerLoop> loop_;
};

class ControllerLoopTest : public plane_testing::PlaneFixture {
 protected:
  plane_testing::Controllers StartControllers(Runtime* on) override {
    auto made = std::make_unique<CopierController>(on, options_, again_after_nanos_);
    controller_ = made.get();
    plane_testing::Controllers controllers;
    controllers.push_back(std::move(made));
    return controllers;
  }

  // Keys of the ConfigMaps only.
  std::vector<int64_t> TimesOf(const std::string& name) {
    return controller_->copier()->TimesOf("default/" + name);
  }

  ControllerOptions options_{.name = "copier"};
  std::optional<int64_t> again_after_nanos_;
  CopierController* controller_ = nullptr;
};

TEST_F(ControllerLoopTest, ReconcilesWhatChangesAndComesToRest) {
  for (int i = 0; i < 50; ++i) {
    Apply(ConfigMap(fmt::format("c{}", i), "v"));
  }
  Settle();
  EXPECT_EQ(Count("secrets"), 50U);
  EXPECT_GE(controller_->stats().reconciles, 50U);
  EXPECT_EQ(controller_->stats().failures, 0U);
  EXPECT_TRUE(runtime()->is_idle());
}

TEST_F(ControllerLoopTest, GoesOnAfterARestart) {
  Apply(ConfigMap("a"));
  Settle();
  Close();
  Open();
  Settle();
  EXPECT_EQ(TimesOf("a").size(), 1U);
  Apply(ConfigMap("b"));
  Settle();
  EXPECT_TRUE(Has("secrets", "b"));
}

TEST_F(ControllerLoopTest, TriesAgainWithGrowingDelay) {
  controller_->copier()->FailNext(3);
  Apply(ConfigMap("a"));
  EXPECT_TRUE(RunUntil([&] { return Has("secrets", "a"); }, 10));
  const std::vector<int64_t> times = TimesOf("a");
  ASSERT_EQ(times.size(), 4U);
  EXPECT_GE(times[3] - times[0], 5 + 10 + 20);
  EXPECT_EQ(controller_->stats().failures, 3U);
  // Once it has worked, the delays begin anew.
  controller_->copier()->FailNext(1);
  Apply(ConfigMap("a", "other"));
  EXPECT_TRUE(RunUntil([&] { return TimesOf("a").size() == 6; }, 10));
  EXPECT_LE(TimesOf("a")[5] - TimesOf("a")[4], 20);
}

class AgainTest : public ControllerLoopTest {
 protected:
  AgainTest() { again_after_nanos_ = 60 * kNanosPerSecond; }
};

TEST_F(AgainTest, ReconcilesAgainWhenItIsAskedTo) {
  Apply(ConfigMap("a"));
  Advance(301);
  EXPECT_EQ(TimesOf("a").size(), 6U);
}

class IntervalTest : public ControllerLoopTest {
 protected:
  IntervalTest() { options_.interval_min_nanos = kNanosPerSecond; }
};

TEST_F(IntervalTest, AStormOfChangesIsOnePassPerInterval) {
  for (int i = 0; i < 20; ++i) {
    Apply(ConfigMap("a", fmt::format("{}", i)));
    Settle();
  }
  EXPECT_EQ(TimesOf("a").size(), 1U);
  Advance(5);
  const std::vector<int64_t> times = TimesOf("a");
  ASSERT_EQ(times.size(), 2U);
  EXPECT_GE(times[1] - times[0], 1'000);
}

class EnqueueOwnersTest : public plane_testing::PlaneFixture {};

TEST_F(EnqueueOwnersTest, BothTheOldAndTheNewControllerHearOfAChange) {
  const api::Kind& pods = *Served("pods")->kind;
  const api::Kind& sets = *Served("inplacesets")->kind;
  const std::unique_ptr<WorkQueue> queue = WorkQueue::Make(timers());
  const registry::Observation observation = EnqueueOwners(runtime(), pods, sets, queue.get());
  const auto owner = [](std::string_view kind, std::string_view name) {
    return fmt::format(
        R"({{"metadata":{{"ownerReferences":[{{"apiVersion":"apps.kruise.io/v1alpha1",)"
        R"("kind":"{}","name":"{}","uid":"u-{}","controller":true}}]}}}})",
        kind, name, name);
  };
  Apply(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},)"
        R"("spec":{"containers":[{"name":"c","image":"i"}]}})");
  Settle();
  EXPECT_EQ(queue->waiting(), 0U);
  Patch("pods", "p", owner("StatefulSet", "one"));
  Settle();
  ASSERT_EQ(queue->waiting(), 1U);
  EXPECT_EQ(queue->Take(), "default/one");
  queue->Done("default/one");
  Patch("pods", "p", owner("StatefulSet", "two"));
  Settle();
  EXPECT_THAT((std::vector<std::string>{*queue->Take(), *queue->Take()}),
              UnorderedElementsAre("default/one", "default/two"));
  queue->Done("default/one");
  queue->Done("default/two");
  Patch("pods", "p", owner("BroadcastJob", "three"));
  Settle();
  EXPECT_EQ(queue->Take(), "default/two");
  EXPECT_EQ(queue->waiting(), 0U);
}

class WriteBatchTest : public plane_testing::PlaneFixture {};

TEST_F(WriteBatchTest, GivesTheResultsInTheOrderOfTheWrites) {
  Apply(ConfigMap("c3"));
  WriteBatch batch;
  for (int i = 0; i < 6; ++i) {
    registry()->Create(registry::PlaneContext("test"),
                       {.target = TargetOf("configmaps", fmt::format("c{}", i)),
                        .object = api::Literal(ConfigMap(fmt::format("c{}", i)))},
                       batch.Add());
  }
  const std::vector<absl::StatusOr<Written>> results = batch.Wait();
  ASSERT_EQ(results.size(), 6U);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(results[i].ok(), i != 3) << i;
  }
  EXPECT_TRUE(batch.Wait().empty());
}

class EventRecorderTest : public plane_testing::PlaneFixture {
 protected:
  registry::ObjectRef About(std::string_view name) {
    Apply(ConfigMap(name));
    return Find("configmaps", name);
  }

  void Record(const registry::ObjectRef& about, std::string_view reason,
              std::string_view message = "m") {
    runtime()->events()->Record("tester", *about, EventType::kNormal, reason, message);
  }
};

TEST_F(EventRecorderTest, WritesWhatHappenedToWhom) {
  const registry::ObjectRef about = About("a");
  runtime()->events()->Record("tester", *about, EventType::kWarning, "Broke", "it broke");
  Settle();
  const std::vector<api::Json> events = List("events");
  ASSERT_EQ(events.size(), 1U);
  const api::Json& event = events[0];
  EXPECT_TRUE(api::StringAt(event, {"metadata", "name"}).starts_with("a."));
  EXPECT_EQ(api::StringAt(event, {"metadata", "namespace"}), "default");
  EXPECT_EQ(api::StringAt(event, {"involvedObject", "kind"}), "ConfigMap");
  EXPECT_EQ(api::StringAt(event, {"involvedObject", "apiVersion"}), "v1");
  EXPECT_EQ(api::StringAt(event, {"involvedObject", "uid"}), about->uid);
  EXPECT_EQ(api::StringAt(event, {"type"}), "Warning");
  EXPECT_EQ(api::StringAt(event, {"reason"}), "Broke");
  EXPECT_EQ(api::StringAt(event, {"message"}), "it broke");
  EXPECT_EQ(api::StringAt(event, {"source", "component"}), "tester");
  EXPECT_EQ(api::IntAt(event, {"count"}), 1);
}

TEST_F(EventRecorderTest, CountsWhatHappensAgain) {
  const registry::ObjectRef about = About("a");
  for (int i = 0; i < 3; ++i) {
    Record(about, "Same");
    Settle();
    Advance(10);
  }
  for (int i = 0; i < 4; ++i) {
    Record(about, "Same");  // Without a rest: written together, or one by one.
  }
  Settle();
  const std::vector<api::Json> events = List("events");
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(api::IntAt(events[0], {"count"}), 7);
  EXPECT_LT(api::StringAt(events[0], {"firstTimestamp"}),
            api::StringAt(events[0], {"lastTimestamp"}));
  EXPECT_EQ(EventsAbout("a").size(), 7U);
}

TEST_F(EventRecorderTest, BeginsAnewWhenTheEventIsGone) {
  const registry::ObjectRef about = About("a");
  Record(about, "Same");
  Settle();
  Delete("events", Names("events").front());
  Record(about, "Same");
  Settle();
  EXPECT_EQ(Count("events"), 1U);
}

TEST_F(EventRecorderTest, OneObjectGetsOnlySoManyNewEvents) {
  const registry::ObjectRef noisy = About("noisy");
  const registry::ObjectRef quiet = About("quiet");
  for (int i = 0; i < 40; ++i) {
    Record(noisy, "Reason", fmt::format("message {}", i));
  }
  Record(quiet, "Reason");
  Settle();
  EXPECT_EQ(EventsAbout("noisy").size(), 25U);
  EXPECT_EQ(EventsAbout("quiet").size(), 1U);
  EXPECT_EQ(runtime()->events()->dropped(), 15U);
  Advance(301);
  Record(noisy, "Reason", "one more");
  Record(noisy, "Reason", "too many");
  Settle();
  EXPECT_EQ(EventsAbout("noisy").size(), 26U);
}

TEST_F(EventRecorderTest, DropsWhatCannotBeWritten) {
  registry::Object about;
  about.kind = Served("configmaps")->kind;
  about.ns = "no-such-namespace";
  about.name = "a";
  about.uid = "u";
  runtime()->events()->Record("tester", about, EventType::kNormal, "R", "m");
  Settle();
  EXPECT_EQ(Count("events"), 0U);
  EXPECT_EQ(runtime()->events()->dropped(), 1U);
}

class PlaneFixtureTest : public plane_testing::PlaneFixture {};

TEST_F(PlaneFixtureTest, KeepsWhatIsStoredAndTheTimeOverARestart) {
  Apply(ConfigMap("a", "1"));
  Apply(ConfigMap("a", "2"));
  Advance(100);
  const int64_t now = clock()->WallNanos();
  Restart();
  EXPECT_EQ(clock()->WallNanos(), now);
  EXPECT_EQ(api::StringAt(Get("configmaps", "default/a"), {"data", "k"}), "2");
  EXPECT_THAT(Names("configmaps"), ElementsAre("a"));
}

TEST_F(PlaneFixtureTest, MovesTimeToTheNextTimerAndNotBeyond) {
  std::vector<int64_t> ran;
  const int64_t start = clock()->MonotonicNanos();
  for (const int64_t second : {5, 20, 7}) {
    timers()->After(second * kNanosPerSecond, [&, this] {
      ran.push_back((clock()->MonotonicNanos() - start) / kNanosPerSecond);
    });
  }
  EXPECT_TRUE(RunUntil([&] { return ran.size() == 2; }, 10));
  EXPECT_THAT(ran, ElementsAre(5, 7));
  EXPECT_FALSE(RunUntil([&] { return ran.size() == 3; }, 10));
  Advance(3);
  EXPECT_THAT(ran, ElementsAre(5, 7, 20));
  EXPECT_EQ(clock()->MonotonicNanos() - start, 20 * kNanosPerSecond);
}

}  // namespace
}  // namespace socle::runtime
