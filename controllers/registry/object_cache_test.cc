#include "controllers/registry/object_cache.h"

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/registry/errors.h"
#include "controllers/registry/subscription_queue.h"
#include "controllers/registry/testing/stored_objects.h"
#include "controllers/storage/errors.h"
#include "kv/base/mutex.h"

namespace socle::registry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string Pod(std::string_view ns, std::string_view name, std::string_view node = {},
                std::string_view label = {}, std::string_view owner = {}) {
  return fmt::format(
      R"({{"metadata":{{"name":"{1}","namespace":"{0}","uid":"{0}-{1}","labels":{{"app":"{3}"}})"
      R"(,"ownerReferences":[{{"apiVersion":"v1","kind":"X","name":"o","uid":"{4}"}}]}},)"
      R"("spec":{{"nodeName":"{2}"}}}})",
      ns, name, node, label, owner);
}

std::vector<std::string> NamesOf(const std::vector<ObjectRef>& objects) {
  std::vector<std::string> names;
  for (const ObjectRef& object : objects) {
    names.push_back(object->ns.empty() ? object->name
                                       : fmt::format("{}/{}", object->ns, object->name));
  }
  return names;
}

const char* Word(ChangeType type) {
  switch (type) {
    case ChangeType::kAdded:
      return "+";
    case ChangeType::kModified:
      return "~";
    case ChangeType::kDeleted:
      return "-";
    case ChangeType::kBookmark:
      break;
  }
  return "?";
}

std::string Shown(const SelectedChange& change) {
  return fmt::format("{}{}@{}", Word(change.type), change.change->object->name, change.revision);
}

// A store whose watches of everything can be made to fail.
class BreakableStore final : public storage::StateStore {
 public:
  explicit BreakableStore(storage::StateStore* store) : store_(store) {}

  void Break(absl::Status why) {
    MutexLock lock(&mu_);
    broken_ = std::move(why);
    on_ready_();
  }

  absl::StatusOr<storage::GetResult> Get(const storage::GetRequest& request) override {
    return store_->Get(request);
  }

  absl::StatusOr<storage::ListPage> List(const storage::ListRequest& request) override {
    MutexLock lock(&mu_);
    broken_ = absl::OkStatus();  // Listed again, it goes on.
    return store_->List(request);
  }

  absl::StatusOr<int64_t> Count(std::string_view prefix) override { return store_->Count(prefix); }

  absl::StatusOr<int64_t> CurrentRevision() override { return store_->CurrentRevision(); }

  void Submit(storage::Write write, storage::WriteDone done) override {
    store_->Submit(std::move(write), std::move(done));
  }

  std::unique_ptr<storage::Watch> NewWatch(storage::WatchRequest request,
                                           std::function<void()> on_ready) override {
    {
      MutexLock lock(&mu_);
      on_ready_ = on_ready;
    }
    return std::make_unique<BreakableWatch>(
        this, store_->NewWatch(std::move(request), std::move(on_ready)));
  }

  absl::Status Compact(int64_t revision) override { return store_->Compact(revision); }

 private:
  class BreakableWatch final : public storage::Watch {
   public:
    BreakableWatch(BreakableStore* store, std::unique_ptr<storage::Watch> watch)
        : store_(store), watch_(std::move(watch)) {}

    absl::StatusOr<std::optional<storage::EventBatch>> Next() override {
      MutexLock lock(&store_->mu_);
      if (!store_->broken_.ok()) {
        return store_->broken_;
      }
      return watch_->Next();
    }

    void RequestBookmark() override { watch_->RequestBookmark(); }

   private:
    BreakableStore* const store_;
    const std::unique_ptr<storage::Watch> watch_;
  };

  storage::StateStore* const store_;
  Mutex mu_;
  absl::Status broken_ ABSL_GUARDED_BY(mu_);
  std::function<void()> on_ready_ ABSL_GUARDED_BY(mu_);
};

class ObjectCacheTest : public testing::Test {
 protected:
  void Open(CacheOptions options = {}) {
    auto opened = ObjectCache::Open(&store_, &api::KindRegistry::Builtin(), options);
    ASSERT_OK(opened);
    cache_ = *std::move(opened);
  }

  static const api::Kind& Pods() { return StoredObjects::Kind("pods"); }

  static Selection PodsWith(std::string_view fields, std::string_view labels = {},
                            std::string_view ns = {}) {
    Selection selection{.kind = &Pods(), .ns = std::string(ns)};
    selection.fields = *api::FieldSelector::Parse(fields, Pods().fields);
    selection.labels = *api::LabelSelector::Parse(labels);
    return selection;
  }

  // Goes before the cache does.
  std::unique_ptr<Subscription> Subscribe(Selection selection, int64_t after = 0) {
    auto made = cache_->Subscribe(std::move(selection), after, [this] { Ready(); });
    EXPECT_OK(made);
    return made.ok() ? *std::move(made) : nullptr;
  }

  void Ready() {
    MutexLock lock(&mu_);
    ++ready_;
    changed_.SignalAll();
  }

  int ready() {
    MutexLock lock(&mu_);
    return ready_;
  }

  // What there is, as text.
  static std::vector<std::string> Take(Subscription* subscription, size_t max = 100) {
    std::vector<std::string> shown;
    while (true) {
      const auto next = subscription->Next(max);
      if (!next.ok()) {
        shown.push_back(ErrorOf(next.status()).message);
        return shown;
      }
      if (next->empty()) {
        return shown;
      }
      EXPECT_LE(next->size(), max);
      for (const SelectedChange& change : *next) {
        shown.push_back(Shown(change));
      }
    }
  }

  // Until there is something.
  std::vector<std::string> Await(Subscription* subscription) {
    while (true) {
      int before = 0;
      {
        MutexLock lock(&mu_);
        before = ready_;
      }
      std::vector<std::string> shown = Take(subscription);
      if (!shown.empty()) {
        return shown;
      }
      MutexLock lock(&mu_);
      while (ready_ == before) {
        changed_.Wait(&mu_);
      }
    }
  }

  StoredObjects objects_;
  BreakableStore store_{objects_.store()};
  Mutex mu_;
  CondVar changed_;
  int ready_ ABSL_GUARDED_BY(mu_) = 0;
  std::unique_ptr<ObjectCache> cache_;
};

TEST_F(ObjectCacheTest, ShowsWhatIsStoredAtOpenAndEveryWriteThatWasAnswered) {
  objects_.Put("pods", Pod("a", "p1"));
  for (int i = 0; i < 2'500; ++i) {  // Several pages.
    objects_.Put("configmaps",
                 fmt::format(R"({{"metadata":{{"name":"c{}","namespace":"a"}}}})", i));
  }
  Open();
  EXPECT_EQ(cache_->Count(StoredObjects::Kind("configmaps")), 2'500U);
  ASSERT_NE(cache_->Get(Pods(), "a", "p1"), nullptr);
  const int64_t written = objects_.Put("pods", Pod("a", "p2"));
  ASSERT_OK(cache_->WaitUntilFresh());
  EXPECT_GE(cache_->revision(), written);
  ASSERT_NE(cache_->Get(Pods(), "a", "p2"), nullptr);
  EXPECT_EQ(cache_->Get(Pods(), "a", "p2")->mod_revision, written);
  objects_.Remove("pods", "a", "p1");
  ASSERT_OK(cache_->WaitUntilFresh());
  EXPECT_EQ(cache_->Get(Pods(), "a", "p1"), nullptr);
  EXPECT_EQ(cache_->Count(Pods()), 1U);
}

TEST_F(ObjectCacheTest, PassesOverKeysOfUnknownKindsAndDocumentsThatCannotBeRead) {
  for (const char* key :
       {"/registry/widgets/a/w", "/registry/example.com/widgets/a/w",
        "/registry/pods/without-namespace", "/registry/x", "/registry/nodes/a/b"}) {
    ASSERT_OK(objects_.store()->Run({.key = key, .document = "{}"}).status);
  }
  ASSERT_OK(objects_.store()->Run({.key = "/registry/pods/a/bad", .document = "{"}).status);
  objects_.Put("pods", Pod("a", "good"));
  Open();
  EXPECT_THAT(NamesOf(cache_->List({.kind = &Pods()})), ElementsAre("a/good"));
  ASSERT_OK(objects_.store()->Run({.key = "/registry/pods/a/bad2", .document = "["}).status);
  ASSERT_OK(cache_->WaitUntilFresh());
  EXPECT_THAT(NamesOf(cache_->List({.kind = &Pods()})), ElementsAre("a/good"));
}

TEST_F(ObjectCacheTest, ListsInTheOrderOfTheKeysAndByNamespace) {
  Open();
  for (const char* ns : {"a", "a-b", "a.b", "ab", "b"}) {
    objects_.Put("pods", Pod(ns, "p"));
    objects_.Put("pods", Pod(ns, "o"));
  }
  ASSERT_OK(cache_->WaitUntilFresh());
  const auto page = objects_.store()->List({.prefix = "/registry/pods/"});
  ASSERT_OK(page);
  std::vector<std::string> keys;
  for (const storage::ObjectView& object : page->objects) {
    keys.emplace_back(object.key.substr(sizeof("/registry/pods/") - 1));
  }
  EXPECT_EQ(NamesOf(cache_->List({.kind = &Pods()})), keys);
  EXPECT_THAT(NamesOf(cache_->List({.kind = &Pods(), .ns = "a"})), ElementsAre("a/o", "a/p"));
  EXPECT_THAT(NamesOf(cache_->List(PodsWith("metadata.name=o", "", "a-b"))), ElementsAre("a-b/o"));
  EXPECT_THAT(NamesOf(cache_->List(PodsWith("metadata.name=o,metadata.namespace!=b", ""))),
              ElementsAre("a-b/o", "a.b/o", "a/o", "ab/o"));
}

TEST_F(ObjectCacheTest, LookUpsFollowChangesOfWhatTheyLookAt) {
  objects_.Put("pods", Pod("a", "p", "n1", "web", "owner-1"));
  Open();
  objects_.Put("pods", Pod("a", "q", "n1", "web", "owner-1"));
  ASSERT_OK(cache_->WaitUntilFresh());
  EXPECT_THAT(NamesOf(cache_->ByField(Pods(), "spec.nodeName", "n1")), ElementsAre("a/p", "a/q"));
  EXPECT_THAT(NamesOf(cache_->OwnedBy(nullptr, "owner-1")), ElementsAre("a/p", "a/q"));
  EXPECT_THAT(NamesOf(cache_->OwnedBy(&Pods(), "owner-1")), ElementsAre("a/p", "a/q"));
  EXPECT_THAT(cache_->OwnedBy(&StoredObjects::Kind("secrets"), "owner-1"), IsEmpty());
  EXPECT_EQ(cache_->ByUid("a-p")->name, "p");

  objects_.Put("pods", Pod("a", "p", "n2", "web", "owner-2"));
  objects_.Remove("pods", "a", "q");
  ASSERT_OK(cache_->WaitUntilFresh());
  EXPECT_THAT(cache_->ByField(Pods(), "spec.nodeName", "n1"), IsEmpty());
  EXPECT_THAT(NamesOf(cache_->List(PodsWith("spec.nodeName=n2"))), ElementsAre("a/p"));
  EXPECT_THAT(cache_->OwnedBy(nullptr, "owner-1"), IsEmpty());
  EXPECT_THAT(NamesOf(cache_->OwnedBy(nullptr, "owner-2")), ElementsAre("a/p"));
  EXPECT_EQ(cache_->ByUid("a-q"), nullptr);
}

TEST_F(ObjectCacheTest, BothNamesOfAStoredResourceShowTheSameObjects) {
  Open();
  objects_.Put("inplacesets", R"({"metadata":{"name":"s","namespace":"a","uid":"u"}})");
  ASSERT_OK(cache_->WaitUntilFresh());
  const api::Kind& sets = StoredObjects::Kind("inplacesets");
  const api::Kind& kruise = StoredObjects::Kind("statefulsets");
  ASSERT_NE(cache_->Get(sets, "a", "s"), nullptr);
  EXPECT_EQ(cache_->Get(sets, "a", "s"), cache_->Get(kruise, "a", "s"));
  EXPECT_EQ(cache_->Get(kruise, "a", "s")->kind, &sets);
  const auto subscription = Subscribe({.kind = &kruise});
  EXPECT_THAT(Take(subscription.get()).size(), 1U);
}

TEST_F(ObjectCacheTest, ReachesARevisionThatHasNoEventForIt) {
  Open();
  const storage::WriteResult other = objects_.store()->Run({.key = "/elsewhere", .document = "x"});
  ASSERT_OK(other.status);
  ASSERT_OK(cache_->WaitUntilFresh());
  EXPECT_GE(cache_->revision(), other.revision);
}

TEST_F(ObjectCacheTest, CallsBackWhenARevisionIsReached) {
  Open();
  std::atomic<int> called = 0;
  cache_->WhenReached(1, [&called](const absl::Status& status) {
    EXPECT_OK(status);
    ++called;
  });
  EXPECT_EQ(called, 1);
  const int64_t next = cache_->revision() + 1;
  cache_->WhenReached(next, [&called](const absl::Status& status) {
    EXPECT_OK(status);
    ++called;
  });
  EXPECT_EQ(called, 1);
  objects_.Put("pods", Pod("a", "p"));
  ASSERT_OK(cache_->WaitFor(next));
  cache_->WhenFresh([&called](const absl::Status& status) {
    EXPECT_OK(status);
    ++called;
  });
  ASSERT_OK(cache_->WaitUntilFresh());
  cache_.reset();  // The feed has stopped: what ran, ran.
  EXPECT_EQ(called, 3);
}

TEST_F(ObjectCacheTest, FailsWhoWaitsWhenItIsStopped) {
  Open();
  absl::Status told;
  cache_->WhenReached(1'000, [&told](absl::Status status) { told = std::move(status); });
  cache_.reset();
  EXPECT_EQ(told.code(), absl::StatusCode::kUnavailable);
}

TEST_F(ObjectCacheTest, ASubscriberGetsWhatIsThereAndThenEveryChange) {
  const int64_t r1 = objects_.Put("pods", Pod("a", "p1"));
  const int64_t r2 = objects_.Put("pods", Pod("a", "p2"));
  Open();
  const auto subscription = Subscribe({.kind = &Pods()});
  EXPECT_THAT(Take(subscription.get(), 1),
              ElementsAre(fmt::format("+p1@{}", r1), fmt::format("+p2@{}", r2)));
  EXPECT_EQ(subscription->BookmarkRevision(), r2);
  const int64_t r3 = objects_.Put("pods", Pod("a", "p1", "n"));
  EXPECT_THAT(Await(subscription.get()), ElementsAre(fmt::format("~p1@{}", r3)));
  const int64_t r4 = objects_.Remove("pods", "a", "p1");
  EXPECT_THAT(Await(subscription.get()), ElementsAre(fmt::format("-p1@{}", r4)));
  objects_.Put("configmaps", R"({"metadata":{"name":"c","namespace":"a"}})");
  ASSERT_OK(cache_->WaitUntilFresh());
  EXPECT_EQ(ready(), 2);
  EXPECT_THAT(Take(subscription.get()), IsEmpty());
  EXPECT_EQ(subscription->BookmarkRevision(), r4 + 1);
}

TEST_F(ObjectCacheTest, ADeletedObjectShowsItsLastStateAtTheRevisionOfTheDeletion) {
  objects_.Put("pods", Pod("a", "p", "n7"));
  Open();
  const auto subscription = Subscribe({.kind = &Pods()}, cache_->revision());
  const int64_t gone = objects_.Remove("pods", "a", "p");
  ASSERT_OK(cache_->WaitUntilFresh());
  const auto next = subscription->Next(10);
  ASSERT_OK(next);
  ASSERT_EQ(next->size(), 1U);
  const Change& change = *next->front().change;
  EXPECT_EQ(change.type, ChangeType::kDeleted);
  EXPECT_EQ(change.object->FieldText("spec.nodeName"), "n7");
  EXPECT_EQ(change.object->mod_revision, gone);
  ASSERT_NE(change.previous, nullptr);
  EXPECT_LT(change.previous->mod_revision, gone);
}

TEST_F(ObjectCacheTest, ObjectsEnterAndLeaveASelection) {
  struct Case {
    const char* name;
    Selection selection;
  };

  Open();
  const Case cases[] = {{"by indexed field", PodsWith("spec.nodeName=n1")},
                        {"by label", PodsWith("", "app=n1")},
                        {"by label in a namespace", PodsWith("", "app in (n1,x)", "a")},
                        {"by name", PodsWith("metadata.name=p", "app=n1")},
                        {"by other field", PodsWith("spec.nodeName!=n2,spec.nodeName!=")}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const int64_t start = objects_.Put("pods", Pod("a", "p", "n2", "n2"));
    ASSERT_OK(cache_->WaitUntilFresh());
    const auto subscription = Subscribe(c.selection, start);
    objects_.Put("pods", Pod("a", "p", "n1", "n1"));
    objects_.Put("pods", Pod("a", "p", "n1", "n1", "o"));
    objects_.Put("pods", Pod("b", "q", "n3", "n3"));
    objects_.Put("pods", Pod("a", "p", "n2", "n2"));
    objects_.Put("pods", Pod("a", "p", "n2", "n2", "o"));
    ASSERT_OK(cache_->WaitUntilFresh());
    std::vector<std::string> shown = Take(subscription.get());
    std::erase_if(shown, [](const std::string& one) { return one.find('q') != std::string::npos; });
    EXPECT_THAT(shown, ElementsAre(fmt::format("+p@{}", start + 1), fmt::format("~p@{}", start + 2),
                                   fmt::format("-p@{}", start + 4)));
    objects_.Remove("pods", "b", "q");
  }
}

TEST_F(ObjectCacheTest, ASubscriberGoesOnFromARevisionOfTheHistory) {
  Open({.history_events_max = 4});
  std::vector<int64_t> written;
  for (int i = 0; i < 4; ++i) {
    written.push_back(objects_.Put("pods", Pod("a", fmt::format("p{}", i))));
  }
  ASSERT_OK(cache_->WaitUntilFresh());
  const auto subscription = Subscribe({.kind = &Pods()}, written[1]);
  EXPECT_EQ(subscription->BookmarkRevision(), written[1]);
  EXPECT_THAT(Take(subscription.get()),
              ElementsAre(fmt::format("+p2@{}", written[2]), fmt::format("+p3@{}", written[3])));
}

TEST_F(ObjectCacheTest, WhatTheHistoryHasLostComesFromTheStoreAndThenLive) {
  Open({.history_events_max = 2});
  std::vector<std::string> expected;
  const int64_t start = cache_->revision();
  for (int i = 0; i < 20; ++i) {
    expected.push_back(
        fmt::format("+p{}@{}", i, objects_.Put("pods", Pod("a", fmt::format("p{}", i)))));
  }
  ASSERT_OK(cache_->WaitUntilFresh());
  const auto subscription = Subscribe({.kind = &Pods()}, start);
  std::vector<std::string> shown;
  while (shown.size() < expected.size()) {
    for (std::string& one : Await(subscription.get())) {
      shown.push_back(std::move(one));
    }
  }
  EXPECT_EQ(shown, expected);
  const int64_t last = objects_.Put("pods", Pod("a", "p0", "n"));
  EXPECT_THAT(Await(subscription.get()), ElementsAre(fmt::format("~p0@{}", last)));
  EXPECT_EQ(subscription->BookmarkRevision(), last);
}

TEST_F(ObjectCacheTest, WhatTheStoreHasForgottenIsExpired) {
  Open({.history_events_max = 1});
  const int64_t start = cache_->revision();
  int64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    last = objects_.Put("pods", Pod("a", fmt::format("p{}", i)));
  }
  ASSERT_OK(cache_->WaitUntilFresh());
  ASSERT_OK(objects_.store()->Compact(last));
  const auto subscription = Subscribe({.kind = &Pods()}, start);
  EXPECT_THAT(Await(subscription.get()),
              ElementsAre(fmt::format("too old resource version: {} ({})", start, last - 1)));
  const auto again = subscription->Next(1);
  EXPECT_EQ(ReasonOf(again.status()), Reason::kExpired);
}

TEST_F(ObjectCacheTest, ARevisionOfTheFutureIsRefused) {
  Open();
  const auto refused = cache_->Subscribe({.kind = &Pods()}, cache_->revision() + 10, [] {});
  ASSERT_FALSE(refused.ok());
  const ApiError error = ErrorOf(refused.status());
  EXPECT_EQ(error.reason, Reason::kTimeout);
  ASSERT_EQ(error.causes.size(), 1U);
  EXPECT_EQ(error.causes[0].reason, "ResourceVersionTooLarge");
}

TEST_F(ObjectCacheTest, AQueueThatOverflowsExpiresAndHarmsNobody) {
  Open({.queue_events_max = 3});
  const auto slow = Subscribe({.kind = &Pods()});
  const auto quick = Subscribe({.kind = &Pods()});
  int64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    last = objects_.Put("pods", Pod("a", fmt::format("p{}", i)));
    ASSERT_OK(cache_->WaitUntilFresh());
    EXPECT_THAT(Take(quick.get()), ElementsAre(fmt::format("+p{}@{}", i, last)));
  }
  EXPECT_EQ(ReasonOf(slow->Next(10).status()), Reason::kExpired);
  EXPECT_EQ(ReasonOf(slow->Next(10).status()), Reason::kExpired);
}

TEST_F(ObjectCacheTest, ObserversSeeEachChangeAfterTheCacheShowsIt) {
  objects_.Put("pods", Pod("a", "old"));
  Open();
  std::vector<std::string> pods;
  std::vector<std::string> all;
  Observation of_pods = cache_->Observe(&Pods(), [&](const ChangeRef& change) {
    const Object& object = *change->object;
    const ObjectRef shown = cache_->Get(Pods(), object.ns, object.name);
    EXPECT_EQ(shown == nullptr, change->type == ChangeType::kDeleted);
    pods.push_back(fmt::format("{}{}", Word(change->type), object.name));
  });
  const Observation of_all = cache_->Observe(
      nullptr, [&](const ChangeRef& change) { all.push_back(change->object->name); });
  objects_.Put("pods", Pod("a", "p"));
  ASSERT_OK(cache_->WaitUntilFresh());
  objects_.Put("configmaps", R"({"metadata":{"name":"c","namespace":"a"}})");
  objects_.Remove("pods", "a", "p");
  ASSERT_OK(cache_->WaitUntilFresh());
  EXPECT_THAT(pods, ElementsAre("+p", "-p"));
  EXPECT_THAT(all, ElementsAre("p", "c", "p"));
  of_pods.reset();
  objects_.Put("pods", Pod("a", "q"));
  ASSERT_OK(cache_->WaitUntilFresh());
  EXPECT_THAT(pods, ElementsAre("+p", "-p"));
  EXPECT_EQ(all.size(), 4U);
}

TEST(SubscriptionTable, LooksAtAChangeOnlyForThoseWhomItMayConcern) {
  const api::Kind& pods = StoredObjects::Kind("pods");
  SubscriptionTable table(IndexedFieldsOf(pods));
  std::vector<QueueRef> queues;
  const auto add = [&](std::string_view fields, std::string_view ns) {
    Selection selection{.kind = &pods, .ns = std::string(ns)};
    selection.fields = *api::FieldSelector::Parse(fields, pods.fields);
    queues.push_back(std::make_shared<SubscriptionQueue>(
        std::move(selection), SubscriptionQueue::Start{}, size_t{10}, std::function<void()>()));
    table.Add(queues.back());
  };
  for (int i = 0; i < 10'000; ++i) {
    add(fmt::format("spec.nodeName=n{}", i), "");
  }
  for (int i = 0; i < 100; ++i) {
    add(fmt::format("metadata.name=p{}", i), "");
    add("", fmt::format("ns{}", i));
  }
  const auto object = [&](std::string_view node) {
    const auto decoded = DecodeObject(pods, "/registry/pods/ns1/p1", Pod("ns1", "p1", node), 1, 2);
    EXPECT_OK(decoded);
    return *decoded;
  };
  Change change;
  change.type = ChangeType::kModified;
  change.revision = 2;
  change.object = object("n1");
  change.previous = object("n2");
  std::vector<QueueRef> ready;
  // Of n1, of n2, of the name, of the namespace.
  EXPECT_EQ(table.Dispatch(std::make_shared<Change>(change), &ready), 4U);
  EXPECT_EQ(ready.size(), 4U);
  for (const QueueRef& queue : queues) {
    table.Remove(queue);
  }
  EXPECT_EQ(table.Dispatch(std::make_shared<Change>(change), &ready), 0U);
}

TEST(ChangeEncodings, EncodesOncePerForm) {
  const ChangeEncodings encodings;
  int made = 0;
  const auto encode = [&made] { return fmt::format("form {}", ++made); };
  const std::shared_ptr<const std::string> first = encodings.Get(1, encode);
  EXPECT_EQ(*first, "form 1");
  EXPECT_EQ(encodings.Get(1, encode), first);
  EXPECT_EQ(*encodings.Get(2, encode), "form 2");
  EXPECT_EQ(made, 2);
}

TEST_F(ObjectCacheTest, ListsAgainWhenTheStoreHasForgottenWhatItHasNotSeen) {
  objects_.Put("pods", Pod("a", "stays"));
  objects_.Put("pods", Pod("a", "changes"));
  objects_.Put("pods", Pod("a", "goes"));
  Open();
  std::vector<std::string> observed;
  const Observation observation = cache_->Observe(&Pods(), [&](const ChangeRef& change) {
    observed.push_back(fmt::format("{}{}", Word(change->type), change->object->name));
  });
  const auto subscription = Subscribe({.kind = &Pods()}, cache_->revision());
  // The feed sees the break first: these come by the list.
  store_.Break(storage::MakeError(storage::StorageError::kExpired));
  objects_.Put("pods", Pod("a", "changes", "n1"));
  objects_.Remove("pods", "a", "goes");
  objects_.Put("pods", Pod("a", "comes"));
  ASSERT_OK(cache_->WaitUntilFresh());
  EXPECT_THAT(NamesOf(cache_->List({.kind = &Pods()})),
              ElementsAre("a/changes", "a/comes", "a/stays"));
  EXPECT_EQ(cache_->Get(Pods(), "a", "changes")->FieldText("spec.nodeName"), "n1");
  EXPECT_THAT(observed, testing::UnorderedElementsAre("~changes", "-goes", "+comes"));
  EXPECT_EQ(ReasonOf(subscription->Next(10).status()), Reason::kExpired);
  objects_.Put("pods", Pod("a", "later"));
  ASSERT_OK(cache_->WaitUntilFresh());
  EXPECT_NE(cache_->Get(Pods(), "a", "later"), nullptr);
}

TEST_F(ObjectCacheTest, TellsEverybodyWhenItHasLostTheStore) {
  Open();
  const auto subscription = Subscribe({.kind = &Pods()});
  store_.Break(absl::DataLossError("a broken page"));
  EXPECT_EQ(ReasonOf(cache_->WaitFor(1'000)), Reason::kUnavailable);
  EXPECT_EQ(ReasonOf(subscription->Next(10).status()), Reason::kUnavailable);
  EXPECT_EQ(ReasonOf(cache_->Subscribe({.kind = &Pods()}, 0, [] {}).status()),
            Reason::kUnavailable);
}

}  // namespace
}  // namespace socle::registry
