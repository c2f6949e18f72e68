#include "kv/testing/crash_points.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace socle {
namespace {

constexpr std::array<std::string_view, 6> kLossNames = {"all",  "none",     "random",
                                                        "torn", "one lost", "one torn"};

constexpr std::array<DurabilityLoss, 5> kLosses = {DurabilityLoss::kAll, DurabilityLoss::kNone,
                                                   DurabilityLoss::kTorn, DurabilityLoss::kOneLost,
                                                   DurabilityLoss::kOneTorn};

}  // namespace

void CrashPoints::Watch(FaultEnv* env, Witness witness) {
  WatchAt(env, std::move(witness), 1);
}

void CrashPoints::WatchAt(FaultEnv* env, Witness witness, int level) {
  env->SetObserver(
      [this, env, witness = std::move(witness), level](CallKind kind, const std::string& path) {
        if (IsMutating(kind) && OneIn(level == 1 ? options_.one_in : options_.nested_one_in)) {
          FailAt(*env, witness, level, fmt::format("{} {}", NameOf(kind), path));
        }
      });
}

void CrashPoints::FailAt(const FaultEnv& env, const Witness& witness, int level,
                         const std::string& where) {
  const Judge judge = witness();
  if (level > 1) {
    const uint64_t chosen = Random(NextSeed()).Below(kLosses.size() + 1);
    Try(env, judge, chosen < kLosses.size() ? kLosses.at(chosen) : DurabilityLoss::kRandom, level,
        where);
    return;
  }
  ++calls_;
  for (const DurabilityLoss loss : kLosses) {
    Try(env, judge, loss, level, where);
  }
  for (uint64_t i = 0; i < options_.random_losses; ++i) {
    Try(env, judge, DurabilityLoss::kRandom, level, where);
  }
}

void CrashPoints::Try(const FaultEnv& env, const Judge& judge, DurabilityLoss loss, int level,
                      const std::string& where) {
  if (::testing::Test::HasFailure()) {
    return;  // One story is enough.
  }
  SCOPED_TRACE(fmt::format("seed {}: power fails before call {} ({}), level {}, loses: {}",
                           options_.seed, calls_.load(), where, level,
                           kLossNames.at(static_cast<size_t>(loss))));
  ++count_;
  count_in_recovery_ += level > 1 ? 1 : 0;
  const std::unique_ptr<FaultEnv> crashed = env.AfterPowerCut(loss, NextSeed());
  Machine machine(crashed.get(), judge);
  if (level < options_.depth) {
    WatchAt(
        crashed.get(), [&machine] { return machine.judge(); }, level + 1);
  }
  judge(&machine);
}

bool CrashPoints::OneIn(uint64_t n) {
  if (n == 1) {
    return true;
  }
  MutexLock lock(&mu_);
  return random_.OneIn(n);
}

uint64_t CrashPoints::NextSeed() {
  MutexLock lock(&mu_);
  return random_.Next();
}

void CrashPoints::PrintSummary() const {
  fmt::print(stderr, "{} crash points at {} system calls, {} of them during recovery\n", count(),
             calls(), count_in_recovery());
}

uint64_t CrashPoints::Wanted(uint64_t usual) {
  const char* text = std::getenv("SOCLE_CRASH_POINTS");  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? usual : std::strtoull(text, nullptr, 10);
}

}  // namespace socle
