#include "controllers/storage/embedded_store.h"

#include <atomic>
#include <semaphore>

#include "controllers/storage/answer.h"
#include "controllers/storage/testing/state_store_suite.h"
#include "kv/testing/fault_env.h"
#include "mvcc/errors.h"

namespace socle::storage {
namespace {

mvcc::StoreOptions SmallOptions(const std::string& directory, Env* env = nullptr) {
  mvcc::StoreOptions options;
  options.directory = directory;
  options.env = env;
  options.map_size_bytes = uint64_t{1} << 30U;
  options.wal_segment_bytes = 1 << 20;
  return options;
}

absl::StatusOr<StoreUnderTest> OpenEmbedded(const std::string& directory) {
  ASSIGN_OR_RETURN(auto store, EmbeddedStore::Open(SmallOptions(directory)));
  return StoreUnderTest{.surroundings = nullptr, .store = std::move(store)};
}

INSTANTIATE_TEST_SUITE_P(Embedded, StateStoreSuite,
                         testing::Values(StateStoreCase{.name = "Bolt", .open = OpenEmbedded}),
                         StateStoreCaseName);

TEST(EmbeddedStore, KeepsObjectsRevisionsAndTtlsOverARestart) {
  const TempDir dir;
  int64_t last = 0;
  {
    ASSERT_OK_AND_ASSIGN(auto store, EmbeddedStore::Open(SmallOptions(dir.path())));
    ASSERT_OK(store->Run({.key = "/r/a", .document = "kept"}).status);
    const WriteResult event =
        store->Run({.key = "/events/a", .document = "brief", .ttl_seconds = 1});
    ASSERT_OK(event.status);
    last = event.revision;
  }
  ASSERT_OK_AND_ASSIGN(auto store, EmbeddedStore::Open(SmallOptions(dir.path())));
  ASSERT_OK_AND_ASSIGN(const ListPage page, store->List({.prefix = "/r/"}));
  ASSERT_EQ(page.objects.size(), 1U);
  EXPECT_EQ(page.objects[0].document, "kept");
  EXPECT_EQ(page.objects[0].mod_revision, last - 1);
  WatchReader reader(store.get(), {.prefix = "/events/", .after_revision = last});
  ASSERT_OK_AND_ASSIGN(const std::vector<SeenEvent> events, reader.NextEvents(1));
  EXPECT_EQ(events[0].type, EventType::kDeleted);
}

TEST(EmbeddedStore, AfterAFailedSyncEveryWriteFailsWithTheFirstErrorAndReadsGoOn) {
  FaultEnv env(7);
  ASSERT_OK_AND_ASSIGN(auto store, EmbeddedStore::Open(SmallOptions("/s", &env)));
  ASSERT_OK(store->Run({.key = "/r/a", .document = "one"}).status);
  env.FailCall(CallKind::kSync, 1);
  const WriteResult failed = store->Run({.key = "/r/b", .document = "two"});
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(ErrorOf(failed.status), std::nullopt);
  const WriteResult later = store->Run({.key = "/r/c", .document = "three"});
  EXPECT_EQ(later.status, failed.status);
  ASSERT_OK_AND_ASSIGN(const ListPage page, store->List({.prefix = "/r/"}));
  EXPECT_EQ(page.objects.size(), 1U);
}

TEST(EmbeddedStore, AResultKeepsItsBytesWhileTheObjectChanges) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(auto store, EmbeddedStore::Open(SmallOptions(dir.path())));
  WriteResult written = store->Run({.key = "/r/a", .document = "first"});
  {
    ASSERT_OK_AND_ASSIGN(const GetResult held, store->Get({.key = "/r/a"}));
    for (int i = 0; i < 200; ++i) {
      written = store->Run({.kind = WriteKind::kUpdate,
                            .key = "/r/a",
                            .document = std::string(2'000, static_cast<char>('a' + i % 26)),
                            .expected_revision = written.revision});
      ASSERT_OK(written.status);
    }
    ASSERT_OK(store->Compact(written.revision));
    ASSERT_OK(store->engine()->CommitAndRead());
    EXPECT_EQ(held.object->document, "first");
  }
  EXPECT_OK(store->engine()->Check());
}

TEST(EmbeddedStore, ABatchCostsAtMostTwoSyncsOfTheLog) {
  FaultEnv env(7);
  std::atomic<int> log_syncs{0};
  ASSERT_OK_AND_ASSIGN(auto store,
                       EmbeddedStore::Open(SmallOptions("/s", &env),
                                           {.wal_sync = [&log_syncs](int64_t) { ++log_syncs; }}));
  // The disk stands still until the whole batch is submitted.
  std::binary_semaphore may_sync(0);
  std::atomic<bool> is_first{true};
  env.SetObserver([&](CallKind kind, const std::string& path) {
    if (kind == CallKind::kSync && path.find("socle-wal") != std::string::npos &&
        is_first.exchange(false)) {
      may_sync.acquire();
    }
  });
  log_syncs = 0;
  std::vector<Write> writes;
  for (int i = 0; i < 100; ++i) {
    writes.push_back({.key = fmt::format("/r/{}", i), .document = "x"});
  }
  Answer<std::vector<WriteResult>> answer;
  store->SubmitAll(std::move(writes), [&answer](std::vector<WriteResult> results) {
    answer.Give(std::move(results));
  });
  may_sync.release();
  for (const WriteResult& result : answer.Take()) {
    EXPECT_OK(result.status);
  }
  EXPECT_LE(log_syncs, 2);
  env.SetObserver(nullptr);
}

}  // namespace
}  // namespace socle::storage
