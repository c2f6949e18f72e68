#include "controllers/storage/etcd_store.h"

#include "controllers/storage/etcd_messages.h"
#include "controllers/storage/etcd_watch.h"
#include "controllers/storage/testing/random_run.h"
#include "controllers/storage/testing/state_store_suite.h"
#include "kv/testing/seed.h"
#include "server/wire/client/testing/etcd_server.h"

namespace socle::storage {
namespace {

using server::EtcdServer;

constexpr size_t kSmallQueueBytes = 200'000;

absl::StatusOr<StoreUnderTest> OpenEtcd(const std::string& directory) {
  ASSIGN_OR_RETURN(std::shared_ptr<EtcdServer> server, EtcdServer::Start(directory));
  ASSIGN_OR_RETURN(auto store, EtcdStore::Open({.endpoints = {server->endpoint()},
                                                .watch_bytes_max = kSmallQueueBytes}));
  StoreUnderTest opened;
  opened.answers_bookmark_requests = store->answers_bookmark_requests();
  opened.surroundings = std::move(server);
  opened.store = std::move(store);
  return opened;
}

INSTANTIATE_TEST_SUITE_P(Etcd, StateStoreSuite,
                         testing::Values(StateStoreCase{.name = "Server", .open = OpenEtcd}),
                         StateStoreCaseName);

class EtcdStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    auto server = EtcdServer::Start(dir_.path());
    if (absl::IsNotFound(server.status())) {
      GTEST_SKIP() << server.status();
    }
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    auto store = EtcdStore::Open({.endpoints = {server_->endpoint()}});
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }

  TempDir dir_;
  std::unique_ptr<EtcdServer> server_;
  std::unique_ptr<EtcdStore> store_;
};

TEST_F(EtcdStoreTest, AgreesWithAMapOfEveryRevision) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  RandomRun run(seed);
  run.Steps(store_.get(), 250);
  run.CompareWatch(store_.get());
}

TEST_F(EtcdStoreTest, AWatchGoesOnAfterItsServerDied) {
  WatchReader reader(store_.get(), {.prefix = "/r/", .after_revision = 1});
  ASSERT_OK(store_->Run({.key = "/r/a", .document = "before"}).status);
  ASSERT_OK(reader.NextEvents(1));
  server_->child()->Kill();
  const WriteResult lost = store_->Run({.key = "/r/b", .document = "lost"});
  EXPECT_THAT(lost.status, HasError(StorageError::kOutcomeUnknown));
  EXPECT_THAT(store_->Get({.key = "/r/a"}), HasError(StorageError::kUnavailable));
  ASSERT_OK(server_->Restart());
  ASSERT_OK_AND_ASSIGN(const GetResult got, store_->Get({.key = "/r/b"}));
  EXPECT_FALSE(got.object);
  const WriteResult after = store_->Run({.key = "/r/c", .document = "after"});
  ASSERT_OK(after.status);
  ASSERT_OK_AND_ASSIGN(const std::vector<SeenEvent> events, reader.NextEvents(1));
  EXPECT_THAT(events, testing::ElementsAre(SeenEvent{
                          .key = "/r/c", .document = "after", .revision = after.revision}));
}

TEST_F(EtcdStoreTest, HistoryThatComesInPartsKeepsRevisionsWhole) {
  const std::string filler(100'000, 'x');
  for (int i = 0; i < 50; ++i) {
    ASSERT_OK(store_->Run({.key = fmt::format("/r/{}", i), .document = filler}).status);
  }
  WatchReader reader(store_.get(), {.prefix = "/r/", .after_revision = 1});
  int64_t at = 1;
  while (at < 51) {
    ASSERT_OK_AND_ASSIGN(const EventBatch batch, reader.NextBatch());
    for (const Event& event : batch.events) {
      ASSERT_EQ(event.object.mod_revision, ++at);
      ASSERT_EQ(event.object.document.size(), filler.size());
    }
  }
}

TEST_F(EtcdStoreTest, AsksForProgressWhereTheAnswerCanBeTrusted) {
  ASSERT_OK_AND_ASSIGN(auto cluster,
                       EtcdCluster::Open({server_->endpoint()}, 10 * kNanosPerSecond));
  const auto open = [&cluster](std::function<void()> on_ready) {
    return std::make_unique<EtcdWatch>(std::make_shared<EtcdWatchStream>(
        cluster.get(), WatchRequest{.prefix = "/r/"},
        EtcdWatchStream::Options{.asks_for_progress = true}, std::move(on_ready)));
  };
  WatchReader reader(open);
  ASSERT_OK_AND_ASSIGN(const EventBatch first, reader.NextBatch());
  EXPECT_EQ(first.revision, 1);
  const WriteResult other = store_->Run({.key = "/s", .document = "not watched"});
  ASSERT_OK(other.status);
  reader.watch()->RequestBookmark();
  ASSERT_OK_AND_ASSIGN(const EventBatch second, reader.NextBatch());
  EXPECT_TRUE(second.is_bookmark());
  EXPECT_EQ(second.revision, other.revision);
}

TEST_F(EtcdStoreTest, ReadsGoToTheNextMemberWhenOneIsGone) {
  const TempDir other_dir;
  ASSERT_OK_AND_ASSIGN(auto other, EtcdServer::Start(other_dir.path()));
  ASSERT_OK_AND_ASSIGN(auto store,
                       EtcdStore::Open({.endpoints = {server_->endpoint(), other->endpoint()}}));
  server_->child()->Kill();
  EXPECT_OK(store->Get({.key = "/r/a"}));
  EXPECT_OK(store->Run({.key = "/r/a", .document = "at the other one"}).status);
}

TEST(EtcdStore, DoesNotOpenWithoutAMember) {
  EXPECT_THAT(EtcdStore::Open({.endpoints = {"http://127.0.0.1:1"}}),
              HasError(StorageError::kUnavailable));
  EXPECT_THAT(EtcdStore::Open({}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(EtcdMessages, KnowWhichVersionsAnswerProgressInOrder) {
  const struct {
    const char* version;
    bool expected;
  } kCases[] = {{"3.4.23", false}, {"3.4.31", true},  {"3.5.12", false}, {"3.5.13", true},
                {"3.6.0", true},   {"3.3.99", false}, {"4.0.0", true},   {"3.6.0-rc.1", true},
                {"3.5.x", false},  {"", false},       {"3", false}};

  for (const auto& row : kCases) {
    EXPECT_EQ(AnswersProgressInOrder(row.version), row.expected) << row.version;
  }
}

TEST(EtcdMessages, TellRefusedWritesFromLostOnes) {
  const struct {
    absl::Status status;
    StorageError read;
    StorageError write;
  } kCases[] = {
      {absl::UnavailableError("connection lost"), StorageError::kUnavailable,
       StorageError::kOutcomeUnknown},
      {absl::UnavailableError("etcdserver: request timed out"), StorageError::kUnavailable,
       StorageError::kOutcomeUnknown},
      {absl::DeadlineExceededError("late"), StorageError::kUnavailable,
       StorageError::kOutcomeUnknown},
      {absl::UnavailableError("etcdserver: no leader"), StorageError::kUnavailable,
       StorageError::kUnavailable},
      {absl::UnknownError("etcdserver: too many requests"), StorageError::kUnavailable,
       StorageError::kUnavailable},
      {absl::NotFoundError("etcdserver: requested lease not found"), StorageError::kUnavailable,
       StorageError::kUnavailable},
      {absl::ResourceExhaustedError("etcdserver: mvcc: database space exceeded"),
       StorageError::kNoSpace, StorageError::kNoSpace},
      {absl::ResourceExhaustedError("grpc: received message larger than max"),
       StorageError::kTooLarge, StorageError::kTooLarge},
  };

  for (const auto& row : kCases) {
    SCOPED_TRACE(row.status.ToString());
    EXPECT_EQ(ErrorOf(TranslateRead(row.status)), row.read);
    EXPECT_EQ(ErrorOf(TranslateWrite(row.status)), row.write);
  }
  const absl::Status denied = absl::PermissionDeniedError("etcdserver: permission denied");
  EXPECT_EQ(TranslateWrite(denied), denied);
}

}  // namespace
}  // namespace socle::storage
