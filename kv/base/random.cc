#include "kv/base/random.h"

#include <sys/random.h>

namespace socle {

uint64_t Random::FreshSeed() {
  uint64_t seed = 0;
  CHECK_EQ(::getrandom(&seed, sizeof(seed), 0), static_cast<ssize_t>(sizeof(seed)));
  return seed;
}

}  // namespace socle
