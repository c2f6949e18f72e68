// WriteShape: what a put run writes; every key and value follows from the seed and the request's
// number.
//
//   key      the key's index in lower-case hexadecimal, padded with zeros to key_size: order of
//   keys is order of indices value    bytes 0..7    the request's number, big-endian
//            bytes 8..15   XXH3 of the rest, seeded with seed and number, big-endian
//            bytes 16..    pseudo-random bytes that do not compress
//            (a value shorter than 16 bytes is pseudo-random bytes only)
// Threads  immutable.
#ifndef SOCLE_BENCH_WORKLOAD_WRITE_SHAPE_H_
#define SOCLE_BENCH_WORKLOAD_WRITE_SHAPE_H_

#include <cstdint>
#include <string>

#include <absl/status/status.h>

namespace socle::bench {

struct WriteShape {
  uint64_t seed = 1;
  uint64_t total = 10'000;
  uint64_t key_size = 8;
  uint64_t val_size = 8;
  uint64_t key_space_size = 1;
  bool sequential_keys = false;

  // InvalidArgument naming the flag when the shape makes no sense.
  absl::Status Validate() const;

  // Index of the key that request `sequence` writes, below key_space_size.
  uint64_t KeyIndexOf(uint64_t sequence) const;
  void AssignKey(uint64_t key_index, std::string* key) const;
  void AssignValue(uint64_t sequence, std::string* value) const;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_WRITE_SHAPE_H_
