// CrashPoints: lets the power fail at every system call of a run, in every way, without repeating
// the run.
//
//   CrashPoints points({.seed = seed});
//   points.Watch(&env, [&] { return Judge(acknowledged); });
//   RunWorkload(&env);      // at each call several machines that lost power there are judged
//
// Laws     1. Before each mutating call the machine is copied as a power cut leaves it, once for
//             each DurabilityLoss (several times for kRandom), and the copy is judged.
//          2. The witness is asked before the copies are made: what was acknowledged then must be
//             in them. What was sent may be read by the judge itself, later.
//          3. A copy is watched too: power fails again while it recovers, `depth` levels deep.
// Threads  thread-safe; judges run on the thread whose call it is, several at a time.
// Source   GUIDE: the truth is kept outside of the victim.
#ifndef SOCLE_KV_TESTING_CRASH_POINTS_H_
#define SOCLE_KV_TESTING_CRASH_POINTS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include <absl/base/thread_annotations.h>

#include "kv/base/mutex.h"
#include "kv/base/random.h"
#include "kv/testing/fault_env.h"

namespace socle {

class CrashPoints {
 public:
  struct Options {
    uint64_t seed = 0;
    uint64_t random_losses = 3;  // how often kRandom is tried at each call
    uint64_t one_in = 1;         // of the calls of the run itself
    int depth = 3;               // 1: no crashes during recovery
    uint64_t nested_one_in = 2;  // of the calls of a recovery, each with one loss
  };

  class Machine;
  // Recovers the machine and reports by test failures. It owns nothing of the machine.
  using Judge = std::function<void(Machine*)>;
  using Witness = std::function<Judge()>;

  // A machine that lost power, started again.
  class Machine {
   public:
    Machine(FaultEnv* env, Judge judge) : env_(env), judge_(std::move(judge)) {}

    FaultEnv* env() const { return env_; }

    // From now on this is how machines are judged that lose power while this one runs: what it has
    // shown must stay.
    void Expect(Judge judge) {
      MutexLock lock(&mu_);
      judge_ = std::move(judge);
    }

    Judge judge() const {
      MutexLock lock(&mu_);
      return judge_;
    }

   private:
    FaultEnv* const env_;
    mutable Mutex mu_;
    Judge judge_ ABSL_GUARDED_BY(mu_);
  };

  explicit CrashPoints(const Options& options) : options_(options), random_(options.seed) {}

  // Takes the observer of `env`. Requires that this object lives as long as calls are made.
  void Watch(FaultEnv* env, Witness witness);

  // How many machines lost power.
  uint64_t count() const { return count_.load(); }

  // Those of them that were recovering.
  uint64_t count_in_recovery() const { return count_in_recovery_.load(); }

  // System calls of the run itself at which the power failed.
  uint64_t calls() const { return calls_.load(); }

  // One line to stderr.
  void PrintSummary() const;

  // How many points a test is to try: $SOCLE_CRASH_POINTS (./dev soak), or else `usual`.
  static uint64_t Wanted(uint64_t usual);

 private:
  void WatchAt(FaultEnv* env, Witness witness, int level);
  void FailAt(const FaultEnv& env, const Witness& witness, int level, const std::string& where);
  void Try(const FaultEnv& env, const Judge& judge, DurabilityLoss loss, int level,
           const std::string& where);
  bool OneIn(uint64_t n);
  uint64_t NextSeed();

  const Options options_;
  std::atomic<uint64_t> count_ = 0;
  std::atomic<uint64_t> count_in_recovery_ = 0;
  std::atomic<uint64_t> calls_ = 0;
  Mutex mu_;
  Random random_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle

#endif  // SOCLE_KV_TESTING_CRASH_POINTS_H_
