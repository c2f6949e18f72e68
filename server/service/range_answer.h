// RangeAnswer: what a Range found, and RangeBytes: the bytes of its response, a few at a time.
//
// Laws     1. An answer holds views of the store, not copies: large ones are copied as the client takes them, once.
//          2. Until it goes an answer pins what it shows: pages that are not used again, and buffers. Its share of the
//             memory for answers it has until its client turns out to be slow.
// Threads  thread-compatible.
// Memory   the store must outlive both.
// Source   etcd#12342, #13458; spec etcd 1.4.
#ifndef SOCLE_SERVER_SERVICE_RANGE_ANSWER_H_
#define SOCLE_SERVER_SERVICE_RANGE_ANSWER_H_

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>

#include "etcd/rpc.pb.h"

#include "mvcc/request.h"
#include "server/service/in_flight.h"
#include "server/service/range_encoder.h"

namespace socle::server {

struct RangeAnswer {
  mvcc::RangeResult result;
  etcdserverpb::ResponseHeader header;
  InFlight::Share share;  // of the memory for answers; empty for short ones
  // By who asks: set once nobody waits for it any more. A long one that has not begun yet is then not read.
  const std::atomic<bool>* is_unwanted = nullptr;
  std::string copied;  // what the entries view, once it is detached

  bool has_been_left() const {
    return is_unwanted != nullptr && is_unwanted->load(std::memory_order_acquire);
  }

  RangeParts parts() const {
    return {.header = &header,
            .kvs = result.kvs,
            .records = result.records,
            .more = result.more,
            .count = result.count};
  }

  size_t entries() const { return result.kvs.size() + result.records.size(); }

  mvcc::KeyValueView EntryAt(size_t index) const;

  // For who gives entries out one by one to a client that turns out to be slow: gives the share back; copies what is left from entry
  // `first` on and lets go of the store, if that is not much and there is room for it.
  void Detach(size_t first, InFlight* room);

  // Memory of its views.
  size_t held_bytes() const {
    return result.kvs.capacity() * sizeof(mvcc::KeyValueView) +
           result.records.capacity() * sizeof(std::string_view);
  }
};

// What one key of an answer under way takes of memory, at most: a vector grows by doubling.
inline constexpr size_t kBytesPerRecord = 2 * sizeof(std::string_view);
inline constexpr size_t kBytesPerView = 2 * sizeof(mvcc::KeyValueView);

class RangeBytes {
 public:
  // `prefix` comes before the response, which has `response_bytes` (RangeResponseBytes: a walk over all keys, done once).
  RangeBytes(std::string prefix, RangeAnswer answer, size_t response_bytes);

  size_t left() const { return left_; }

  size_t held_bytes() const { return answer_.held_bytes(); }

  // Appends the next bytes, at most left().
  void Take(size_t bytes, std::string* out);
  // Gives its share back; copies what is left and lets go of the store, if that is not much and there is room for it.
  void Detach(InFlight* room);

 private:
  // Makes the next piece; there must be one.
  void Refill();

  size_t entries() const { return answer_.result.kvs.size() + answer_.result.records.size(); }

  RangeAnswer answer_;
  size_t left_;
  size_t next_ = 0;         // entry
  bool has_begun_ = false;  // prefix and header were made
  std::string made_;        // made bytes, given out from made_taken_ on
  size_t made_taken_ = 0;
  std::string_view record_;  // then this
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_RANGE_ANSWER_H_
