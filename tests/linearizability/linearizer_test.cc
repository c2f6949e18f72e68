#include "tests/linearizability/linearizer.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/seed.h"

namespace socle::linearizability {
namespace {

// A register of small numbers: write n, read n, and "clear if it is n", whose answer says nothing.
struct RegisterCall {
  enum Kind { kWrite, kRead, kClearIf } kind;

  int number;
};

struct RegisterModel {
  using State = int;

  static State Initial() { return 0; }

  static bool Same(State a, State b) { return a == b; }

  bool IsPure(size_t call) const { return calls[call].kind == RegisterCall::kRead; }

  bool Step(State state, size_t call, std::vector<State>* changed) const {
    const RegisterCall& asked = calls[call];
    if (asked.kind == RegisterCall::kRead) {
      return state == asked.number || !intervals[call].is_answered;
    }
    const State after =
        asked.kind == RegisterCall::kWrite ? asked.number : (state == asked.number ? 0 : state);
    if (after != state) {
      changed->push_back(after);
    }
    return after == state;
  }

  std::vector<RegisterCall> calls;
  std::vector<Interval> intervals;
};

Verdict Search(const RegisterModel& model) {
  return Linearizer<RegisterModel>(&model, &model.intervals, 1'000'000).Run().verdict;
}

// True when the calls, in this order, keep real time and answer as they did.
bool Fits(const RegisterModel& model, const std::vector<size_t>& order) {
  int state = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    for (size_t j = i + 1; j < order.size(); ++j) {
      if (model.intervals[order[j]].returned < model.intervals[order[i]].invoked) {
        return false;
      }
    }
    std::vector<int> changed;
    if (!model.Step(state, order[i], &changed)) {
      if (changed.empty()) {
        return false;
      }
      state = changed[0];
    }
  }
  return true;
}

// Every subset of the unanswered calls, in every order.
bool BruteForce(const RegisterModel& model) {
  const size_t n = model.calls.size();
  for (uint64_t chosen = 0; chosen < (uint64_t{1} << n); ++chosen) {
    std::vector<size_t> order;
    bool has_all = true;
    for (size_t i = 0; i < n; ++i) {
      const bool is_in = (chosen >> i) % 2 == 1;
      has_all = has_all && (is_in || !model.intervals[i].is_answered);
      if (is_in) {
        order.push_back(i);
      }
    }
    if (!has_all) {
      continue;
    }
    do {
      if (Fits(model, order)) {
        return true;
      }
    } while (std::next_permutation(order.begin(), order.end()));
  }
  return false;
}

RegisterModel RandomHistory(Random* random) {
  RegisterModel model;
  const size_t n = 2 + random->Below(5);
  std::vector<int64_t> ticks(2 * n);
  std::iota(ticks.begin(), ticks.end(), 1);
  for (size_t i = ticks.size(); i > 1; --i) {
    // Mostly near each other, so that some calls are over before others begin.
    const size_t j = i - 1 - random->Below(std::min<size_t>(i, 5));
    std::swap(ticks[i - 1], ticks[j]);
  }
  for (size_t i = 0; i < n; ++i) {
    const bool is_answered = !random->OneIn(4);
    const int64_t a = std::min(ticks[2 * i], ticks[2 * i + 1]);
    const int64_t b = std::max(ticks[2 * i], ticks[2 * i + 1]);
    model.intervals.push_back({.invoked = a,
                               .returned = !is_answered && random->OneIn(2) ? kNever : b,
                               .is_answered = is_answered});
  }
  std::sort(model.intervals.begin(), model.intervals.end(),
            [](const Interval& x, const Interval& y) { return x.invoked < y.invoked; });
  for (size_t i = 0; i < n; ++i) {
    model.calls.push_back(
        {static_cast<RegisterCall::Kind>(random->Below(3)), static_cast<int>(random->Below(3))});
  }
  return model;
}

TEST(Linearizer, AgreesWithTryingEveryOrderOfEverySubset) {
  Random random(TestSeed());
  int counts[2] = {0, 0};
  for (int i = 0; i < 4'000; ++i) {
    SCOPED_TRACE(i);
    const RegisterModel model = RandomHistory(&random);
    const bool expected = BruteForce(model);
    ++counts[expected ? 1 : 0];
    ASSERT_EQ(Search(model), expected ? Verdict::kLinearizable : Verdict::kNotLinearizable);
  }
  EXPECT_GT(counts[0], 400);
  EXPECT_GT(counts[1], 400);
}

TEST(Linearizer, AnUnansweredCallHasItsPlaceBeforeItsEnd) {
  using enum RegisterCall::Kind;
  RegisterModel model{.calls = {{kWrite, 1}, {kRead, 0}, {kRead, 1}},
                      .intervals = {{1, kNever, false}, {2, 3, true}, {4, 5, true}}};
  EXPECT_EQ(Search(model), Verdict::kLinearizable);
  model.intervals[0].returned = 3;  // now or, after the second call, never
  EXPECT_EQ(Search(model), Verdict::kLinearizable);
  model.intervals = {{1, 2, false}, {3, 4, true}, {5, 6, true}};
  EXPECT_EQ(Search(model), Verdict::kNotLinearizable);
}

TEST(Linearizer, SaysWhenItsStepsAreNotEnough) {
  RegisterModel model;
  for (int i = 0; i < 20; ++i) {
    model.calls.push_back({RegisterCall::kWrite, i});
    model.intervals.push_back({i, 100, true});
  }
  model.calls.push_back({RegisterCall::kRead, 99});
  model.intervals.push_back({101, 102, true});
  EXPECT_EQ(Linearizer<RegisterModel>(&model, &model.intervals, 1'000).Run().verdict,
            Verdict::kUndecided);
}

}  // namespace
}  // namespace socle::linearizability
