#include "mvcc/testing/random_operations.h"

#include <array>
#include <memory>
#include <utility>

#include "kv/base/check.h"
#include "mvcc/validate.h"

namespace socle::mvcc {

std::string RandomOperations::Key() {
  static const std::array<std::string, 10> kKeys = {
      "a", "aa", "ab", "b", "ba", "c", "d", "dd", std::string(1, '\0'), std::string("a\0", 2)};
  return kKeys[random_.Below(kKeys.size())];
}

std::string RandomOperations::RangeEnd() {
  switch (random_.Below(5)) {
    case 0:
      return std::string(1, '\0');
    case 1:
    case 2:
      return Key();
    default:
      return "";
  }
}

LeaseId RandomOperations::Lease() {
  if (random_.OneIn(8)) {
    return last_of_key_;
  }
  return LeaseId{static_cast<int64_t>(random_.OneIn(2) ? 0 : 1 + random_.Below(4))};
}

int64_t RandomOperations::Near(int64_t revision) {
  return revision + 1 - static_cast<int64_t>(random_.Below(random_.OneIn(4) ? 60 : 8));
}

PutRequest RandomOperations::Put() {
  PutRequest put;
  put.key = Key();
  put.lease = Lease();
  if (random_.OneIn(5) && grants_for_keys_) {
    put.ttl_seconds = static_cast<int64_t>(1 + random_.Below(100));
    // Seldom one that may be there.
    last_of_key_ = random_.OneIn(20) ? LeaseId{1}
                                     : LeaseId{static_cast<int64_t>(random_.Below(1U << 30U)) + 10};
    put.lease = last_of_key_;
  }
  put.prev_kv = random_.OneIn(4);
  put.ignore_value = random_.OneIn(10);
  put.ignore_lease = random_.OneIn(10);
  if (put.ignore_lease) {
    put.ttl_seconds = 0;
    put.lease = kNoLease;
  }
  if (!put.ignore_value) {
    put.value = Value(values_++);
    const size_t size = random_.OneIn(40) ? 6000 : (random_.OneIn(4) ? 300 : 0);
    put.value.append(random_.Below(size + 1), 'v');
  }
  return put;
}

DeleteRangeRequest RandomOperations::DeleteRange() {
  DeleteRangeRequest range;
  range.key = Key();
  range.range_end = RangeEnd();
  range.prev_kv = random_.OneIn(3);
  return range;
}

RangeRequest RandomOperations::Range(int64_t revision) {
  RangeRequest range;
  range.key = Key();
  range.range_end = RangeEnd();
  range.limit = random_.OneIn(2) ? 0 : static_cast<int64_t>(random_.Below(6)) - 1;
  range.revision = random_.OneIn(2) ? 0 : Near(revision);
  range.sort_order = static_cast<SortOrder>(random_.Below(3));
  range.sort_target = static_cast<SortTarget>(random_.Below(5));
  range.keys_only = random_.OneIn(6);
  range.count_only = random_.OneIn(6);
  if (random_.OneIn(3)) {
    range.min_mod_revision = random_.OneIn(2) ? Near(revision) : 0;
    range.max_mod_revision = random_.OneIn(2) ? Near(revision) : 0;
    range.min_create_revision = random_.OneIn(2) ? Near(revision) : 0;
    range.max_create_revision = random_.OneIn(2) ? Near(revision) : 0;
  }
  return range;
}

RequestOp RandomOperations::Op(int64_t revision, int depth) {
  switch (random_.Below(depth > 0 ? 4 : 3)) {
    case 0:
      return Range(revision);
    case 1:
      return Put();
    case 2:
      return DeleteRange();
    default:
      return std::make_unique<TxnRequest>(Txn(revision, depth - 1));
  }
}

TxnRequest RandomOperations::Txn(int64_t revision, int depth) {
  TxnRequest txn;
  for (uint64_t i = random_.Below(3); i > 0; --i) {
    Compare compare;
    compare.op = static_cast<CompareOp>(random_.Below(4));
    compare.target = static_cast<CompareTarget>(random_.Below(5));
    compare.key = Key();
    compare.range_end = RangeEnd();
    const bool is_revision =
        compare.target == CompareTarget::kCreate || compare.target == CompareTarget::kMod;
    compare.number = is_revision ? Near(revision) : static_cast<int64_t>(random_.Below(4));
    compare.value = Value(random_.Below(values_ + 1));
    txn.compares.push_back(std::move(compare));
  }
  for (auto* const branch : {&txn.success, &txn.failure}) {
    for (uint64_t i = random_.Below(4); i > 0; --i) {
      branch->push_back(Op(revision, depth));
    }
  }
  return txn;
}

Operation RandomOperations::Next(int64_t revision) {
  const uint64_t choice = random_.Below(100);
  if (choice < 45) {
    return Put();
  }
  if (choice < 58) {
    return DeleteRange();
  }
  if (choice < 80) {
    return Txn(revision, 2);
  }
  if (choice < 84) {
    return CompactOp{.revision = Near(revision) - 1};
  }
  if (choice < 89) {
    return LeaseGrantOp{.id = LeaseId{static_cast<int64_t>(1 + random_.Below(4))},
                        .ttl_seconds = static_cast<int64_t>(1 + random_.Below(100))};
  }
  if (choice < 92) {
    return LeaseRevokeOp{.id = random_.OneIn(3)
                                   ? last_of_key_
                                   : LeaseId{static_cast<int64_t>(1 + random_.Below(4))}};
  }
  if (choice < 94) {
    CheckpointOp op;
    op.checkpoints.push_back({.id = random_.OneIn(3)
                                        ? last_of_key_
                                        : LeaseId{static_cast<int64_t>(1 + random_.Below(4))},
                              .remaining_ttl_seconds = static_cast<int64_t>(random_.Below(50)),
                              .noted_unix_millis = static_cast<int64_t>(random_.Below(1 << 20)),
                              .left_millis = static_cast<int64_t>(random_.Below(3) * 1'000)});
    return op;
  }
  SystemOp op;
  for (uint64_t i = 1 + random_.Below(2); i > 0; --i) {
    op.writes.push_back({.bucket = random_.OneIn(2) ? "alarm" : "cluster",
                         .key = Key(),
                         .value = std::to_string(values_++),
                         .is_delete = random_.OneIn(3)});
  }
  return op;
}

Operation Copy(const Operation& operation) {
  absl::StatusOr<Operation> copy = DecodeOperation(EncodeOperation(operation));
  CHECK(copy.ok());
  return *std::move(copy);
}

bool IsLogged(const Operation& operation) {
  if (const auto* const put = std::get_if<PutRequest>(&operation)) {
    return Validate(*put).ok();
  }
  if (const auto* const range = std::get_if<DeleteRangeRequest>(&operation)) {
    return Validate(*range).ok();
  }
  if (const auto* const txn = std::get_if<TxnRequest>(&operation)) {
    return Validate(*txn, 128).ok() && !IsReadOnly(*txn);
  }
  return true;
}

}  // namespace socle::mvcc
