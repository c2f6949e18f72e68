// StateStoreSuite: what every StateStore must do; a test instantiates it for its store.
//
//   INSTANTIATE_TEST_SUITE_P(Embedded, StateStoreSuite, testing::Values(…), StateStoreCaseName);
//
// Source   controllers/storage/state_store.h laws 1 to 4.
#ifndef SOCLE_CONTROLLERS_STORAGE_TESTING_STATE_STORE_SUITE_H_
#define SOCLE_CONTROLLERS_STORAGE_TESTING_STATE_STORE_SUITE_H_

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/storage/errors.h"
#include "controllers/storage/state_store.h"
#include "controllers/storage/testing/state_store_fixture.h"
#include "controllers/storage/testing/watch_reader.h"
#include "kv/base/thread.h"
#include "kv/testing/status_matchers.h"

namespace socle::storage {

TEST_P(StateStoreSuite, CreatesReadsUpdatesAndDeletesAtRisingRevisions) {
  const int64_t created = Create("/r/a", "one");
  const int64_t updated = Update("/r/a", "two", created);
  EXPECT_GT(updated, created);
  const auto got = store()->Get({.key = "/r/a"});
  ASSERT_THAT(got, IsOk());
  ASSERT_TRUE(got->object);
  EXPECT_EQ(got->object->key, "/r/a");
  EXPECT_EQ(got->object->document, "two");
  EXPECT_EQ(got->object->create_revision, created);
  EXPECT_EQ(got->object->mod_revision, updated);
  const int64_t deleted = Delete("/r/a", updated);
  EXPECT_GT(deleted, updated);
  EXPECT_EQ(DocumentOf("/r/a"), "-");
  EXPECT_THAT(store()->CurrentRevision(), IsOkAndHolds(deleted));
  EXPECT_GT(Create("/r/a", "again"), deleted);
}

TEST_P(StateStoreSuite, ACreationOfAnExistingKeyIsRefusedAndWritesNothing) {
  const int64_t created = Create("/r/a", "one");
  const WriteResult refused = store()->Run({.key = "/r/a", .document = "other"});
  EXPECT_THAT(refused.status, HasError(StorageError::kAlreadyExists));
  EXPECT_EQ(refused.revision, created);
  ASSERT_TRUE(refused.current);
  EXPECT_EQ(refused.current->document, "one");
  EXPECT_EQ(DocumentOf("/r/a"), "one");
  EXPECT_THAT(store()->CurrentRevision(), IsOkAndHolds(created));
}

TEST_P(StateStoreSuite, AConflictReturnsTheCurrentObject) {
  const int64_t first = Create("/r/a", "one");
  const int64_t second = Update("/r/a", "two", first);
  for (const WriteKind kind : {WriteKind::kUpdate, WriteKind::kDelete}) {
    SCOPED_TRACE(static_cast<int>(kind));
    Write stale{.kind = kind, .key = "/r/a", .expected_revision = first};
    const WriteResult refused = store()->Run(stale);
    EXPECT_THAT(refused.status, HasError(StorageError::kConflict));
    ASSERT_TRUE(refused.current);
    EXPECT_EQ(refused.current->document, "two");
    EXPECT_EQ(refused.current->mod_revision, second);
    stale.wants_current = false;
    const WriteResult brief = store()->Run(stale);
    EXPECT_THAT(brief.status, HasError(StorageError::kConflict));
    EXPECT_FALSE(brief.current);
    const WriteResult missing =
        store()->Run({.kind = kind, .key = "/r/gone", .expected_revision = first});
    EXPECT_THAT(missing.status, HasError(StorageError::kConflict));
    EXPECT_FALSE(missing.current);
  }
  EXPECT_EQ(DocumentOf("/r/a"), "two");
  EXPECT_THAT(store()->CurrentRevision(), IsOkAndHolds(second));
}

TEST_P(StateStoreSuite, OneOfManyRacingUpdatesWinsAndTheOthersSeeIt) {
  const int64_t created = Create("/r/a", "start");
  std::vector<Write> writes;
  for (int i = 0; i < 50; ++i) {
    writes.push_back({.kind = WriteKind::kUpdate,
                      .key = "/r/a",
                      .document = fmt::format("writer {}", i),
                      .expected_revision = created});
  }
  const std::vector<WriteResult> results = store()->RunAll(std::move(writes));
  ASSERT_EQ(results.size(), 50U);
  const std::string winner = DocumentOf("/r/a");
  int won = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].ok()) {
      ++won;
      EXPECT_EQ(winner, fmt::format("writer {}", i));
    } else {
      EXPECT_THAT(results[i].status, HasError(StorageError::kConflict));
      ASSERT_TRUE(results[i].current);
      EXPECT_EQ(results[i].current->document, winner);
    }
  }
  EXPECT_EQ(won, 1);
}

TEST_P(StateStoreSuite, ABatchAnswersEachWriteInItsPlace) {
  const int64_t kept = Create("/r/kept", "k");
  const int64_t doomed = Create("/r/doomed", "d");
  const std::vector<WriteResult> results = store()->RunAll(
      {{.key = "/r/new", .document = "n"},
       {.key = "/r/kept", .document = "x"},
       {.kind = WriteKind::kDelete, .key = "/r/doomed", .expected_revision = doomed},
       {.key = ""},
       {.kind = WriteKind::kUpdate,
        .key = "/r/kept",
        .document = "k2",
        .expected_revision = kept}});
  ASSERT_EQ(results.size(), 5U);
  EXPECT_OK(results[0].status);
  EXPECT_THAT(results[1].status, HasError(StorageError::kAlreadyExists));
  EXPECT_OK(results[2].status);
  EXPECT_THAT(results[3].status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_OK(results[4].status);
  EXPECT_EQ(DocumentOf("/r/new") + DocumentOf("/r/kept") + DocumentOf("/r/doomed"), "nk2-");
  EXPECT_TRUE(store()->RunAll({}).empty());
}

TEST_P(StateStoreSuite, RefusesWhatMakesNoSense) {
  const Write kBad[] = {
      {.key = "", .document = "x"},
      {.key = "a", .expected_revision = 3},
      {.key = "a", .expected_revision = -1},
      {.key = "a", .ttl_seconds = -1},
      {.key = "a", .ttl_seconds = kTtlMaxSeconds + 1},
      {.kind = WriteKind::kUpdate, .key = "a"},
      {.kind = WriteKind::kDelete, .key = "a", .expected_revision = 0},
      {.kind = WriteKind::kDelete, .key = "a", .document = "x", .expected_revision = 2},
      {.kind = WriteKind::kDelete, .key = "a", .expected_revision = 2, .ttl_seconds = 1},
  };
  for (const Write& write : kBad) {
    EXPECT_THAT(store()->Run(write).status, StatusIs(absl::StatusCode::kInvalidArgument));
  }
  const auto invalid = StatusIs(absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(store()->Get({.key = ""}), invalid);
  EXPECT_THAT(store()->Get({.key = "a", .revision = -1}), invalid);
  EXPECT_THAT(store()->List({.prefix = "a", .revision = -1}), invalid);
  EXPECT_THAT(store()->List({.prefix = "a", .limit = -1}), invalid);
  EXPECT_THAT(store()->Compact(0), invalid);
  WatchReader reader(store(), {.prefix = "a", .after_revision = -1});
  EXPECT_THAT(reader.NextBatch(), invalid);
  EXPECT_THAT(store()->Run({.key = "a", .document = std::string(1'700'000, 'x')}).status,
              HasError(StorageError::kTooLarge));
  EXPECT_THAT(store()->CurrentRevision(), IsOkAndHolds(1));
}

TEST_P(StateStoreSuite, KeysAndDocumentsAreAnyBytes) {
  const std::string key("\xFF\0k\xFE", 4);
  const std::string document("\0{\xFF}", 4);
  Create(key, document);
  EXPECT_EQ(DocumentOf(key), document);
  const auto page = store()->List({.prefix = "\xFF"});
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(KeysOf(*page), testing::ElementsAre(key));
}

TEST_P(StateStoreSuite, ListsAPrefixInKeyOrderAndNothingElse) {
  for (const char* key : {"/r/b", "/r/a", "/r0", "/r", "/q/z", "/r/"}) {
    Create(key, fmt::format("at {}", key));
  }
  const auto page = store()->List({.prefix = "/r/"});
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(KeysOf(*page), testing::ElementsAre("/r/", "/r/a", "/r/b"));
  EXPECT_EQ(page->objects[1].document, "at /r/a");
  EXPECT_EQ(page->remaining, 0);
  EXPECT_EQ(page->continue_token, "");
  EXPECT_THAT(store()->Count("/r/"), IsOkAndHolds(3));
  EXPECT_THAT(store()->Count(""), IsOkAndHolds(6));
  const auto keys = store()->List({.prefix = "", .keys_only = true});
  ASSERT_THAT(keys, IsOk());
  EXPECT_EQ(keys->objects.size(), 6U);
  EXPECT_EQ(keys->objects[0].document, "");
}

TEST_P(StateStoreSuite, ListPagesSeeOneRevisionWhileWritesGoOn) {
  std::vector<std::string> expected;
  int64_t last = 0;
  for (int i = 0; i < 10; ++i) {
    expected.push_back(fmt::format("/r/{}", i));
    last = Create(expected.back(), "old");
  }
  std::vector<std::string> seen;
  std::string token;
  for (int pages = 1; pages <= 4; ++pages) {
    const auto page = store()->List({.prefix = "/r/", .limit = 3, .continue_token = token});
    ASSERT_THAT(page, IsOk());
    EXPECT_EQ(page->revision, last);
    EXPECT_EQ(page->remaining, std::max(0, 10 - 3 * pages));
    for (const ObjectView& object : page->objects) {
      seen.emplace_back(object.key);
      EXPECT_EQ(object.document, "old");
    }
    token = page->continue_token;
    EXPECT_EQ(token.empty(), pages == 4);
    // Ahead of the page, behind it, and where it goes on.
    Create(fmt::format("/r/{}{}", pages, "new"), "new");
    const std::string ahead = fmt::format("/r/{}", 10 - pages);
    const auto victim = store()->Get({.key = ahead});
    ASSERT_THAT(victim, IsOk());
    Delete(ahead, victim->object->mod_revision);
  }
  EXPECT_EQ(seen, expected);
}

TEST_P(StateStoreSuite, AnExpiredListCanGoOnAtTheNewestRevision) {
  for (const char* key : {"/r/a", "/r/b", "/r/c", "/r/d"}) {
    Create(key, "old");
  }
  const auto first = store()->List({.prefix = "/r/", .limit = 2});
  ASSERT_THAT(first, IsOk());
  const int64_t later = Create("/r/bb", "new");
  ASSERT_OK(store()->Compact(later));
  const ListRequest next{.prefix = "/r/", .limit = 2, .continue_token = first->continue_token};
  EXPECT_THAT(store()->List(next), HasError(StorageError::kExpired));
  ASSERT_OK_AND_ASSIGN(const std::string token, ContinueAtNewest(first->continue_token));
  const auto second = store()->List({.prefix = "/r/", .limit = 2, .continue_token = token});
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->revision, later);
  EXPECT_THAT(KeysOf(*second), testing::ElementsAre("/r/bb", "/r/c"));
  const auto third =
      store()->List({.prefix = "/r/", .limit = 2, .continue_token = second->continue_token});
  ASSERT_THAT(third, IsOk());
  EXPECT_THAT(KeysOf(*third), testing::ElementsAre("/r/d"));
}

TEST_P(StateStoreSuite, ReadsThePastUntilItIsCompactedAndNeverTheFuture) {
  const int64_t first = Create("/r/a", "one");
  const int64_t second = Update("/r/a", "two", first);
  const int64_t third = Delete("/r/a", second);
  EXPECT_EQ(DocumentOf("/r/a", first), "one");
  EXPECT_EQ(DocumentOf("/r/a", second), "two");
  EXPECT_EQ(DocumentOf("/r/a", third), "-");
  const auto past = store()->List({.prefix = "/r/", .revision = first});
  ASSERT_THAT(past, IsOk());
  EXPECT_EQ(past->revision, first);
  EXPECT_EQ(past->objects.size(), 1U);

  ASSERT_OK(store()->Compact(second));
  EXPECT_EQ(DocumentOf("/r/a", second), "two");
  EXPECT_THAT(store()->Get({.key = "/r/a", .revision = first}), HasError(StorageError::kExpired));
  EXPECT_THAT(store()->List({.prefix = "/r/", .revision = first}),
              HasError(StorageError::kExpired));
  EXPECT_OK(store()->Compact(second));
  EXPECT_OK(store()->Compact(first));
  const int64_t future = third + 10;
  EXPECT_THAT(store()->Get({.key = "/r/a", .revision = future}),
              HasError(StorageError::kFutureRevision));
  EXPECT_THAT(store()->List({.prefix = "/r/", .revision = future}),
              HasError(StorageError::kFutureRevision));
  EXPECT_THAT(store()->Compact(future), HasError(StorageError::kFutureRevision));
}

TEST_P(StateStoreSuite, WatchEventsCarryWhatWasBefore) {
  const int64_t before = Create("/other", "x");
  const int64_t created = Create("/r/a", "one");
  WatchReader reader(store(), {.prefix = "/r/", .after_revision = before});
  const int64_t updated = Update("/r/a", "two", created);
  Create("/s", "not watched");
  const int64_t deleted = Delete("/r/a", updated);
  const int64_t again = Create("/r/a", "three");
  ASSERT_OK_AND_ASSIGN(const std::vector<SeenEvent> events, reader.NextEvents(4));
  EXPECT_THAT(
      events,
      testing::ElementsAre(
          SeenEvent{
              .type = EventType::kAdded, .key = "/r/a", .document = "one", .revision = created},
          SeenEvent{EventType::kModified, "/r/a", "two", updated, "one", created},
          // The last document, at the revision of the deletion.
          SeenEvent{EventType::kDeleted, "/r/a", "two", deleted, "two", updated},
          SeenEvent{
              .type = EventType::kAdded, .key = "/r/a", .document = "three", .revision = again}));
  EXPECT_EQ(reader.revision(), again);
}

TEST_P(StateStoreSuite, AWatchGoesOnFromAListWithoutGapOrRepetition) {
  constexpr int kRounds = 60;
  Thread writer("writer", [this] {
    for (int i = 0; i < kRounds; ++i) {
      const std::string key = fmt::format("/r/{}", i % 7);
      const auto got = store()->Get({.key = key});
      ASSERT_THAT(got, IsOk());
      if (!got->object) {
        Create(key, fmt::format("round {}", i));
      } else if (i % 3 == 0) {
        Delete(key, got->object->mod_revision);
      } else {
        Update(key, fmt::format("round {}", i), got->object->mod_revision);
      }
    }
    Create("/r/last", "end");
  });
  for (int round = 0; round < 5; ++round) {
    const auto page = store()->List({.prefix = "/r/"});
    ASSERT_THAT(page, IsOk());
    std::map<std::string, std::pair<std::string, int64_t>> state;
    for (const ObjectView& object : page->objects) {
      state[std::string(object.key)] = {std::string(object.document), object.mod_revision};
    }
    int64_t at = page->revision;
    WatchReader reader(store(), {.prefix = "/r/", .after_revision = at});
    while (!state.contains("/r/last")) {
      ASSERT_OK_AND_ASSIGN(const EventBatch batch, reader.NextBatch());
      for (const Event& event : batch.events) {
        const SeenEvent seen = Copy(event);
        ASSERT_EQ(seen.revision, at + 1) << "every revision is one event here";
        at = seen.revision;
        const auto known = state.find(seen.key);
        ASSERT_EQ(seen.type == EventType::kAdded, known == state.end());
        if (known != state.end()) {
          ASSERT_EQ(known->second, std::pair(seen.previous, seen.previous_revision));
        }
        if (seen.type == EventType::kDeleted) {
          state.erase(seen.key);
        } else {
          state[seen.key] = {seen.document, seen.revision};
        }
      }
      ASSERT_EQ(batch.revision, at);
    }
    const auto final_page = store()->List({.prefix = "/r/"});
    ASSERT_THAT(final_page, IsOk());
    ASSERT_EQ(final_page->objects.size(), state.size());
    for (const ObjectView& object : final_page->objects) {
      EXPECT_EQ(state[std::string(object.key)].first, object.document);
    }
  }
}

TEST_P(StateStoreSuite, AWatchResumedFromAnyBatchMissesNothing) {
  constexpr int kObjects = 2'500;  // More than is read from history at once.
  std::vector<Write> writes;
  for (int i = 0; i < kObjects; ++i) {
    writes.push_back({.key = fmt::format("/r/{}", i), .document = "x"});
  }
  for (const WriteResult& result : store()->RunAll(std::move(writes))) {
    ASSERT_OK(result.status);
  }
  int64_t at = 1;
  while (at < 1 + kObjects) {
    WatchReader reader(store(), {.prefix = "/r/", .after_revision = at});
    ASSERT_OK_AND_ASSIGN(const EventBatch batch, reader.NextBatch());
    for (const Event& event : batch.events) {
      ASSERT_EQ(event.object.mod_revision, ++at);
    }
    ASSERT_EQ(batch.revision, at);
  }
}

TEST_P(StateStoreSuite, AWatchFromNowBeginsWithABookmark) {
  const int64_t before = Create("/r/a", "one");
  WatchReader reader(store(), {.prefix = "/r/"});
  ASSERT_OK_AND_ASSIGN(const EventBatch first, reader.NextBatch());
  EXPECT_TRUE(first.is_bookmark());
  EXPECT_EQ(first.revision, before);
  const int64_t created = Create("/r/b", "two");
  ASSERT_OK_AND_ASSIGN(const std::vector<SeenEvent> events, reader.NextEvents(1));
  EXPECT_THAT(events, testing::ElementsAre(
                          SeenEvent{.key = "/r/b", .document = "two", .revision = created}));
}

TEST_P(StateStoreSuite, AWatchFromTheFutureWaitsForIt) {
  const int64_t now = Create("/r/a", "one");
  WatchReader reader(store(), {.prefix = "/r/", .after_revision = now + 1});
  Update("/r/a", "passed over", now);
  const int64_t wanted = Create("/r/b", "wanted");
  ASSERT_OK_AND_ASSIGN(const std::vector<SeenEvent> events, reader.NextEvents(1));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].revision, wanted);
}

TEST_P(StateStoreSuite, AWatchOfCompactedHistoryIsExpiredForGood) {
  const int64_t first = Create("/r/a", "one");
  const int64_t second = Update("/r/a", "two", first);
  const int64_t third = Update("/r/a", "three", second);
  ASSERT_OK(store()->Compact(third));
  WatchReader reader(store(), {.prefix = "/r/", .after_revision = first - 1});
  EXPECT_THAT(reader.NextBatch(), HasError(StorageError::kExpired));
  EXPECT_THAT(reader.NextBatch(), HasError(StorageError::kExpired));
  reader.watch()->RequestBookmark();
  EXPECT_THAT(reader.NextBatch(), HasError(StorageError::kExpired));
  // What was before the event at the compacted revision is gone.
  WatchReader edge(store(), {.prefix = "/r/", .after_revision = second});
  EXPECT_THAT(edge.NextBatch(), HasError(StorageError::kExpired));
  WatchReader good(store(), {.prefix = "/r/", .after_revision = third});
  const int64_t fourth = Update("/r/a", "four", third);
  ASSERT_OK_AND_ASSIGN(const std::vector<SeenEvent> events, good.NextEvents(1));
  EXPECT_THAT(events, testing::ElementsAre(
                          SeenEvent{EventType::kModified, "/r/a", "four", fourth, "three", third}));
}

TEST_P(StateStoreSuite, ASlowConsumerMissesNothingAndHoldsBackNobody) {
  constexpr int kObjects = 300;
  const int64_t before = Create("/start", "x");
  WatchReader slow(store(), {.prefix = "/r/", .after_revision = before});
  WatchReader quick(store(), {.prefix = "/r/", .after_revision = before});
  const std::string filler(30'000, 'x');
  for (int i = 0; i < kObjects; i += 50) {
    std::vector<Write> writes;
    for (int j = i; j < i + 50; ++j) {
      writes.push_back({.key = fmt::format("/r/{:03}", j), .document = filler});
    }
    for (const WriteResult& result : store()->RunAll(std::move(writes))) {
      ASSERT_OK(result.status);
    }
    ASSERT_OK(quick.NextEvents(50));
  }
  int64_t at = before;
  for (int seen = 0; seen < kObjects;) {
    ASSERT_OK_AND_ASSIGN(const EventBatch batch, slow.NextBatch());
    for (const Event& event : batch.events) {
      ASSERT_EQ(event.object.mod_revision, ++at);
      ++seen;
    }
  }
}

TEST_P(StateStoreSuite, ABookmarkOnRequestComesAfterEveryEventItCovers) {
  if (!under_test_.answers_bookmark_requests) {
    GTEST_SKIP() << "this store gives none";
  }
  const int64_t created = Create("/r/a", "one");
  WatchReader reader(store(), {.prefix = "/r/", .after_revision = created});
  Update("/r/a", "two", created);
  const int64_t last = Create("/s", "not watched");
  bool has_seen_event = false;
  while (true) {
    reader.watch()->RequestBookmark();
    ASSERT_OK_AND_ASSIGN(const EventBatch batch, reader.NextBatch());
    if (!batch.is_bookmark()) {
      has_seen_event = true;
    } else if (batch.revision >= last) {
      break;
    }
  }
  EXPECT_TRUE(has_seen_event);
}

TEST_P(StateStoreSuite, AWatchCanGoWhileEventsCome) {
  Thread writer("writer", [this] {
    for (int i = 0; i < 100; ++i) {
      Create(fmt::format("/r/{}", i), "x");
    }
  });
  for (int i = 0; i < 30; ++i) {
    WatchReader reader(store(), {.prefix = "/r/", .after_revision = 1});
    if (i % 2 == 0) {
      ASSERT_OK(reader.NextEvents(1));
    }
  }
}

TEST_P(StateStoreSuite, ObjectsWithATtlGoByThemselves) {
  const WriteResult first =
      store()->Run({.key = "/events/a", .document = "seen", .ttl_seconds = 1});
  ASSERT_OK(first.status);
  const WriteResult second =
      store()->Run({.key = "/events/b", .document = "seen", .ttl_seconds = 1});
  ASSERT_OK(second.status);
  // Written again without TTL it stays.
  const int64_t stays = Update("/events/b", "kept", second.revision);
  WatchReader reader(store(), {.prefix = "/events/", .after_revision = stays});
  ASSERT_OK_AND_ASSIGN(const std::vector<SeenEvent> events, reader.NextEvents(1));
  EXPECT_THAT(events, testing::ElementsAre(SeenEvent{EventType::kDeleted, "/events/a", "seen",
                                                     reader.revision(), "seen", first.revision}));
  EXPECT_EQ(DocumentOf("/events/b"), "kept");
}

TEST_P(StateStoreSuite, ObjectsThatExpireTogetherAreOneBatch) {
  constexpr int kObjects = 40;
  std::vector<Write> writes;
  for (int i = 0; i < kObjects; ++i) {
    writes.push_back({.key = fmt::format("/events/{:02}", i),
                      .document = std::string(100'000, 'x'),
                      .ttl_seconds = 2});
  }
  int64_t last = 0;
  for (const WriteResult& result : store()->RunAll(std::move(writes))) {
    ASSERT_OK(result.status);
    last = std::max(last, result.revision);
  }
  WatchReader reader(store(), {.prefix = "/events/", .after_revision = last});
  ASSERT_OK_AND_ASSIGN(const EventBatch batch, reader.NextBatch());
  EXPECT_EQ(batch.revision, last + 1);
  ASSERT_EQ(batch.events.size(), size_t{kObjects});
  for (const Event& event : batch.events) {
    EXPECT_EQ(event.type, EventType::kDeleted);
    EXPECT_EQ(event.object.mod_revision, last + 1);
    EXPECT_EQ(event.object.document.size(), 100'000U);
  }
}

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_TESTING_STATE_STORE_SUITE_H_
