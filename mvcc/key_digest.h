// KeyDigest: what the key bucket must hold, in 16 bytes: how many records, and the sum of a hash of
// each.
//
//   meta/socle_key_digest, big-endian:
//   offset 0 consistent index · 8 revision · 16 finished compaction (-1: none) · 24 records · 32 sum
//
// The write loop adds each record that it writes and subtracts each that compaction drops, and every
// commit stores the digest with the pages it speaks of. Whoever reads the bucket, the restore first,
// finds out what has changed on the way to the disk and back: a lost, doubled or altered record.
//
// Laws     1. The sum does not depend on the order, so parts can be read in parallel and added.
//          2. A digest speaks only of pages with its own consistent index and finished compaction
//             and no later revision: what etcd wrote in between makes it void, not wrong.
// Threads  values; CheckKeyDigest reads one snapshot and blocks nobody.
// Errors   DataLoss when the records are not those that were written.
// Source   spec etcd 7.2 (integrity).
#ifndef SOCLE_MVCC_KEY_DIGEST_H_
#define SOCLE_MVCC_KEY_DIGEST_H_

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>

#include "kv/engine.h"

namespace socle::mvcc {

class KeyDigest {
 public:
  void Add(std::string_view key, std::string_view value) {
    ++records_;
    sum_ += HashOf(key, value);
  }

  void Subtract(std::string_view key, std::string_view value) {
    --records_;
    sum_ -= HashOf(key, value);
  }

  void Add(const KeyDigest& part) {
    records_ += part.records_;
    sum_ += part.sum_;
  }

  uint64_t records() const { return records_; }

  uint64_t sum() const { return sum_; }

  friend bool operator==(const KeyDigest&, const KeyDigest&) = default;

 private:
  static uint64_t HashOf(std::string_view key, std::string_view value);

  uint64_t records_ = 0;
  uint64_t sum_ = 0;
};

// Which pages a digest speaks of (law 2).
struct PagesPoint {
  uint64_t consistent_index = 0;
  int64_t revision = 1;
  int64_t finished_compact = -1;
};

std::string EncodeDigest(const PagesPoint& point, const KeyDigest& digest);

// Whether `stored` speaks of these pages: then nobody else has written them since (law 2).
bool SpeaksOf(std::string_view stored, const PagesPoint& point);

// DataLoss when `stored` speaks of these pages and says something else than `found`.
absl::Status CompareDigest(std::string_view stored, const PagesPoint& point,
                           const KeyDigest& found);

// Reads the whole key bucket of committed pages.
absl::Status CheckKeyDigest(const kv::ReadTxn& pages);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_KEY_DIGEST_H_
