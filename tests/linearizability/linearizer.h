// Linearizer: searches an order of calls that a sequential model could have answered as they were.
//
// The search of Wing and Gong, with Lowe's memory of (calls placed, state) and two additions:
// a call that fits and changes nothing is placed at once, without a choice; and a call without an
// answer may be left out, and has its place, if any, before `returned`.
//
// Laws     1. kLinearizable: `order` is such an order: it keeps real time (a call that returned
//             before another was invoked comes first), holds every answered call, and the model
//             answers each as the history has it.
//          2. kNotLinearizable: there is none. kUndecided: `steps_max` was not enough to tell.
//          3. A call that fits, changes nothing here, could by its answer change nothing later
//             either, and has no unanswered call that could only come before it, is never worth
//             waiting with: any order that goes on from here is one with that call moved to its
//             front.
// Threads  thread-compatible.
// Source   Wing, Gong: Testing and verifying concurrent objects (1993); Lowe: Testing for
//          linearizability (2017).
#ifndef SOCLE_TESTS_LINEARIZABILITY_LINEARIZER_H_
#define SOCLE_TESTS_LINEARIZABILITY_LINEARIZER_H_

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kv/base/random.h"
#include "tests/linearizability/history.h"

namespace socle::linearizability {

// When a call was under way; by `invoked`, ascending.
struct Interval {
  int64_t invoked = 0;
  int64_t returned = kNever;
  bool is_answered = true;
};

enum class Verdict { kLinearizable, kNotLinearizable, kUndecided };

template <typename State>
struct Linearization {
  Verdict verdict = Verdict::kUndecided;
  std::vector<size_t> order;  // of all calls placed; when there is none, the longest one tried
  State state;                // after it
  std::vector<size_t> stuck;  // when there is none: the calls that could have come next
  uint64_t steps = 0;
};

// A Model has
//   State, and State Initial() const;
//   bool Step(const State&, size_t call, std::vector<State>* changed) const
//     true when the call, answered as it was, fits and leaves the state as it is; appends every
//     other state that it can lead to;
//   bool IsPure(size_t call) const
//     true when a call that fits somewhere and changes nothing there changes nothing wherever else
//     it fits;
//   bool Same(const State&, const State&) const.
template <typename Model>
class Linearizer {
 public:
  using State = typename Model::State;

  // Both must outlive it.
  Linearizer(const Model* model, const std::vector<Interval>* calls, uint64_t steps_max)
      : model_(model),
        calls_(calls),
        steps_max_(steps_max),
        is_placed_(calls->size()),
        state_(model->Initial()) {
    Random random(1);
    for (size_t i = 0; i < calls->size(); ++i) {
      hashes_.push_back(random.Next());
    }
  }

  Linearization<State> Run() {
    found_.state = state_;
    while (found_.steps <= steps_max_) {
      const std::vector<size_t> candidates = Candidates();
      if (candidates.empty()) {
        return Finish(Verdict::kLinearizable);
      }
      if (PlaceWhatChangesNothing(candidates)) {
        continue;
      }
      std::vector<Branch> branches = Branches(candidates);
      if (branches.size() > 1 && !Remember()) {
        branches.clear();
      }
      if (branches.empty()) {
        NoteDeadEnd(candidates);
        if (!StepBack()) {
          found_.verdict = Verdict::kNotLinearizable;
          return std::move(found_);
        }
        continue;
      }
      if (branches.size() > 1) {
        choices_.push_back({.branches = std::move(branches),
                            .placed = order_.size(),
                            .first = first_,
                            .last_invoked = last_invoked_});
        TakeNextBranch();
      } else {
        Take(std::move(branches.front()));
      }
    }
    return Finish(Verdict::kUndecided);
  }

 private:
  struct Branch {
    size_t call;
    State state;
  };

  struct Choice {
    std::vector<Branch> branches;  // not yet tried, the next one last
    size_t placed;
    size_t first;
    int64_t last_invoked;
  };

  struct Memory {
    std::vector<bool> is_placed;
    State state;
  };

  // An unanswered call that would have to come before one that is placed already.
  bool IsOver(size_t call) const {
    return !(*calls_)[call].is_answered && (*calls_)[call].returned < last_invoked_;
  }

  // The calls that may come next; none when every answered call is placed.
  std::vector<size_t> Candidates() {
    while (first_ < calls_->size() && (is_placed_[first_] || IsOver(first_))) {
      ++first_;
    }
    std::vector<size_t> open;
    int64_t first_return = kNever;
    bool has_answered = false;
    for (size_t i = first_; i < calls_->size(); ++i) {
      const Interval& call = (*calls_)[i];
      if (call.invoked > first_return) {
        break;
      }
      if (is_placed_[i] || IsOver(i)) {
        continue;
      }
      if (call.is_answered) {
        first_return = std::min(first_return, call.returned);
        has_answered = true;
      }
      open.push_back(i);
    }
    if (!has_answered) {
      return {};
    }
    std::erase_if(open, [&](size_t i) { return (*calls_)[i].invoked > first_return; });
    return open;
  }

  bool PlaceWhatChangesNothing(const std::vector<size_t>& candidates) {
    int64_t first_end = kNever;  // of the unanswered ones
    for (const size_t i : candidates) {
      if (!(*calls_)[i].is_answered) {
        first_end = std::min(first_end, (*calls_)[i].returned);
      }
    }
    bool has_placed = false;
    for (const size_t i : candidates) {
      const Interval& call = (*calls_)[i];
      if (!call.is_answered || first_end < call.invoked || !model_->IsPure(i)) {
        continue;
      }
      std::vector<State> changed;
      ++found_.steps;
      if (model_->Step(state_, i, &changed)) {
        Place(i);
        has_placed = true;
      }
    }
    return has_placed;
  }

  // Ordered so that the likeliest is last: an answered call before an unanswered one, early ones
  // first.
  std::vector<Branch> Branches(const std::vector<size_t>& candidates) {
    std::vector<Branch> branches;
    for (const bool is_answered : {false, true}) {
      for (auto i = candidates.rbegin(); i != candidates.rend(); ++i) {
        if ((*calls_)[*i].is_answered != is_answered) {
          continue;
        }
        std::vector<State> changed;
        ++found_.steps;
        if (model_->Step(state_, *i, &changed) && is_answered) {
          branches.push_back({*i, state_});
        }
        for (State& state : changed) {
          branches.push_back({*i, std::move(state)});
        }
      }
    }
    return branches;
  }

  void Place(size_t call) {
    is_placed_[call] = true;
    hash_ ^= hashes_[call];
    order_.push_back(call);
    last_invoked_ = std::max(last_invoked_, (*calls_)[call].invoked);
  }

  void Take(Branch branch) {
    Place(branch.call);
    state_ = std::move(branch.state);
  }

  void TakeNextBranch() {
    Branch branch = std::move(choices_.back().branches.back());
    choices_.back().branches.pop_back();
    Take(std::move(branch));
  }

  // Back to the last choice with a branch left; false when there is none.
  bool StepBack() {
    while (!choices_.empty() && choices_.back().branches.empty()) {
      choices_.pop_back();
    }
    if (choices_.empty()) {
      return false;
    }
    const Choice& choice = choices_.back();
    while (order_.size() > choice.placed) {
      is_placed_[order_.back()] = false;
      hash_ ^= hashes_[order_.back()];
      order_.pop_back();
    }
    first_ = choice.first;
    last_invoked_ = choice.last_invoked;
    TakeNextBranch();
    return true;
  }

  // False when this point was reached before.
  bool Remember() {
    const auto [begin, end] = memory_.equal_range(hash_);
    for (auto at = begin; at != end; ++at) {
      if (at->second.is_placed == is_placed_ && model_->Same(at->second.state, state_)) {
        return false;
      }
    }
    memory_.emplace(hash_, Memory{is_placed_, state_});
    return true;
  }

  void NoteDeadEnd(const std::vector<size_t>& candidates) {
    if (found_.stuck.empty() || order_.size() > found_.order.size()) {
      found_.order = order_;
      found_.state = state_;
      found_.stuck = candidates;
    }
  }

  Linearization<State> Finish(Verdict verdict) {
    found_.verdict = verdict;
    found_.order = std::move(order_);
    found_.state = std::move(state_);
    return std::move(found_);
  }

  const Model* const model_;
  const std::vector<Interval>* const calls_;
  const uint64_t steps_max_;
  std::vector<uint64_t> hashes_;

  std::vector<bool> is_placed_;
  uint64_t hash_ = 0;  // of is_placed_
  State state_;
  std::vector<size_t> order_;
  size_t first_ = 0;          // all before are placed or over
  int64_t last_invoked_ = 0;  // the latest of the placed calls
  std::vector<Choice> choices_;
  std::unordered_multimap<uint64_t, Memory> memory_;
  Linearization<State> found_;
};

}  // namespace socle::linearizability

#endif  // SOCLE_TESTS_LINEARIZABILITY_LINEARIZER_H_
