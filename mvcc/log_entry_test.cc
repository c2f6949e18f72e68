#include "mvcc/log_entry.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/testing/random_operations.h"

namespace socle::mvcc {
namespace {

TEST(LogEntry, DecodesToWhatWasEncoded) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  RandomOperations operations(seed);
  for (int i = 0; i < 3000; ++i) {
    const std::string bytes = EncodeOperation(operations.Next(i));
    const auto decoded = DecodeOperation(bytes);
    ASSERT_THAT(decoded, IsOk());
    ASSERT_EQ(EncodeOperation(*decoded), bytes);
  }
}

TEST(LogEntry, KeepsEveryFieldOfAPut) {
  const PutRequest put{.key = std::string("k\0", 2),
                       .value = "v",
                       .lease = LeaseId{-7},
                       .prev_kv = true,
                       .ignore_value = false,
                       .ignore_lease = true,
                       .ttl_seconds = 12};
  const auto decoded = DecodeOperation(EncodeOperation(put));
  ASSERT_THAT(decoded, IsOk());
  const auto& back = std::get<PutRequest>(*decoded);
  EXPECT_EQ(back.key, put.key);
  EXPECT_EQ(back.value, put.value);
  EXPECT_EQ(back.lease, put.lease);
  EXPECT_TRUE(back.prev_kv);
  EXPECT_FALSE(back.ignore_value);
  EXPECT_TRUE(back.ignore_lease);
  EXPECT_EQ(back.ttl_seconds, 12);
}

TEST(LogEntry, KeepsEveryFieldOfARangeInATransaction) {
  const RangeRequest range{.key = "a",
                           .range_end = "b",
                           .limit = 1,
                           .revision = -2,
                           .sort_order = SortOrder::kDescend,
                           .sort_target = SortTarget::kValue,
                           .keys_only = true,
                           .count_only = false,
                           .min_mod_revision = 3,
                           .max_mod_revision = 4,
                           .min_create_revision = 5,
                           .max_create_revision = 6};
  TxnRequest txn;
  txn.failure.emplace_back(range);
  const auto decoded = DecodeOperation(EncodeOperation(Operation(std::move(txn))));
  ASSERT_THAT(decoded, IsOk());
  const auto& back = std::get<RangeRequest>(std::get<TxnRequest>(*decoded).failure.at(0));
  EXPECT_EQ(back.key, "a");
  EXPECT_EQ(back.range_end, "b");
  EXPECT_EQ(back.limit, 1);
  EXPECT_EQ(back.revision, -2);
  EXPECT_EQ(back.sort_order, SortOrder::kDescend);
  EXPECT_EQ(back.sort_target, SortTarget::kValue);
  EXPECT_TRUE(back.keys_only);
  EXPECT_FALSE(back.count_only);
  EXPECT_EQ(back.min_mod_revision, 3);
  EXPECT_EQ(back.max_mod_revision, 4);
  EXPECT_EQ(back.min_create_revision, 5);
  EXPECT_EQ(back.max_create_revision, 6);
}

TEST(LogEntry, RefusesWhatIsTooShortTooLongOrNoEntry) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  RandomOperations operations(seed);
  for (int i = 0; i < 300; ++i) {
    const std::string bytes = EncodeOperation(operations.Next(i));
    for (size_t size = 0; size<bytes.size(); size += bytes.size()> 200 ? 37 : 1) {
      ASSERT_THAT(DecodeOperation(bytes.substr(0, size)), StatusIs(absl::StatusCode::kDataLoss));
    }
    ASSERT_THAT(DecodeOperation(bytes + "x"), StatusIs(absl::StatusCode::kDataLoss));
  }
  EXPECT_THAT(DecodeOperation("\x63"), StatusIs(absl::StatusCode::kDataLoss));
  // A count far beyond the bytes.
  EXPECT_THAT(DecodeOperation("\x02\xff\xff\xff\xff\x7f"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(LogEntry, SurvivesRandomBytes) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Random random(seed);
  RandomOperations operations(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = EncodeOperation(operations.Next(i)).substr(0, 300);
    for (uint64_t changes = 1 + random.Below(4); changes > 0; --changes) {
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    }
    const auto decoded = DecodeOperation(bytes);
    ASSERT_TRUE(decoded.ok() || decoded.status().code() == absl::StatusCode::kDataLoss);
  }
}

std::unique_ptr<TxnRequest> Nested(int levels) {
  auto txn = std::make_unique<TxnRequest>();
  for (int i = 0; i < levels; ++i) {
    auto outer = std::make_unique<TxnRequest>();
    outer->success.emplace_back(std::move(txn));
    txn = std::move(outer);
  }
  return txn;
}

TEST(LogEntry, BoundsTheNestingOfTransactions) {
  EXPECT_THAT(DecodeOperation(EncodeOperation(std::move(*Nested(kTxnDepthMax)))), IsOk());
  EXPECT_THAT(DecodeOperation(EncodeOperation(std::move(*Nested(kTxnDepthMax + 1)))),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(LogEntry, ReadsACheckpointFromBeforeDeadlinesWereNoted) {
  const auto operation = DecodeOperation(std::string("\x06\x01\x07\x2a", 4));
  ASSERT_THAT(operation, IsOk());
  const auto& op = std::get<CheckpointOp>(*operation);
  ASSERT_EQ(op.checkpoints.size(), 1U);
  EXPECT_EQ(op.checkpoints[0].id, LeaseId{7});
  EXPECT_EQ(op.checkpoints[0].remaining_ttl_seconds, 42);
  EXPECT_EQ(op.checkpoints[0].left_millis, 0);
}

}  // namespace
}  // namespace socle::mvcc
