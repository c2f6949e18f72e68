// TestSeed: the seed of a randomised test; the same on every run unless SOCLE_TEST_SEED says
// otherwise.
//
//   const uint64_t seed = TestSeed();
//   SCOPED_TRACE(seed);
// Threads  called by the thread that runs the test.
#ifndef SOCLE_KV_TESTING_SEED_H_
#define SOCLE_KV_TESTING_SEED_H_

#include <cstdint>

namespace socle {

// The number in $SOCLE_TEST_SEED, or else one that depends on the name of the running test. Prints
// it.
uint64_t TestSeed();

}  // namespace socle

#endif  // SOCLE_KV_TESTING_SEED_H_
