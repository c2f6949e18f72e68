// RandomOperations: makes requests on a handful of keys, valid or not, that meet each other often.
//
// Threads  thread-compatible.
#ifndef SOCLE_MVCC_TESTING_RANDOM_OPERATIONS_H_
#define SOCLE_MVCC_TESTING_RANDOM_OPERATIONS_H_

#include <cstdint>
#include <string>

#include "kv/base/random.h"
#include "mvcc/log_entry.h"
#include "mvcc/watch.h"

namespace socle::mvcc {

class RandomOperations {
 public:
  explicit RandomOperations(uint64_t seed) : random_(seed) {}

  // An operation for a store that is at about this revision.
  Operation Next(int64_t revision);

  PutRequest Put();
  DeleteRangeRequest DeleteRange();
  RangeRequest Range(int64_t revision);
  TxnRequest Txn(int64_t revision, int depth);
  std::string Key();
  std::string RangeEnd();

  Random* random() { return &random_; }

 private:
  int64_t Near(int64_t revision);
  RequestOp Op(int64_t revision, int depth);
  LeaseId Lease();

  Random random_;
  uint64_t values_ = 0;
};

// A copy, by way of the log.
Operation Copy(const Operation& operation);

// True when a store would log the operation: it is valid and not only a read.
bool IsLogged(const Operation& operation);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_TESTING_RANDOM_OPERATIONS_H_
