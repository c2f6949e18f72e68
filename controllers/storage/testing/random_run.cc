#include "controllers/storage/testing/random_run.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controllers/storage/errors.h"
#include "controllers/storage/testing/watch_reader.h"
#include "kv/testing/status_matchers.h"

namespace socle::storage {
namespace {

ModelObject CopyOf(const ObjectView& object) {
  return {.document = std::string(object.document),
          .create_revision = object.create_revision,
          .mod_revision = object.mod_revision};
}

}  // namespace

void RandomRun::Steps(StateStore* store, int count) {
  for (int i = 0; i < count && !testing::Test::HasFatalFailure(); ++i) {
    SCOPED_TRACE(fmt::format("step {}", i));
    const uint64_t choice = random_.Below(100);
    if (choice < 45) {
      StepWrite(store);
    } else if (choice < 50) {
      StepBatch(store);
    } else if (choice < 70) {
      StepGet(store);
    } else if (choice < 92) {
      StepList(store);
    } else if (choice < 95) {
      StepCompact(store);
    } else if (choice < 97) {
      CompareWatch(store);
    } else {
      const std::string prefix = RandomKey().substr(0, 3);
      const ModelState& now = StateAt(revision());
      const auto wanted = std::count_if(now.begin(), now.end(), [&prefix](const auto& entry) {
        return entry.first.starts_with(prefix);
      });
      EXPECT_THAT(store->Count(prefix), IsOkAndHolds(static_cast<int64_t>(wanted)));
      EXPECT_THAT(store->CurrentRevision(), IsOkAndHolds(revision()));
    }
  }
}

std::string RandomRun::RandomKey() {
  return fmt::format("/{}/{}", static_cast<char>('a' + random_.Below(3)), random_.Below(8));
}

int64_t RandomRun::RandomRevision() {
  switch (random_.Below(4)) {
    case 0:
      return 0;
    case 1:
      return revision() + static_cast<int64_t>(random_.Below(3));
    default:
      return 1 + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(revision())));
  }
}

const ModelState& RandomRun::StateAt(int64_t revision) const {
  return std::prev(history_.upper_bound(revision))->second;
}

Write RandomRun::RandomWrite() {
  Write write;
  write.key = RandomKey();
  const ModelState& now = StateAt(revision());
  const auto at = now.find(write.key);
  const bool exists = at != now.end();
  // Mostly what will succeed.
  const bool creates = random_.OneIn(8) ? exists : !exists;
  write.wants_current = !random_.OneIn(4);
  if (creates) {
    write.kind = WriteKind::kCreate;
  } else {
    write.kind = random_.OneIn(3) ? WriteKind::kDelete : WriteKind::kUpdate;
    write.expected_revision =
        exists && !random_.OneIn(6)
            ? at->second.mod_revision
            : 1 + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(revision())));
  }
  if (write.kind != WriteKind::kDelete) {
    write.document = fmt::format("document {}{}", documents_++,
                                 std::string(random_.OneIn(10) ? random_.Below(5000) : 0, '.'));
    write.ttl_seconds = random_.OneIn(10) ? 3600 : 0;
  }
  return write;
}

void RandomRun::ExpectResult(const Write& write, const WriteResult& result) {
  ModelState now = StateAt(revision());
  const auto at = now.find(write.key);
  const int64_t found = at == now.end() ? 0 : at->second.mod_revision;
  if (found != write.expected_revision) {
    ASSERT_EQ(ErrorOf(result.status), write.kind == WriteKind::kCreate
                                          ? StorageError::kAlreadyExists
                                          : StorageError::kConflict)
        << result.status;
    ASSERT_EQ(result.revision, revision());
    ASSERT_EQ(result.current.has_value(), write.wants_current && found != 0);
    if (result.current) {
      ASSERT_EQ(result.current->key, write.key);
      ASSERT_EQ(CopyOf(*result.current), at->second);
    }
    return;
  }
  ASSERT_OK(result.status);
  ASSERT_EQ(result.revision, revision() + 1);
  ASSERT_FALSE(result.current);
  if (write.kind == WriteKind::kDelete) {
    now.erase(at);
  } else {
    const int64_t created =
        write.kind == WriteKind::kCreate ? result.revision : at->second.create_revision;
    now[write.key] = {write.document, created, result.revision};
  }
  history_[result.revision] = std::move(now);
}

void RandomRun::StepWrite(StateStore* store) {
  const Write write = RandomWrite();
  SCOPED_TRACE(fmt::format("write {} expecting {}", write.key, write.expected_revision));
  ExpectResult(write, store->Run(write));
}

void RandomRun::StepBatch(StateStore* store) {
  std::map<std::string, Write> writes;  // Independent: one per key.
  for (uint64_t i = 1 + random_.Below(6); i > 0; --i) {
    Write write = RandomWrite();
    writes[write.key] = std::move(write);
  }
  std::vector<Write> batch;
  for (const auto& [key, write] : writes) {
    batch.push_back(write);
  }
  const std::vector<WriteResult> results = store->RunAll(batch);
  ASSERT_EQ(results.size(), batch.size());
  // The store chose the order: a refusal looked at the revision of the write before it.
  std::vector<size_t> order(batch.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  std::sort(order.begin(), order.end(), [&results](size_t a, size_t b) {
    return std::pair(results[a].revision, !results[a].ok()) <
           std::pair(results[b].revision, !results[b].ok());
  });
  for (const size_t i : order) {
    SCOPED_TRACE(fmt::format("batch: {} expecting {}", batch[i].key, batch[i].expected_revision));
    ExpectResult(batch[i], results[i]);
  }
}

bool RandomRun::ExpectReadable(int64_t revision, const absl::Status& status) {
  if (revision > this->revision()) {
    EXPECT_EQ(ErrorOf(status), StorageError::kFutureRevision) << status;
    return false;
  }
  if (revision != 0 && revision < compacted_) {
    EXPECT_EQ(ErrorOf(status), StorageError::kExpired) << status;
    return false;
  }
  EXPECT_OK(status);
  return status.ok();
}

void RandomRun::StepGet(StateStore* store) {
  const std::string key = RandomKey();
  const int64_t at = RandomRevision();
  SCOPED_TRACE(fmt::format("get {} at {}", key, at));
  const auto got = store->Get({.key = key, .revision = at});
  if (!ExpectReadable(at, got.status())) {
    return;
  }
  ASSERT_EQ(got->revision, at == 0 ? revision() : at);
  const ModelState& state = StateAt(got->revision);
  const auto wanted = state.find(key);
  ASSERT_EQ(got->object.has_value(), wanted != state.end());
  if (got->object) {
    ASSERT_EQ(CopyOf(*got->object), wanted->second);
  }
}

void RandomRun::StepList(StateStore* store) {
  ListRequest request;
  request.prefix = RandomKey().substr(0, random_.Below(5));
  request.revision = RandomRevision();
  request.limit = random_.OneIn(2) ? 0 : 1 + static_cast<int64_t>(random_.Below(5));
  SCOPED_TRACE(
      fmt::format("list '{}' at {} by {}", request.prefix, request.revision, request.limit));
  const int64_t wanted_revision = request.revision == 0 ? revision() : request.revision;
  ModelState seen;
  while (true) {
    const auto page = store->List(request);
    if (!ExpectReadable(wanted_revision, page.status())) {
      return;
    }
    ASSERT_EQ(page->revision, wanted_revision);
    ASSERT_TRUE(request.limit == 0 || page->objects.size() <= static_cast<size_t>(request.limit));
    for (const ObjectView& object : page->objects) {
      ASSERT_TRUE(seen.emplace(std::string(object.key), CopyOf(object)).second);
    }
    if (page->continue_token.empty()) {
      ASSERT_EQ(page->remaining, 0);
      break;
    }
    request.revision = 0;
    request.continue_token = page->continue_token;
    if (random_.OneIn(2)) {
      StepWrite(store);
    }
  }
  ModelState wanted = StateAt(wanted_revision);
  std::erase_if(wanted,
                [&request](const auto& entry) { return !entry.first.starts_with(request.prefix); });
  ASSERT_EQ(seen, wanted);
}

void RandomRun::StepCompact(StateStore* store) {
  const int64_t at = std::max<int64_t>(1, revision() - static_cast<int64_t>(random_.Below(20)));
  SCOPED_TRACE(fmt::format("compact to {}", at));
  ASSERT_OK(store->Compact(at));
  compacted_ = std::max(compacted_, at);
}

void RandomRun::CompareWatch(StateStore* store) {
  const int64_t lowest = std::max<int64_t>(1, compacted_);
  const int64_t after =
      lowest + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(revision() - lowest + 1)));
  SCOPED_TRACE(fmt::format("watch after {}, compacted {}", after, compacted_));
  std::vector<SeenEvent> wanted;
  for (int64_t at = after + 1; at <= revision(); ++at) {
    const ModelState& before = StateAt(at - 1);
    const ModelState& now = StateAt(at);
    for (const auto& [key, object] : now) {
      const auto was = before.find(key);
      if (was == before.end()) {
        wanted.push_back({EventType::kAdded, key, object.document, at, "", 0});
      } else if (was->second.mod_revision != object.mod_revision) {
        wanted.push_back({EventType::kModified, key, object.document, at, was->second.document,
                          was->second.mod_revision});
      }
    }
    for (const auto& [key, object] : before) {
      if (!now.contains(key)) {
        wanted.push_back(
            {EventType::kDeleted, key, object.document, at, object.document, object.mod_revision});
      }
    }
  }
  WatchReader reader(store, {.prefix = "/", .after_revision = after});
  const auto seen = reader.NextEvents(wanted.size());
  ASSERT_THAT(seen, IsOk());
  ASSERT_EQ(*seen, wanted);
}

}  // namespace socle::storage
