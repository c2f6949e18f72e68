// RandomOperations: makes requests on a handful of keys, valid or not, that meet each other often.
//
// Threads  thread-compatible.
#ifndef SOCLE_MVCC_TESTING_RANDOM_OPERATIONS_H_
#define SOCLE_MVCC_TESTING_RANDOM_OPERATIONS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "kv/base/random.h"
#include "mvcc/log_entry.h"
#include "mvcc/watch.h"

namespace socle::mvcc {

class RandomOperations {
 public:
  // Two sources with different prefixes never put the same value.
  explicit RandomOperations(uint64_t seed, std::string value_prefix = "")
      : random_(seed), value_prefix_(std::move(value_prefix)) {}

  // An operation for a store that is at about this revision.
  Operation Next(int64_t revision);

  PutRequest Put();
  DeleteRangeRequest DeleteRange();
  RangeRequest Range(int64_t revision);
  TxnRequest Txn(int64_t revision, int depth);
  std::string Key();
  std::string RangeEnd();

  Random* random() { return &random_; }

  // Whether puts grant leases of their own, as they do unless told otherwise.
  void set_grants_for_keys(bool grants) { grants_for_keys_ = grants; }

 private:
  int64_t Near(int64_t revision);
  RequestOp Op(int64_t revision, int depth);
  LeaseId Lease();

  std::string Value(uint64_t number) const { return value_prefix_ + std::to_string(number); }

  Random random_;
  const std::string value_prefix_;
  uint64_t values_ = 0;
  LeaseId last_of_key_{1};  // lease of a put with a TTL
  bool grants_for_keys_ = true;
};

// A copy, by way of the log.
Operation Copy(const Operation& operation);

// True when a store would log the operation: it is valid and not only a read.
bool IsLogged(const Operation& operation);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_TESTING_RANDOM_OPERATIONS_H_
