#include "mvcc/validate.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mvcc/errors.h"

namespace socle::mvcc {
namespace {

using Error = std::optional<StoreError>;

std::vector<RequestOp> Ops() {
  return {};
}

template <typename... Rest>
std::vector<RequestOp> Ops(RequestOp op, Rest... rest) {
  std::vector<RequestOp> ops;
  ops.push_back(std::move(op));
  for (RequestOp& other : Ops(std::move(rest)...)) {
    ops.push_back(std::move(other));
  }
  return ops;
}

RequestOp Put(const std::string& key) {
  return PutRequest{.key = key};
}

RequestOp Delete(const std::string& key, const std::string& range_end = "") {
  return DeleteRangeRequest{.key = key, .range_end = range_end};
}

RequestOp Range(const std::string& key) {
  return RangeRequest{.key = key};
}

RequestOp Txn(std::vector<RequestOp> success, std::vector<RequestOp> failure = {}) {
  auto txn = std::make_unique<TxnRequest>();
  txn->success = std::move(success);
  txn->failure = std::move(failure);
  return txn;
}

Error Check(std::vector<RequestOp> success, std::vector<RequestOp> failure = {}) {
  TxnRequest txn;
  txn.success = std::move(success);
  txn.failure = std::move(failure);
  return ErrorOf(Validate(txn, 128));
}

constexpr Error kFine = std::nullopt;
constexpr Error kDuplicate = StoreError::kDuplicateKey;
const std::string kZero(1, '\0');

TEST(Validate, RefusesKeysWrittenTwiceInOneBranch) {
  EXPECT_EQ(Check(Ops(Put("a"), Put("a"))), kDuplicate);
  EXPECT_EQ(Check(Ops(Put("a"), Put("b"))), kFine);
  EXPECT_EQ(Check(Ops(Put("a")), Ops(Put("a"))), kFine);
  EXPECT_EQ(Check({}, Ops(Put("a"), Put("a"))), kDuplicate);
  EXPECT_EQ(Check(Ops(Put("a"), Delete("a"))), kDuplicate);
  EXPECT_EQ(Check(Ops(Delete("a"), Put("a"))), kDuplicate);
  EXPECT_EQ(Check(Ops(Delete("a", "c"), Put("b"))), kDuplicate);
  EXPECT_EQ(Check(Ops(Delete("a", "c"), Put("c"))), kFine);
  EXPECT_EQ(Check(Ops(Delete("a", "c"), Delete("b"))), kFine);
  EXPECT_EQ(Check(Ops(Put("a"), Range("a"))), kFine);
}

TEST(Validate, LooksIntoNestedTransactions) {
  EXPECT_EQ(Check(Ops(Txn(Ops(Put("a")), Ops(Put("a"))))), kFine);
  EXPECT_EQ(Check(Ops(Txn(Ops(Put("a"))), Put("a"))), kDuplicate);
  EXPECT_EQ(Check(Ops(Put("a"), Txn({}, Ops(Put("a"))))), kDuplicate);
  EXPECT_EQ(Check(Ops(Txn(Ops(Put("a"))), Txn({}, Ops(Put("a"))))), kDuplicate);
  EXPECT_EQ(Check(Ops(Delete("a", "c"), Txn(Ops(Put("b"))))), kDuplicate);
  EXPECT_EQ(Check(Ops(Txn(Ops(Delete("a", "c"))), Put("b"))), kDuplicate);
  EXPECT_EQ(Check(Ops(Txn(Ops(Txn(Ops(Put("a"), Put("a"))))))), kDuplicate);
  EXPECT_EQ(Check(Ops(Txn(Ops(Delete("a")), Ops(Put("a"))))), kFine);
  EXPECT_EQ(Check(Ops(Txn(Ops(Delete("a"))), Txn(Ops(Put("a"))))), kDuplicate);
}

TEST(Validate, HasTheKnownHolesOfEtcd) {
  // A put in a nested transaction and a delete in a later one.
  EXPECT_EQ(Check(Ops(Txn(Ops(Put("a"))), Txn(Ops(Delete("a"))))), kFine);
}

TEST(Validate, SharesTheBudgetOfOperationsAmongLevels) {
  const auto puts = [](int count, const std::string& prefix) {
    std::vector<RequestOp> ops;
    for (int i = 0; i < count; ++i) {
      ops.push_back(Put(prefix + std::to_string(i)));
    }
    return ops;
  };
  EXPECT_EQ(Check(puts(128, "a"), puts(128, "b")), kFine);  // The largest list counts.
  EXPECT_EQ(Check(puts(129, "a")), StoreError::kTooManyOps);
  EXPECT_EQ(Check(Ops(Txn(puts(127, "a")))), kFine);
  EXPECT_EQ(Check(Ops(Txn(puts(128, "a")))), StoreError::kTooManyOps);
  EXPECT_EQ(Check(Ops(Txn(Ops(Txn(puts(127, "a")))))), StoreError::kTooManyOps);
  TxnRequest compares;
  compares.compares.resize(129, {.key = "a"});
  EXPECT_EQ(ErrorOf(Validate(compares, 128)), StoreError::kTooManyOps);
}

TEST(Validate, BoundsNestingWhateverTheBudget) {
  const auto nested = [](int levels) {
    TxnRequest txn;
    for (int i = 0; i < levels; ++i) {
      TxnRequest outer;
      outer.success.emplace_back(std::make_unique<TxnRequest>(std::move(txn)));
      txn = std::move(outer);
    }
    return txn;
  };
  EXPECT_EQ(ErrorOf(Validate(nested(kTxnDepthMax), 1'000'000)), kFine);
  // Deeper ones could be logged but not replayed.
  EXPECT_EQ(ErrorOf(Validate(nested(kTxnDepthMax + 1), 1'000'000)), StoreError::kTooManyOps);
}

TEST(Validate, RefusesOperationsThatSayTooLittleOrTooMuch) {
  EXPECT_EQ(Check(Ops(RequestOp())), StoreError::kKeyNotFound);
  EXPECT_EQ(Check(Ops(Put(""))), StoreError::kKeyNotProvided);
  EXPECT_EQ(Check(Ops(Delete(""))), StoreError::kKeyNotProvided);
  EXPECT_EQ(Check(Ops(Range(""))), StoreError::kKeyNotProvided);
  EXPECT_EQ(Check(Ops(PutRequest{.key = "a", .value = "v", .ignore_value = true})),
            StoreError::kValueProvided);
  EXPECT_EQ(Check(Ops(PutRequest{.key = "a", .lease = LeaseId{1}, .ignore_lease = true})),
            StoreError::kLeaseProvided);
  EXPECT_EQ(Check(Ops(RangeRequest{.key = "a", .sort_order = static_cast<SortOrder>(3)})),
            StoreError::kInvalidSortOption);
  EXPECT_EQ(Check(Ops(RangeRequest{.key = "a", .sort_target = static_cast<SortTarget>(5)})),
            StoreError::kInvalidSortOption);
  TxnRequest compare;
  compare.compares.push_back({});
  EXPECT_EQ(ErrorOf(Validate(compare, 128)), StoreError::kKeyNotProvided);
}

TEST(Validate, OnlyPlainRangesMakeATransactionARead) {
  TxnRequest txn;
  EXPECT_TRUE(IsReadOnly(txn));
  txn.success = Ops(Range("a"));
  txn.failure = Ops(Range("b"));
  EXPECT_TRUE(IsReadOnly(txn));
  txn.failure = Ops(Txn(Ops(Range("b"))));  // Trap 9.
  EXPECT_FALSE(IsReadOnly(txn));
  txn.failure = Ops(Put("b"));
  EXPECT_FALSE(IsReadOnly(txn));
}

}  // namespace
}  // namespace socle::mvcc
