// BatchTimes: when the writes that are being answered went through the write loop.
//
// Laws     1. All of one batch have the same times: they shared its sync.
// Threads  each thread asks about itself.
#ifndef SOCLE_MVCC_BATCH_TIMES_H_
#define SOCLE_MVCC_BATCH_TIMES_H_

#include <cstdint>

namespace socle::mvcc {

// Monotonic nanoseconds; all zero: not a batch of writes.
struct BatchTimes {
  int64_t taken = 0;    // off the queue
  int64_t logged = 0;   // durable
  int64_t applied = 0;  // and published
};

// Of the batch whose answers the calling thread gives; null on any other thread, and between batches.
const BatchTimes* BatchBeingAnswered();

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_BATCH_TIMES_H_
