// EngineSuite: what every Engine must do; a folder instantiates it for its configurations.
//
//   INSTANTIATE_TEST_SUITE_P(Bolt, EngineSuite, testing::ValuesIn(Cases()), EngineCaseName);
//
// Laws     1. Each test ends with Engine::Check.
// Source   kv/engine.h laws 1 to 4.
#ifndef SOCLE_KV_TESTING_ENGINE_SUITE_H_
#define SOCLE_KV_TESTING_ENGINE_SUITE_H_

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/thread.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/engine.h"
#include "kv/env/env.h"
#include "kv/testing/engine_case.h"
#include "kv/testing/engine_model.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::kv {

class EngineSuite : public testing::TestWithParam<EngineCase> {
 protected:
  using Entries = std::vector<std::pair<std::string, std::string>>;

  void SetUp() override { Reopen(); }

  void TearDown() override {
    if (engine_ != nullptr) {
      EXPECT_OK(engine_->Check());
    }
  }

  void Reopen() {
    engine_.reset();
    ASSERT_OK_AND_ASSIGN(engine_, GetParam().open(dir_.path()));
  }

  std::unique_ptr<ReadTxn> Read() {
    auto txn = engine_->BeginRead();
    EXPECT_OK(txn);
    return *std::move(txn);
  }

  std::unique_ptr<WriteTxn> Write() {
    auto txn = engine_->BeginWrite();
    EXPECT_OK(txn);
    return *std::move(txn);
  }

  // One commit that makes the bucket and puts the entries.
  void CommitPuts(std::string_view bucket, const Entries& entries) {
    const auto txn = Write();
    ASSERT_OK(txn->CreateBucket(bucket));
    for (const auto& [key, value] : entries) {
      ASSERT_OK(txn->Put(bucket, key, value));
    }
    ASSERT_OK(txn->Commit());
  }

  static std::optional<std::string> Get(const ReadTxn& txn, std::string_view bucket,
                                        std::string_view key) {
    const auto value = txn.Get(bucket, key);
    EXPECT_OK(value);
    return value.ok() && value->has_value() ? std::optional<std::string>(**value) : std::nullopt;
  }

  static Entries All(const ReadTxn& txn, std::string_view bucket) {
    Entries entries;
    const auto cursor = txn.NewCursor(bucket);
    EXPECT_OK(cursor);
    for ((*cursor)->SeekToFirst(); (*cursor)->Valid(); (*cursor)->Next()) {
      entries.emplace_back((*cursor)->key(), (*cursor)->value());
    }
    EXPECT_OK((*cursor)->status());
    return entries;
  }

  static void ExpectOrder(const ReadTxn& txn, std::string_view bucket,
                          const std::vector<std::string>& keys) {
    const auto cursor = *txn.NewCursor(bucket);
    cursor->SeekToFirst();
    for (const std::string& key : keys) {
      ASSERT_TRUE(cursor->Valid());
      ASSERT_EQ(cursor->key(), key);
      cursor->Next();
    }
    EXPECT_FALSE(cursor->Valid());
    cursor->SeekToLast();
    for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
      ASSERT_TRUE(cursor->Valid());
      ASSERT_EQ(cursor->key(), *key);
      cursor->Prev();
    }
    EXPECT_FALSE(cursor->Valid());
    EXPECT_OK(cursor->status());
  }

  // Reads the snapshot of a transaction as a bolt file.
  static ModelState StateOfSnapshot(const ReadTxn& txn) {
    const TempDir dir;
    const std::string path = dir.PathOf("snapshot");
    std::string image;
    EXPECT_OK(txn.WriteSnapshot([&image](std::string_view piece) {
      image.append(piece);
      return absl::OkStatus();
    }));
    EXPECT_EQ(image.size(), txn.SnapshotSize());
    auto file = Env::Posix()->Open(path, OpenMode::kReadWriteCreate);
    EXPECT_OK(file);
    EXPECT_OK((*file)->WriteAt(0, image));
    const auto bolt = OpenBolt(Env::Posix(), path, {.map_size_bytes = uint64_t{256} << 20U});
    EXPECT_OK(bolt);
    EXPECT_OK((*bolt)->Check());
    const auto read = (*bolt)->BeginRead();
    EXPECT_OK(read);
    EXPECT_EQ((*read)->txid(), std::max<uint64_t>(1, txn.txid()));
    return Dump(**read);
  }

  TempDir dir_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(EngineSuite, StartsWithoutBuckets) {
  const auto txn = Read();
  EXPECT_THAT(txn->Buckets(), IsOkAndHolds(testing::IsEmpty()));
  EXPECT_EQ(Get(*txn, "b", "k"), std::nullopt);
  EXPECT_THAT(All(*txn, "b"), testing::IsEmpty());
}

TEST_P(EngineSuite, ShowsACommitToLaterReadersOnly) {
  CommitPuts("b", {{"k", "1"}});
  const auto before = Read();
  CommitPuts("b", {{"k", "2"}, {"l", "3"}});
  const auto after = Read();
  EXPECT_EQ(Get(*before, "b", "k"), "1");
  EXPECT_THAT(All(*before, "b"), testing::ElementsAre(testing::Pair("k", "1")));
  EXPECT_EQ(Get(*after, "b", "k"), "2");
  EXPECT_EQ(Get(*after, "b", "l"), "3");
  EXPECT_LT(before->txid(), after->txid());
  EXPECT_EQ(engine_->open_reads(), 2U);
}

TEST_P(EngineSuite, HidesUncommittedChanges) {
  CommitPuts("b", {{"k", "1"}});
  const auto txn = Write();
  ASSERT_OK(txn->Put("b", "k", "2"));
  EXPECT_EQ(Get(*Read(), "b", "k"), "1");
  EXPECT_THAT(txn->Get("b", "k"), IsOkAndHolds(testing::Optional(testing::Eq("2"))));
  txn->Rollback();
}

TEST_P(EngineSuite, ForgetsWhatIsRolledBack) {
  CommitPuts("b", {{"k", "1"}});
  {
    const auto txn = Write();
    ASSERT_OK(txn->Put("b", "k", "2"));
    ASSERT_OK(txn->CreateBucket("c"));
    ASSERT_OK(txn->Delete("b", "k"));
  }
  EXPECT_EQ(Get(*Read(), "b", "k"), "1");
  EXPECT_THAT(Read()->Buckets(), IsOkAndHolds(testing::ElementsAre("b")));
}

TEST_P(EngineSuite, KeepsEverythingAcrossReopen) {
  CommitPuts("b", {{"k", "1"}, {"empty", ""}});
  CommitPuts("a", {});
  Reopen();
  const auto txn = Read();
  EXPECT_THAT(txn->Buckets(), IsOkAndHolds(testing::ElementsAre("a", "b")));
  EXPECT_EQ(Get(*txn, "b", "k"), "1");
  EXPECT_EQ(Get(*txn, "b", "empty"), "");
}

TEST_P(EngineSuite, DeletesKeysAndToleratesMissingOnes) {
  CommitPuts("b", {{"j", "0"}, {"k", "1"}});
  const auto txn = Write();
  ASSERT_OK(txn->Delete("b", "k"));
  ASSERT_OK(txn->Delete("b", "k"));
  ASSERT_OK(txn->Delete("b", "never"));
  EXPECT_THAT(txn->Get("b", "k"), IsOkAndHolds(std::nullopt));
  ASSERT_OK(txn->Commit());
  EXPECT_THAT(All(*Read(), "b"), testing::ElementsAre(testing::Pair("j", "0")));
}

TEST_P(EngineSuite, RefusesChangesInAMissingBucket) {
  const auto txn = Write();
  EXPECT_THAT(txn->Put("b", "k", "v"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(txn->Delete("b", "k"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(txn->DeleteBucket("b"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(txn->CreateBucket("b"));
  EXPECT_OK(txn->Put("b", "k", "v"));
  EXPECT_OK(txn->Commit());
}

TEST_P(EngineSuite, RefusesKeysOfImpossibleSize) {
  const auto txn = Write();
  ASSERT_OK(txn->CreateBucket("b"));
  EXPECT_THAT(txn->Put("b", "", "v"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(txn->Put("b", std::string(32769, 'k'), "v"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_OK(txn->Put("b", std::string(32768, 'k'), "v"));
  EXPECT_OK(txn->Commit());
  EXPECT_EQ(Get(*Read(), "b", std::string(32768, 'k')), "v");
}

TEST_P(EngineSuite, CreatesABucketOnceAndDropsItWhole) {
  Entries many;
  for (int i = 0; i < 2000; ++i) {
    many.emplace_back("key" + std::to_string(i), std::string(100, 'v'));
  }
  CommitPuts("b", many);
  CommitPuts("c", {{"k", "1"}});
  {
    const auto txn = Write();
    ASSERT_OK(txn->CreateBucket("b"));
    EXPECT_THAT(txn->Get("b", "key7"), IsOkAndHolds(testing::Optional(testing::_)));
    ASSERT_OK(txn->DeleteBucket("b"));
    ASSERT_OK(txn->Commit());
  }
  const auto txn = Read();
  EXPECT_THAT(txn->Buckets(), IsOkAndHolds(testing::ElementsAre("c")));
  EXPECT_EQ(Get(*txn, "b", "key7"), std::nullopt);
}

TEST_P(EngineSuite, RecreatesADroppedBucketInTheSameTransaction) {
  CommitPuts("b", {{"k", "1"}});
  const auto txn = Write();
  ASSERT_OK(txn->Put("b", "l", "2"));
  ASSERT_OK(txn->DeleteBucket("b"));
  ASSERT_OK(txn->CreateBucket("b"));
  ASSERT_OK(txn->Put("b", "m", "3"));
  ASSERT_OK(txn->Commit());
  EXPECT_THAT(All(*Read(), "b"), testing::ElementsAre(testing::Pair("m", "3")));
}

TEST_P(EngineSuite, KeepsTheCommitNumberWhenNothingChanged) {
  CommitPuts("b", {{"k", "1"}});
  const uint64_t before = Read()->txid();
  const auto txn = Write();
  ASSERT_OK(txn->Commit());
  EXPECT_EQ(Read()->txid(), before);
}

TEST_P(EngineSuite, StoresLargeValues) {
  const std::string large(1 << 20, 'x');
  CommitPuts("b", {{"a", "1"}, {"k", large}, {"z", "2"}});
  EXPECT_EQ(Get(*Read(), "b", "k"), large);
  CommitPuts("b", {{"k", large + large}});
  EXPECT_EQ(Get(*Read(), "b", "k"), large + large);
  CommitPuts("b", {{"k", "small"}});
  EXPECT_THAT(All(*Read(), "b"),
              testing::ElementsAre(testing::Pair("a", "1"), testing::Pair("k", "small"),
                                   testing::Pair("z", "2")));
}

TEST_P(EngineSuite, MovesACursorBothWays) {
  Entries entries;
  for (int i = 100; i < 1000; ++i) {
    entries.emplace_back(std::to_string(2 * i), std::string(50, 'v'));
  }
  std::sort(entries.begin(), entries.end());
  CommitPuts("b", entries);
  const auto txn = Read();
  ASSERT_OK_AND_ASSIGN(const auto cursor, txn->NewCursor("b"));
  EXPECT_FALSE(cursor->Valid());
  cursor->SeekToLast();
  for (size_t i = entries.size(); i-- > 0;) {
    ASSERT_TRUE(cursor->Valid());
    ASSERT_EQ(cursor->key(), entries[i].first);
    cursor->Prev();
  }
  EXPECT_FALSE(cursor->Valid());
  for (size_t i = 0; i < entries.size(); ++i) {
    cursor->Seek(entries[i].first);
    ASSERT_TRUE(cursor->Valid());
    ASSERT_EQ(cursor->key(), entries[i].first);
    cursor->Seek(entries[i].first + "0");
    ASSERT_EQ(cursor->Valid(), i + 1 < entries.size());
    if (cursor->Valid()) {
      ASSERT_EQ(cursor->key(), entries[i + 1].first);
      cursor->Prev();
      ASSERT_EQ(cursor->key(), entries[i].first);
    }
  }
  cursor->Seek("");
  EXPECT_EQ(cursor->key(), entries.front().first);
  cursor->Seek("z");
  EXPECT_FALSE(cursor->Valid());
  EXPECT_OK(cursor->status());
}

TEST_P(EngineSuite, OrdersLongKeysThatShareTheirBeginnings) {
  // Around the limits of engines whose own keys are shorter: 510 bytes, then pieces of 498.
  std::vector<std::string> keys;
  for (const size_t size :
       {1U, 509U, 510U, 511U, 512U, 700U, 1007U, 1008U, 1009U, 1506U, 4095U, 4096U, 32767U}) {
    const std::string same(size, 'm');
    keys.insert(keys.end(), {same, same + '\0', same + '\x01', same + "\xff"});
    keys.push_back(std::string(size - 1, 'm') + "a");
    keys.push_back(std::string(size - 1, 'm') + "z");
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  Entries entries;
  for (size_t i = 0; i < keys.size(); ++i) {
    entries.emplace_back(keys[i * 31 % keys.size()], std::to_string(i));
  }
  CommitPuts("b", entries);
  const auto all = Read();
  ExpectOrder(*all, "b", keys);
  {
    ASSERT_OK_AND_ASSIGN(const auto cursor, all->NewCursor("b"));
    for (size_t i = 0; i < keys.size(); ++i) {
      cursor->Seek(keys[i]);
      ASSERT_TRUE(cursor->Valid());
      ASSERT_EQ(cursor->key(), keys[i]);
      cursor->Seek(keys[i].substr(0, keys[i].size() - 1) + "\xff\xff");
      const auto expected = std::lower_bound(keys.begin(), keys.end(),
                                             keys[i].substr(0, keys[i].size() - 1) + "\xff\xff");
      ASSERT_EQ(cursor->Valid(), expected != keys.end());
      if (cursor->Valid()) {
        ASSERT_EQ(cursor->key(), *expected);
      }
    }
  }
  const auto txn = Write();
  std::vector<std::string> left;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i % 3 == 0) {
      left.push_back(keys[i]);
    } else {
      ASSERT_OK(txn->Delete("b", keys[i]));
    }
  }
  ASSERT_OK(txn->Delete("b", std::string(2000, 'q')));
  ASSERT_OK(txn->Commit());
  ExpectOrder(*Read(), "b", left);
  ExpectOrder(*all, "b", keys);
}

TEST_P(EngineSuite, DropsABucketOfLongKeysWhole) {
  CommitPuts("a", {{std::string(3000, 'x'), "kept"}});
  CommitPuts("b", {{std::string(3000, 'x') + "1", "1"}, {std::string(3000, 'x') + "2", "2"}});
  const auto txn = Write();
  ASSERT_OK(txn->DeleteBucket("b"));
  ASSERT_OK(txn->CreateBucket("b"));
  ASSERT_OK(txn->Commit());
  EXPECT_THAT(All(*Read(), "b"), testing::IsEmpty());
  EXPECT_EQ(Get(*Read(), "a", std::string(3000, 'x')), "kept");
}

TEST_P(EngineSuite, ShowsADroppedBucketToOldReaders) {
  CommitPuts("b", {{"k", "1"}, {"l", "2"}});
  const auto before = Read();
  {
    const auto txn = Write();
    ASSERT_OK(txn->DeleteBucket("b"));
    ASSERT_OK(txn->Commit());
  }
  CommitPuts("c", {{"k", "other"}});
  CommitPuts("b", {{"k", "new"}});
  EXPECT_THAT(All(*before, "b"),
              testing::ElementsAre(testing::Pair("k", "1"), testing::Pair("l", "2")));
  EXPECT_THAT(before->Buckets(), IsOkAndHolds(testing::ElementsAre("b")));
  EXPECT_EQ(Get(*before, "c", "k"), std::nullopt);
  EXPECT_THAT(All(*Read(), "b"), testing::ElementsAre(testing::Pair("k", "new")));
}

TEST_P(EngineSuite, ForgetsBucketsThatWereRolledBack) {
  for (int round = 0; round < 3; ++round) {
    const auto txn = Write();
    ASSERT_OK(txn->CreateBucket("b"));
    ASSERT_OK(txn->Put("b", "k", "v"));
    txn->Rollback();
    EXPECT_THAT(Read()->Buckets(), IsOkAndHolds(testing::IsEmpty()));
  }
  CommitPuts("b", {{"l", "v"}});
  Reopen();
  EXPECT_THAT(All(*Read(), "b"), testing::ElementsAre(testing::Pair("l", "v")));
}

TEST_P(EngineSuite, NumbersCommitsUpwardsAcrossReopen) {
  CommitPuts("b", {{"k", "1"}});
  const uint64_t first = Read()->txid();
  CommitPuts("b", {{"k", "2"}});
  const uint64_t second = Read()->txid();
  EXPECT_LT(first, second);
  Reopen();
  EXPECT_EQ(Read()->txid(), second);
  CommitPuts("b", {{"k", "3"}});
  EXPECT_LT(second, Read()->txid());
}

TEST_P(EngineSuite, KeepsWhatWasCommittedWhenTheProcessDies) {
  engine_.reset();
  const pid_t child = fork();
  if (child == 0) {
    auto engine = GetParam().open(dir_.path());
    const auto commit = [&](const std::string& key) {
      const auto txn = (*engine)->BeginWrite();
      return txn.ok() && (*txn)->CreateBucket("b").ok() && (*txn)->Put("b", key, "v").ok() &&
             (*txn)->Commit().ok();
    };
    if (!engine.ok() || !commit("1") || !commit("2")) {
      _exit(1);
    }
    const auto open_txn = (*engine)->BeginWrite();
    (*open_txn)->CreateBucket("never").IgnoreError();
    (*open_txn)->Put("b", "3", "v").IgnoreError();
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  Reopen();
  EXPECT_THAT(Read()->Buckets(), IsOkAndHolds(testing::ElementsAre("b")));
  EXPECT_THAT(All(*Read(), "b"),
              testing::ElementsAre(testing::Pair("1", "v"), testing::Pair("2", "v")));
  CommitPuts("b", {{"4", "v"}});
}

TEST_P(EngineSuite, IsOpenOnceOnly) {
  EXPECT_THAT(GetParam().open(dir_.path()), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_P(EngineSuite, KeepsWhatACursorIsAskedToKeep) {
  Entries entries;
  for (size_t i = 100; i < 400; ++i) {
    entries.emplace_back(std::string(i % 5 == 0 ? 2000 : 1, 'k') + std::to_string(i),
                         std::string(i, 'v'));
  }
  std::sort(entries.begin(), entries.end());
  CommitPuts("b", entries);
  const auto txn = Read();
  std::vector<EntryView> kept;
  {
    ASSERT_OK_AND_ASSIGN(const auto cursor, txn->NewCursor("b"));
    for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
      kept.push_back(cursor->Keep());
    }
  }
  ASSERT_EQ(kept.size(), entries.size());
  for (size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(kept[i].key, entries[i].first);
    EXPECT_EQ(kept[i].value, entries[i].second);
  }
}

TEST_P(EngineSuite, WritesASnapshotThatBoltReads) {
  EXPECT_THAT(StateOfSnapshot(*Read()), testing::IsEmpty());
  ModelState expected;
  const auto txn = Write();
  for (const std::string bucket : {"alpha", "empty", "key"}) {
    ASSERT_OK(txn->CreateBucket(bucket));
    expected.try_emplace(bucket);
  }
  const auto put = [&](const std::string& bucket, const std::string& key,
                       const std::string& value) {
    ASSERT_OK(txn->Put(bucket, key, value));
    expected[bucket][key] = value;
  };
  // Three levels of pages, pages that overflow, branch keys larger than a page.
  for (size_t i = 0; i < 20'000; ++i) {
    put("key", "key" + std::to_string(i * 7919 % 100'000), std::string(i % 97, 'v'));
  }
  for (size_t i = 0; i < 20; ++i) {
    put("alpha", std::string(4000 + 100 * i, 'k'), std::string(i * 1500, 'v'));
  }
  ASSERT_OK(txn->Commit());
  const auto before = Read();
  CommitPuts("key", {{"later", "1"}});
  EXPECT_TRUE(StateOfSnapshot(*before) == expected);
}

TEST_P(EngineSuite, StopsASnapshotAtTheFirstErrorOfTheSink) {
  CommitPuts("b", {{"k", std::string(3 << 20, 'v')}});
  int calls = 0;
  EXPECT_THAT(Read()->WriteSnapshot([&calls](std::string_view) {
    return ++calls == 2 ? absl::CancelledError("gone") : absl::OkStatus();
  }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(calls, 2);
}

TEST_P(EngineSuite, ServesManyThreadsFromOneTransaction) {
  Entries entries;
  for (int i = 1000; i < 3000; ++i) {
    entries.emplace_back(std::to_string(i), std::string(100, 'v') + std::to_string(i));
  }
  CommitPuts("b", entries);
  const auto txn = Read();
  std::vector<Thread> threads;
  std::atomic<int> wrong{0};
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back("reader", [&, t] {
      for (size_t i = t; i < entries.size(); i += 3) {
        wrong += Get(*txn, "b", entries[i].first) == entries[i].second ? 0 : 1;
      }
      wrong += All(*txn, "b") == entries ? 0 : 1;
    });
  }
  CommitPuts("b", {{"1000", "changed"}});
  for (Thread& thread : threads) {
    thread.Join();
  }
  EXPECT_EQ(wrong, 0);
}

TEST_P(EngineSuite, LetsReadersBeginWhileBucketsAreMade) {
  std::atomic<bool> is_over{false};
  int wrong = 0;
  Thread reader("reader", [&] {
    while (!is_over) {
      const auto txn = engine_->BeginRead();
      const auto buckets = txn.ok() ? (*txn)->Buckets() : txn.status();
      if (!buckets.ok()) {
        ADD_FAILURE() << buckets.status();
        ++wrong;
        return;
      }
      // Each bucket was committed with its key.
      for (const std::string& bucket : *buckets) {
        wrong += Get(**txn, bucket, "k") == bucket ? 0 : 1;
      }
    }
  });
  for (int i = 0; i < 20; ++i) {
    const std::string bucket = "b" + std::to_string(i);
    CommitPuts(bucket, {{"k", bucket}});
  }
  is_over = true;
  reader.Join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(EngineSuite, ReportsSizes) {
  CommitPuts("b", {{"k", std::string(100'000, 'v')}});
  const EngineSize size = engine_->Size();
  EXPECT_GT(size.in_use_bytes, 100'000U);
  EXPECT_LE(size.in_use_bytes, size.total_bytes);
}

}  // namespace socle::kv

#endif  // SOCLE_KV_TESTING_ENGINE_SUITE_H_
