#include "bench/workload/write_shape.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/random.h"

namespace socle::bench {
namespace {

constexpr uint64_t kStampBytes = 16;
constexpr uint64_t kKeySizeMax = 32 << 10;
constexpr uint64_t kValSizeMax = 64 << 20;

// Two independent streams of chance per request.
constexpr uint64_t kKeyStream = 0x6B65795F73747265ULL;
constexpr uint64_t kValueStream = 0x76616C5F73747265ULL;

uint64_t Mix(uint64_t seed, uint64_t sequence, uint64_t stream) {
  return (seed * 0xD1342543DE82EF95ULL) ^ (sequence * 0xAF251AF3B0F025B5ULL) ^ stream;
}

void FillRandom(uint64_t seed, char* out, size_t size) {
  Random random(seed);
  while (size > 0) {
    const uint64_t word = random.Next();
    const size_t part = std::min(size, sizeof(word));
    std::memcpy(out, &word, part);
    out += part;
    size -= part;
  }
}

}  // namespace

absl::Status WriteShape::Validate() const {
  if (key_size == 0 || key_size > kKeySizeMax) {
    return absl::InvalidArgumentError(fmt::format("--key-size must be 1 to {}", kKeySizeMax));
  }
  if (val_size > kValSizeMax) {
    return absl::InvalidArgumentError(fmt::format("--val-size must be at most {}", kValSizeMax));
  }
  if (key_space_size == 0) {
    return absl::InvalidArgumentError("--key-space-size must be at least 1");
  }
  if (key_size < 16 && key_space_size > uint64_t{1} << (4 * key_size)) {
    return absl::InvalidArgumentError(
        fmt::format("--key-size {} has room for {} keys only; raise it or lower --key-space-size",
                    key_size, uint64_t{1} << (4 * key_size)));
  }
  return absl::OkStatus();
}

uint64_t WriteShape::KeyIndexOf(uint64_t sequence) const {
  if (sequential_keys) {
    return sequence % key_space_size;
  }
  return Random(Mix(seed, sequence, kKeyStream)).Below(key_space_size);
}

void WriteShape::AssignKey(uint64_t key_index, std::string* key) const {
  constexpr char kDigits[] = "0123456789abcdef";
  key->assign(key_size, '0');
  for (size_t i = key_size; i > 0 && key_index > 0; --i) {
    (*key)[i - 1] = kDigits[key_index & 0xFU];
    key_index >>= 4U;
  }
}

void WriteShape::AssignValue(uint64_t sequence, std::string* value) const {
  value->resize(val_size);
  const uint64_t value_seed = Mix(seed, sequence, kValueStream);
  if (val_size < kStampBytes) {
    FillRandom(value_seed, value->data(), val_size);
    return;
  }
  char* filler = value->data() + kStampBytes;
  FillRandom(value_seed, filler, val_size - kStampBytes);
  PutBigEndian64(sequence, value->data());
  PutBigEndian64(XXH3_64bits_withSeed(filler, val_size - kStampBytes, value_seed),
                 value->data() + 8);
}

}  // namespace socle::bench
