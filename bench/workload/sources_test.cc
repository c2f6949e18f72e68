// What the workloads send, without a server.
#include <map>
#include <set>

#include <etcd/rpc.pb.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/workload/key_choice.h"
#include "bench/workload/kube.h"
#include "bench/workload/mixed.h"
#include "bench/workload/stm.h"
#include "bench/workload/txn.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

using testing::HasSubstr;

const etcdserverpb::TxnRequest& AsTxn(const google::protobuf::MessageLite& message) {
  return dynamic_cast<const etcdserverpb::TxnRequest&>(message);
}

TEST(KeyChoice, AZipfianHotKeyTakesItsShareAndLatestIsYoung) {
  constexpr uint64_t kKeys = 1'000;
  constexpr uint64_t kPicks = 100'000;
  Random random(7);
  for (const KeySpread spread : {KeySpread::kUniform, KeySpread::kZipfian}) {
    const KeyChoice choice(spread, kKeys);
    std::map<uint64_t, uint64_t> seen;
    for (uint64_t i = 0; i < kPicks; ++i) {
      const uint64_t key = choice.Pick(&random, i);
      ASSERT_LT(key, kKeys);
      ++seen[key];
    }
    uint64_t most = 0;
    for (const auto& [key, count] : seen) {
      most = std::max(most, count);
    }
    // 1 / zeta(1000, 0.99) = 12.8 %.
    const double share = static_cast<double>(most) / kPicks;
    EXPECT_NEAR(share, spread == KeySpread::kZipfian ? 0.128 : 0.001, 0.02);
  }
  const KeyChoice latest(KeySpread::kLatest, kKeys);
  uint64_t young = 0;
  for (uint64_t i = kKeys; i < kKeys + kPicks; ++i) {
    EXPECT_EQ(latest.PickForWrite(&random, i), i % kKeys);
    young += (i % kKeys + kKeys - latest.Pick(&random, i)) % kKeys < 100 ? 1U : 0U;
  }
  EXPECT_GT(young, kPicks / 2);
}

TEST(KeyChoice, OneAndTwoKeysAreKeysToo) {
  Random random(1);
  for (const uint64_t keys : {1U, 2U}) {
    for (const KeySpread spread : {KeySpread::kUniform, KeySpread::kZipfian, KeySpread::kLatest}) {
      const KeyChoice choice(spread, keys);
      for (uint64_t i = 0; i < 100; ++i) {
        EXPECT_LT(choice.Pick(&random, i), keys);
      }
    }
  }
}

TEST(TxnPut, KeysOfATransactionDiffer) {
  for (const bool sequential : {false, true}) {
    const WriteShape shape{.key_space_size = 10, .sequential_keys = sequential};
    ASSERT_TRUE(TxnPutSource::CheckOps(shape, 7).ok());
    TxnPutSource source(shape, 7);
    for (uint64_t n = 0; n < 200; ++n) {
      std::set<std::string> keys;
      for (const auto& op : AsTxn(source.Build(n)).success()) {
        keys.insert(op.request_put().key());
      }
      EXPECT_EQ(keys.size(), 7U) << n;
    }
    EXPECT_FALSE(TxnPutSource::CheckOps(shape, 11).ok());
  }
}

TEST(TxnMixed, KeepsTheRatioOfReadsToWrites) {
  TxnMixedSource source({.shape = {.key_space_size = 100}, .rw_ratio = 4});
  int reads = 0;
  for (uint64_t n = 0; n < 10'000; ++n) {
    reads += AsTxn(source.Build(n)).success(0).has_request_range() ? 1 : 0;
  }
  EXPECT_NEAR(reads, 8'000, 200);
}

TEST(Mixed, GivesEachKindItsShareAndTheSameForTheSameNumber) {
  MixedOptions options;
  options.shape.key_space_size = 1'000;
  options.shares = *ParseShares({"put=1", "range=7", "txn=2"});
  MixedSource source(options);
  std::map<size_t, int> parts;
  for (uint64_t n = 0; n < 10'000; ++n) {
    const std::string bytes = source.Build(n).SerializeAsString();
    ++parts[source.part()];
    ASSERT_EQ(source.Build(n).SerializeAsString(), bytes);
  }
  EXPECT_EQ(parts.size(), 3U);
  EXPECT_NEAR(parts[0], 1'000, 150);
  EXPECT_NEAR(parts[1], 7'000, 250);
  EXPECT_NEAR(parts[4], 2'000, 200);
}

TEST(Mixed, RefusesWhatIsNoShare) {
  for (const char* word : {"", "put", "put=", "put=x", "put=-1", "swim=3", "put=0", "put=1e999"}) {
    EXPECT_EQ(ParseShares({word}).status().code(), absl::StatusCode::kInvalidArgument) << word;
  }
}

std::string ReadAnswer(bool succeeded, std::initializer_list<int64_t> revisions) {
  etcdserverpb::TxnResponse answer;
  answer.set_succeeded(succeeded);
  for (const int64_t revision : revisions) {
    auto* const range = answer.add_responses()->mutable_response_range();
    if (revision > 0) {
      range->add_kvs()->set_mod_revision(revision);
    }
  }
  return answer.SerializeAsString();
}

TEST(Stm, CommitsWithWhatItReadAndAgainAfterAConflict) {
  StmSource source({.shape = {.key_space_size = 10}, .keys_per_txn = 2, .write_percent = 50});
  EXPECT_EQ(AsTxn(source.Build(4)).success_size(), 2);
  EXPECT_EQ(source.part(), 0U);
  auto commit = source.Next(4, ReadAnswer(true, {17, 0}));
  ASSERT_TRUE(commit.ok() && *commit != nullptr);
  EXPECT_EQ(source.part(), 1U);
  const etcdserverpb::TxnRequest first = AsTxn(**commit);
  ASSERT_EQ(first.compare_size(), 2);
  EXPECT_EQ(first.compare(0).mod_revision(), 17);
  EXPECT_EQ(first.compare(1).mod_revision(), 0);
  EXPECT_EQ(first.success_size(), 1);
  EXPECT_EQ(first.failure_size(), 2);
  commit = source.Next(4, ReadAnswer(false, {23, 5}));
  ASSERT_TRUE(commit.ok() && *commit != nullptr);
  EXPECT_EQ(AsTxn(**commit).compare(0).mod_revision(), 23);
  EXPECT_EQ(AsTxn(**commit).compare(1).mod_revision(), 5);
  EXPECT_EQ(source.counters().at("conflicts"), 1U);
  commit = source.Next(4, ReadAnswer(true, {}));
  ASSERT_TRUE(commit.ok());
  EXPECT_EQ(*commit, nullptr);
}

std::string Applied(int64_t revision) {
  etcdserverpb::TxnResponse answer;
  answer.set_succeeded(true);
  answer.mutable_header()->set_revision(revision);
  return answer.SerializeAsString();
}

TEST(KubePods, SendsTheShapesOfTheApiServer) {
  KubePodsSource source(1, 100);
  const auto step = [&source](uint64_t pod, int64_t revision) {
    return AsTxn(**source.Next(pod, Applied(revision)));
  };
  const etcdserverpb::TxnRequest create = AsTxn(source.Build(0));
  EXPECT_EQ(create.compare(0).target(), etcdserverpb::Compare::MOD);
  EXPECT_EQ(create.compare(0).mod_revision(), 0);
  EXPECT_EQ(create.failure_size(), 0);
  const etcdserverpb::TxnRequest bind = step(0, 10);
  EXPECT_EQ(bind.compare(0).mod_revision(), 10);
  EXPECT_EQ(bind.success(0).request_put().key(), create.success(0).request_put().key());
  EXPECT_EQ(bind.failure(0).request_range().key(), bind.success(0).request_put().key());
  EXPECT_EQ(step(0, 11).compare(0).mod_revision(), 11);
  EXPECT_EQ(*source.Next(0, Applied(12)), nullptr) << "one pod may live";
  source.Build(1);
  step(1, 20);
  step(1, 21);
  const etcdserverpb::TxnRequest erase = step(1, 22);
  EXPECT_EQ(source.part(), 3U);
  EXPECT_EQ(erase.compare(0).mod_revision(), 12);
  EXPECT_EQ(erase.success(0).request_delete_range().key(), create.success(0).request_put().key());
  EXPECT_EQ(*source.Next(1, Applied(23)), nullptr);
  EXPECT_EQ(source.changes(), 7U);
}

TEST(KubeLists, GoOnBehindTheLastKeyAtTheFirstPagesRevision) {
  KubeListSource source(kPodKeys, 2);
  const auto& range = dynamic_cast<const etcdserverpb::RangeRequest&>(source.Build(3));
  EXPECT_EQ(range.range_end(), "/registry/pods0");
  etcdserverpb::RangeResponse page;
  page.mutable_header()->set_revision(41);
  page.add_kvs()->set_key("/registry/pods/a");
  page.add_kvs()->set_key("/registry/pods/b");
  page.set_more(true);
  auto next = source.Next(3, page.SerializeAsString());
  ASSERT_TRUE(next.ok() && *next != nullptr);
  page.mutable_header()->set_revision(57);
  next = source.Next(3, page.SerializeAsString());
  const auto& third = dynamic_cast<const etcdserverpb::RangeRequest&>(**next);
  EXPECT_EQ(third.key(), std::string("/registry/pods/b\0", 17));
  EXPECT_EQ(third.revision(), 41);
  page.set_more(false);
  EXPECT_EQ(*source.Next(3, page.SerializeAsString()), nullptr);
  EXPECT_EQ(source.counters().at("objects"), 6U);
}

TEST(KubePods, PrefixEndsBehindEveryKeyOfThePrefix) {
  EXPECT_EQ(PrefixEnd("ab"), "ac");
  EXPECT_EQ(PrefixEnd("a\xff\xff"), "b");
  EXPECT_EQ(PrefixEnd("\xff"), std::string(1, '\0'));
}

}  // namespace
}  // namespace socle::bench
